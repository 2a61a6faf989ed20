"""The two tools about time; they ask nothing of Okta.

Models do not know what time it is, and Okta's log wants exact times in UTC.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from okta_mcp.okta.ids import InvalidArgumentError
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.phrases import PhraseError, okta_time, period_of
from okta_mcp.tools.schemas import Schema

_NOW_SCHEMA: Schema = {
    "type": "object",
    "properties": {"time": {"type": "string"}, "weekday": {"type": "string"}},
    "required": ["time", "weekday"],
}
_PERIOD_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "start": {"type": "string"},
        "end": {"type": ["string", "null"], "description": "null: start is a moment"},
        "interpretation": {"type": "string"},
    },
    "required": ["start", "end", "interpretation"],
}


class TimeTools:
    """The two tools without a data family; `now` is epoch seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def tools(self) -> list[OktaTool]:
        """The tools, ready to be registered."""
        return [
            okta_tool(
                self.get_current_time,
                title="Current time",
                description="The present time in UTC, as Okta writes times.",
                scopes=(),
                output_schema=_NOW_SCHEMA,
            ),
            okta_tool(
                self.parse_relative_time,
                title="Understand a time",
                description=(
                    "Start and end in UTC of a phrase: last 7 days, past hour, since monday,"
                    " yesterday, 24 hours ago, beginning of last month, or an ISO 8601 time."
                ),
                scopes=(),
                output_schema=_PERIOD_SCHEMA,
            ),
        ]

    async def get_current_time(self) -> dict[str, Any]:
        now = self._moment()
        return {"time": okta_time(now), "weekday": f"{now:%A}"}

    async def parse_relative_time(
        self, time_expression: Annotated[str, Field(max_length=100)]
    ) -> dict[str, Any]:
        try:
            period = period_of(time_expression, self._moment())
        except PhraseError as reason:
            raise InvalidArgumentError("time_expression", str(reason), reason.fix) from reason
        return {
            "start": okta_time(period.start),
            "end": okta_time(period.end) if period.end else None,
            "interpretation": f"{period.meaning}; UTC",
        }

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)
