"""Reads Okta for the tools: one object or a page of rows, projected, bounded, with a cursor.

All tool families share one `Reader`. It knows paths, shapes and cursors, and nothing of a single
tool. It never rebuilds a next link and never gives a cursor that would lose rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from okta_mcp.okta.api import OktaApi, OktaPage
from okta_mcp.okta.errors import OktaError, OktaUnavailableError
from okta_mcp.okta.ids import InvalidArgumentError
from okta_mcp.okta.paging import Parameter, path_of, same_list, target_of
from okta_mcp.tools.answers import ToolError, compact_json
from okta_mcp.tools.call import current_call
from okta_mcp.tools.cursors import Cursors
from okta_mcp.tools.projection import Shape, project

DEFAULT_LIMIT = 50
# The text stands in an answer twice, as text and structured: together they stay below 2 MB.
MAX_ANSWER_BYTES = 800_000

After = Annotated[str | None, Field(description="next_cursor of the last answer")]
Fields = Literal["default", "full"]
Text = Annotated[str | None, Field(max_length=1024)]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that a tool asks for.

    `filter_example` is a correct expression for this list, shown when Okta refuses one;
    `one_page` says why there is no second page although rows may be missing.
    """

    tool: str
    path: str
    shape: Shape
    params: Mapping[str, Parameter]
    after: str | None = None
    filter_example: str | None = None
    one_page: str | None = None


class Reader:
    """`okta` is None if the server has no credentials for the Okta API."""

    def __init__(self, okta: OktaApi | None, cursors: Cursors) -> None:
        self._okta = okta
        self._cursors = cursors

    async def one(self, path: str, shape: Shape) -> dict[str, Any]:
        """One object. Raises `OktaError` or `ToolError`."""
        shown = project((await self._page(path)).body, shape)
        if not isinstance(shown, dict):
            raise _not_what_was_asked()
        if len(compact_json(shown).encode()) > MAX_ANSWER_BYTES:
            raise _too_large()
        return shown

    async def rows(self, listing: Listing) -> dict[str, Any]:
        """One page: `items`, `count`, `truncated`, `next_cursor`, and `hint` where one helps."""
        skipped, target = self._place(listing)
        try:
            page = await self._page(target)
        except OktaError as error:
            if error.code == "bad_filter" and listing.filter_example:
                error.details["fix"] = f"a correct example: {listing.filter_example}"
            raise
        if not isinstance(page.body, list):
            raise _not_what_was_asked()
        rows = page.body[skipped:]
        items = _as_many_as_fit(rows, listing.shape)
        place = f"0:{page.next_path}" if page.next_path else None
        if len(items) < len(rows):
            place = f"{skipped + len(items)}:{target}"
        answer: dict[str, Any] = {
            "items": items,
            "count": len(items),
            "truncated": place is not None,
            "next_cursor": place and self._cursors.seal(place, _binding(listing.tool)),
        }
        limit = listing.params.get("limit")
        if listing.one_page and place is None and isinstance(limit, int) and len(rows) >= limit:
            answer |= {"truncated": True, "hint": listing.one_page}
        return answer

    async def page(self, target: str) -> OktaPage:
        """A page of Okta's own rows, for reports that work through many; raises as `rows` does.

        What is shown of it must pass a shape or `clean_text` first.
        """
        return await self._page(target)

    async def raw(self, path: str, params: Mapping[str, Parameter] | None = None) -> dict[str, Any]:
        """One object of Okta's as it is; the same holds."""
        body = (await self._page(target_of(path, params))).body
        if not isinstance(body, dict):
            raise _not_what_was_asked()
        return body

    async def id_of_user(self, user: str) -> str:
        """The id of the user at a path segment, for the places where Okta takes no login."""
        found = (await self.raw(f"/api/v1/users/{user}")).get("id")
        if not isinstance(found, str):
            raise _not_what_was_asked()
        return found

    def query_of(self, listing: Listing) -> str:
        """The query that a listing really asks for: its own, or the one that its cursor keeps."""
        return self._place(listing)[1].partition("?")[2]

    def _place(self, listing: Listing) -> tuple[int, str]:
        """How many rows of which page were already given."""
        if not listing.after:
            return 0, target_of(listing.path, listing.params)
        try:
            place = self._cursors.open(listing.after, _binding(listing.tool))
            skipped, _, target = place.partition(":")
            if not same_list(listing.path, path_of(target)):
                raise ValueError("the cursor of another object")
            return int(skipped), target
        except ValueError as reason:
            raise InvalidArgumentError(
                "after",
                "after is no cursor of this list",
                "use the cursor that the previous answer gave as `next_cursor`, with the same tool"
                " and the same object",
            ) from reason

    async def _page(self, target: str) -> OktaPage:
        if self._okta is None:
            raise ToolError(
                "not_configured",
                "this server has no credentials for the Okta API; set OKTA_API_TOKEN",
                "an administrator sets OKTA_API_TOKEN and starts the server again",
            )
        call = current_call.get()
        await call.reach_okta()
        page = await self._okta.follow(target, caller=call.caller)
        if page.request_id:
            call.okta_request_ids.append(page.request_id)
        return page


def _as_many_as_fit(rows: list[Any], shape: Shape) -> list[Any]:
    items: list[Any] = []
    size = 0
    for row in rows:
        item = project(row, shape)
        if not isinstance(item, dict):
            raise _not_what_was_asked()
        size += len(compact_json(item).encode()) + 1
        if size > MAX_ANSWER_BYTES:
            if not items:
                raise _too_large()
            break
        items.append(item)
    return items


def _binding(tool: str) -> str:
    return f"{tool}|{current_call.get().user_id}"


def _not_what_was_asked() -> OktaError:
    return OktaUnavailableError(
        "upstream_malformed",
        "Okta's answer is not of the expected form",
        details={"fix": "ask again; an administrator checks OKTA_ORG_URL"},
    )


def _too_large() -> ToolError:
    return ToolError(
        "answer_too_large",
        "one object alone is larger than an answer may be",
        "ask for it with fields=default",
    )
