"""Administrator roles and API tokens, as the Management API shows them.

Routed by `management`. Sources: Okta's User and Group Role Assignments and API Tokens APIs.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.sandbox.directory import Row, identifier
from okta_mcp.sandbox.endpoint import Endpoints
from okta_mcp.sandbox.listing import limit_of

_ORGANISATION = identifier("00o", "Northwind Bank")


class Administration(Endpoints):
    """Endpoints of roles, of those who hold one, and of API tokens."""

    def user_roles(self, request: Request) -> Response:
        user = self._found(request, "user")["id"]
        return self._roles(request, self._org.roles_of(user))

    def group_roles(self, request: Request) -> Response:
        group = self._found(request, "group")["id"]
        return self._roles(request, self._org.roles.get(group, []))

    def assignees(self, request: Request) -> Response:
        """Everybody with a role, direct or by group; pages by a link in the body, not a header."""
        holders = [row for row in self._org.users.values() if self._org.roles_of(row["id"])]
        page, following = self._listing.page(request, holders, limit_of(request, 100, 200))
        value = [
            {
                "id": row["id"],
                "orn": f"orn:okta:directory:{_ORGANISATION}:users:{row['id']}",
                **self._links(f"users/{row['id']}", roles=f"users/{row['id']}/roles"),
            }
            for row in page
        ]
        body: Row = {"value": value, "_links": {}}
        if following is not None:
            body["_links"]["next"] = {"href": self._listing.next_url(request, following)}
        return JSONResponse(body)

    def api_tokens(self, request: Request) -> Response:
        rows = [
            row | {"_link": self._links(f"api-tokens/{row['id']}")["_links"]}
            for row in self._org.api_tokens.values()
        ]
        return self._listing.listed(request, rows)

    def _roles(self, request: Request, rows: list[Row]) -> Response:
        expand = request.query_params.get("expand")
        return self._listing.listed(request, [self._role(row, expand) for row in rows])

    def _role(self, row: Row, expand: str | None) -> Row:
        """An assignment; `assignee` and `targets` of the stored row become links and objects."""
        shown = {name: row[name] for name in row.keys() - {"assignee", "targets"}}
        base = f"{self._context.base_url}/api/v1"
        links = {"assignee": {"href": f"{base}/{row['assignee']}"}}
        if row["type"] == "CUSTOM":
            kinds = {"role": "roles", "resource-set": "resource-sets"}
            links |= {name: {"href": f"{base}/iam/{k}/{row[name]}"} for name, k in kinds.items()}
        shown["_links"] = links
        targets = row.get("targets", {})
        if expand == "targets/groups" and "groups" in targets:
            groups = [self._group(self._org.groups[key]) for key in targets["groups"]]
            shown["_embedded"] = {"targets": {"groups": groups}}
        elif expand == "targets/catalog/apps" and "apps" in targets:
            apps = [{"name": name, "status": "ACTIVE"} for name in targets["apps"]]
            shown["_embedded"] = {"targets": {"catalog": {"apps": apps}}}
        return shown
