"""A fair share for each person: how often one may call tools that ask Okta.

The server's credentials are one for all, so without this one person's assistant in a loop could use
up Okta's limits for everybody. Lists and local tools are not counted.
"""

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams

from okta_mcp.oauth_proxy.rates import Rate, TooManyRequestsError
from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.principal import current_principal


class CallRates(Middleware):
    """`calls` counts a person's calls together, `calls_of_one_tool` those of each tool."""

    def __init__(self, policy: Policy, calls: Rate, calls_of_one_tool: Rate) -> None:
        self._policy = policy
        self._calls = calls
        self._calls_of_one_tool = calls_of_one_tool

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        name, person = context.message.name, current_principal.get().user_id
        if self._policy.scope_of(name) is not None:
            try:
                await self._calls_of_one_tool.hit_by(f"{person} {name}")
                await self._calls.hit_by(person)
            except TooManyRequestsError as error:
                raise OktaRateLimitedError(error.retry_after_seconds) from None
        return await call_next(context)
