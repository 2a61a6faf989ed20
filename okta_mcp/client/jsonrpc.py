"""JSON-RPC messages as the bridge sees them: bytes to hand on, and the few fields it must look at.

Called by `bridge` and `upstream`. JSON-RPC 2.0. A message travels as it was written: only line ends
between its tokens become blanks, because on stdio a line is a message. Nothing here knows what a
method means.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
# JSON-RPC 2.0 section 5.1 leaves -32000 and below to the implementation.
BRIDGE_ERROR = -32000

_ID = rb'"id"\s*:\s*(-?[0-9]{1,18}|"[^"\\\x00-\x1f]{0,200}")'
# Fields that common writers put before `params`; whatever else there is, this is the outer `id`.
_ID_FIRST = re.compile(
    rb'\s*\{\s*(?:"(?:jsonrpc|method)"\s*:\s*"[^"\\\x00-\x1f]*"\s*,\s*){0,2}' + _ID + rb"\s*,"
)
_ID_LAST = re.compile(_ID + rb'(?:\s*,\s*"jsonrpc"\s*:\s*"2\.0")?\s*\}\s*\Z')


class MessageError(ValueError):
    """What was read is no JSON-RPC message; `code` is JSON-RPC's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `raw` is one line of JSON without its end, `body` the same, read."""

    raw: bytes
    body: dict[str, Any]

    @property
    def method(self) -> str | None:
        """The method of a request or notification."""
        method = self.body.get("method")
        return method if isinstance(method, str) else None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by name; empty if there are none."""
        params = self.body.get("params")
        return params if isinstance(params, dict) else {}

    @property
    def key(self) -> str | None:
        """The id in a form that tells "1" from 1; None for a notification and for an id of null."""
        return id_key(self.body.get("id"))

    @property
    def is_request(self) -> bool:
        return self.method is not None and "id" in self.body

    @property
    def is_response(self) -> bool:
        return self.method is None

    @property
    def result(self) -> dict[str, Any] | None:
        """The result of a response that succeeded."""
        result = self.body.get("result")
        return result if isinstance(result, dict) else None

    def answering(self, request: "Message") -> "Message":
        """This error with the id of `request`: a server that could not read the id says null."""
        return written({**self.body, "id": request.body["id"]})


def id_key(request_id: object) -> str | None:
    """The id as JSON, or None if it is none that a request may have."""
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float):
        return None
    return json.dumps(request_id)


def read_messages(raw: bytes) -> list[Message]:
    """The message of a line or body, or those of a batch (revision 2025-03-26).

    Raises:
        MessageError: not JSON, or not JSON-RPC.
    """
    try:
        content = json.loads(raw.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MessageError(PARSE_ERROR, "This is not JSON.") from None
    if isinstance(content, list) and content:
        return [_checked(written(element)) for element in content]
    # Valid JSON has line ends between tokens only, so that this changes no value.
    return [_checked(Message(raw.strip().replace(b"\r", b" ").replace(b"\n", b" "), content))]


def written(body: Any) -> Message:
    """A message that is written here."""
    return Message(json.dumps(body, separators=(",", ":")).encode(), body)


def error_line(request_id: object, code: int, text: str) -> bytes:
    """The error response to `request_id`, or to nobody in particular (None)."""
    error = {"code": code, "message": text}
    return written({"jsonrpc": "2.0", "id": request_id, "error": error}).raw


def id_of_oversize(head: bytes, tail: bytes) -> object:
    """The id of a message too large to be read, from its beginning and end; None if not there."""
    found = _ID_FIRST.match(head) or _ID_LAST.search(tail)
    return json.loads(found.group(1)) if found else None


def _checked(message: Message) -> Message:
    body: object = message.body
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise MessageError(INVALID_REQUEST, "This is not a JSON-RPC 2.0 message.")
    if message.is_request and message.key is None:
        raise MessageError(INVALID_REQUEST, "The id of a request is a string or a number.")
    if message.is_response and not ("id" in body and ("result" in body or "error" in body)):
        raise MessageError(INVALID_REQUEST, "This is neither a request nor an answer.")
    return message


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
