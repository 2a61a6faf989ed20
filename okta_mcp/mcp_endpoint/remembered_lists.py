"""Lists as FastMCP made them before, for whoever would get the same one again.

A list depends on the method, the revision, and what the policy lets this kind of principal see: its
role, its scopes and its groups for servers behind the gateway. All that is the key; the policy
itself does not change while the process lives. What the servers behind have listed is compared at
each use. The endpoint asks here only after its checks, so a list is remembered and a right never.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

import msgspec
from starlette.requests import Request
from starlette.types import Message as AsgiMessage

from okta_mcp.compact_json import compact_json
from okta_mcp.mcp_endpoint.direct import has_usual_form
from okta_mcp.mcp_endpoint.messages import Message, RequestId
from okta_mcp.mcp_endpoint.revisions import VERSION_HEADER
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.principal import Principal

# Method, revision, role, scopes, groups.
Key: TypeAlias = tuple[str, str | None, str | None, frozenset[str] | None, tuple[str, ...]]

_METHODS = frozenset("tools/list resources/list resources/templates/list prompts/list".split())
_PARAMS = frozenset({"_meta"})
# Of each kind of person a few. Our own largest list has 45 KB; how long those of servers behind the
# gateway are is theirs to say.
_MOST = 128
_MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Remembered:
    """The `result` as JSON, and how many tools such a principal sees."""

    result: bytes
    tools: int | None
    made_from: tuple[object, ...]

    def answer(self, request_id: RequestId) -> bytes:
        """The answer to a request of that id."""
        id_ = compact_json(request_id)
        return b'{"jsonrpc":"2.0","id":' + id_ + b',"result":' + self.result + b"}"


class RememberedLists:
    """The lists of one process."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._kept: OrderedDict[Key, Remembered] = OrderedDict()
        self._bytes = 0

    def key(self, request: Request, message: Message, principal: Principal) -> Key | None:
        """Under which the answer may be remembered; None where it may say something else."""
        if message.method not in _METHODS or not has_usual_form(request, message, _PARAMS):
            return None
        version = request.headers.get(VERSION_HEADER)
        groups = principal.server_groups
        return (message.method, version, principal.role, principal.scopes, groups)

    def get(self, key: Key | None) -> Remembered | None:
        """What was kept, unless a server behind lists something else by now."""
        kept = self._kept.get(key) if key is not None else None
        if key is None or kept is None or kept.made_from != self._policy.behind.listed:
            return None
        self._kept.move_to_end(key)
        return kept

    def keep(
        self,
        key: Key,
        answer: Sequence[AsgiMessage],
        made_from: tuple[object, ...],
        tools: int | None,
    ) -> None:
        """`answer` is FastMCP's; `made_from` is what servers behind had listed before it."""
        if not answer or answer[0].get("status") != HTTPStatus.OK:
            return
        body = b"".join(part.get("body", b"") for part in answer)
        result = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get("result")
        if result is None:
            return
        before = self._kept.pop(key, None)
        self._kept[key] = Remembered(bytes(result), tools, made_from)
        self._bytes += len(result) - (len(before.result) if before is not None else 0)
        while len(self._kept) > _MOST or self._bytes > _MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.result)
