"""The Management API of the stand-in organisation: what Okta answers under /api/v1, read only.

Called by the sandbox's application, which brings the context. Each line of the table is a path, the
family of the scope that Okta asks for it, and the endpoint; `access` stands before all of them. It
must behave like Okta and never like our client. Source: Okta's API reference of each endpoint.
"""

from starlette.routing import Route

from okta_mcp.sandbox.access import Access, Context, Handler
from okta_mcp.sandbox.administration import Administration
from okta_mcp.sandbox.applications import Applications
from okta_mcp.sandbox.devices import Devices
from okta_mcp.sandbox.logs import SystemLog
from okta_mcp.sandbox.people import People
from okta_mcp.sandbox.policies import Policies

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def management_routes(context: Context) -> list[Route]:
    """Every path under /api/v1; one that Okta does not have is answered as Okta does."""
    people, applications = People(context), Applications(context)
    policies, administration = Policies(context), Administration(context)
    devices = Devices(context)
    # The first path that fits is taken: "rules" stands before the ids of groups.
    table: tuple[tuple[str, str, Handler], ...] = (
        ("users", "users", people.users),
        ("users/{user}", "users", people.user),
        ("users/{user}/groups", "users", people.user_groups),
        ("users/{user}/appLinks", "users", people.app_links),
        ("users/{user}/factors", "users", people.factors),
        ("users/{user}/devices", "users", devices.user_devices),
        ("users/{user}/roles", "roles", administration.user_roles),
        ("groups", "groups", people.groups),
        ("groups/rules", "groups", people.group_rules),
        ("groups/{group}", "groups", people.group),
        ("groups/{group}/users", "groups", people.group_users),
        ("groups/{group}/apps", "groups", applications.group_apps),
        ("groups/{group}/roles", "roles", administration.group_roles),
        ("apps", "apps", applications.apps),
        ("apps/{app}", "apps", applications.app),
        ("apps/{app}/users", "apps", applications.app_users),
        ("apps/{app}/users/{user}", "apps", applications.app_user),
        ("apps/{app}/groups", "apps", applications.app_groups),
        ("logs", "logs", SystemLog(context).logs),
        ("policies", "policies", policies.policies),
        ("policies/{policy}", "policies", policies.policy),
        ("policies/{policy}/mappings", "policies", policies.mappings),
        ("policies/{policy}/rules", "policies", policies.rules),
        ("policies/{policy}/rules/{rule}", "policies", policies.rule),
        ("zones", "networkZones", policies.zones),
        ("iam/assignees/users", "roles", administration.assignees),
        ("api-tokens", "apiTokens", administration.api_tokens),
        ("devices", "devices", devices.devices),
    )
    guarded = Access(context).guarded
    return [
        *(
            Route(f"/api/v1/{path}", guarded(f"okta.{family}.read", handler), methods=_METHODS)
            for path, family, handler in table
        ),
        Route("/api/v1/{unknown:path}", guarded(None, people.users), methods=_METHODS),
    ]
