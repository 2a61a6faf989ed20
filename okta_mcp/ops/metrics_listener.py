"""The port on which Prometheus reads: `GET /metrics`, and nothing else.

It has no login, so it is a port of its own, on loopback unless its administrator says otherwise.
The socket is opened at the start, so that a port in use ends the start; the application's lifespan
serves it, in the same event loop and under the same limits as the main port.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from okta_mcp.ops.http_protocol import ConnectionLimits, http_protocol
from okta_mcp.ops.metrics import CONTENT_TYPE, Metrics
from okta_mcp.settings import SettingsError, is_loopback

_LIMITS = ConnectionLimits(head_seconds=5, body_seconds=5, connections=20)
_GRACE_SECONDS = 2

log = logging.getLogger("okta_mcp")


def metrics_socket(host: str, port: int) -> socket.socket:
    """Listens on `port`; raises `SettingsError` where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=16)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            [
                f"METRICS_LISTEN: cannot listen on {host} port {port}: {error}; name an address of"
                " this machine and a port that is free, of several workers as many in a row."
                " Example: METRICS_LISTEN=127.0.0.1:9464"
            ]
        ) from error
    if not is_loopback(host):
        log.warning(
            "METRICS_LISTEN: whoever reaches %s port %d can read the metrics, which have no login;"
            " let a firewall keep others away, or listen on 127.0.0.1",
            host,
            port,
        )
    return listener


class MetricsListener:
    """Serves `metrics` on `listener` from `start` to `stop`."""

    def __init__(self, metrics: Metrics, listener: socket.socket) -> None:
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                _application(metrics),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                http=http_protocol(_LIMITS),
                ws="none",
            )
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Serve in a task of the running loop."""
        host, port = self._listener.getsockname()[:2]
        log.info("metrics at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, port)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))

    async def stop(self) -> None:
        """Finish what is being answered, and let go of the port."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()


class _Server(uvicorn.Server):
    """A second server of one process: the first one takes the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _application(metrics: Metrics) -> Starlette:
    async def read(request: Request) -> Response:  # noqa: ARG001 - an endpoint
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    return Starlette(routes=[Route("/metrics", read, methods=["GET"])])
