"""Windows of the system log: from what people write to a `since` and an `until` for Okta.

Both ends are always sent, because a query without `until` is a poll that never ends. A role's
policy may bound the window; the bound is on the call.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from okta_mcp.okta.ids import InvalidArgumentError
from okta_mcp.tools.call import current_call
from okta_mcp.tools.parameter_limits import ForbiddenParameterError
from okta_mcp.tools.phrases import PhraseError, okta_time, period_of

# Okta keeps events for 90 days and refuses windows that begin more than 180 days ago.
RETENTION = timedelta(days=90)
_OLDEST = timedelta(days=180)
# A window that was given to the second may be a little longer when it is looked at.
_TOLERANCE = timedelta(minutes=5)

Moment = Annotated[str | None, Field(max_length=100)]


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` to `until`, aware moments."""

    since: datetime
    until: datetime

    @property
    def params(self) -> dict[str, str]:
        """The window as Okta's parameters."""
        return {"since": okta_time(self.since), "until": okta_time(self.until)}


def window(since: str | None, until: str | None, now: float, default: timedelta) -> Window:
    """The window that was asked for; `default` is its length where only one end or none is given.

    Raises `InvalidArgumentError`, and `ForbiddenParameterError` for a window that the caller's role
    may not ask for.
    """
    moment = datetime.fromtimestamp(now, UTC)
    longest = current_call.get().longest_window_days
    if longest is not None:
        default = min(default, timedelta(days=longest))
    end = _moment(until, "until", moment) if until else moment
    begin = _moment(since, "since", moment) if since else end - default
    if begin >= end:
        raise InvalidArgumentError(
            "since",
            f"since ({okta_time(begin)}) is not before until ({okta_time(end)})",
            "give a since that is earlier than until",
        )
    if moment - begin > _OLDEST:
        raise InvalidArgumentError(
            "since",
            "since is more than 180 days ago, and Okta keeps events for 90 days",
            "give a since within the last 90 days",
        )
    check_length(begin, end)
    return Window(begin, end)


def check_length(since: datetime, until: datetime) -> None:
    """Raises `ForbiddenParameterError` for a window longer than the caller's role may ask for."""
    longest = current_call.get().longest_window_days
    if longest is not None and until - since > timedelta(days=longest) + _TOLERANCE:
        raise ForbiddenParameterError(
            "since",
            f"at most {longest:g} days of the system log at once",
            f"give a since at most {longest:g} days before until",
        )


def _moment(text: str, argument: str, now: datetime) -> datetime:
    try:
        period = period_of(text, now)
    except PhraseError as reason:
        raise InvalidArgumentError(argument, f"{argument}: {reason}", reason.fix) from reason
    return period.end if argument == "until" and period.end else period.start
