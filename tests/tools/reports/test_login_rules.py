"""Each rule on sign-ins: what it finds, and what is just short of it."""

import json
from typing import Any

import pytest

from okta_mcp.tools.reports.events import log_event
from okta_mcp.tools.reports.findings import Findings
from okta_mcp.tools.reports.login_rules import (
    EARLIER_SIGN_INS,
    FATIGUE_PUSHES,
    FATIGUE_SECONDS,
    RULES,
    SPRAY_ACCOUNTS,
    SPRAY_ACCOUNTS_OF_NETWORK,
    SPRAY_SECONDS,
    THREATS,
    TOKEN_REUSE,
    LoginRules,
)
from tests.sandbox.organisation import NOW
from tests.tools.reports.log_events import OSLO, PRAGUE, SINGAPORE, raw_event, target

MFA, SIGN_IN = "user.authentication.auth_via_mfa", "user.session.start"
SPRAYER = "203.0.113.66"


def found(
    events: list[dict[str, Any]], *, person: bool = True, successes: bool = True
) -> list[dict[str, Any]]:
    """What the rules say, with the memory written and read again after each event."""
    memory: dict[str, Any] = {}
    counts: dict[str, int] = {}
    findings = Findings(counts)
    for raw in sorted(events, key=lambda each: each["published"]):
        memory = json.loads(json.dumps(memory))
        rules = LoginRules(memory, findings, is_of_one_person=person, with_successes=successes)
        rules.judge(log_event(raw))
    LoginRules(memory, findings, is_of_one_person=person, with_successes=successes).end(
        is_finished=True
    )
    assert {each["rule"] for each in findings.listed} == set(counts) <= set(RULES)
    assert all(each["reason"] and each["evidence"] for each in findings.listed)
    return findings.listed


def rules_of(events: list[dict[str, Any]], **how: Any) -> list[str]:
    return [each["rule"] for each in found(events, **how)]


def refused(count: int, every: float = 60, **more: Any) -> list[dict[str, Any]]:
    """Refused sign-ins of as many accounts from one address."""
    more = {"ip": SPRAYER, "network": 64_500} | more
    return [
        raw_event(SIGN_IN, "FAILURE", at=NOW + turn * every, who=f"person{turn}", **more)
        for turn in range(count)
    ]


def pushes(count: int, every: float = 60, result: str = "FAILURE", **more: Any) -> list[dict]:
    return [raw_event(MFA, result, at=NOW + turn * every, **more) for turn in range(count)]


def accepted(after: float, **more: Any) -> dict[str, Any]:
    return raw_event(MFA, at=NOW + after, **more)


def sign_ins(count: int, **more: Any) -> list[dict[str, Any]]:
    return [raw_event(at=NOW - (count - turn) * 86_400, **more) for turn in range(count)]


@pytest.mark.parametrize(
    "events",
    [
        refused(SPRAY_ACCOUNTS - 1),
        refused(SPRAY_ACCOUNTS * 3, every=SPRAY_SECONDS / (SPRAY_ACCOUNTS - 2)),
        [raw_event(SIGN_IN, "FAILURE", at=NOW + turn, ip=SPRAYER) for turn in range(40)],
        [
            raw_event(SIGN_IN, "FAILURE", at=NOW + turn, who=f"p{turn}", ip=f"192.0.2.{turn}")
            for turn in range(SPRAY_ACCOUNTS_OF_NETWORK - 1)
        ],
        [raw_event(SIGN_IN, at=NOW + turn, who=f"p{turn}") for turn in range(40)],
        refused(40, ip="", network=None),
    ],
    ids=["too few", "too slow", "one account", "a network, too few", "successes", "from nowhere"],
)
def test_what_is_short_of_a_spray_is_none(events) -> None:
    assert "password_spray" not in rules_of(events, person=False)


def test_many_accounts_from_one_address_are_a_spray_with_all_its_attempts() -> None:
    events = refused(24) + refused(24, every=70)
    (spray,) = found(events, person=False)
    assert (spray["rule"], spray["who"]) == ("password_spray", SPRAYER)
    assert spray["attempts"] == 48
    assert set(spray["accounts"]) == {f"person{turn}" for turn in range(24)}
    assert spray["accounts_are_all"]
    assert spray["first"] == events[0]["published"]
    assert spray["last"] == events[-1]["published"]


