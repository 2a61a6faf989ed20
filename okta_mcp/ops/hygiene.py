"""ASGI middleware around everything: the headers of every answer, and which hosts are answered.

A host that is not this server's is a page that tries to reach it under a name of its own (DNS
rebinding), or a typing error; both are told the URL to use.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from okta_mcp.settings import is_loopback, origin_of
from okta_mcp.stores.watched import store_time

# No form-action: browsers apply it to the redirects after a form, which lead to Okta and to the
# private schemes of clients.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HSTS = "max-age=31536000; includeSubDomains"
# As browsers write it: urlsplit also finds a loopback name in x@localhost and [::1].evil.example.
_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_STORE_SECONDS = 1.5
_UNKEPT = (b"cache-control", b"no-store")
_FOR_ANYBODY = frozenset({"/health", "/health/ready"})


class SecurityHeaders:
    """Adds what a browser must know about any answer; HTML is never kept."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        headers = {
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "content-security-policy": CONTENT_SECURITY_POLICY,
            # same-origin, because with no-referrer a browser sends `Origin: null` with our forms.
            "referrer-policy": "same-origin",
        }
        if is_https:
            headers["strict-transport-security"] = _HSTS
        self._pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._names = frozenset(name for name, _ in self._pairs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._with_ours(message.get("headers", ()))
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)

    def _with_ours(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers of an answer with these in the place of any of the same name."""
        kept, is_kept_out = [], False
        for pair in headers:
            name = pair[0].lower()
            if name not in self._names:
                kept.append(pair)
            is_kept_out |= name == b"cache-control"
        kept += self._pairs
        if not is_kept_out:
            kept.append(_UNKEPT)
        return kept


class StoreTime:
    """Bounds what each request may spend with the store, so that it is answered in two seconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with store_time(_STORE_SECONDS):
            await self._app(scope, receive, send)


class KnownHosts:
    """Answers 421 to a `Host` that is not this server's, except for the health checks.

    While `public_url` is loopback every loopback name is known, with any port; /mcp is stricter,
    because clients compare its URL byte for byte.
    """

    def __init__(self, app: ASGIApp, *, public_url: str, allowed_hosts: Iterable[str]) -> None:
        self._app = app
        self._public_url = public_url
        self._is_local = is_loopback(urlsplit(public_url).hostname or "")
        self._known = {host.lower() for host in (urlsplit(public_url).netloc, *allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _FOR_ANYBODY:
            await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and self._is_known(hosts[0].decode("latin-1").lower(), scope["path"]):
            await self._app(scope, receive, send)
            return
        url = f"{self._public_url}/mcp" if scope["path"] == "/mcp" else self._public_url
        body = {"error": "misdirected_request", "error_description": f"use {url}"}
        await JSONResponse(body, status_code=421)(scope, receive, send)

    def _is_known(self, host: str, path: str) -> bool:
        if host in self._known:
            return True
        return self._is_local and path != "/mcp" and _LOOPBACK.fullmatch(host) is not None


def is_allowed_origin(origin: str, *, public_url: str, allowed_origins: Iterable[str]) -> bool:
    """Whether a page of `origin` may call /mcp: our own, a listed one, and, while this server
    itself is on loopback, every loopback page."""
    if origin == origin_of(public_url) or origin in allowed_origins:
        return True
    scheme, _, host = origin.partition("://")
    is_page_here = scheme in ("http", "https") and _LOOPBACK.fullmatch(host) is not None
    return is_page_here and is_loopback(urlsplit(public_url).hostname or "")
