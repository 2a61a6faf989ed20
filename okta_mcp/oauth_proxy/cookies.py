"""The cookies of this server's pages (RFC 6265bis): HttpOnly, SameSite=Lax, host-only, Path=/.

With https every name has the `__Host-` prefix, so that no sibling domain can plant one, and the
bare name is never read. SameSite=Strict would drop them on the way back from Okta.
"""

from starlette.requests import Request
from starlette.responses import Response


class Cookies:
    """Reads, sets and deletes cookies by their short names."""

    def __init__(self, *, is_https: bool) -> None:
        self._is_https = is_https

    def get(self, request: Request, name: str) -> str | None:
        """The value, or None."""
        return request.cookies.get(self._full(name))

    def named(self, request: Request, prefix: str) -> dict[str, str]:
        """The cookies whose short name starts with `prefix`, by what follows it."""
        full = self._full(prefix)
        return {
            name.removeprefix(full): value
            for name, value in request.cookies.items()
            if name.startswith(full)
        }

    def set(self, response: Response, name: str, value: str, *, ttl_seconds: int) -> None:
        """Set for `ttl_seconds`."""
        response.set_cookie(
            self._full(name),
            value,
            max_age=ttl_seconds,
            path="/",
            secure=self._is_https,
            httponly=True,
            samesite="lax",
        )

    def delete(self, response: Response, name: str) -> None:
        """Make the browser forget it."""
        response.delete_cookie(
            self._full(name), path="/", secure=self._is_https, httponly=True, samesite="lax"
        )

    def _full(self, name: str) -> str:
        return f"{'__Host-' if self._is_https else ''}okta_mcp_{name}"
