"""Reads Okta for the tools: one object or a page of rows, projected, bounded, with a cursor.

All tool families share one `Reader`. It knows paths, shapes and cursors, and nothing of a single
tool. It never rebuilds a next link and never gives a cursor that would lose rows.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from okta_mcp.compact_json import compact_json
from okta_mcp.okta.api import OktaApi, OktaPage
from okta_mcp.okta.errors import OktaError, OktaUnavailableError
from okta_mcp.okta.ids import InvalidArgumentError
from okta_mcp.okta.paging import Parameter, path_of, same_list, target_of
from okta_mcp.tools.answers import ToolError
from okta_mcp.tools.call import current_call
from okta_mcp.tools.cursors import Cursors
from okta_mcp.tools.expressions import Grammar, check
from okta_mcp.tools.projection import Shape, project

DEFAULT_LIMIT = 50
# The text stands in an answer twice, as text and structured: together they stay below 2 MB.
MAX_ANSWER_BYTES = 800_000
# A list that is chosen from here reads so many pages at most before it answers with what it has.
_READS_A_CALL = 20
# A page that is read again may have changed: the ids of so many rows say where it was left.
_REMEMBERED = 10
# What is one row's own: the `id` of a link on a dashboard is the person's, and one application may
# have several links.
_IDS = ("deviceUserId", "linkUrl", "uuid", "id")

After = Annotated[str | None, Field(description="next_cursor of the last answer")]
Fields = Literal["default", "full"]
Text = Annotated[str | None, Field(max_length=1024)]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that a tool asks for.

    `grammars` check the expressions among `params` before anything is sent. `one_page` says why
    there is no second page although rows may be missing, `if_empty` what to do where nothing is
    found. `then` are queries of the same path that
    are read after the first one; a refusal that `tolerated` names leaves out that query only.

    What Okta cannot choose by itself is chosen here: rows whose top-level texts are those of
    `where` (None: any) and whose `name` holds `named`. Such a list, and one with `then`, is read
    page by page until there are `at_most` rows; its cursor keeps the choice. A list of which Okta
    always gives all is cut to `at_most` too. `prepare` rewrites a row of Okta's before the shape is
    cut from it.
    """

    tool: str
    path: str
    shape: Shape
    params: Mapping[str, Parameter]
    after: str | None = None
    grammars: Mapping[str, Grammar] = field(default_factory=dict)
    one_page: str | None = None
    if_empty: str | None = None
    at_most: int | None = None
    where: Mapping[str, str | None] = field(default_factory=dict)
    named: str | None = None
    then: Sequence[Mapping[str, Parameter]] = ()
    tolerated: frozenset[str] = frozenset()
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None


