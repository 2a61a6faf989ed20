"""The six scripted incidents of the sandbox: the right report finds each, and nobody else.

What is right stands in the sandbox's answer key, `scenarios.json`; nothing here is copied from what
the reports say.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import okta_mcp.sandbox
from tests.sandbox.organisation import NOW, fresh
from tests.tools.reports.log_events import published
from tests.vocabulary.northwind import Northwind, Told

KEY: dict[str, dict[str, Any]] = {
    scenario["id"]: scenario
    for scenario in json.loads(
        Path(okta_mcp.sandbox.__file__).with_name("scenarios.json").read_text(encoding="utf-8")
    )
}
MONTH = {"since": "30 days ago"}
INVOLVED = {login for scenario in KEY.values() for login in scenario["actors"]} | {
    KEY["leaver_access"]["suspended_by"]
}
INCIDENTS = {"password_spray", "push_fatigue", "many_refused_pushes", "impossible_travel",
             "refresh_token_reuse", "access_after_suspension", "new_api_token_used"}  # fmt: skip
_ORG = fresh()
QUIET = [
    user["profile"]["login"]
    for user in _ORG.users.values()
    if user["status"] == "ACTIVE" and user["profile"]["login"] not in INVOLVED
    and "/" not in user["profile"]["login"]
][::8]  # fmt: skip


def of(told: Told, rule: str) -> dict[str, Any]:
    """The one finding of a rule."""
    (finding,) = [each for each in told.answer["findings"] if each["rule"] == rule]
    return finding


def events_of(northwind: Northwind, finding: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that a finding names as its evidence."""
    by_uuid = {event["uuid"]: event for event in northwind.organisation.events}
    return [by_uuid[uuid] for uuid in finding["evidence"]]


def ago(seconds: float) -> str:
    return published(NOW - seconds)


@pytest.mark.parametrize("by_ip", [False, True], ids=["everybody", "by ip"])
async def test_the_password_spray_is_found(northwind: Northwind, by_ip: bool) -> None:
    key = KEY["password_spray"]
    asked = {"ip": key["ip"]} if by_ip else {}
    told = await northwind.call("investigate_login_activity", **asked, **MONTH)
    spray = of(told, "password_spray")
    assert spray["who"] == key["ip"]
    assert spray["attempts"] == key["count"]
    assert set(spray["accounts"]) == set(key["actors"])
    assert spray["locked_out"] == key["locked_out"]
    assert spray["signed_in"] == []
    assert (spray["first"], spray["last"]) == (
        ago(key["first_seconds_ago"]),
        ago(key["last_seconds_ago"]),
    )
    assert key["network"]["as_org"] in spray["reason"]
    assert {event["client"]["ipAddress"] for event in events_of(northwind, spray)} == {key["ip"]}


async def test_a_spray_comes_before_the_lockouts_that_it_explains(northwind: Northwind) -> None:
    told = await northwind.call("investigate_login_activity", **MONTH)
    rules = [each["rule"] for each in told.answer["findings"]]
    assert rules[0] == "password_spray"
    assert "lockout" in rules


async def test_the_push_fatigue_is_found_with_the_push_that_was_accepted(
    northwind: Northwind,
) -> None:
    key = KEY["mfa_fatigue"]
    told = await northwind.call("investigate_login_activity", user_id=key["actor_ids"][0], **MONTH)
    fatigue = of(told, "push_fatigue")
    assert [fatigue["who"]] == key["actors"]
    assert (fatigue["refused_pushes"], fatigue["ip"]) == (key["refused_pushes"], key["ip"])
    assert fatigue["first"] == ago(key["first_seconds_ago"])
    assert fatigue["last"] == ago(key["accepted_seconds_ago"])
    *refused, accepted = events_of(northwind, fatigue)
    assert {event["outcome"]["result"] for event in refused} == {"FAILURE"}
    assert accepted["outcome"]["result"] == "SUCCESS"


async def test_for_everybody_the_refused_pushes_point_at_the_person(northwind: Northwind) -> None:
    key = KEY["mfa_fatigue"]
    told = await northwind.call("investigate_login_activity", **MONTH)
    pushes = of(told, "many_refused_pushes")
    assert [pushes["who"]] == key["actors"]
    assert pushes["refused_pushes"] == key["refused_pushes"]


