"""The Management API of the stand-in organisation: what Okta answers under /api/v1, read only.

Called by the sandbox's application, which brings the context; `access` stands before every endpoint
and `listing` makes the pages. It must behave like Okta and never like our client. Source: Okta's
API reference of each endpoint.
"""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox import filters, logs
from okta_mcp.sandbox.access import Access, Context, Handler
from okta_mcp.sandbox.directory import Organisation, Row
from okta_mcp.sandbox.errors import fixed, invalid, not_found
from okta_mcp.sandbox.listing import Listing, limit_of

_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_POLICY_TYPES: Final = frozenset(
    "OKTA_SIGN_ON PASSWORD MFA_ENROLL IDP_DISCOVERY ACCESS_POLICY PROFILE_ENROLLMENT"
    " POST_AUTH_SESSION ENTITY_RISK SESSION_VIOLATION_DETECTION DEVICE_SIGNAL_COLLECTION"
    " CLIENT_UPDATE IDENTITY_CLAIM_SOURCING".split()
)


def management_routes(context: Context) -> list[Route]:
    """Every path under /api/v1; one that Okta does not have is answered as Okta does."""
    api = _Management(context)
    table: tuple[tuple[str, str, Handler], ...] = (
        ("users", "users", api.users),
        ("users/{user}", "users", api.user),
        ("users/{user}/groups", "users", api.user_groups),
        ("users/{user}/appLinks", "users", api.app_links),
        ("users/{user}/factors", "users", api.factors),
        ("groups", "groups", api.groups),
        ("groups/{group}", "groups", api.group),
        ("groups/{group}/users", "groups", api.group_users),
        ("apps", "apps", api.apps),
        ("apps/{app}", "apps", api.app),
        ("apps/{app}/users", "apps", api.app_users),
        ("apps/{app}/groups", "apps", api.app_groups),
        ("logs", "logs", api.logs),
        ("policies", "policies", api.policies),
        ("policies/{policy}", "policies", api.policy),
        ("policies/{policy}/rules", "policies", api.rules),
        ("policies/{policy}/rules/{rule}", "policies", api.rule),
        ("zones", "networkZones", api.zones),
    )
    guarded = Access(context).guarded
    return [
        *(
            Route(f"/api/v1/{path}", guarded(f"okta.{family}.read", handler), methods=_METHODS)
            for path, family, handler in table
        ),
        Route("/api/v1/{unknown:path}", guarded(None, api.users), methods=_METHODS),
    ]


