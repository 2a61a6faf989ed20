"""Lists as Okta answers them: a page of rows, Link headers, and a cursor that only Okta can make.

Called by the endpoints of the Management API. Source: Okta's "Link headers"; okta-facts 2.1.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.sandbox.directory import Row
from okta_mcp.sandbox.errors import invalid

_SEAL_BYTES = 16


class Listing:
    """Pages of the organisation at `base_url`; cursors are good for this process only."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._cursor_key = secrets.token_bytes(32)

    def paged(
        self, request: Request, rows: list[Row], limit: int, shown: Callable[[Row], Row]
    ) -> Response:
        """The page of `rows` that the request asks for, each row as `shown` makes it."""
        start = int(self.position(request, 1)[0]) if "after" in request.query_params else 0
        end = start + limit
        following = (end,) if end < len(rows) else None
        return self.listed(request, [shown(row) for row in rows[start:end]], following)

    def listed(
        self,
        request: Request,
        rows: list[Row],
        following: tuple[int | float, ...] | None = None,
        without: str = "after",
    ) -> Response:
        """These rows, with a next link to the position `following`, less one query parameter.

        Each Link header is a line of its own, as Okta sends them.
        """
        response = JSONResponse(rows)
        url = f"{self._base_url}{request.url.path}"
        own = f"{url}?{request.url.query}" if request.url.query else url
        response.headers.append("Link", f'<{own}>; rel="self"')
        if following is not None:
            query = {name: v for name, v in request.query_params.items() if name != without}
            query["after"] = self._cursor(request.url.path, following)
            response.headers.append("Link", f'<{url}?{urlencode(query)}>; rel="next"')
        return response

    def position(self, request: Request, parts: int) -> list[Any]:
        """What stands in the cursor of the request. Raises OktaError for any other text."""
        sealed = request.query_params["after"]
        try:
            plain = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except ValueError as error:
            raise invalid("after", "invalid cursor") from error
        seal, text = plain[:_SEAL_BYTES], plain[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(request.url.path, text)):
            raise invalid("after", "invalid cursor")
        position: list[Any] = json.loads(text)
        if len(position) != parts:
            raise invalid("after", "invalid cursor")
        return position

    def _cursor(self, path: str, position: tuple[int | float, ...]) -> str:
        text = json.dumps(position).encode()
        return base64.urlsafe_b64encode(self._seal(path, text) + text).decode().rstrip("=")

    def _seal(self, path: str, text: bytes) -> bytes:
        sealed = path.encode() + b"\n" + text
        return hmac.digest(self._cursor_key, sealed, hashlib.sha256)[:_SEAL_BYTES]


def limit_of(request: Request, default: int, most: int, least: int = 1) -> int:
    """The limit of the request. Raises OktaError outside `least` to `most`."""
    given = request.query_params.get("limit")
    if given is None:
        return default
    if not given.isascii() or not given.isdecimal() or not least <= int(given) <= most:
        raise invalid("limit", f"'limit' must be between {least} and {most}")
    return int(given)
