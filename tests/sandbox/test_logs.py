"""The System Log: bounded and polling walks, windows, and the six incidents' answers."""

import json
from collections import Counter
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


def scenario(identifier: str) -> dict:
    (found,) = [scenario for scenario in SCENARIOS if scenario["id"] == identifier]
    return found


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


@pytest.mark.parametrize("order", ["ASCENDING", "DESCENDING"])
async def test_a_bounded_walk_is_complete_while_events_arrive_late(
    http, context: Context, order: str
) -> None:
    before, seen = {event["uuid"] for event in context.organisation.events}, []
    nora = context.organisation.user("nora.super")
    url, turn = f"logs?{WINDOW}&limit=900&sortOrder={order}", 0
    while url is not None:
        response = await http.get(url)
        seen += [event["uuid"] for event in response.json()]
        url, turn = next_link(response), turn + 1
        late = log_event(nora, "user.session.end", "Late", NOW - turn * 4 * DAY, number=turn)
        context.organisation.events.insert(turn, late)
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


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
async def test_an_incident_is_found_by_its_answer(http, context: Context, scenario: dict) -> None:
    query = {
        "since": timestamp(NOW - scenario["hours_ago"] * 3600),
        "until": timestamp(NOW),
        "filter": scenario["filter"],
    }
    events = (await http.get("logs", params=query)).json()
    assert len(events) == scenario["count"]
    assert {event["client"]["ipAddress"] for event in events} == {scenario["ip"]}
    assert {event["actor"]["id"] for event in events} == set(scenario["actor_ids"])
    assert set(scenario["actor_ids"]) == {
        context.organisation.user(login)["id"] for login in scenario["actors"]
    }
    assert Counter(event["eventType"] for event in events) == scenario["event_types"]
    assert [events[0]["published"], events[-1]["published"]] == [
        timestamp(NOW - scenario[f"{end}_seconds_ago"]) for end in ("first", "last")
    ]
    place, network = events[-1]["client"]["geographicalContext"], events[-1]["securityContext"]
    assert scenario["network"] == {
        "city": place["city"],
        "country": place["country"],
        "as_number": network["asNumber"],
        "as_org": network["asOrg"],
    }


@pytest.mark.parametrize(
    ("identifier", "name", "event_type", "outcome", "who"),
    [
        ("mfa_fatigue", "accepted", "user.authentication.auth_via_mfa", "SUCCESS", "karel.olsen"),
        ("mfa_fatigue", "session", "user.session.start", "SUCCESS", "karel.olsen"),
        ("leaver_access", "ended", "user.lifecycle.suspend", "SUCCESS", "hana.help"),
        ("refresh_token_reuse", "revoked", "app.oauth2.token.revoke", "SUCCESS", "nadia.brandt"),
    ],
)
def test_what_else_an_answer_dates_is_in_the_log(
    context: Context, identifier: str, name: str, event_type: str, outcome: str, who: str
) -> None:
    at = timestamp(NOW - scenario(identifier)[f"{name}_seconds_ago"])
    (event,) = [
        event
        for event in context.organisation.events
        if (event["published"], event["eventType"]) == (at, event_type)
    ]
    assert event["outcome"]["result"] == outcome
    assert event["actor"]["id"] == context.organisation.person(who)["id"]


def test_the_travel_names_both_sign_ins(context: Context) -> None:
    answer = scenario("impossible_travel")
    found = [
        (event["published"], event["client"]["ipAddress"])
        for event in context.organisation.events
        if event["actor"]["id"] in answer["actor_ids"]
        and event["eventType"] == "user.session.start"
    ]
    ends = [answer["from"], answer["to"]]
    assert {(timestamp(NOW - end["seconds_ago"]), end["ip"]) for end in ends} <= set(found)
    assert ends[0]["seconds_ago"] - ends[1]["seconds_ago"] == 60 * answer["minutes_between"]


def test_the_rogue_token_is_listed_and_what_it_switched_off_is_off(context: Context) -> None:
    answer, organisation = scenario("rogue_api_token"), context.organisation
    token = organisation.api_tokens[answer["api_token"]["id"]]
    assert (token["name"], token["network"]) == ("backup-script", {"connection": "ANYWHERE"})
    assert token["created"] == timestamp(NOW - answer["api_token"]["created_seconds_ago"])
    assert [token["userId"]] == answer["actor_ids"]
    for change in answer["changes"]:
        (event,) = [
            event
            for event in organisation.events
            if event["published"] == timestamp(NOW - change["seconds_ago"])
            and event["eventType"] == change["event_type"]
        ]
        assert [target["id"] for target in event["target"]] == change["target_ids"]
    off = answer["inactive_since"]
    (rule,) = [r for r in organisation.rules[off["policy_id"]] if r["id"] == off["rule_id"]]
    assert {rule["status"], organisation.zones[off["zone_id"]]["status"]} == {"INACTIVE"}


def test_the_leaver_still_has_what_the_answer_lists(context: Context) -> None:
    answer, organisation = scenario("leaver_access"), context.organisation
    (lena,), left = answer["actor_ids"], answer["left_over"]
    user = organisation.users[lena]
    assert user["status"] == "SUSPENDED"
    assert user["statusChanged"] == timestamp(NOW - answer["ended_seconds_ago"])
    assert user["lastLogin"] < user["statusChanged"]
    groups = [group["id"] for group in organisation.groups_of(lena)]
    assert set(left["group_ids"]) == {*groups} - {organisation.group_named("Everyone")["id"]}
    assigned = [app for app in organisation.apps if lena in organisation.assignments(app)]
    assert left["apps"] == len(assigned)
    assert left["direct_app_ids"] == [a for a in assigned if lena in organisation.app_users[a]]
    assert left["role_types"] == sorted(row["type"] for row in organisation.roles_of(lena))
    tokens = [key for key, row in organisation.api_tokens.items() if row["userId"] == lena]
    assert left["api_token_ids"] == tokens
    assert left["device_ids"] == [
        d for d, users in organisation.device_users.items() if lena in users
    ]
    assert left["factors"] == len(organisation.factors[lena])
