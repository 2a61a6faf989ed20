"""How /mcp answers: JSON that nobody keeps, and the same words for what cannot be answered now."""

from collections.abc import Sequence
from typing import Any

from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS
from starlette.requests import Request
from starlette.types import Message as AsgiMessage
from starlette.types import Send

from okta_mcp.compact_json import compact_json
from okta_mcp.mcp_endpoint.bearer import BearerError
from okta_mcp.mcp_endpoint.messages import UNAVAILABLE, RequestId, error_body
from okta_mcp.mcp_endpoint.revisions import is_modern

HeaderPairs = Sequence[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")
_UNKEPT = (b"cache-control", b"no-store")


class Answer:
    """The connection, whether an answer has begun on it, and to the message of which id."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False
        self.to: RequestId = None

    async def __call__(self, message: AsgiMessage) -> None:
        self.has_begun = True
        await self._send(message)


async def send_json(
    send: Send,
    body: dict[str, Any] | list[Any] | bytes,
    *,
    status: int = 200,
    headers: HeaderPairs = (),
) -> None:
    """An answer as a whole; bytes are JSON already."""
    content = body if isinstance(body, bytes) else compact_json(body)
    length = (b"content-length", b"%d" % len(content))
    sent = [_JSON, length, _UNKEPT, *headers]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": content})


async def send_refusal(send: Send, request: Request, refusal: dict[str, Any]) -> None:
    """A JSON-RPC error with its code's status in the revisions that give codes one, else 200.

    What is behind answers so too: a refused tool must look like one that does not exist.
    """
    code = refusal["error"]["code"]
    status = ERROR_CODE_HTTP_STATUS.get(code, 200) if is_modern(request) else 200
    await send_json(send, refusal, status=status)


async def send_unauthorized(send: Send, error: BearerError) -> None:
    """The challenge of RFC 6750 and RFC 9728."""
    body = {"error": error.code, "error_description": error.reason}
    challenge = (b"www-authenticate", error.challenge.encode("latin-1"))
    await send_json(send, body, status=error.status, headers=[challenge])


async def send_later(
    send: Send, text: str, retry_after_seconds: int, asked: RequestId, *, status: int = 503
) -> None:
    """What is asked for cannot be done now."""
    body = error_body(UNAVAILABLE, text, asked)
    retry_after = (b"retry-after", str(retry_after_seconds).encode())
    await send_json(send, body, status=status, headers=[retry_after])
