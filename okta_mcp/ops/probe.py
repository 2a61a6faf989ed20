"""`okta-mcp health`: whether a running server answers, for a supervisor that has no shell.

Asks over HTTP like anybody else, and reads no settings: the health check of a container must be
quick, and needs no secret.
"""

import http.client
import ssl
from urllib.parse import urlsplit


class UnhealthyError(Exception):
    """The server does not answer, or not well; the text says how."""


def ask_health(url: str, *, timeout_seconds: float) -> str:
    """What the server at `url` says of itself; raises `UnhealthyError`.

    A path may follow the origin; without one it is /health. Only 200 counts.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnhealthyError(f"{url} is no URL. Example: http://127.0.0.1:3001/health")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout_seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/health")
        with connection.getresponse() as answer:
            body = answer.read(200).decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnhealthyError(f"{url} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise UnhealthyError(f"{url} answered {answer.status}: {body}")
    return body
