"""Judges the rules of an access policy for one person, as far as anybody can without a sign-in.

Okta takes the first rule, by priority, whose conditions all hold. Who the person is can be checked;
from where and on what the person signs in can only be said as a condition; a device's state, a
risk level, an expression, a zone that is not visible cannot be judged at all. Pure: no reads here.
Source: Okta, "Policies API", access policy rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from okta_mcp.okta.text import clean_text
from okta_mcp.tools.reports.raw import Raw, at, text, texts

_MAX_EXPRESSION_CHARS = 200


class Match(StrEnum):
    """Whether a rule, or one of its conditions, holds for the person."""

    YES = "yes"
    NO = "no"
    CONDITIONAL = "conditional"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subject:
    """The person; `zones` are names by id, None where they are not visible to who asks."""

    user_id: str
    type_id: str
    group_ids: frozenset[str]
    zones: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule: `access` is ALLOW or DENY, `conditions` what it hangs on, in words."""

    rule_id: str
    name: str
    priority: int
    match: Match
    access: str
    requires: str
    needs_factor: bool
    needs_phishing_resistant: bool
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`verdict` is allowed, denied, conditional or unknown; `rules` are those that may decide."""

    verdict: str
    rules: tuple[Judged, ...]


_Opinion = tuple[Match, str]


def judged(rule: Raw, subject: Subject) -> Judged:
    """The rule, judged for the person."""
    conditions = at(rule, "conditions")
    opinions = [
        _JUDGES.get(name, _foreign(name))(condition, subject)
        for name, condition in (conditions.items() if isinstance(conditions, Mapping) else ())
        if condition
    ]
    matches = {match for match, _ in opinions}
    worst = (Match.NO, Match.UNKNOWN, Match.CONDITIONAL)
    sign_on = at(rule, "actions", "appSignOn")
    priority = rule.get("priority")
    access = text(sign_on, "access") or "unknown"
    # A rule that denies has a method too, which nobody is asked for.
    method = at(sign_on, "verificationMethod") if access != "DENY" else None
    return Judged(
        rule_id=text(rule, "id"),
        name=text(rule, "name"),
        priority=priority if isinstance(priority, int) else 0,
        match=next((match for match in worst if match in matches), Match.YES),
        access=access,
        requires=_requirement(method) if method else "",
        needs_factor=text(method, "factorMode") == "2FA",
        needs_phishing_resistant=_is_phishing_resistant(method),
        conditions=tuple(words for match, words in opinions if match is not Match.YES),
    )


def outcome(rules: Sequence[Judged]) -> Outcome:
    """What the rules, in order of priority, come to.

    Rules that cannot be decided do no harm while all that may apply answer the same.
    """
    reachable: list[Judged] = []
    for rule in rules:
        if rule.match is not Match.NO:
            reachable.append(rule)
        if rule.match is Match.YES:
            break
    may_decide = tuple(reachable)
    if not reachable or reachable[-1].match is not Match.YES:
        return Outcome("unknown", may_decide)
    answers = {rule.access for rule in reachable}
    if len(answers) == 1:
        verdicts = {"ALLOW": "allowed", "DENY": "denied"}
        return Outcome(verdicts.get(answers.pop(), "unknown"), may_decide)
    for number, rule in enumerate(reachable):
        later = {each.access for each in reachable[number + 1 :]}
        if rule.match is Match.UNKNOWN and later - {rule.access}:
            return Outcome("unknown", may_decide)
    return Outcome("conditional", may_decide)


def _people(condition: Any, subject: Subject) -> _Opinion:
    if subject.user_id in texts(condition, "users", "exclude"):
        return Match.NO, "the person is excluded"
    if subject.group_ids.intersection(texts(condition, "groups", "exclude")):
        return Match.NO, "a group of the person is excluded"
    users, groups = texts(condition, "users", "include"), texts(condition, "groups", "include")
    if not users and not groups:
        return Match.YES, "everybody"
    if subject.user_id in users or subject.group_ids.intersection(groups):
        return Match.YES, "the person is included"
    return Match.NO, "the person belongs to none of the rule's groups"


def _user_type(condition: Any, subject: Subject) -> _Opinion:
    include = texts(condition, "include")
    if subject.type_id in texts(condition, "exclude") or (
        include and subject.type_id not in include
    ):
        return Match.NO, "the rule is for another user type"
    return Match.YES, "the user type fits"


def _network(condition: Any, subject: Subject) -> _Opinion:
    connection = text(condition, "connection")
    if connection == "ANYWHERE":
        return Match.YES, "from anywhere"
    if connection != "ZONE":
        return Match.UNKNOWN, f"network {connection or 'of an unknown form'}"
    inside, outside = texts(condition, "include"), texts(condition, "exclude")
    zones = subject.zones
    words = " and ".join(
        f"{preposition} {_listed(zones, ids)}"
        for preposition, ids in (("from", inside), ("not from", outside))
        if ids
    )
    if zones is None or not set(inside + outside) <= zones.keys() | {"ALL_ZONES"}:
        return Match.UNKNOWN, f"{words} (network zones that are not visible to you)"
    return Match.CONDITIONAL, words


def _listed(zones: Mapping[str, str] | None, ids: Sequence[str]) -> str:
    return " or ".join((zones or {}).get(zone) or zone for zone in ids)


def _device(condition: Any, _: Subject) -> _Opinion:
    wanted = [name for name in ("registered", "managed") if at(condition, name)]
    if texts(condition, "assurance", "include"):
        wanted.append("of an assurance policy")
    if not wanted:
        return Match.YES, "any device"
    return Match.UNKNOWN, f"on a device that is {' and '.join(wanted)}"


def _platform(condition: Any, _: Subject) -> _Opinion:
    include = at(condition, "include")
    systems = [
        f"{text(each, 'type')} {text(each, 'os', 'type')}".strip()
        for each in (include if isinstance(include, list) else [])
    ]
    if not at(condition, "exclude") and (not systems or "ANY ANY" in systems):
        return Match.YES, "any platform"
    return Match.CONDITIONAL, f"on platform {' or '.join(systems) or 'not excluded by the rule'}"


def _risk(condition: Any, _: Subject) -> _Opinion:
    level = text(condition, "level")
    if level == "ANY":
        return Match.YES, "any risk"
    return Match.UNKNOWN, f"at risk level {level}, which Okta decides at the sign-in"


def _expression(condition: Any, _: Subject) -> _Opinion:
    words = clean_text(text(condition, "condition"), _MAX_EXPRESSION_CHARS)
    return Match.UNKNOWN, f"where the expression holds: {words}"


def _foreign(name: str) -> Callable[[Any, Subject], _Opinion]:
    def judge(_: Any, __: Subject) -> _Opinion:
        return Match.UNKNOWN, f"condition {clean_text(name, 100)}, which is not known here"

    return judge


_JUDGES: Mapping[str, Callable[[Any, Subject], _Opinion]] = {
    "people": _people,
    "userType": _user_type,
    "network": _network,
    "device": _device,
    "platform": _platform,
    "riskScore": _risk,
    "elCondition": _expression,
}


def _requirement(method: Any) -> str:
    """What has to be shown, in words."""
    match text(method, "type"), text(method, "factorMode"):
        case "ASSURANCE", "1FA":
            words = "one factor"
        case "ASSURANCE", "2FA":
            words = "two factors"
        case "AUTH_METHOD_CHAIN", _:
            words = "a chain of authentication methods"
        case kind, _:
            words = kind or "nothing that is known here"
    return f"{words}, phishing-resistant" if _is_phishing_resistant(method) else words


def _is_phishing_resistant(method: Any) -> bool:
    """Constraints are alternatives: it is required only if each of them requires it."""
    constraints = at(method, "constraints")
    return (
        isinstance(constraints, list)
        and bool(constraints)
        and all(text(each, "possession", "phishingResistant") == "REQUIRED" for each in constraints)
    )
