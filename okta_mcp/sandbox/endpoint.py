"""What the endpoints of the Management API share: how rows are found, chosen and shown.

The base of the classes in `people`, `applications`, `policies`, `administration`, `devices` and
`logs`; each method of theirs is one endpoint that `management` puts behind `access`.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.sandbox import filters
from okta_mcp.sandbox.access import Context
from okta_mcp.sandbox.directory import Organisation, Row
from okta_mcp.sandbox.errors import not_found
from okta_mcp.sandbox.listing import Listing, Order, by_id, by_value, limit_of


class Endpoints:
    """Endpoints over one context; the organisation may be another one after a reset."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._listing = Listing(context.base_url)

    @property
    def _org(self) -> Organisation:
        return self._context.organisation

    def _links(self, path: str, **others: str) -> Row:
        base = f"{self._context.base_url}/api/v1/"
        named = {"self": path, **others}
        return {"_links": {name: {"href": base + target} for name, target in named.items()}}

    def _user(self, row: Row, request: Request) -> Row:
        shown = row | self._links(f"users/{row['id']}")
        options = request.headers.get("content-type", "")
        if "omitCredentials" in options.replace("omitCredentialsLinks", ""):
            del shown["credentials"]
        return shown

    def _group(self, row: Row) -> Row:
        path = f"groups/{row['id']}"
        return row | self._links(path, users=f"{path}/users", apps=f"{path}/apps")

    def _app(self, row: Row) -> Row:
        path = f"apps/{row['id']}"
        policy = f"policies/{row['accessPolicy']}"
        links = self._links(
            path, users=f"{path}/users", groups=f"{path}/groups", accessPolicy=policy
        )
        return {name: value for name, value in row.items() if name != "accessPolicy"} | links

    def _found(self, request: Request, kind: str) -> Row:
        """The row that the path names by its id; most paths take nothing else."""
        key = request.path_params[kind]
        table, name = {
            "user": (self._org.users, "User"),
            "group": (self._org.groups, "UserGroup"),
            "app": (self._org.apps, "AppInstance"),
            "policy": (self._org.policies, "Policy"),
        }[kind]
        if key not in table:
            raise not_found(key, name)
        return table[key]

    def _found_user(self, request: Request) -> Row:
        """The person that the path names by id, login, short name or `me`."""
        wanted = request.path_params["user"]
        user = self._org.user(request.state.caller if wanted == "me" else wanted)
        if user is None:
            raise not_found(wanted, "User")
        return user

    def _queried(
        self,
        request: Request,
        rows: list[Row],
        grammars: tuple[filters.Grammar, filters.Grammar],
        names: tuple[str, ...],
        limits: tuple[int, int, int],
        shown: Callable[[Row], Row],
    ) -> Response:
        """By `search`, `filter` or `q`, the first that is given; `q` finds by prefix, never pages.

        `limits` are the default with `q`, the default without, and the most.
        """
        query, (few, usual, most) = request.query_params, limits
        limit = limit_of(request, usual, most)
        order: Order = by_id
        if "search" in query:
            rows = searched(rows, query["search"], grammars[0])
            if "sortBy" in query:
                order = _search_order(query["sortBy"], query.get("sortOrder", "asc"))
        elif "filter" in query:
            rows = searched(rows, query["filter"], grammars[1])
        elif "q" in query:
            rows = [row for row in rows if begins(row["profile"], names, query["q"])]
            rows = sorted(rows, key=by_id)[: limit_of(request, few, most)]
            return self._listing.listed(request, [shown(row) for row in rows])
        return self._listing.paged(request, rows, limit, shown, order)


def searched(rows: list[Row], expression: str, grammar: filters.Grammar) -> list[Row]:
    """The rows that an expression holds for. Raises OktaError."""
    test = filters.parse(expression, grammar)
    return [row for row in rows if test(row)]


def begins(row: Row, names: tuple[str, ...], prefix: str) -> bool:
    """Whether one of these attributes begins with the text, in whatever case."""
    return any(row[name].casefold().startswith(prefix.casefold()) for name in names)


def _search_order(by: str, order: str) -> Order:
    def value_of(row: Row) -> str:
        found = next(filters.values_at(row, by), None)
        return "" if found is None else str(found).casefold()

    return by_value(value_of, descending=order.casefold().startswith("desc"))
