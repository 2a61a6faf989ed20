"""Rules of access policies, judged for one person, condition by condition."""

from typing import Any

import pytest

from okta_mcp.tools.reports.access_rules import Match, Subject, judged, outcome

ANN = Subject("00uann", "otydefault", frozenset({"00gsales", "00geveryone"}), {"nzo1": "Office"})
BLIND = Subject("00uann", "otydefault", frozenset(), None)


def rule(conditions: Any = None, access: str = "ALLOW", **method: Any) -> dict[str, Any]:
    sign_on = {"access": access, "verificationMethod": {"type": "ASSURANCE", **method}}
    return {
        "id": "rul1",
        "name": "r",
        "priority": 1,
        "conditions": conditions,
        "actions": {"appSignOn": sign_on},
    }


def zones(**condition: Any) -> dict[str, Any]:
    return {"network": {"connection": "ZONE", **condition}}


def groups(**condition: Any) -> dict[str, Any]:
    return {"people": {"groups": condition}}


@pytest.mark.parametrize(
    ("conditions", "match"),
    [
        (None, Match.YES),
        ({}, Match.YES),
        ({"people": None, "device": {}}, Match.YES),
        (groups(include=["00gsales", "00gother"]), Match.YES),
        (groups(include=["00gother"]), Match.NO),
        (groups(include=["00gsales"], exclude=["00geveryone"]), Match.NO),
        ({"people": {"users": {"include": ["00uann"]}}}, Match.YES),
        ({"people": {"users": {"exclude": ["00uann"]}}}, Match.NO),
        (
            {"people": {"users": {"include": ["00uann"]}, "groups": {"include": ["00gother"]}}},
            Match.YES,
        ),
        ({"userType": {"include": ["otydefault"], "exclude": []}}, Match.YES),
        ({"userType": {"include": ["otyother"], "exclude": []}}, Match.NO),
        ({"userType": {"include": [], "exclude": ["otydefault"]}}, Match.NO),
        ({"network": {"connection": "ANYWHERE"}}, Match.YES),
        (zones(include=["nzo1"]), Match.CONDITIONAL),
        (zones(exclude=["nzo1"]), Match.CONDITIONAL),
        (zones(include=["ALL_ZONES"]), Match.CONDITIONAL),
        (zones(include=["nzo-of-tomorrow"]), Match.UNKNOWN),
        ({"network": {"connection": "ON_NETWORK"}}, Match.UNKNOWN),
        ({"device": {"registered": True, "managed": False}}, Match.UNKNOWN),
        ({"device": {"registered": False, "managed": False}}, Match.YES),
        ({"device": {"assurance": {"include": ["dae1"]}}}, Match.UNKNOWN),
        ({"platform": {"include": [{"type": "ANY", "os": {"type": "ANY"}}]}}, Match.YES),
        (
            {"platform": {"include": [{"type": "MOBILE", "os": {"type": "IOS"}}]}},
            Match.CONDITIONAL,
        ),
        ({"riskScore": {"level": "ANY"}}, Match.YES),
        ({"riskScore": {"level": "HIGH"}}, Match.UNKNOWN),
        ({"elCondition": {"condition": "user.profile.x == 1"}}, Match.UNKNOWN),
        ({"conditionOfTomorrow": {"x": 1}}, Match.UNKNOWN),
        ({**zones(include=["nzo1"]), **groups(include=["00gother"])}, Match.NO),
        ({**zones(include=["nzo1"]), "device": {"managed": True}}, Match.UNKNOWN),
        ({"people": "odd", "userType": ["odd"], "platform": 7}, Match.YES),
    ],
)
def test_a_condition_is_judged(conditions: Any, match: Match) -> None:
    found = judged(rule(conditions), ANN)
    assert found.match is match
    assert bool(found.conditions) == (match is not Match.YES)


def test_a_zone_that_is_not_visible_is_unknown_and_named_by_its_id() -> None:
    found = judged(rule(zones(include=["nzo1"])), BLIND)
    assert found.match is Match.UNKNOWN
    assert "nzo1" in found.conditions[0]


def test_a_zone_that_is_visible_is_named() -> None:
    assert judged(rule(zones(include=["nzo1"])), ANN).conditions == ("from Office",)


PHISHING_RESISTANT = {"possession": {"phishingResistant": "REQUIRED"}}


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ({"factorMode": "1FA"}, "one factor"),
        ({"factorMode": "2FA", "constraints": []}, "two factors"),
        (
            {"factorMode": "2FA", "constraints": [PHISHING_RESISTANT]},
            "two factors, phishing-resistant",
        ),
        (
            {"factorMode": "2FA", "constraints": [PHISHING_RESISTANT, {"knowledge": {}}]},
            "two factors",
        ),
        ({"type": "AUTH_METHOD_CHAIN"}, "a chain of authentication methods"),
        ({"type": "METHOD_OF_TOMORROW"}, "METHOD_OF_TOMORROW"),
    ],
)
def test_what_has_to_be_shown_is_said_in_words(method: dict[str, Any], words: str) -> None:
    assert judged(rule(None, **method), ANN).requires == words


def test_a_rule_that_denies_requires_nothing() -> None:
    assert judged(rule(None, "DENY", factorMode="2FA"), ANN).requires == ""


YES, NO = None, groups(include=["00gother"])
WHERE, DEVICE = zones(include=["nzo1"]), {"device": {"managed": True}}


@pytest.mark.parametrize(
    ("rules", "verdict", "reached"),
    [
        ([(YES, "ALLOW")], "allowed", 1),
        ([(YES, "DENY")], "denied", 1),
        ([(NO, "DENY"), (YES, "ALLOW"), (YES, "DENY")], "allowed", 1),
        ([(WHERE, "DENY"), (YES, "ALLOW")], "conditional", 2),
        ([(DEVICE, "ALLOW"), (YES, "DENY")], "unknown", 2),
        ([(WHERE, "ALLOW"), (DEVICE, "ALLOW"), (YES, "ALLOW")], "allowed", 3),
        ([(DEVICE, "DENY"), (WHERE, "DENY"), (YES, "DENY")], "denied", 3),
        ([(WHERE, "DENY"), (DEVICE, "ALLOW"), (YES, "ALLOW")], "conditional", 3),
        ([(DEVICE, "ALLOW"), (WHERE, "DENY"), (YES, "ALLOW")], "unknown", 3),
        ([(WHERE, "ALLOW")], "unknown", 1),
        ([(NO, "ALLOW")], "unknown", 0),
        ([], "unknown", 0),
        ([(YES, "MODE_OF_TOMORROW")], "unknown", 1),
    ],
)
def test_rules_come_to_a_verdict(rules: list[tuple[Any, str]], verdict: str, reached: int) -> None:
    said = outcome([judged(rule(conditions, access), ANN) for conditions, access in rules])
    assert (said.verdict, len(said.rules)) == (verdict, reached)
