"""Users, their factors and dashboards, groups and group rules, as the Management API shows them.

Routed by `management`. Source: Okta's Users, User Factors, Groups and Group Rules APIs.
"""

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.sandbox import filters
from okta_mcp.sandbox.directory import Row
from okta_mcp.sandbox.endpoint import Endpoints
from okta_mcp.sandbox.listing import limit_of


class People(Endpoints):
    """Endpoints under /users and /groups that are about people."""

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
        user = self._found_user(request)
        shown = self._user(user, request)
        if request.query_params.get("expand") == "blocks":
            locked = {"type": "DEVICE_BASED", "appliesTo": "UNKNOWN_DEVICES"}
            blocks = [locked] if user["status"] == "LOCKED_OUT" else []
            shown["_embedded"] = {"blocks": blocks}
        return JSONResponse(shown)

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
        base = f"users/{self._found(request, 'user')['id']}/factors"
        rows = self._org.factors.get(request.path_params["user"], [])
        return self._listing.listed(
            request, [row | self._links(f"{base}/{row['id']}") for row in rows]
        )

    def groups(self, request: Request) -> Response:
        rows = list(self._org.groups.values())
        counted = request.query_params.get("expand") == "stats"

        def shown(row: Row) -> Row:
            return self._group(row) | ({"_embedded": self._stats(row["id"])} if counted else {})

        grammars = (filters.GROUPS_SEARCH, filters.GROUPS_FILTER)
        return self._queried(request, rows, grammars, ("name",), (300, 10_000, 10_000), shown)

    def _stats(self, group: str) -> Row:
        apps = sum(group in groups for groups in self._org.app_groups.values())
        counts = {"usersCount": len(self._org.members[group]), "appsCount": apps}
        return {"stats": counts | {"hasAdminPrivlege": group in self._org.roles}}

    def group(self, request: Request) -> Response:
        return JSONResponse(self._group(self._found(request, "group")))

    def group_users(self, request: Request) -> Response:
        members = self._org.members[self._found(request, "group")["id"]]
        rows = [self._org.users[key] for key in members]
        limit = limit_of(request, 1000, 1000)
        return self._listing.paged(request, rows, limit, lambda row: self._user(row, request))

    def group_rules(self, request: Request) -> Response:
        wanted = request.query_params.get("search", "").casefold()
        rows = [
            row
            for row in self._org.group_rules.values()
            if wanted in f"{row['name']} {row['conditions']['expression']['value']}".casefold()
        ]
        named = request.query_params.get("expand") == "groupIdToGroupNameMap"
        return self._listing.paged(
            request,
            rows,
            limit_of(request, 50, 200),
            lambda row: row | {"_embedded": self._named(row)} if named else row,
        )

    def _named(self, rule: Row) -> Row:
        """Names of the groups that a rule speaks of; one that was deleted has none."""
        spoken = re.findall(r"00g\w{17}", rule["conditions"]["expression"]["value"])
        keys = [*rule["actions"]["assignUserToGroups"]["groupIds"], *spoken]
        groups = self._org.groups
        names = {key: groups[key]["profile"]["name"] for key in keys if key in groups}
        return {"groupIdToGroupNameMap": names}
