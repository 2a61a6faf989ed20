"""JSON-RPC as it arrives and as refusals are written (MCP base protocol, JSON-RPC 2.0)."""

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from okta_mcp.nesting import is_deeper

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
UNAVAILABLE = -32000

LONGEST_BATCH = 50

_DEEPEST = 64

RequestId = str | int | None


class MessageError(Exception):
    """The body is no message that this server takes; answered with HTTP 400."""

    def __init__(self, code: int, message: str, request_id: RequestId = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Message:
    """One request or notification; `raw` is what is handed on."""

    method: str
    params: dict[str, Any]
    request_id: RequestId
    raw: dict[str, Any]

    @property
    def is_notification(self) -> bool:
        """Whether no answer is expected."""
        return "id" not in self.raw

    def text_param(self, name: str) -> str:
        """A parameter that must be text; raises `MessageError`."""
        value = self.params.get(name)
        if not isinstance(value, str):
            raise MessageError(INVALID_REQUEST, f"params.{name} must be text", self.request_id)
        return value


def parsed(body: bytes) -> Message | tuple["Message | MessageError", ...]:
    """The message of a body, or the elements of a batch in their order; raises `MessageError`.

    An element of a batch that is no message is the error with which it is answered.
    """
    try:
        # From bytes, json would also take other encodings, and halves of surrogate pairs.
        raw = _DECODER.decode(body.decode("utf-8-sig"))
        if b"\\u" in body:
            # Half a surrogate pair is legal JSON and no text: no answer could repeat it.
            json.dumps(raw, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise MessageError(PARSE_ERROR, "the body is not JSON") from None
    if not isinstance(raw, list):
        return _message(raw)
    if not 1 <= len(raw) <= LONGEST_BATCH:
        raise MessageError(INVALID_REQUEST, f"a batch has 1 to {LONGEST_BATCH} messages")
    return tuple(_element(element) for element in raw)


def _element(raw: Any) -> "Message | MessageError":
    try:
        message = _message(raw)
    except MessageError as error:
        return error
    if message.method == "initialize":
        return MessageError(INVALID_REQUEST, "initialize stands alone", message.request_id)
    return message


def _message(raw: Any) -> Message:
    if not isinstance(raw, dict) or raw.get("jsonrpc") != "2.0" or is_deeper(raw, _DEEPEST):
        raise MessageError(INVALID_REQUEST, "the body is not a JSON-RPC 2.0 message")
    request_id = raw.get("id")
    # JSON-RPC allows null too, and MCP does not: what is behind takes it for a notification.
    is_id = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    if "id" in raw and not is_id:
        raise MessageError(INVALID_REQUEST, "id must be text or an integer")
    method, params = raw.get("method"), raw.get("params", {})
    if not isinstance(method, str) or not isinstance(params, dict):
        raise MessageError(INVALID_REQUEST, "method and params are missing or wrong", request_id)
    if ("id" in raw) == method.startswith("notifications/"):
        raise MessageError(INVALID_REQUEST, "a request has an id, a notification none", request_id)
    return Message(method, params, request_id, raw)


def error_body(code: int, message: str, request_id: RequestId, data: Any = None) -> dict[str, Any]:
    """An error answer."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def _finite(text: str) -> float:
    """A number too large for a float would become infinite, which is no JSON when written."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