class _Management:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._listing = Listing(context.base_url)

    @property
    def _org(self) -> Organisation:
        return self._context.organisation

    def users(self, request: Request) -> Response:
        rows = list(self._org.users.values())
        if not {"search", "filter"} & request.query_params.keys():
            rows = [row for row in rows if row["status"] != "DEPROVISIONED"]
        grammars = (filters.USERS_SEARCH, filters.USERS_FILTER)
        names = ("firstName", "lastName", "email")
        return self._queried(
            request, rows, grammars, names, (10, 200, 200), lambda row: self._user(row, request)
        )

    def user(self, request: Request) -> Response:
        return JSONResponse(self._user(self._found_user(request), request))

    def user_groups(self, request: Request) -> Response:
        user = self._found_user(request)
        return self._listing.listed(
            request, list(map(self._group, self._org.groups_of(user["id"])))
        )

    def app_links(self, request: Request) -> Response:
        user = self._found_user(request)
        rows: list[Row] = []
        for app in self._org.apps.values():
            assignment = self._org.assignments(app["id"]).get(user["id"])
            hidden = app["visibility"]["hide"]["web"]
            if assignment is None or hidden or app["status"] != "ACTIVE":
                continue
            rows.append(
                {
                    "id": user["id"],
                    "label": app["label"],
                    "linkUrl": f"{self._context.base_url}/home/{app['name']}/{app['id']}/1",
                    "logoUrl": f"{self._context.base_url}/assets/{app['name']}.png",
                    "appName": app["name"],
                    "appInstanceId": app["id"],
                    "appAssignmentId": assignment["id"],
                    "credentialsSetup": False,
                    "hidden": False,
                    "sortOrder": len(rows),
                }
            )
        return self._listing.listed(request, rows)

    def factors(self, request: Request) -> Response:
        key = request.path_params["user"]
        if key not in self._org.users:
            raise not_found(key, "User")
        base = f"users/{key}/factors"
        rows = self._org.factors.get(key, [])
        return self._listing.listed(
            request, [row | self._links(f"{base}/{row['id']}") for row in rows]
        )

    def groups(self, request: Request) -> Response:
        rows = list(self._org.groups.values())
        grammars = (filters.GROUPS_SEARCH, filters.GROUPS_FILTER)
        limits = (300, 10_000, 10_000)
        return self._queried(request, rows, grammars, ("name",), limits, self._group)

    def group(self, request: Request) -> Response:
        return JSONResponse(self._group(self._found(request, "group")))

    def group_users(self, request: Request) -> Response:
        members = self._org.members[self._found(request, "group")["id"]]
        rows = [self._org.users[key] for key in sorted(members)]
        limit = limit_of(request, 1000, 1000)
        return self._listing.paged(request, rows, limit, lambda row: self._user(row, request))

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
            kept = self._searched(rows, query["filter"], filters.APPS_FILTER)
            rows = [self._org.apps[row["id"]] for row in kept]
        if "q" in query:
            rows = [row for row in rows if _begins(row, ("name", "label"), query["q"])]
        return self._listing.paged(request, rows, limit_of(request, 20, 200), self._app)

    def app(self, request: Request) -> Response:
        return JSONResponse(self._app(self._found(request, "app")))

    def app_users(self, request: Request) -> Response:
        app = self._found(request, "app")
        rows = [row for _, row in sorted(self._org.assignments(app["id"]).items())]
        if "q" in request.query_params:
            q = request.query_params["q"].casefold()
            rows = [row for row in rows if row["credentials"]["userName"].startswith(q)]
        expand = request.query_params.get("expand") == "user"

        def shown(row: Row) -> Row:
            row = row | self._links(f"apps/{app['id']}/users/{row['id']}")
            user = self._org.users[row["id"]]
            return row | {"_embedded": {"user": self._user(user, request)}} if expand else row

        return self._listing.paged(request, rows, limit_of(request, 50, 500), shown)

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
            if _begins(self._org.groups[key]["profile"], ("name",), q)
        ]
        return self._listing.paged(request, rows, limit_of(request, 20, 200, least=20), shown)

    def logs(self, request: Request) -> Response:
        query = dict(request.query_params)
        test = filters.parse(query["filter"], filters.LOGS_FILTER) if "filter" in query else _any
        after = None
        if "after" in query:
            position, since = self._listing.position(request, 2)
            after = int(position), float(since)
        page = logs.select(self._org.events, query, self._context.now(), test, after)
        following = None if page.position is None else (page.position, page.since)
        # `after` stands for `since`: the two never go together.
        return self._listing.listed(request, page.events, following, without="since")

    def policies(self, request: Request) -> Response:
        kind = request.query_params.get("type")
        if kind is None:
            raise fixed("E0000028", causes=["type"])
        if kind not in _POLICY_TYPES:
            raise invalid("type", "Invalid policy type")
        rows = [row for row in self._org.policies.values() if row["type"] == kind]
        return self._listing.paged(request, rows, limit_of(request, 200, 200), self._policy)

    def policy(self, request: Request) -> Response:
        return JSONResponse(self._policy(self._found(request, "policy")))

    def rules(self, request: Request) -> Response:
        policy = self._found(request, "policy")["id"]
        rows = self._org.rules[policy]
        limit = limit_of(request, 200, 200)
        return self._listing.paged(request, rows, limit, lambda row: self._rule(policy, row))

    def rule(self, request: Request) -> Response:
        policy = self._found(request, "policy")["id"]
        for row in self._org.rules[policy]:
            if row["id"] == request.path_params["rule"]:
                return JSONResponse(self._rule(policy, row))
        raise not_found(request.path_params["rule"], "PolicyRule")

    def zones(self, request: Request) -> Response:
        rows = list(self._org.zones.values())
        if "filter" in request.query_params:
            rows = self._searched(rows, request.query_params["filter"], filters.ZONES_FILTER)
        # The default of -1 is "all of them".
        limit = len(rows) or 1
        if request.query_params.get("limit", "-1") != "-1":
            limit = limit_of(request, limit, 200)
        return self._listing.paged(
            request, rows, limit, lambda row: row | self._links(f"zones/{row['id']}")
        )

    def _found_user(self, request: Request) -> Row:
        wanted = request.path_params["user"]
        user = self._org.user(request.state.caller if wanted == "me" else wanted)
        if user is None:
            raise not_found(wanted, "User")
        return user

    def _found(self, request: Request, kind: str) -> Row:
        key = request.path_params[kind]
        table, name = {
            "group": (self._org.groups, "UserGroup"),
            "app": (self._org.apps, "AppInstance"),
            "policy": (self._org.policies, "Policy"),
        }[kind]
        if key not in table:
            raise not_found(key, name)
        return table[key]

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
        if "search" in query:
            rows = self._searched(rows, query["search"], grammars[0])
            rows = _sorted(rows, query.get("sortBy"), query.get("sortOrder"))
        elif "filter" in query:
            rows = self._searched(rows, query["filter"], grammars[1])
        elif "q" in query:
            rows = [row for row in rows if _begins(row["profile"], names, query["q"])]
            rows = rows[: limit_of(request, few, most)]
            return self._listing.listed(request, [shown(row) for row in rows])
        return self._listing.paged(request, rows, limit, shown)

    def _searched(self, rows: list[Row], expression: str, grammar: filters.Grammar) -> list[Row]:
        test = filters.parse(expression, grammar)
        return [row for row in rows if test(row)]

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

    def _policy(self, row: Row) -> Row:
        path = f"policies/{row['id']}"
        return row | self._links(path, rules=f"{path}/rules")

    def _rule(self, policy: str, row: Row) -> Row:
        return row | self._links(f"policies/{policy}/rules/{row['id']}")


def _any(_: Row) -> bool:
    return True


def _begins(row: Row, names: tuple[str, ...], prefix: str) -> bool:
    return any(row[name].casefold().startswith(prefix.casefold()) for name in names)


def _sorted(rows: list[Row], by: str | None, order: str | None) -> list[Row]:
    """In Okta's order of a search: by id unless told, rows without the value last."""

    def key(row: Row) -> str:
        found = next(filters.values_at(row, by or "id"), None)
        return "" if found is None else str(found).casefold()

    present = [row for row in rows if key(row)]
    descending = by is not None and (order or "asc").casefold().startswith("desc")
    present.sort(key=lambda row: row["id"])
    present.sort(key=key, reverse=descending)
    return present + [row for row in rows if not key(row)]
