"""The MCP server behind the endpoint: FastMCP with the tools, one resource, and the role's view.

Enforcement is the endpoint's; here lists are cut to what the same policy allows, and what goes
wrong inside a call becomes an answer that tells nothing of our insides.
"""

import json
from collections.abc import Sequence
from typing import Any

import mcp_types as mt
from fastmcp import FastMCP
from fastmcp.resources import Resource
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool
from starlette.applications import Starlette

from okta_mcp import __version__
from okta_mcp.rbac.policy import Component, Policy
from okta_mcp.rbac.principal import Principal, current_principal
from okta_mcp.tools import INSTRUCTIONS, ArgumentErrors, OktaTool

WHO_AM_I = "user://me"


class RoleView(Middleware):
    """Lists show what the policy lets the principal of this request use."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def on_list_tools(
        self,
        context: MiddlewareContext[mt.ListToolsRequest],
        call_next: CallNext[mt.ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        allowed = self._allowed("tools")
        return [tool for tool in await call_next(context) if tool.name in allowed]

    async def on_list_resources(
        self,
        context: MiddlewareContext[mt.ListResourcesRequest],
        call_next: CallNext[mt.ListResourcesRequest, Sequence[Resource]],
    ) -> Sequence[Resource]:
        allowed = self._allowed("resources")
        return [resource for resource in await call_next(context) if str(resource.uri) in allowed]

    def _allowed(self, component: Component) -> frozenset[str]:
        return frozenset(allowed_names(self._policy, component, current_principal.get()))


def allowed_names(policy: Policy, component: Component, principal: Principal) -> tuple[str, ...]:
    """What `principal` may use, by the decision that a call would meet."""
    role = principal.decision.role if principal.decision else None
    return policy.allowed(component, role, principal.scopes)


def mcp_server(tools: Sequence[OktaTool], policy: Policy) -> Starlette:
    """The ASGI application that answers /mcp; its lifespan must run inside ours."""
    server = FastMCP(
        "okta_mcp",
        instructions=INSTRUCTIONS,
        version=__version__,
        middleware=[ArgumentErrors(), RoleView(policy)],
        mask_error_details=True,
    )
    for tool in tools:
        server.add_tool(tool.tool)
    server.resource(
        WHO_AM_I,
        name="me",
        title="Who am I",
        description="The signed-in person: role, groups that gave it, tools, scopes.",
        mime_type="application/json",
    )(_who_am_i(policy))
    # Nothing changes behind a client's back that a client could be told: there is no stream.
    changes = server._mcp_server.notification_options  # noqa: SLF001 - pinned by a test
    changes.tools_changed = changes.resources_changed = changes.prompts_changed = False
    return server.http_app(path="/mcp", stateless_http=True, json_response=True)


def _who_am_i(policy: Policy) -> Any:
    def me() -> str:
        principal = current_principal.get()
        decision = principal.decision
        return json.dumps(
            {
                "person": {
                    "id": principal.user_id,
                    "login": principal.login,
                    "name": principal.name,
                },
                "role": decision.role if decision else None,
                "groups": list(decision.groups) if decision else [],
                "tools": list(allowed_names(policy, "tools", principal)),
                "scopes": sorted(principal.scopes),
                "client": {"id": principal.client_id, "name": principal.client_name},
            }
        )

    return me
