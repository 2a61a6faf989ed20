"""The System Log: bounded and polling walks, windows, and the six incidents' answers."""

import json
from pathlib import Path

import pytest

import okta_mcp.sandbox
from okta_mcp.sandbox.directory import timestamp
from okta_mcp.sandbox.history import log_event
from tests.sandbox.organisation import NOW, Context, next_link, walk

SCENARIOS = json.loads(
    Path(okta_mcp.sandbox.__file__).with_name("scenarios.json").read_text(encoding="utf-8")
)
DAY = 86_400
WINDOW = f"since={timestamp(NOW - 30 * DAY)}&until={timestamp(NOW)}"


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
async def http(context: Context):
    async with context.client() as client:
        yield client


@pytest.mark.parametrize("order", ["ASCENDING", "DESCENDING"])
async def test_a_bounded_walk_ends_and_gives_every_event_once(http, order: str) -> None:
    events = await walk(http, f"logs?{WINDOW}&limit=700&sortOrder={order}")
    assert len(events) == len({event["uuid"] for event in events}) == 5000
    published = [event["published"] for event in events]
    assert published == sorted(published, reverse=order == "DESCENDING")


async def test_a_poll_always_has_a_next_link_and_sees_what_comes_later(
    http, context: Context
) -> None:
    url = f"logs?since={timestamp(NOW - 60)}"
    for _ in range(3):
        response = await http.get(url)
        assert response.json() == []
        url = next_link(response)
    nora = context.organisation.user("nora.super")
    context.organisation.events.append(
        log_event(nora, "user.session.start", "User login to Okta", NOW + 5)
    )
    context.seconds += 10
    assert [event["actor"]["id"] for event in (await http.get(url)).json()] == [nora["id"]]


async def test_the_next_link_never_holds_since(http) -> None:
    link = next_link(await http.get(f"logs?{WINDOW}&limit=5"))
    assert "since=" not in link
    assert "until=" in link


async def test_without_since_a_week_is_read_and_a_hundred_events_come(http) -> None:
    response = await http.get("logs")
    assert len(response.json()) == 100
    assert response.json()[0]["published"] >= timestamp(NOW - 7 * DAY)


async def test_events_older_than_the_retention_are_silently_absent(http) -> None:
    old = f"logs?since={timestamp(NOW - 170 * DAY)}&until={timestamp(NOW - 100 * DAY)}"
    assert (await http.get(old)).json() == []


async def test_limit_zero_is_an_empty_page(http) -> None:
    assert (await http.get(f"logs?{WINDOW}&limit=0")).json() == []


async def test_keywords_must_all_occur(http) -> None:
    found = await walk(http, f"logs?{WINDOW}&limit=1000&q=SINGAPORE+straits")
    assert found
    assert all(event["client"]["geographicalContext"]["country"] == "SG" for event in found)
    assert await walk(http, f"logs?{WINDOW}&q=singapore+nowhere") == []


def test_there_are_six_scenarios() -> None:
    assert len({scenario["id"] for scenario in SCENARIOS}) == 6


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["id"])
async def test_an_incident_is_found_by_its_answer(http, context: Context, scenario) -> None:
    query = {
        "since": timestamp(NOW - scenario["hours_ago"] * 3600),
        "until": timestamp(NOW),
        "filter": scenario["filter"],
    }
    events = (await http.get("logs", params=query)).json()
    assert len(events) == scenario["count"]
    assert {event["client"]["ipAddress"] for event in events} == {scenario["ip"]}
    assert {event["actor"]["id"] for event in events} == {
        context.organisation.user(login)["id"] for login in scenario["actors"]
    }
