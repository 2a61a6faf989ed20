"""Refusals that any stranger can cause, on the record as far as the record can bear them.

Each address writes as many as `RATE_TOKEN_FAILURES` allows; then one line a minute says that more
were refused. Otherwise somebody without any token could fill the disk, and nobody else's line is
lost by it. Registrations, authorizations and the token endpoint need none of this: what is beyond
their rates is answered 429 before anything is written.
"""

from starlette.requests import Request

from okta_mcp.audit.writer import Audit
from okta_mcp.serving.rates import Rate, TooManyRequestsError
from okta_mcp.serving.trace import trace


class Refusals:
    """`lines` is how many an address may cause; `notices` how often it is told of more."""

    def __init__(self, audit: Audit, lines: Rate, notices: Rate) -> None:
        self._audit = audit
        self._lines = lines
        self._notices = notices

    async def write(self, request: Request, event: str, reason: str) -> None:
        """Write the event, or the notice in its place, or nothing."""
        try:
            await self._lines.hit(request)
        except TooManyRequestsError:
            event, reason = "audit.suppressed", event
            try:
                await self._notices.hit(request)
            except TooManyRequestsError:
                return
        await self._audit.record(event, "refused", reason=reason, **trace(request))
