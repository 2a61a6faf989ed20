"""The Management API of the stand-in organisation: what Okta answers under /api/v1, read only.

Called by the sandbox's application, which brings the context. Every request passes the same steps
in the same order: token, rate limit, method, scope, then the endpoint's own query. It must behave
like Okta and never like our client. Source: Okta's API reference of each endpoint.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NoReturn, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox import filters, logs
from okta_mcp.sandbox.directory import Organisation, Row
from okta_mcp.sandbox.rates import Rates, Spent, unlimited

_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_POLICY_TYPES: Final = frozenset(
    "OKTA_SIGN_ON PASSWORD MFA_ENROLL IDP_DISCOVERY ACCESS_POLICY PROFILE_ENROLLMENT"
    " POST_AUTH_SESSION ENTITY_RISK SESSION_VIOLATION_DETECTION DEVICE_SIGNAL_COLLECTION"
    " CLIENT_UPDATE IDENTITY_CLAIM_SOURCING".split()
)
_SUMMARIES: Final = {
    "E0000006": (403, "You do not have permission to perform the requested action"),
    "E0000011": (401, "Invalid token provided"),
    "E0000022": (405, "The endpoint does not support the provided HTTP method"),
    "E0000047": (429, "API call exceeded rate limit due to too many requests."),
}


class Context(Protocol):
    """What the running sandbox lends; `organisation` may be another one after a reset."""

    @property
    def organisation(self) -> Organisation: ...
    @property
    def now(self) -> Callable[[], float]: ...
    @property
    def api_token(self) -> str: ...
    @property
    def rates(self) -> Rates | None: ...
    @property
    def base_url(self) -> str: ...
    @property
    def bearer_scopes(self) -> Callable[[str], tuple[str, frozenset[str]] | None]:
        """From a person's own access token to that person's id and the scopes granted to it."""
        ...


class OktaError(Exception):
    """An answer in Okta's error form; `causes` become errorCauses."""

    def __init__(self, status: int, code: str, summary: str, causes: Iterable[str] = ()) -> None:
        super().__init__(summary)
        self.status, self.code, self.summary, self.causes = status, code, summary, tuple(causes)
        self.headers: dict[str, str] = {}


def _error(code: str) -> OktaError:
    status, summary = _SUMMARIES[code]
    return OktaError(status, code, summary)


def _not_found(what: str, kind: str) -> OktaError:
    return OktaError(404, "E0000007", f"Not found: Resource not found: {what} ({kind})")


def _invalid(parameter: str, cause: str) -> NoReturn:
    summary = f"Api validation failed: {parameter}"
    raise OktaError(400, "E0000001", summary, [f"{parameter}: {cause}"])


def management_routes(context: Context) -> list[Route]:
    """Every path under /api/v1; one that Okta does not have is answered as Okta does."""
    api = _Management(context)
    table: tuple[tuple[str, str, _Handler], ...] = (
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
        ("{unknown:path}", "", api.unknown),
    )
    return [
        Route(f"/api/v1/{path}", api.guarded(f"okta.{family}.read", handler), methods=_METHODS)
        for path, family, handler in table
    ]


_Handler = Callable[[Request], Response]