def test_many_accounts_from_one_network_are_a_spray() -> None:
    events = [
        raw_event(SIGN_IN, "FAILURE", at=NOW + turn, who=f"p{turn}", ip=f"192.0.2.{turn}",
                  network=64_500)
        for turn in range(SPRAY_ACCOUNTS_OF_NETWORK)
    ]  # fmt: skip
    (spray,) = found(events, person=False)
    assert (spray["who"], spray["attempts"]) == ("AS64500", SPRAY_ACCOUNTS_OF_NETWORK)


def test_a_spray_says_who_was_locked_out_and_who_got_in() -> None:
    events = [
        *refused(12),
        raw_event("user.account.lock", "FAILURE", at=NOW + 900, who="person1", ip=SPRAYER),
        raw_event(SIGN_IN, at=NOW + 1000, who="person2", ip=SPRAYER),
        raw_event(SIGN_IN, at=NOW + 1000, who="person3", ip="198.51.100.1"),
    ]
    spray = next(each for each in found(events, person=False) if each["rule"] == "password_spray")
    assert spray["locked_out"] == ["person1"]
    assert spray["signed_in"] == ["person2"]
    assert "1 signed in" in spray["reason"]


def test_two_sprays_of_one_address_are_two_findings() -> None:
    later = [raw_event(SIGN_IN, "FAILURE", at=NOW + 9 * 3600 + turn, who=f"q{turn}", ip=SPRAYER)
             for turn in range(SPRAY_ACCOUNTS)]  # fmt: skip
    assert rules_of(refused(12) + later, person=False) == ["password_spray"] * 2


def test_a_spray_on_very_many_accounts_says_that_it_names_some() -> None:
    (spray,) = found(refused(200, every=10), person=False)
    assert spray["attempts"] == 200
    assert not spray["accounts_are_all"]
    assert "40 or more accounts" in spray["reason"]


@pytest.mark.parametrize(
    "events",
    [
        [*pushes(FATIGUE_PUSHES - 1), accepted(600)],
        [*pushes(9, every=FATIGUE_SECONDS + 1), accepted(9 * (FATIGUE_SECONDS + 1))],
        [*pushes(9, factor="TOKEN_SOFTWARE_TOTP"), accepted(600)],
        [*pushes(9, result="SUCCESS"), accepted(600)],
    ],
    ids=["too few", "too slow", "another factor", "accepted"],
)
def test_what_is_short_of_push_fatigue_is_none(events) -> None:
    assert rules_of(events) == []


@pytest.mark.parametrize(
    "events",
    [
        pushes(6),
        pushes(6, result="UNANSWERED"),
        pushes(6, factor="OKTA_VERIFY_PUSH", reason="INVALID_CREDENTIALS"),
        [raw_event("user.mfa.okta_verify.deny_push", "FAILURE", at=NOW + turn * 60)
         for turn in range(6)],
    ],
    ids=["refused", "unanswered", "named as a push", "classic"],
)  # fmt: skip
def test_many_refused_pushes_and_then_one_accepted_are_fatigue(events) -> None:
    (fatigue,) = found([*events, accepted(900)])
    assert (fatigue["rule"], fatigue["refused_pushes"]) == ("push_fatigue", 6)
    assert fatigue["evidence"][-1] == accepted(900)["uuid"]


def test_pushes_accepted_by_somebody_else_or_too_late_are_only_many_refused() -> None:
    late = 6 * 60 + FATIGUE_SECONDS + 1
    for events in ([*pushes(6), accepted(600, who="bob")], [*pushes(6), accepted(late)]):
        assert rules_of(events) == ["many_refused_pushes"]


def test_where_successes_are_not_read_the_finding_says_so() -> None:
    (finding,) = found(pushes(6), person=False, successes=False)
    assert finding["rule"] == "many_refused_pushes"
    assert "ask with user_id" in finding["reason"]