@dataclass(slots=True)
class _Place:
    """Where a walk through a list is: what of the page `at` was given, and what is still to do.

    `last` are ids of the rows that were looked at last.
    """

    at: str | None
    given: int = 0
    last: list[str] = field(default_factory=list)
    then: list[str] = field(default_factory=list)
    where: dict[str, str] = field(default_factory=dict)
    named: str | None = None
    is_of_many: bool = False

    @property
    def is_walk(self) -> bool:
        """Whether one page may hold few of the rows that were asked for."""
        return bool(self.where or self.named or self.is_of_many)

    def chooses(self, row: Any) -> bool:
        """Whether the row is among those that were asked for."""
        if not isinstance(row, dict):
            return True
        name = row.get("name")
        return all(row.get(key) == wanted for key, wanted in self.where.items()) and (
            self.named is None
            or (isinstance(name, str) and self.named.casefold() in name.casefold())
        )

    def left_off(self, rows: list[Any]) -> int:
        """Where to go on in the page `at`, which may have lost and gained rows since."""
        ids = [_id_of(row) for row in rows]
        if len(set(ids)) < len(ids):
            # Then an id does not tell rows apart, and their number is all there is to go by.
            self.last = []
            return self.given
        for last in reversed(self.last if self.given else []):
            if last in ids:
                return ids.index(last) + 1
        return max(0, self.given - len(self.last))

    def passed(self, row: Any) -> None:
        """The row was given, or is none of those that were asked for."""
        self.given += 1
        self.last = [*self.last, *filter(None, [_id_of(row)])][-_REMEMBERED:]

    def page_done(self, next_path: str | None) -> None:
        """On to the next page, or to what comes after this list."""
        self.given = 0
        if not self.is_walk:
            self.last = []
        self.at = next_path or (self.then.pop(0) if self.then else None)


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
        if len(compact_json(shown)) > MAX_ANSWER_BYTES:
            raise _too_large()
        return shown

    async def rows(self, listing: Listing) -> dict[str, Any]:
        """One page: `items`, `count`, `truncated`, `next_cursor`, and `hint` where one helps.

        `left_out` says which queries of `then` Okta refused.
        """
        notes = [
            note
            for name, grammar in listing.grammars.items()
            if (expression := listing.params.get(name))
            for note in check(str(expression), name, grammar)
        ]
        place = self._place(listing)
        items: list[Any] = []
        left_out: list[dict[str, Any]] = []
        is_full, rows_read, reads = False, 0, 0
        while place.at is not None and not is_full:
            reads += 1
            try:
                page = await self._page(place.at)
            except OktaError as error:
                if error.code in listing.tolerated and place.is_of_many:
                    left_out.append({"query": place.at.partition("?")[2], "code": error.code})
                    place.page_done(None)
                    continue
                raise _explained(error, listing, notes) from error
            if not isinstance(page.body, list):
                raise _not_what_was_asked()
            rows_read = len(page.body)
            is_full = _filled(items, page.body, place, listing)
            if not is_full:
                place.page_done(page.next_path)
            if not place.is_walk or reads >= _READS_A_CALL or len(items) == listing.at_most:
                break
        answer: dict[str, Any] = {
            "items": items,
            "count": len(items),
            "truncated": place.at is not None,
            "next_cursor": place.at
            and self._cursors.seal(json.dumps(asdict(place)), _binding(listing.tool)),
        }
        if left_out:
            answer["left_out"] = left_out
        limit = listing.params.get("limit")
        if listing.one_page and not place.at and isinstance(limit, int) and rows_read >= limit:
            answer |= {"truncated": True, "hint": listing.one_page}
        elif place.is_walk and place.at and not items:
            answer["hint"] = "none so far; go on with next_cursor"
        elif not items and (notes or listing.if_empty):
            told = "; ".join([*notes, *filter(None, [listing.if_empty])])
            answer["hint"] = f"nothing was found, and {told}"
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
        return (self._place(listing).at or "").partition("?")[2]

    def _place(self, listing: Listing) -> _Place:
        """The beginning of the list, or where its cursor says."""
        if not listing.after:
            return _Place(
                target_of(listing.path, listing.params),
                then=[target_of(listing.path, params) for params in listing.then],
                where={name: wanted for name, wanted in listing.where.items() if wanted},
                named=listing.named or None,
                is_of_many=bool(listing.then),
            )
        try:
            place = _Place(**json.loads(self._cursors.open(listing.after, _binding(listing.tool))))
            if place.at is None or not same_list(listing.path, path_of(place.at)):
                raise ValueError("the cursor of another object")
        except ValueError as reason:
            raise InvalidArgumentError(
                "after",
                "after is no cursor of this list",
                "use the cursor that the previous answer gave as `next_cursor`, with the same tool"
                " and the same object",
            ) from reason
        return place

    async def _page(self, target: str) -> OktaPage:
        if self._okta is None:
            raise ToolError(
                "not_configured",
                "this server has no credentials for the Okta API",
                "an administrator sets OKTA_API_TOKEN, or the service application by"
                " OKTA_API_CLIENT_ID and OKTA_API_PRIVATE_KEY_FILE, and starts the server again",
            )
        call = current_call.get()
        await call.reach_okta()
        try:
            page = await self._okta.follow(target, caller=call.caller)
        except OktaError as error:
            # Noted here and nowhere else: a caller may go on without what was refused.
            call.note(error.request_id)
            raise
        call.note(page.request_id)
        return page


def _filled(items: list[Any], rows: list[Any], place: _Place, listing: Listing) -> bool:
    """Adds what is left of a page to `items`; whether the answer is full before its end."""
    size = len(compact_json({"items": items}))
    place.given = place.left_off(rows)
    earlier = frozenset(place.last)
    for row in rows[place.given :]:
        # New rows may have moved one that was given to a later page.
        if _id_of(row) not in earlier and place.chooses(row):
            if listing.at_most is not None and len(items) >= listing.at_most:
                return True
            whole = listing.prepare(row) if listing.prepare and isinstance(row, dict) else row
            item = project(whole, listing.shape)
            if not isinstance(item, dict):
                raise _not_what_was_asked()
            size += len(compact_json(item)) + 1
            if size > MAX_ANSWER_BYTES:
                if not items:
                    raise _too_large()
                return True
            items.append(item)
        place.passed(row)
    return False


def _id_of(row: Any) -> str | None:
    found = [row[name] for name in _IDS if name in row] if isinstance(row, dict) else []
    return found[0] if found and isinstance(found[0], str) else None


def _explained(error: OktaError, listing: Listing, notes: list[str]) -> OktaError:
    """Okta's refusal of an expression with a correct one, and with what may have been meant."""
    grammar = next(
        (listing.grammars[name] for name in listing.grammars if listing.params.get(name)), None
    )
    if error.code == "bad_filter" and grammar:
        error.details["fix"] = "; ".join([*notes, f"a correct example: {grammar.example}"])
    return error


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
