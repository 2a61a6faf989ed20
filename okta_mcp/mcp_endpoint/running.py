"""A tool call while it runs: it ends when its caller hangs up, and says how far it is.

The tools note in the record of the call how far they are. A caller that sent a `progressToken`
hears of it every two seconds, also while the call only waits for Okta's rate limit, because a
client may give up on a call from which it hears nothing. The answer then is an event stream on the
call's own POST (MCP "Streamable HTTP" and "Progress"); a call that ends sooner is answered as JSON
like any other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.types import Message as AsgiMessage
from starlette.types import Send

from okta_mcp.compact_json import compact_json
from okta_mcp.mcp_endpoint.messages import Message
from okta_mcp.tools.call import Progress

PROGRESS_SECONDS = 2.0

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # Some web proxies would keep the notifications back until the end.
    (b"x-accel-buffering", b"no"),
]


class HungUpError(Exception):
    """The caller closed the connection, which is how a call is cancelled."""


def progress_token(request: Request, message: Message) -> str | int | None:
    """The token under which a caller wants to hear of a call's progress, and can."""
    meta = message.params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    wants_stream = "text/event-stream" in request.headers.get("accept", "")
    is_token = isinstance(token, str | int) and not isinstance(token, bool)
    return token if message.method == "tools/call" and is_token and wants_stream else None


async def run_call(
    dispatch: Callable[[Send], Awaitable[None]],
    request: Request,
    send: Send,
    token: str | int | None,
    progress: Progress,
) -> list[AsgiMessage]:
    """Runs `dispatch`; what is left to send when it has ended. Raises `HungUpError`."""
    answer: list[AsgiMessage] = []

    async def collect(message: AsgiMessage) -> None:
        answer.append(message)

    async def dispatched() -> None:
        await dispatch(collect)

    call = asyncio.create_task(dispatched())
    try:
        # What asks nobody is done by now, and nobody can hang up in between.
        await asyncio.sleep(0)
        if call.done():
            call.result()
            return answer
        return await _watched(call, answer, request, send, token, progress)
    finally:
        if not call.done():
            call.cancel()
            await asyncio.wait({call})


async def _watched(
    call: asyncio.Task[None],
    answer: list[AsgiMessage],
    request: Request,
    send: Send,
    token: str | int | None,
    progress: Progress,
) -> list[AsgiMessage]:
    """What is left to send when `call`, which puts its answer into `answer`, has ended."""
    gone = asyncio.create_task(_hung_up(request))
    try:
        if await _done(call, gone, PROGRESS_SECONDS if token is not None else None):
            return answer
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        said = 0.0
        while True:
            # The number must grow with every notification, also while nothing else does.
            said = max(float(progress.done), said + 0.01)
            await send(_event(_notification(token, said, progress)))
            if await _done(call, gone, PROGRESS_SECONDS):
                break
        body = b"".join(message.get("body", b"") for message in answer)
        return [{"type": "http.response.body", "body": _framed(body), "more_body": False}]
    finally:
        gone.cancel()
        await asyncio.wait({gone})


async def _done(call: asyncio.Task[None], gone: asyncio.Task[None], seconds: float | None) -> bool:
    """Whether the call has ended within `seconds`; raises what it raised, and `HungUpError`."""
    await asyncio.wait({call, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if call.done():
        call.result()
        return True
    if gone.done():
        raise HungUpError
    return False


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _notification(token: str | int | None, said: float, progress: Progress) -> dict[str, Any]:
    params: dict[str, Any] = {"progressToken": token, "progress": said, "message": progress.doing}
    if progress.total is not None:
        params["total"] = progress.total
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def _event(notification: dict[str, Any]) -> AsgiMessage:
    body = _framed(compact_json(notification))
    return {"type": "http.response.body", "body": body, "more_body": True}


def _framed(body: bytes) -> bytes:
    # JSON as it is written here has no line breaks, which would end the field.
    return b"event: message\ndata: " + body + b"\n\n"
