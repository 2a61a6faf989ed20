"""How often one person may call tools that ask Okta, or a server behind the gateway.

The server's credentials are one for all, so without this one person's assistant in a loop could use
up Okta's limits for everybody. A call counts when it first reaches Okta: lists, local tools and
arguments that are refused here do not.
"""

from collections.abc import Callable

from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.serving.rates import Rate, TooManyRequestsError


class CallRates:
    """`calls` counts a person's calls together, `calls_of_one_tool` those of each tool.

    `calls_of_server` gives the rate of a server behind the gateway that has one.
    """

    def __init__(
        self,
        calls: Rate,
        calls_of_one_tool: Rate,
        calls_of_server: Callable[[str], Rate | None] = lambda _: None,
    ) -> None:
        self._calls = calls
        self._calls_of_one_tool = calls_of_one_tool
        self._calls_of_server = calls_of_server

    async def count(self, person: str, tool: str, server: str | None = None) -> None:
        """One call of a person; raises `OktaRateLimitedError`."""
        try:
            of_server = self._calls_of_server(server) if server is not None else None
            if of_server is not None:
                await of_server.hit_by(person)
            await self._calls_of_one_tool.hit_by(f"{person} {tool}")
            await self._calls.hit_by(person)
        except TooManyRequestsError as error:
            raise OktaRateLimitedError(
                error.retry_after_seconds, "you have called tools too often; see RATE_TOOL_CALLS"
            ) from None
