"""Policies, their rules and what they guard, and network zones, as the Management API shows them.

Routed by `management`. Source: Okta's Policies and Network Zones APIs.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.sandbox import filters
from okta_mcp.sandbox.directory import Row, identifier
from okta_mcp.sandbox.endpoint import Endpoints, begins, searched
from okta_mcp.sandbox.errors import fixed, invalid, not_found
from okta_mcp.sandbox.listing import by_priority, limit_of

_TYPES: Final = frozenset(
    "OKTA_SIGN_ON PASSWORD MFA_ENROLL IDP_DISCOVERY ACCESS_POLICY PROFILE_ENROLLMENT"
    " CLIENT_UPDATE".split()
)
# Okta refuses a type that the organisation does not have in one of two ways.
_NOT_LICENSED: Final = frozenset(
    "POST_AUTH_SESSION ENTITY_RISK SESSION_VIOLATION_DETECTION".split()
)
_EARLY_ACCESS: Final = frozenset("DEVICE_SIGNAL_COLLECTION IDENTITY_CLAIM_SOURCING".split())
_MOST: Final = 200


class Policies(Endpoints):
    """Endpoints under /policies, and the list of network zones."""

    def policies(self, request: Request) -> Response:
        query = request.query_params
        kind = query.get("type")
        if kind is None:
            raise fixed("E0000028", causes=["type"])
        if kind in _NOT_LICENSED:
            raise fixed("E0000015")
        if kind in _EARLY_ACCESS:
            raise invalid("type", f"The policy type {kind} is not enabled")
        if kind not in _TYPES:
            raise invalid("type", "Invalid policy type")
        status = query.get("status")
        if status not in (None, "ACTIVE", "INACTIVE"):
            raise invalid("status", "Invalid status")
        rows = [
            row
            for row in self._org.policies.values()
            if row["type"] == kind
            and row["status"] == (status or row["status"])
            and begins(row, ("name",), query.get("q", ""))
        ]
        limit = limit_of(request, _MOST, _MOST)
        return self._listing.paged(
            request, rows, limit, lambda row: self._policy(row, request), by_priority
        )

    def policy(self, request: Request) -> Response:
        return JSONResponse(self._policy(self._found(request, "policy"), request))

    def rules(self, request: Request) -> Response:
        policy = self._found(request, "policy")["id"]
        return self._listing.paged(
            request,
            self._org.rules[policy],
            limit_of(request, _MOST, _MOST),
            lambda row: self._rule(policy, row),
            by_priority,
        )

    def rule(self, request: Request) -> Response:
        policy = self._found(request, "policy")["id"]
        for row in self._org.rules[policy]:
            if row["id"] == request.path_params["rule"]:
                return JSONResponse(self._rule(policy, row))
        raise not_found(request.path_params["rule"], "PolicyRule")

    def mappings(self, request: Request) -> Response:
        policy = self._found(request, "policy")["id"]
        path = f"policies/{policy}"
        rows = []
        for app in (row["id"] for row in self._org.apps.values() if row["accessPolicy"] == policy):
            key = identifier("rsm", f"{policy}/{app}")
            links = self._links(f"{path}/mappings/{key}", policy=path, application=f"apps/{app}")
            rows.append({"id": key, **links})
        return self._listing.listed(request, rows)

    def zones(self, request: Request) -> Response:
        rows = list(self._org.zones.values())
        if "filter" in request.query_params:
            rows = searched(rows, request.query_params["filter"], filters.ZONES_FILTER)
        # The default of -1 is "all of them".
        limit = len(rows) or 1
        if request.query_params.get("limit", "-1") != "-1":
            limit = limit_of(request, limit, _MOST)
        return self._listing.paged(
            request, rows, limit, lambda row: row | self._links(f"zones/{row['id']}")
        )

    def _policy(self, row: Row, request: Request) -> Row:
        path = f"policies/{row['id']}"
        shown = row | self._links(path, rules=f"{path}/rules", mappings=f"{path}/mappings")
        if request.query_params.get("expand") == "rules":
            rules = [self._rule(row["id"], rule) for rule in self._org.rules[row["id"]]]
            shown["_embedded"] = {"rules": rules}
        return shown

    def _rule(self, policy: str, row: Row) -> Row:
        return row | self._links(f"policies/{policy}/rules/{row['id']}")
