"""One MCP session with a server behind: requests, their answers, and what the server says between.

Messages stay plain JSON: what a tool answered travels on as it is. The handshake is that of
2025-11-25 and earlier (`initialize`). The server has nobody to talk to here: what it asks
(sampling, elicitation, roots) is refused as unknown, only `ping` is answered. Nothing of the
caller is sent: no `_meta` but our own progress token, no name, no header.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from okta_mcp import __version__
from okta_mcp.gateway.errors import (
    ServerAnswerTooLargeError,
    ServerRefusedError,
    ServerTimeoutError,
    ServerUnavailableError,
)
from okta_mcp.gateway.link import LONGEST_REASON, MOST_LEVELS, Link, LinkError
from okta_mcp.gateway.servers import Server
from okta_mcp.nesting import is_deeper
from okta_mcp.okta.text import clean_text

PROTOCOL_VERSION = "2025-11-25"
_VERSIONS = (PROTOCOL_VERSION, "2025-06-18", "2025-03-26", "2024-11-05")
_METHOD_NOT_FOUND = -32601
_CANCEL_SECONDS = 5.0
_MOST_ASIDE = 64
# Larger whole numbers are no floats, and nobody counts so far.
_MOST_PROGRESS = 1e15

# How far a call is: done, of how many (None: unknown), what it does.
OnProgress = Callable[[float, float | None, str | None], None]


class Session:
    """The session over `link`; `on_change` hears of each `list_changed`."""

    def __init__(self, server: Server, link: Link, on_change: Callable[[], None]) -> None:
        self._server = server
        self._link = link
        self._on_change = on_change
        self._next_id = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._progress: dict[int, OnProgress] = {}
        self._side: set[asyncio.Task[None]] = set()
        self.capabilities: Mapping[str, Any] = {}
        self.heard = 0
        """How many messages the server has sent: grows while it lives."""

    async def begin(self) -> None:
        """The handshake; raises `LinkError` and what `request` raises."""
        client = {"name": "okta_mcp", "version": __version__}
        params = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client}
        result = await self.request("initialize", params, seconds=self._server.start_seconds)
        if result.get("protocolVersion") not in _VERSIONS:
            raise LinkError("speaks no revision of MCP that is spoken here")
        capabilities = result.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        await self._link.send({"jsonrpc": "2.0", "method": "notifications/initialized"}, {})

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        seconds: float,
        on_progress: OnProgress | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The result; raises `ServerError`. Whoever cancels this cancels it at the server too."""
        self._next_id += 1
        request_id = self._next_id
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if on_progress is not None:
            self._progress[request_id] = on_progress
            params = {**params, "_meta": {"progressToken": request_id}}
        if params:
            message["params"] = params
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            async with asyncio.timeout(seconds):
                await self._link.send(message, headers or {})
                return await answer
        except TimeoutError:
            self._cancel(request_id, "timed out")
            raise ServerTimeoutError(self._server.name, seconds) from None
        except asyncio.CancelledError:
            self._cancel(request_id, "the caller is gone")
            raise
        except LinkError as error:
            raise ServerUnavailableError(self._server.name, str(error)) from None
        finally:
            del self._waiting[request_id]
            self._progress.pop(request_id, None)
            if answer.done() and not answer.cancelled():
                # An error that came when nobody waited any more.
                answer.exception()

    def received(self, message: dict[str, Any]) -> bool:
        """One message of the server; whether it was of any use."""
        self.heard += 1
        method, request_id = message.get("method"), message.get("id")
        if method is None:
            return self._answered(request_id, message)
        if not isinstance(method, str):
            return False
        if request_id is not None:
            # Of use to the server only: who pings without end is to be ended.
            self._refuse(method, request_id)
            return False
        if method == "notifications/progress":
            return self._progressed(message.get("params"))
        if method.endswith("/list_changed"):
            self._on_change()
        return False

    def oversize(self, request_id: int | None) -> None:
        """The answer to a request was too large; None: to any of those that wait."""
        self.heard += 1
        error = ServerAnswerTooLargeError(self._server.name, self._server.largest_bytes)
        for each in [request_id] if request_id is not None else list(self._waiting):
            waiting = self._waiting.get(each)
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)

    def fail(self, reason: str) -> None:
        """The link is over: nothing that waits will be answered."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ServerUnavailableError(self._server.name, reason))
        for task in self._side:
            task.cancel()

    def _answered(self, request_id: object, message: Mapping[str, Any]) -> bool:
        waiting = self._waiting.get(request_id) if isinstance(request_id, int) else None
        if waiting is None or waiting.done():
            return False
        error, result = message.get("error"), message.get("result")
        if isinstance(result, dict) and is_deeper(result, MOST_LEVELS):
            text = f"its answer is nested deeper than {MOST_LEVELS} levels"
            waiting.set_exception(ServerRefusedError(self._server.name, text))
        elif isinstance(result, dict):
            waiting.set_result(result)
        else:
            said = error.get("message") if isinstance(error, dict) else None
            text = said if isinstance(said, str) else "it answered something that is no MCP"
            waiting.set_exception(ServerRefusedError(self._server.name, text))
        return True

    def _progressed(self, params: object) -> bool:
        if not isinstance(params, dict):
            return False
        token, done = params.get("progressToken"), params.get("progress")
        on_progress = self._progress.get(token) if isinstance(token, int) else None
        if on_progress is None or not _is_amount(done):
            return False
        total, doing = params.get("total"), params.get("message")
        on_progress(
            done,
            total if _is_amount(total) else None,
            clean_text(doing, LONGEST_REASON) if isinstance(doing, str) else None,
        )
        return True

    def _refuse(self, method: str, request_id: object) -> None:
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id}
        if method == "ping":
            answer["result"] = {}
        else:
            answer["error"] = {"code": _METHOD_NOT_FOUND, "message": "Method not found"}
        self._aside(answer)

    def _cancel(self, request_id: int, reason: str) -> None:
        params = {"requestId": request_id, "reason": reason}
        self._aside({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    def _aside(self, message: Mapping[str, Any]) -> None:
        """Send without waiting. A server that does not read gets no more of these than a few."""
        if len(self._side) >= _MOST_ASIDE:
            return

        async def sent() -> None:
            with contextlib.suppress(LinkError, TimeoutError):
                async with asyncio.timeout(_CANCEL_SECONDS):
                    await self._link.send(message, {})

        task = asyncio.create_task(sent())
        self._side.add(task)
        task.add_done_callback(self._side.discard)


def _is_amount(value: object) -> TypeGuard[float]:
    """Whether it is a number that every reader of the progress can hold."""
    return isinstance(value, int | float) and abs(value) <= _MOST_PROGRESS
