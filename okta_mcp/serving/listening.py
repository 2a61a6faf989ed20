"""The sockets of the server, and uvicorn on them."""

import errno
import socket

import uvicorn
from starlette.applications import Starlette

from okta_mcp.ops.http_protocol import http_protocol
from okta_mcp.ops.stopping import Stopping, StoppingServer
from okta_mcp.settings import Settings, SettingsError

# Calls have had their time when the connections are closed (see ops/stopping.py).
_CLOSE_SECONDS = 1
_IDLE_SECONDS = 15


def serve_app(
    settings: Settings, app: Starlette, listeners: list[socket.socket], stopping: Stopping
) -> None:
    """Serve until the process is told to stop."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        # Whose address a request has is not for strangers to say.
        proxy_headers=False,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        http=http_protocol(),
        ws="none",
    )
    StoppingServer(config, stopping).run(sockets=listeners)


def listeners_of(settings: Settings) -> list[socket.socket]:
    """A socket for each address of the host: `localhost` is 127.0.0.1 and, where it exists, ::1.

    Raises `SettingsError`.
    """
    found = {
        (family, address[0])
        for family, _, _, _, address in socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    }
    listeners: list[socket.socket] = []
    refused = ""
    for family, address in sorted(found):
        try:
            listener = socket.create_server(
                (str(address), settings.port), family=family, backlog=1024
            )
            # asyncio sets this only on sockets that name their protocol, which these do not;
            # without it each small answer on a kept connection waits for the peer's next packet.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listeners.append(listener)
        except OSError as error:
            # A name may stand for an address that this machine does not have (::1); a port that
            # another program has on one of them would send people there.
            if error.errno != errno.EADDRNOTAVAIL:
                refused = error.strerror or "refused"
    if refused or not listeners:
        for listener in listeners:
            listener.close()
        raise SettingsError(
            [
                f"--port: cannot listen on {settings.host} port {settings.port}:"
                f" {refused or 'no such address here'}. Example: --port 3011"
            ]
        )
    return listeners
