"""How often one person may call tools that ask Okta.

The server's credentials are one for all, so without this one person's assistant in a loop could use
up Okta's limits for everybody. A call counts when it first reaches Okta: lists, local tools and
arguments that are refused here do not.
"""

from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.serving.rates import Rate, TooManyRequestsError


class CallRates:
    """`calls` counts a person's calls together, `calls_of_one_tool` those of each tool."""

    def __init__(self, calls: Rate, calls_of_one_tool: Rate) -> None:
        self._calls = calls
        self._calls_of_one_tool = calls_of_one_tool

    async def count(self, person: str, tool: str) -> None:
        """One call of a person; raises `OktaRateLimitedError`."""
        try:
            await self._calls_of_one_tool.hit_by(f"{person} {tool}")
            await self._calls.hit_by(person)
        except TooManyRequestsError as error:
            raise OktaRateLimitedError(
                error.retry_after_seconds, "you have called tools too often; see RATE_TOOL_CALLS"
            ) from None
