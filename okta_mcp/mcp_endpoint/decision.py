"""What a person may do at /mcp, message by message, before anything is dispatched.

The policy decides by name; a refused tool, resource or prompt is answered in exactly the words for
one that does not exist, from here, so nothing behind can make a difference visible. Methods that
are not listed do not exist.
"""

from dataclasses import dataclass
from typing import Any

from okta_mcp.mcp_endpoint.messages import INVALID_PARAMS, METHOD_NOT_FOUND, Message, error_body
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.principal import Principal

# Methods that show or use something that depends on the role.
ROLE_METHODS = frozenset(
    "tools/list tools/call resources/list resources/templates/list resources/read prompts/list"
    " prompts/get".split()
)
_OTHER_METHODS = frozenset("initialize ping server/discover logging/setLevel".split())


@dataclass(frozen=True, slots=True)
class Verdict:
    """`answer` is the refusal to send, None to dispatch; `event` and the rest go to the audit."""

    answer: dict[str, Any] | None = None
    event: str | None = None
    reason: str | None = None
    subject: str | None = None


def verdict(message: Message, principal: Principal, policy: Policy) -> Verdict:
    """The decision about one message of `principal`."""
    method = message.method
    if message.is_notification or method in _OTHER_METHODS:
        return Verdict()
    if method not in ROLE_METHODS:
        answer = error_body(METHOD_NOT_FOUND, "Method not found", message.request_id, method)
        return Verdict(answer)
    role = principal.decision.role if principal.decision else None
    if method == "tools/list":
        return Verdict(event="tools.listed")
    if method == "tools/call":
        name = message.text_param("name")
        decision = policy.decision("tools", name, role, principal.scopes)
        if decision.allowed:
            return Verdict(event="tool.called", subject=name)
        answer = error_body(INVALID_PARAMS, f"Unknown tool: {name}", message.request_id)
        return Verdict(answer, "tool.refused", decision.reason, name)
    if method == "resources/read":
        uri = message.text_param("uri")
        decision = policy.decision("resources", uri, role, principal.scopes)
        if decision.allowed:
            return Verdict(event="resource.read", subject=uri)
        answer = error_body(
            INVALID_PARAMS, f"Resource not found: {uri!r}", message.request_id, {"uri": uri}
        )
        return Verdict(answer, "resource.refused", decision.reason, uri)
    return Verdict()
