"""The record of the one tool call that is running: who makes it, what it may do, what came of it.

The MCP endpoint makes it before the call is dispatched and writes the audit line from it
afterwards; the tools read the person's limits from it and note Okta's request ids, the error code
and how far they are. A context variable carries it, because FastMCP stands between the two and
passes nothing of ours along.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from okta_mcp.okta.credentials import Caller
from okta_mcp.rbac.limits import NO_LIMITS, Limits


@dataclass(slots=True)
class Progress:
    """How far a long call is: `done` of `total` things (None: unknown), and what it does now."""

    done: float = 0
    total: float | None = None
    doing: str = "reading from Okta"


def _nothing(_: str) -> bool:
    return False


def _unlimited(_: str) -> Limits:
    return NO_LIMITS


async def _uncounted() -> None:
    return None


@dataclass(slots=True)
class Call:
    """One `tools/call`: `user_id` is Okta's, or stands for a service; `error_code` is one of
    docs/errors.md.

    `may` says whether the person may use the tool of that name: a report shows nothing that the
    person could not ask for directly. `counted` counts the call when it first asks Okta and raises
    `OktaError` where it is one too many. `longest_window_days` bounds windows of the system log,
    `limits` the other parameters; `limits_of` are those that the tool of that name would meet.
    """

    user_id: str
    tool: str
    upstream_id: str | None = None
    is_service: bool = False
    may: Callable[[str], bool] = _nothing
    counted: Callable[[], Awaitable[None]] = _uncounted
    longest_window_days: float | None = None
    limits: Limits = NO_LIMITS
    limits_of: Callable[[str], Limits] = _unlimited
    progress: Progress = field(default_factory=Progress)
    error_code: str | None = None
    okta_request_ids: list[str] = field(default_factory=list)
    _reached_okta: bool = False
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def caller(self) -> Caller:
        """For whom Okta is asked."""
        return Caller(self.user_id, self.upstream_id, self.is_service)

    def note(self, okta_request_id: str | None) -> None:
        """Okta's id of an answer, for the audit."""
        if okta_request_id:
            self.okta_request_ids.append(okta_request_id)

    async def reach_okta(self) -> None:
        """Before each read of Okta: the first one counts the call.

        One that is refused has not reached Okta: the next read is refused as well.
        """
        # Where several reads are the first, the others wait for the one that counts.
        async with self._counting:
            if not self._reached_okta:
                await self.counted()
                self._reached_okta = True


current_call: ContextVar[Call] = ContextVar("okta_mcp_current_call")
