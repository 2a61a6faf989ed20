"""What answers at /mcp, the same in every mode but for its entrance."""

from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp

from okta_mcp.inventory import Inventory
from okta_mcp.mcp_endpoint.call_rates import CallRates
from okta_mcp.mcp_endpoint.cors import McpCors
from okta_mcp.mcp_endpoint.dispatch import Dispatch
from okta_mcp.mcp_endpoint.endpoint import McpEndpoint
from okta_mcp.mcp_endpoint.entrance import Entrance
from okta_mcp.ops.hygiene import is_allowed_origin
from okta_mcp.rbac.policy import Policy
from okta_mcp.serving.core import Core
from okta_mcp.serving.gateway_running import RunningGateway
from okta_mcp.serving.rates import Rate


def mcp_app(
    core: Core,
    entrance: Entrance,
    offered: Inventory,
    policy: Policy,
    behind: Starlette,
    gateway: RunningGateway | None = None,
) -> ASGIApp:
    """`behind` is the MCP server that /mcp dispatches to."""
    settings = core.settings
    listed = frozenset(settings.allowed_origins)

    def is_allowed(origin: str) -> bool:
        return is_allowed_origin(origin, public_url=settings.url, allowed_origins=listed)

    def calls_of_server(name: str) -> Rate | None:
        server = policy.behind.server(name)
        notation = server.calls if server is not None else None
        return core.rates.rate(f"calls of the server {name}", notation) if notation else None

    own = {tool.name: tool for tool in offered.tools}

    async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        if name in own:
            return await own[name].tool.answer(arguments)
        return await gateway.call(name, arguments) if gateway is not None else None

    def is_mirrored(name: str) -> bool:
        return gateway is not None and gateway.is_mirrored(name)

    mcp = McpEndpoint(
        Dispatch(behind, call_tool, is_mirrored),
        entrance,
        policy,
        core.audit,
        core.refusals,
        CallRates(
            core.rates.rate("calls", settings.rate_tool_calls),
            core.rates.rate("calls of one tool", settings.rate_tool_calls_per_tool),
            calls_of_server,
        ),
        is_allowed_origin=is_allowed,
    )
    return McpCors(mcp, is_allowed=is_allowed)
