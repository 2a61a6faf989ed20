"""The route of /mcp, the same in every mode but for its entrance."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from okta_mcp.mcp_endpoint.call_rates import CallRates
from okta_mcp.mcp_endpoint.cors import McpCors
from okta_mcp.mcp_endpoint.endpoint import McpEndpoint
from okta_mcp.mcp_endpoint.entrance import Entrance
from okta_mcp.ops.hygiene import is_allowed_origin
from okta_mcp.rbac.policy import Policy
from okta_mcp.serving.core import Core


def mcp_route(core: Core, entrance: Entrance, policy: Policy, behind: Starlette) -> Route:
    """`behind` is the MCP server that /mcp dispatches to."""
    settings = core.settings
    listed = frozenset(settings.allowed_origins)

    def is_allowed(origin: str) -> bool:
        return is_allowed_origin(origin, public_url=settings.url, allowed_origins=listed)

    mcp = McpEndpoint(
        behind,
        entrance,
        policy,
        core.audit,
        core.refusals,
        CallRates(
            core.rates.rate("calls", settings.rate_tool_calls),
            core.rates.rate("calls of one tool", settings.rate_tool_calls_per_tool),
        ),
        is_allowed_origin=is_allowed,
    )
    pages = Middleware(McpCors, is_allowed=is_allowed)
    return Route("/mcp", mcp, methods=["GET", "POST", "DELETE", "OPTIONS"], middleware=[pages])