def test_two_sign_ins_too_far_apart_are_impossible_travel() -> None:
    events = [
        raw_event(at=NOW, place=("Prague", "CZ", PRAGUE)),
        raw_event(at=NOW + 60, place=("", "", None)),
        raw_event(at=NOW + 2100, place=("Singapore", "SG", SINGAPORE)),
    ]
    (travel,) = found(events)
    assert travel["rule"] == "impossible_travel"
    assert travel["evidence"] == [events[0]["uuid"], events[2]["uuid"]]
    assert 9_800 < travel["distance_km"] < 9_900
    assert "35 minutes" in travel["reason"]


@pytest.mark.parametrize(
    "events",
    [
        [raw_event(at=NOW), raw_event(at=NOW + 7200, place=("Oslo", "NO", OSLO))],
        [raw_event(at=NOW),
         raw_event(result="FAILURE", at=NOW + 60, place=("Singapore", "SG", SINGAPORE))],
        [raw_event(at=NOW), raw_event(at=NOW + 60, place=("Singapore", "SG", None))],
    ],
    ids=["by airliner", "refused there", "nowhere"],
)  # fmt: skip
def test_what_can_be_travelled_or_was_refused_is_no_journey(events) -> None:
    assert rules_of(events) == []


NEW_PLACE = {"place": ("Oslo", "NO", OSLO), "network": 64_497, "browser": "CHROME"}


def test_a_new_country_network_and_device_are_compared_with_earlier_sign_ins() -> None:
    events = [
        *sign_ins(EARLIER_SIGN_INS),
        *(raw_event(at=NOW + turn, **NEW_PLACE) for turn in (0, 9)),
    ]
    findings = {each["rule"]: each for each in found(events)}
    assert set(findings) == {"new_country", "new_network", "new_device"}
    assert all(each["count"] == 1 for each in findings.values())
    assert "not among CZ" in findings["new_country"]["reason"]


def test_with_too_few_earlier_sign_ins_nothing_is_new() -> None:
    assert rules_of([*sign_ins(EARLIER_SIGN_INS - 1), raw_event(at=NOW, **NEW_PLACE)]) == []


def test_places_of_many_people_are_not_compared() -> None:
    events = [*sign_ins(EARLIER_SIGN_INS), raw_event(at=NOW, **NEW_PLACE)]
    assert rules_of(events, person=False) == []


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        *((raw_event(event_type, "FAILURE"), "refresh_token_reuse") for event_type in TOKEN_REUSE),
        *((raw_event(event_type, "DENY", reason="why"), "okta_threat") for event_type in THREATS),
        (raw_event(SIGN_IN, threatSuspected="true"), "okta_threat"),
        (raw_event(SIGN_IN, risk="{reasons=Anomalous Location, level=HIGH}"), "okta_threat"),
        (raw_event(SIGN_IN, proxy=True), "anonymizing_proxy"),
        (raw_event("user.account.lock", "FAILURE"), "lockout"),
    ],
)
def test_one_event_alone_is_a_finding(event, rule: str) -> None:
    (finding,) = found([event])
    assert finding["rule"] == rule
    assert finding["evidence"] == [event["uuid"]]


def test_a_low_risk_is_no_finding() -> None:
    assert rules_of([raw_event(SIGN_IN, risk="{level=LOW}")]) == []


def test_a_lockout_is_that_of_the_target_where_there_is_one() -> None:
    locked = [target("User", "00ubob12345678901234", "bob@northwind.example")]
    (lockout,) = found([raw_event("user.account.lock", "FAILURE", who="system", targets=locked)])
    assert lockout["who"] == "bob@northwind.example"


def test_the_memory_stays_small_whatever_is_typed_into_a_sign_in_page() -> None:
    memory: dict[str, Any] = {}
    findings = Findings({})
    rules = LoginRules(memory, findings, is_of_one_person=False, with_successes=True)
    for turn in range(2_000):
        for event_type in (SIGN_IN, MFA):
            raw = raw_event(
                event_type, "FAILURE", at=NOW + turn, who="ж🦊" * 100 + str(turn % 977),
                ip=f"192.0.2.{turn % 200}", network=turn % 50, proxy=True,
            )  # fmt: skip
            raw["actor"]["alternateId"] = f"{turn % 977} " + "ж🦊" * 100
            rules.judge(log_event(raw))
    rules.end(is_finished=False)
    assert len(json.dumps(memory, ensure_ascii=False).encode()) <= 5_500
    assert len(findings.listed) <= 100
