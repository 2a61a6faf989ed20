"""Phrases of time as people write them, seen from a Saturday morning."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.tools.phrases import PhraseError, okta_time, period_of
from tests.tools.conftest import NOW, Caller

SATURDAY = datetime(2026, 11, 21, 9, 30, 15, 123456, tzinfo=UTC)
HERE = "2026-11-21T09:30:15.123Z"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "soon", "tomorrow", "next week", "in 3 days", "since", "last", "7", "-1 day ago",
        "2026-13-01", "2026-02-30", "2026-1-1", "2026-11-20T25:00:00Z", "20261120", "1763712000",
        "999999 years ago", "999999 months ago", "since 2027-01-01", "since since", "beginning of",
        "end of 2 days ago", "²⁴ hours ago", "٢٤ hours ago", "x" * 101, "since " * 16,
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_with_examples(text: str) -> None:
    with pytest.raises(PhraseError) as caught:
        period_of(text, SATURDAY)
    assert "24 hours ago" in caught.value.fix


@given(st.text(max_size=120))
def test_no_text_is_anything_but_a_period_or_a_phrase_error(text: str) -> None:
    """I-07"""
    try:
        period = period_of(text, SATURDAY)
    except PhraseError:
        return
    assert period.end is None or period.start <= period.end


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("now", HERE, None),
        ("last 7 days", "2026-11-14T09:30:15.123Z", HERE),
        ("in the last seven days", "2026-11-14T09:30:15.123Z", HERE),
        ("Past  Hour", "2026-11-21T08:30:15.123Z", HERE),
        ("last hour", "2026-11-21T08:30:15.123Z", HERE),
        ("past 30 minutes", "2026-11-21T09:00:15.123Z", HERE),
        ("24h", "2026-11-20T09:30:15.123Z", HERE),
        ("7d", "2026-11-14T09:30:15.123Z", HERE),
        ("past month", "2026-10-21T09:30:15.123Z", HERE),
        ("last 9 months", "2026-02-21T09:30:15.123Z", HERE),
        ("since monday", "2026-11-16T00:00:00.000Z", HERE),
        ("since saturday", "2026-11-21T00:00:00.000Z", HERE),
        ("since yesterday", "2026-11-20T00:00:00.000Z", HERE),
        ("since 2026-11-01 until now", "2026-11-01T00:00:00.000Z", HERE),
        ("monday", "2026-11-16T00:00:00.000Z", "2026-11-16T23:59:59.999Z"),
        ("last saturday", "2026-11-14T00:00:00.000Z", "2026-11-14T23:59:59.999Z"),
        ("today", "2026-11-21T00:00:00.000Z", HERE),
        ("yesterday", "2026-11-20T00:00:00.000Z", "2026-11-20T23:59:59.999Z"),
        ("24 hours ago", "2026-11-20T09:30:15.123Z", None),
        ("an hour ago", "2026-11-21T08:30:15.123Z", None),
        ("two weeks ago", "2026-11-07T09:30:15.123Z", None),
        ("90 secs ago", "2026-11-21T09:28:45.123Z", None),
        ("this week", "2026-11-16T00:00:00.000Z", HERE),
        ("last week", "2026-11-09T00:00:00.000Z", "2026-11-15T23:59:59.999Z"),
        ("last month", "2026-10-01T00:00:00.000Z", "2026-10-31T23:59:59.999Z"),
        ("this quarter", "2026-10-01T00:00:00.000Z", HERE),
        ("last year", "2025-01-01T00:00:00.000Z", "2025-12-31T23:59:59.999Z"),
        ("beginning of last month", "2026-10-01T00:00:00.000Z", None),
        ("start of the week", "2026-11-16T00:00:00.000Z", None),
        ("start of today", "2026-11-21T00:00:00.000Z", None),
        ("end of last month", "2026-10-31T23:59:59.999Z", None),
        ("2026-11-20", "2026-11-20T00:00:00.000Z", "2026-11-20T23:59:59.999Z"),
        ("2026-11", "2026-11-01T00:00:00.000Z", HERE),
        ("2026-11-20T08:30:00Z", "2026-11-20T08:30:00.000Z", None),
        ("2026-11-20t08:30:00.5z", "2026-11-20T08:30:00.500Z", None),
        ("2026-11-20 08:30", "2026-11-20T08:30:00.000Z", None),
        ("2026-11-20T08:30:00+02:00", "2026-11-20T06:30:00.000Z", None),
    ],
)
def test_a_phrase_in_utc(text: str, start: str, end: str | None) -> None:
    period = period_of(text, SATURDAY)
    assert okta_time(period.start) == start
    assert (period.end and okta_time(period.end)) == end
    assert period.meaning


def test_a_month_before_the_31st_keeps_the_last_day_of_a_shorter_month() -> None:
    march = datetime(2028, 3, 31, 12, tzinfo=UTC)
    assert okta_time(period_of("1 month ago", march).start) == "2028-02-29T12:00:00.000Z"


def test_a_time_without_offset_is_said_to_be_read_as_utc() -> None:
    assert "UTC" in period_of("2026-11-20T08:30:00", SATURDAY).meaning
    assert "UTC" not in period_of("2026-11-20T08:30:00Z", SATURDAY).meaning


async def test_the_current_time_is_utc_as_okta_writes_it(call: Caller) -> None:
    assert datetime.fromtimestamp(NOW, UTC).year == 2026
    assert (await call("get_current_time")).structured == {"time": HERE, "weekday": "Saturday"}


async def test_the_current_time_takes_no_argument(call: Caller) -> None:
    answer = await call("get_current_time", timezone="Europe/Berlin")
    assert (answer.error["code"], answer.error["fix"]) == ("invalid_argument", "give no arguments")


@pytest.mark.parametrize("arguments", [{}, {"time_expression": "soon"}, {"time_expression": 7}])
async def test_a_phrase_that_is_not_understood_is_an_error_of_the_tool(
    call: Caller, arguments: dict[str, object]
) -> None:
    answer = await call("parse_relative_time", **arguments)
    assert answer.error["code"] == "invalid_argument"
    assert "fix" in answer.error


async def test_a_phrase_is_answered_with_its_interpretation(call: Caller) -> None:
    answer = await call("parse_relative_time", time_expression="last 7 days")
    assert answer.structured == {
        "start": "2026-11-14T09:30:15.123Z",
        "end": HERE,
        "interpretation": "the 7 days up to now; UTC",
    }
    moment = await call("parse_relative_time", time_expression="24 hours ago")
    assert moment.structured["end"] is None