async def test_the_impossible_travel_is_found_with_both_sign_ins(northwind: Northwind) -> None:
    key = KEY["impossible_travel"]
    told = await northwind.call("investigate_login_activity", user_id=key["actors"][0], **MONTH)
    travel = next(
        each
        for each in told.answer["findings"]
        if each["rule"] == "impossible_travel" and each["ip"] == key["to"]["ip"]
    )
    assert [travel["who"]] == key["actors"]
    start, end = events_of(northwind, travel)
    for event, place in ((start, key["from"]), (end, key["to"])):
        assert event["client"]["ipAddress"] == place["ip"]
        assert event["client"]["geographicalContext"]["city"] == place["city"]
        assert event["published"] == ago(place["seconds_ago"])
        assert place["city"] in travel["reason"]
    assert f"{key['minutes_between']} minutes" in travel["reason"]


async def test_the_rogue_api_token_is_found_with_what_it_changed(northwind: Northwind) -> None:
    key = KEY["rogue_api_token"]
    told = await northwind.call("admin_change_digest", **MONTH)
    rogue = of(told, "new_api_token_used")
    assert [rogue["who"]] == key["actors"]
    assert rogue["api_token"] == key["api_token"]["id"]
    assert key["api_token"]["name"] in rogue["reason"]
    assert rogue["count"] == key["count"] == len(key["changes"])
    assert rogue["first"] == ago(key["api_token"]["created_seconds_ago"])
    created, *changes = events_of(northwind, rogue)
    assert created["eventType"] == key["created_by"]
    assert [event["eventType"] for event in changes] == [
        change["event_type"] for change in key["changes"]
    ]
    by_token = [row for row in told.rows if "by_new_api_token" in row["flags"]]
    assert [row["uuid"] for row in by_token] == [event["uuid"] for event in changes]
    network = of(told, "change_from_new_network")
    assert f"AS{key['network']['as_number']}" in network["who"]
    assert key["actors"][0] in network["who"]


async def test_the_timeline_of_the_address_tells_of_the_rogue_token(northwind: Northwind) -> None:
    key = KEY["rogue_api_token"]
    told = await northwind.call("incident_timeline", ip=key["ip"], **MONTH)
    rows = [row for row in told.rows if row["api_token"] == key["api_token"]["id"]]
    assert [row["event"] for row in rows] == [change["event_type"] for change in key["changes"]]
    assert [row["published"] for row in rows] == [
        ago(change["seconds_ago"]) for change in key["changes"]
    ]


async def test_the_access_of_the_leaver_is_found(northwind: Northwind) -> None:
    key = KEY["leaver_access"]
    told = await northwind.call("incident_timeline", user_id=key["actors"][0], **MONTH)
    access = of(told, "access_after_suspension")
    assert [access["who"]] == key["actors"]
    assert (access["count"], access["ip"]) == (key["count"], key["ip"])
    assert access["ended_by"] == key["suspended_by"]
    assert access["ended_at"] == ago(key["ended_seconds_ago"])
    assert (access["first"], access["last"]) == (
        ago(key["first_seconds_ago"]),
        ago(key["last_seconds_ago"]),
    )
    for event in events_of(northwind, access):
        assert event["eventType"] in key["event_types"]
        assert key["app"]["id"] in [each["id"] for each in event["target"]]


@pytest.mark.parametrize("tool", ["investigate_login_activity", "incident_timeline"])
async def test_the_reused_refresh_token_is_found(northwind: Northwind, tool: str) -> None:
    key = KEY["refresh_token_reuse"]
    told = await northwind.call(tool, user_id=key["actors"][0], **MONTH)
    reuse = of(told, "refresh_token_reuse")
    assert [reuse["who"]] == key["actors"]
    assert (reuse["count"], reuse["ip"]) == (key["count"], key["ip"])
    assert reuse["first"] == ago(key["first_seconds_ago"])
    assert {event["eventType"] for event in events_of(northwind, reuse)} == set(key["event_types"])


async def test_for_everybody_nobody_but_those_of_the_incidents_is_found(
    northwind: Northwind,
) -> None:
    told = await northwind.call("investigate_login_activity", **MONTH)
    found = sorted(each["rule"] for each in told.answer["findings"] if each["rule"] in INCIDENTS)
    assert found == ["many_refused_pushes", "password_spray", "refresh_token_reuse"]
    digest = await northwind.call("admin_change_digest", **MONTH)
    assert [each["rule"] for each in digest.answer["findings"]] == [
        "new_api_token_used",
        "change_from_new_network",
    ]


@pytest.mark.parametrize("login", QUIET)
async def test_a_quiet_person_has_none_of_the_incidents(northwind: Northwind, login: str) -> None:
    for tool in ("investigate_login_activity", "incident_timeline"):
        told = await northwind.call(tool, user_id=login, **MONTH)
        found = {each["rule"] for each in told.answer["findings"]}
        assert not found & INCIDENTS, told.answer["findings"]


def test_quiet_people_are_many_enough_to_mean_something() -> None:
    assert len(QUIET) >= 15
