"""Devices and who uses them, as the Management API shows them.

Routed by `management`. Source: Okta's Devices and User Resources APIs.
"""

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.sandbox import filters
from okta_mcp.sandbox.directory import Row, identifier
from okta_mcp.sandbox.endpoint import Endpoints, searched
from okta_mcp.sandbox.errors import invalid
from okta_mcp.sandbox.listing import limit_of


class Devices(Endpoints):
    """The list of devices, and the devices of a person."""

    def devices(self, request: Request) -> Response:
        query = request.query_params
        expand = query.get("expand")
        if expand not in (None, "user", "userSummary"):
            raise invalid("expand", "must be 'user' or 'userSummary'")
        rows = list(self._org.devices.values())
        if "search" in query:
            rows = searched(rows, query["search"], filters.DEVICES_SEARCH)

        def shown(row: Row) -> Row:
            if expand is None:
                return self._device(row)
            links = self._org.device_users[row["id"]].items()
            users = [link | {"user": self._owner(key, request)} for key, link in links]
            return self._device(row) | {"_embedded": {"users": users}}

        return self._listing.paged(request, rows, limit_of(request, 200, 200), shown)

    def user_devices(self, request: Request) -> Response:
        user = self._found(request, "user")["id"]
        rows = [
            {
                "created": links[user]["created"],
                "deviceUserId": identifier("", f"{device}/{user}"),
                "device": self._device(self._org.devices[device]),
            }
            for device, links in self._org.device_users.items()
            if user in links
        ]
        return self._listing.listed(request, rows)

    def _device(self, row: Row) -> Row:
        path = f"devices/{row['id']}"
        return row | self._links(path, users=f"{path}/users")

    def _owner(self, user: str, request: Request) -> Row:
        row = self._user(self._org.users[user], request)
        if request.query_params["expand"] == "user":
            return row
        names = ("firstName", "lastName", "login", "email")
        summary = {name: row["profile"][name] for name in names}
        return {"id": row["id"], "profile": summary, "_links": row["_links"]}
