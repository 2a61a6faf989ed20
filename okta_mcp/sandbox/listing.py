"""Lists as Okta answers them: a page of rows, Link headers, and a cursor that only Okta can make.

Called by the endpoints of the Management API. A cursor holds the place of the last row that was
shown, never a number of rows: what is added or deleted meanwhile moves no other row to another
page. Source: Okta's "Link headers"; okta-facts 2.1.
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

Place = list[Any]
Order = Callable[[Row], Place]

_SEAL_BYTES = 16
_HIGHEST = 0x10FFFF


def by_id(row: Row) -> Place:
    """The order of every list that asks for no other."""
    return [row["id"]]


def by_priority(row: Row) -> Place:
    return [row["priority"], row["id"]]


def by_value(value_of: Callable[[Row], str], *, descending: bool) -> Order:
    """By a text, then by id; rows without a text stand last in both directions."""

    def place(row: Row) -> Place:
        value = value_of(row)
        shown = _mirrored(value) if descending else value
        return [not value, shown, row["id"]]

    return place


def _mirrored(text: str) -> str:
    # The highest character at the end puts "ab" before "a", as a falling order needs it.
    return "".join(chr(_HIGHEST - ord(character)) for character in text) + chr(_HIGHEST)


class Listing:
    """Pages of the organisation at `base_url`; cursors are good for this process only."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._cursor_key = secrets.token_bytes(32)

    def paged(
        self,
        request: Request,
        rows: list[Row],
        limit: int,
        shown: Callable[[Row], Row],
        order: Order = by_id,
    ) -> Response:
        """The page of `rows` that the request asks for, each row as `shown` makes it."""
        page, following = self.page(request, rows, limit, order)
        return self.listed(request, [shown(row) for row in page], following)

    def page(
        self, request: Request, rows: list[Row], limit: int, order: Order = by_id
    ) -> tuple[list[Row], Place | None]:
        """The rows of the page, and the place that the next one follows; None at the end."""
        ordered = sorted(rows, key=order)
        after = self.position(request)
        if after is not None:
            if ordered and len(after) != len(order(ordered[0])):
                raise invalid("after", "the cursor belongs to another order")
            ordered = [row for row in ordered if after < order(row)]
        page = ordered[:limit]
        return page, order(page[-1]) if len(ordered) > limit else None

    def listed(
        self,
        request: Request,
        rows: list[Row],
        following: Place | None = None,
        without: str = "after",
    ) -> Response:
        """These rows, with a next link to what follows, less one query parameter.

        Each Link header is a line of its own, as Okta sends them.
        """
        response = JSONResponse(rows)
        url = f"{self._base_url}{request.url.path}"
        own = f"{url}?{request.url.query}" if request.url.query else url
        response.headers.append("Link", f'<{own}>; rel="self"')
        if following is not None:
            following_url = self.next_url(request, following, without)
            response.headers.append("Link", f'<{following_url}>; rel="next"')
        return response

    def next_url(self, request: Request, following: Place, without: str = "after") -> str:
        """The address of the page that follows, with everything else the request asked for."""
        query = {name: v for name, v in request.query_params.items() if name != without}
        query["after"] = self._cursor(request.url.path, following)
        return f"{self._base_url}{request.url.path}?{urlencode(query)}"

    def position(self, request: Request) -> Place | None:
        """What the cursor of the request holds, None without one. Raises OktaError if forged."""
        sealed = request.query_params.get("after")
        if sealed is None:
            return None
        try:
            plain = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except ValueError as error:
            raise invalid("after", "invalid cursor") from error
        seal, text = plain[:_SEAL_BYTES], plain[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(request.url.path, text)):
            raise invalid("after", "invalid cursor")
        position: Place = json.loads(text)
        return position

    def _cursor(self, path: str, position: Place) -> str:
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
