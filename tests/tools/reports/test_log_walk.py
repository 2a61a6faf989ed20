"""Every event of the log by the cursor of `get_okta_event_logs`, within Okta's rate limit."""

import math
from typing import Any

import pytest

from tests.sandbox.organisation import NOW, Context
from tests.tools.reports.log_events import published, raw_event
from tests.vocabulary.northwind import Northwind

TOOL = "get_okta_event_logs"
EVENTS = 5_000
WINDOW = {"since": published(NOW - 30 * 86_400), "until": published(NOW + 60)}


async def walked(northwind: Northwind, arriving: bool = False, **arguments: Any) -> list[str]:
    """The uuid of each event; a caller who is told to wait does. New ones arrive on the way."""
    uuids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        if arriving:
            late = NOW + 120 + len(northwind.organisation.events)
            northwind.organisation.events.append(raw_event(at=late, uuid=f"new {late}"))
        told = await northwind.call(TOOL, **arguments, **cursor)
        if told.error:
            assert told.error["code"] == "rate_limited"
            northwind.pass_seconds(told.error["retry_after_seconds"])
            continue
        uuids += [event["uuid"] for event in told.answer["items"]]
        if not told.answer["truncated"]:
            return uuids
        cursor = {"after": told.answer["next_cursor"]}


@pytest.mark.parametrize(
    ("profile", "limit", "minutes", "order", "arriving"),
    # A token has half of a bucket: 10 reads of the log a minute, or 60.
    [
        ("integrator", 500, 0, "ASCENDING", False),
        ("integrator", 500, 0, "DESCENDING", True),
        ("integrator", 200, 2, "ASCENDING", True),
        ("workforce", 50, 1, "DESCENDING", False),
        ("workforce", 50, 1, "ASCENDING", True),
    ],
)
async def test_five_thousand_events_are_read_once_each_within_the_bucket(
    profile: str, limit: int, minutes: int, order: str, arriving: bool
) -> None:
    """None of our own reads is refused by Okta: the number of reads is that of the pages."""
    northwind = Northwind(Context(profile=profile))
    expected = {event["uuid"] for event in northwind.organisation.events}
    began = northwind.context.seconds
    try:
        uuids = await walked(northwind, arriving, **WINDOW, limit=limit, sortOrder=order)
    finally:
        await northwind.http.aclose()
    assert len(uuids) == len(set(uuids)) == len(expected) == EVENTS
    assert set(uuids) == expected
    assert northwind.asked == ["logs"] * math.ceil(EVENTS / limit)
    assert (northwind.context.seconds - began) // 60 == minutes
