"""Applications and who is assigned to them, as the Management API shows them.

Routed by `management`. Source: Okta's Applications, Application Users and Application Groups APIs.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.sandbox import filters
from okta_mcp.sandbox.directory import Row
from okta_mcp.sandbox.endpoint import Endpoints, begins, searched
from okta_mcp.sandbox.errors import not_found
from okta_mcp.sandbox.listing import by_priority, limit_of


class Applications(Endpoints):
    """Endpoints under /apps, and the applications of a group."""

    def apps(self, request: Request) -> Response:
        query = request.query_params
        rows = list(self._org.apps.values())
        if "filter" in query:
            rows = [
                row
                | {
                    "user": [{"id": key} for key in self._org.assignments(row["id"])],
                    "group": [{"id": key} for key in self._org.app_groups[row["id"]]],
                }
                for row in rows
            ]
            kept = searched(rows, query["filter"], filters.APPS_FILTER)
            rows = [self._org.apps[row["id"]] for row in kept]
        if "q" in query:
            rows = [row for row in rows if begins(row, ("name", "label"), query["q"])]
        kind, _, user = query.get("expand", "").partition("/")

        def shown(row: Row) -> Row:
            assignment = self._org.assignments(row["id"]).get(user) if kind == "user" else None
            if assignment is None:
                return self._app(row)
            return self._app(row) | {"_embedded": {"user": assignment}}

        return self._listing.paged(request, rows, limit_of(request, 20, 200), shown)

    def app(self, request: Request) -> Response:
        return JSONResponse(self._app(self._found(request, "app")))

    def app_users(self, request: Request) -> Response:
        app = self._found(request, "app")["id"]
        q = request.query_params.get("q", "").casefold()
        rows = [
            row
            for row in self._org.assignments(app).values()
            if row["credentials"]["userName"].startswith(q)
        ]
        limit = limit_of(request, 50, 500)
        return self._listing.paged(
            request, rows, limit, lambda row: self._app_user(app, row, request)
        )

    def app_user(self, request: Request) -> Response:
        app, user = self._found(request, "app")["id"], request.path_params["user"]
        assignment = self._org.assignments(app).get(user)
        if assignment is None:
            raise not_found(user, "AppUser")
        return JSONResponse(self._app_user(app, assignment, request))

    def _app_user(self, app: str, row: Row, request: Request) -> Row:
        user = row["id"]
        shown = row | self._links(f"apps/{app}/users/{user}", app=f"apps/{app}")
        if request.query_params.get("expand") == "user":
            shown["_embedded"] = {"user": self._user(self._org.users[user], request)}
        return shown

    def app_groups(self, request: Request) -> Response:
        app = self._found(request, "app")
        expand = request.query_params.get("expand") == "group"

        def shown(row: Row) -> Row:
            row = row | self._links(f"apps/{app['id']}/groups/{row['id']}")
            group = self._org.groups[row["id"]]
            return row | {"_embedded": {"group": self._group(group)}} if expand else row

        q = request.query_params.get("q", "")
        rows = [
            row
            for key, row in self._org.app_groups[app["id"]].items()
            if begins(self._org.groups[key]["profile"], ("name",), q)
        ]
        limit = limit_of(request, 20, 200, least=20)
        return self._listing.paged(request, rows, limit, shown, by_priority)

    def group_apps(self, request: Request) -> Response:
        group = self._found(request, "group")["id"]
        rows = [app for key, app in self._org.apps.items() if group in self._org.app_groups[key]]
        return self._listing.paged(request, rows, limit_of(request, 20, 200), self._app)