class _Management:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._cursor_key = secrets.token_bytes(32)

    @property
    def _org(self) -> Organisation:
        return self._context.organisation

    def guarded(self, scope: str, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint behind the steps that all endpoints share."""

        async def endpoint(request: Request) -> Response:
            spent = unlimited(self._context.now())
            try:
                request.state.caller, granted = self._caller(request)
                spent = self._spend(request)
                if not spent.allowed:
                    raise _error("E0000047")
                if handler == self.unknown:
                    raise OktaError(404, *_unknown())
                if request.method != "GET":
                    raise _error("E0000022")
                self._permit(request.state.caller, granted, scope)
                response = handler(request)
            except OktaError as error:
                response = _refusal(error)
            except (filters.FilterError, logs.LogQueryError) as error:
                response = _refusal(OktaError(400, error.code, error.summary))
            response.headers.update(spent.headers())
            response.headers["X-Okta-Request-Id"] = secrets.token_hex(16)
            response.headers["Cache-Control"] = "no-cache, no-store"
            return response

        return endpoint

    def _caller(self, request: Request) -> tuple[str, frozenset[str] | None]:
        """Who calls (a user id), and the scopes of a bearer token; None for an API token."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind == "SSWS" and secrets.compare_digest(
            token.encode(), self._context.api_token.encode()
        ):
            # An API token belongs to the administrator who made it.
            owner = self._org.user("nora.super")
            return (owner["id"] if owner else "", None)
        known = self._context.bearer_scopes(token) if kind == "Bearer" else None
        if known is None:
            raise _error("E0000011")
        return known

    def _spend(self, request: Request) -> Spent:
        rates = self._context.rates
        if rates is None:
            return unlimited(self._context.now())
        return rates.spend(request.headers["authorization"], request.url.path)

    def _permit(self, caller: str, granted: frozenset[str] | None, scope: str) -> None:
        """A person's own token needs the scope, and the person an administrator's role.

        The three role groups carry Okta's administrator roles in this organisation.
        """
        if granted is None:
            return
        refusal = _error("E0000006")
        if scope not in granted:
            refusal.headers["WWW-Authenticate"] = (
                f'Bearer authorization_uri="{self._context.base_url}/oauth2/v1/authorize",'
                f' realm="{self._context.base_url}", scope="{scope}",'
                ' error="insufficient_scope", error_description="The access token provided does'
                ' not contain the required scopes."'
            )
            raise refusal
        if caller in self._org.users and self._org.role_of(caller) is None:
            raise refusal

    def unknown(self, _: Request) -> Response:
        raise OktaError(404, *_unknown())

    def users(self, request: Request) -> Response:
        query = request.query_params
        limit = _limit(request, 200, 200)
        rows = list(self._org.users.values())
        if "search" in query:
            rows = self._searched(rows, query["search"], filters.USERS_SEARCH)
            rows = _sorted(rows, query.get("sortBy"), query.get("sortOrder"))
        elif "filter" in query:
            rows = self._searched(rows, query["filter"], filters.USERS_FILTER)
        else:
            rows = [row for row in rows if row["status"] != "DEPROVISIONED"]
        if "q" in query and not {"search", "filter"} & query.keys():
            names = ("firstName", "lastName", "email")
            rows = [row for row in rows if _begins(row["profile"], names, query["q"])]
            limit = _limit(request, 10, 200)
            return self._listed(request, [self._user(row, request) for row in rows[:limit]])
        return self._paged(request, rows, limit, lambda row: self._user(row, request))

    def user(self, request: Request) -> Response:
        return JSONResponse(self._user(self._found_user(request), request, single=True))

    def user_groups(self, request: Request) -> Response:
        user = self._found_user(request)
        rows = [self._group(row, request) for row in self._org.groups_of(user["id"])]
        return self._listed(request, rows)

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
        return self._listed(request, rows)

    def factors(self, request: Request) -> Response:
        key = request.path_params["user"]
        if key not in self._org.users:
            raise _not_found(key, "User")
        base = f"users/{key}/factors"
        rows = self._org.factors.get(key, [])
        return self._listed(request, [row | self._links(f"{base}/{row['id']}") for row in rows])

    def groups(self, request: Request) -> Response:
        query = request.query_params
        rows = list(self._org.groups.values())
        if "search" in query:
            rows = self._searched(rows, query["search"], filters.GROUPS_SEARCH)
            rows = _sorted(rows, query.get("sortBy"), query.get("sortOrder"))
        elif "filter" in query:
            rows = self._searched(rows, query["filter"], filters.GROUPS_FILTER)
        elif "q" in query:
            rows = [row for row in rows if _begins(row["profile"], ("name",), query["q"])]
            limit = _limit(request, 300, 10_000)
            return self._listed(request, [self._group(row, request) for row in rows[:limit]])
        limit = _limit(request, 10_000, 10_000)
        return self._paged(request, rows, limit, lambda row: self._group(row, request))

    def group(self, request: Request) -> Response:
        return JSONResponse(self._group(self._found(request, "group"), request))

    def group_users(self, request: Request) -> Response:
        members = self._org.members[self._found(request, "group")["id"]]
        rows = [self._org.users[key] for key in sorted(members)]
        limit = _limit(request, 1000, 1000)
        return self._paged(request, rows, limit, lambda row: self._user(row, request))

    def apps(self, request: Request) -> Response:
        query = request.query_params
        rows = list(self._org.apps.values())
        if "filter" in query:
            assigned = [
                row
                | {
                    "user": [{"id": key} for key in self._org.assignments(row["id"])],
                    "group": [{"id": key} for key in self._org.app_groups[row["id"]]],
                }
                for row in rows
            ]
            kept = self._searched(assigned, query["filter"], filters.APPS_FILTER)
            rows = [self._org.apps[row["id"]] for row in kept]
        if "q" in query:
            rows = [row for row in rows if _begins(row, ("name", "label"), query["q"])]
        person = query.get("expand", "")
        if person and (not person.startswith("user/") or "user.id" not in query.get("filter", "")):
            _invalid("expand", "user/{id} is allowed with a filter on user.id only")
        limit = _limit(request, 20, 200)
        shown = person.removeprefix("user/")
        return self._paged(request, rows, limit, lambda row: self._app(row, shown))

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

        return self._paged(request, rows, _limit(request, 50, 500), shown)

    def app_groups(self, request: Request) -> Response:
        app = self._found(request, "app")
        expand = request.query_params.get("expand") == "group"

        def shown(row: Row) -> Row:
            row = row | self._links(f"apps/{app['id']}/groups/{row['id']}")
            group = self._org.groups[row["id"]]
            return row | {"_embedded": {"group": self._group(group, request)}} if expand else row

        rows = list(self._org.app_groups[app["id"]].values())
        return self._paged(request, rows, _limit(request, 20, 200, least=20), shown)

    def logs(self, request: Request) -> Response:
        query = dict(request.query_params)
        test = filters.parse(query["filter"], filters.LOGS_FILTER) if "filter" in query else _any
        after = None
        if "after" in query:
            position, since = self._position(request, 2)
            after = int(position), float(since)
        page = logs.select(self._org.events, query, self._context.now(), test, after)
        # `after` stands for `since`: the two never go together.
        kept = {name: value for name, value in query.items() if name != "since"}
        position_next = None if page.position is None else (page.position, page.since)
        return self._listed(request, page.events, position_next, kept)

    def policies(self, request: Request) -> Response:
        kind = request.query_params.get("type")
        if kind is None:
            raise OktaError(
                400, "E0000028", "The request is missing a required parameter.", ["type"]
            )
        if kind not in _POLICY_TYPES:
            _invalid("type", "Invalid policy type")
        status = request.query_params.get("status")
        q = request.query_params.get("q", "")
        rows = [
            row
            for row in self._org.policies.values()
            if row["type"] == kind
            and status in (None, row["status"])
            and _begins(row, ("name",), q)
        ]
        return self._paged(request, rows, _limit(request, 200, 200), self._policy)

    def policy(self, request: Request) -> Response:
        return JSONResponse(self._policy(self._found(request, "policy")))

    def rules(self, request: Request) -> Response:
        policy = self._found(request, "policy")["id"]
        rows = self._org.rules[policy]
        limit = _limit(request, 200, 200)
        return self._paged(request, rows, limit, lambda row: self._rule(policy, row))

    def rule(self, request: Request) -> Response:
        policy = self._found(request, "policy")["id"]
        for row in self._org.rules[policy]:
            if row["id"] == request.path_params["rule"]:
                return JSONResponse(self._rule(policy, row))
        raise _not_found(request.path_params["rule"], "PolicyRule")

    def zones(self, request: Request) -> Response:
        rows = list(self._org.zones.values())
        if "filter" in request.query_params:
            rows = self._searched(rows, request.query_params["filter"], filters.ZONES_FILTER)
        # The default of -1 is "all of them".
        limit = len(rows) or 1
        if request.query_params.get("limit", "-1") != "-1":
            limit = _limit(request, limit, 200)
        return self._paged(
            request, rows, limit, lambda row: row | self._links(f"zones/{row['id']}")
        )

    def _found_user(self, request: Request) -> Row:
        wanted = request.path_params["user"]
        user = self._org.user(request.state.caller if wanted == "me" else wanted)
        if user is None:
            raise _not_found(wanted, "User")
        return user

    def _found(self, request: Request, kind: str) -> Row:
        key = request.path_params[kind]
        table, name = {
            "group": (self._org.groups, "UserGroup"),
            "app": (self._org.apps, "AppInstance"),
            "policy": (self._org.policies, "Policy"),
        }[kind]
        if key not in table:
            raise _not_found(key, name)
        return table[key]

    def _searched(self, rows: list[Row], expression: str, grammar: filters.Grammar) -> list[Row]:
        test = filters.parse(expression, grammar)
        return [row for row in rows if test(row)]

    def _links(self, path: str, **others: str) -> Row:
        base = f"{self._context.base_url}/api/v1/"
        named = {"self": path, **others}
        return {"_links": {name: {"href": base + target} for name, target in named.items()}}

    def _user(self, row: Row, request: Request, *, single: bool = False) -> Row:
        key = row["id"]
        shown = row | self._links(f"users/{key}")
        options = request.headers.get("content-type", "")
        if "omitCredentials" in options.replace("omitCredentialsLinks", ""):
            del shown["credentials"]
        if single and "omitCredentialsLinks" not in options:
            reset = f"users/{key}/lifecycle/reset_password"
            shown |= self._links(f"users/{key}", resetPassword=reset)
        return shown

    def _group(self, row: Row, request: Request) -> Row:
        path = f"groups/{row['id']}"
        shown = row | self._links(path, users=f"{path}/users", apps=f"{path}/apps")
        if request.query_params.get("expand") == "stats":
            stats = {"usersCount": len(self._org.members[row["id"]])}
            shown["_embedded"] = {"stats": stats}
        return shown

    def _app(self, row: Row, user_id: str = "") -> Row:
        path = f"apps/{row['id']}"
        policy = f"policies/{row['accessPolicy']}"
        links = self._links(
            path, users=f"{path}/users", groups=f"{path}/groups", accessPolicy=policy
        )
        shown = {name: value for name, value in row.items() if name != "accessPolicy"} | links
        assignment = self._org.assignments(row["id"]).get(user_id)
        return shown | {"_embedded": {"user": assignment}} if assignment else shown

    def _policy(self, row: Row) -> Row:
        path = f"policies/{row['id']}"
        return row | self._links(path, rules=f"{path}/rules", mappings=f"{path}/mappings")

    def _rule(self, policy: str, row: Row) -> Row:
        return row | self._links(f"policies/{policy}/rules/{row['id']}")

    def _paged(
        self, request: Request, rows: list[Row], limit: int, shown: Callable[[Row], Row]
    ) -> Response:
        start = 0
        if "after" in request.query_params:
            start = int(self._position(request, 1)[0])
        end = start + limit
        following = (end,) if end < len(rows) else None
        return self._listed(request, [shown(row) for row in rows[start:end]], following)

    def _listed(
        self,
        request: Request,
        rows: list[Row],
        following: tuple[int | float, ...] | None = None,
        kept: dict[str, str] | None = None,
    ) -> Response:
        """A list with its Link headers, each on a line of its own as Okta sends them."""
        response = JSONResponse(rows)
        url = f"{self._context.base_url}{request.url.path}"
        own = f"{url}?{request.url.query}" if request.url.query else url
        response.headers.append("Link", f'<{own}>; rel="self"')
        if following is not None:
            query = dict(request.query_params) if kept is None else kept
            query["after"] = self._cursor(request.url.path, following)
            response.headers.append("Link", f'<{url}?{urlencode(query)}>; rel="next"')
        return response

    def _cursor(self, path: str, position: tuple[int | float, ...]) -> str:
        text = json.dumps(position).encode()
        return base64.urlsafe_b64encode(self._seal(path, text) + text).decode().rstrip("=")

    def _position(self, request: Request, parts: int) -> list[Any]:
        sealed = request.query_params["after"]
        try:
            plain = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except (binascii.Error, ValueError):
            _invalid("after", "invalid cursor")
        seal, text = plain[:16], plain[16:]
        if not hmac.compare_digest(seal, self._seal(request.url.path, text)):
            _invalid("after", "invalid cursor")
        position: list[Any] = json.loads(text)
        if len(position) != parts:
            _invalid("after", "invalid cursor")
        return position

    def _seal(self, path: str, text: bytes) -> bytes:
        return hmac.digest(self._cursor_key, path.encode() + b"\n" + text, hashlib.sha256)[:16]


def _unknown() -> tuple[str, str]:
    return "E0000022", _SUMMARIES["E0000022"][1]


def _refusal(error: OktaError) -> Response:
    body = {
        "errorCode": error.code,
        "errorSummary": error.summary,
        "errorLink": error.code,
        "errorId": "oae" + secrets.token_urlsafe(16),
        "errorCauses": [{"errorSummary": cause} for cause in error.causes],
    }
    return JSONResponse(body, error.status, headers=error.headers)


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


def _limit(request: Request, default: int, most: int, least: int = 1) -> int:
    given = request.query_params.get("limit")
    if given is None:
        return default
    if not given.isascii() or not given.isdecimal() or not least <= int(given) <= most:
        _invalid("limit", f"'limit' must be between {least} and {most}")
    return int(given)
