"""The rules by which sign-ins are judged: what each looks for, and what it remembers to find it.

`LoginRules` is given the events of a report in their order. What it must remember it keeps in the
state of the report, which stays small however many events there are: a rule looks back an hour, or
at one journey, or counts. No rule guesses: each names a number that is reached or not.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from okta_mcp.tools.phrases import okta_time
from okta_mcp.tools.reports.events import LogEvent, Party, short
from okta_mcp.tools.reports.findings import Findings
from okta_mcp.tools.reports.travel import journey

# As many accounts as this, refused from one address (or one network) within an hour, are a spray.
SPRAY_ACCOUNTS = 10
SPRAY_ACCOUNTS_OF_NETWORK = 20
SPRAY_SECONDS = 3600
# As many pushes refused or unanswered, each within half an hour of the one before, are fatigue.
FATIGUE_PUSHES = 5
FATIGUE_SECONDS = 1800
# A place is new only for somebody of whom there are this many earlier sign-ins in the window.
EARLIER_SIGN_INS = 5

RULES = {
    "password_spray": "many accounts refused from one address or network within an hour",
    "push_fatigue": "many pushes refused or unanswered, then one accepted",
    "many_refused_pushes": "many pushes refused or unanswered, none seen accepted",
    "impossible_travel": "two sign-ins too far apart for the time between them",
    "new_country": "a sign-in from a country not seen earlier in the window",
    "new_network": "a sign-in from a network not seen earlier in the window",
    "new_device": "a sign-in from a kind of device not seen earlier in the window",
    "lockout": "the account was locked",
    "anonymizing_proxy": "an anonymizing proxy was used",
    "okta_threat": "Okta itself reports a threat or a high risk",
    "refresh_token_reuse": "a refresh token was used a second time",
}
SIGN_IN = "user.session.start"
MFA = "user.authentication.auth_via_mfa"
DENIED_PUSH = "user.mfa.okta_verify.deny_push"
SIGN_ON_POLICY = "policy.evaluate_sign_on"
LOCKED = "user.account.lock"
TOKEN_REUSE = ("app.oauth2.token.detect_reuse", "app.oauth2.as.token.detect_reuse")
THREATS = (
    "security.threat.detected",
    "security.attack.start",
    "security.password_spray.detected",
    "security.breached_credential.detected",
    "security.session.detect_client_roaming",
    "user.risk.detect",
)

_REFUSED = frozenset({"FAILURE", "UNANSWERED"})
_NEW = {"new_country": "country", "new_network": "network", "new_device": "device"}
# What the state may hold: with the rest of a report it must fit into a cursor.
_MAX_STATE_BYTES = 5_500
_MAX_RECENT = 60
_MAX_SPRAYS = 3
_MAX_ACCOUNTS = 40
_MAX_PEOPLE = 15
_MAX_PLACES = 20


class LoginRules:
    """Applies the rules; `memory` is a part of the report's state, begun as an empty object.

    `is_of_one_person` says that all events are one person's, `with_successes` that sign-ins which
    succeeded are among them.
    """

    def __init__(
        self,
        memory: dict[str, Any],
        findings: Findings,
        *,
        is_of_one_person: bool,
        with_successes: bool,
    ) -> None:
        self._memory = memory
        self._findings = findings
        self._is_of_one_person = is_of_one_person
        self._with_successes = with_successes
        memory.setdefault("recent", [])
        memory.setdefault("sprays", [])
        memory.setdefault("pushes", {})
        memory.setdefault("known", {rule: [] for rule in _NEW})
        memory.setdefault("proxies", [])
        memory.setdefault("sign_ins", 0)

    @property
    def sign_ins(self) -> int:
        """How many successful sign-ins there were."""
        return int(self._memory["sign_ins"])

    def judge(self, event: LogEvent) -> None:
        """The next event."""
        self._end_what_is_over(event.at)
        if event.type == SIGN_IN and event.result == "SUCCESS":
            self._memory["sign_ins"] += 1
            if self._is_of_one_person:
                self._new_places(event)
                self._travel(event)
            for spray in self._sprays_of(event):
                _name(spray["signed_in"], event.actor.shown)
        elif event.type == SIGN_IN and event.result == "FAILURE" and not self._is_of_one_person:
            self._spray(event)
        elif event.type in (MFA, DENIED_PUSH):
            self._push(event)
        elif event.type == LOCKED:
            self._lockout(event)
        self._threats(event)

    def end(self, *, is_finished: bool) -> None:
        """After the last event of a part: what is still open is told, or shown as it is so far."""
        for spray in list(self._memory["sprays"]):
            if is_finished:
                self._end_spray(spray)
            else:
                self._findings.show(**_spray_finding(spray))
        if is_finished:
            for who in list(self._memory["pushes"]):
                self._end_pushes(who)
        self._fit()

    def _end_what_is_over(self, now: float) -> None:
        memory = self._memory
        memory["recent"] = [each for each in memory["recent"] if now - each[0] <= SPRAY_SECONDS]
        for spray in [each for each in memory["sprays"] if now - each["at"] > SPRAY_SECONDS]:
            self._end_spray(spray)
        for who, run in list(memory["pushes"].items()):
            if now - run["at"] > FATIGUE_SECONDS:
                self._end_pushes(who)

    def _spray(self, event: LogEvent) -> None:
        account, recent = short(event.actor.shown), self._memory["recent"]
        for spray in self._sprays_of(event):
            _grow(spray, event.at, event.published, account)
            return
        recent.append([int(event.at), account, event.ip, event.network, event.uuid])
        del recent[:-_MAX_RECENT]
        for column, source, least in (
            (2, event.ip, SPRAY_ACCOUNTS),
            (3, event.network, SPRAY_ACCOUNTS_OF_NETWORK),
        ):
            tries = [each for each in recent if source and each[column] == source]
            if len({each[1] for each in tries}) >= least:
                self._begin_spray(event, source, tries)
                return

    def _begin_spray(self, event: LogEvent, source: str, tries: list[list[Any]]) -> None:
        spray: dict[str, Any] = {
            "source": source, "network": short(event.as_org), "first": tries[0][0], "at": event.at,
            "last": event.published, "attempts": 0, "accounts": [], "more": False,
            "locked": [], "signed_in": [], "evidence": [each[4] for each in tries[:3]],
        }  # fmt: skip
        for each in tries:
            _grow(spray, event.at, event.published, each[1])
        self._memory["recent"] = [each for each in self._memory["recent"] if each not in tries]
        self._memory["sprays"].append(spray)
        if len(self._memory["sprays"]) > _MAX_SPRAYS:
            self._end_spray(self._memory["sprays"][0])

    def _sprays_of(self, event: LogEvent) -> Iterator[dict[str, Any]]:
        for spray in self._memory["sprays"]:
            if spray["source"] in (event.ip, event.network):
                yield spray

    def _end_spray(self, spray: dict[str, Any]) -> None:
        self._memory["sprays"].remove(spray)
        self._findings.put(**_spray_finding(spray))

    def _push(self, event: LogEvent) -> None:
        who, pushes = short(event.actor.shown), self._memory["pushes"]
        if event.type == MFA and event.result == "SUCCESS":
            run = pushes.pop(who, None)
            if run and run["count"] >= FATIGUE_PUSHES:
                reason = f"{run['count']} pushes refused or unanswered, then one accepted"
                self._findings.put(
                    "push_fatigue", who, reason, refused_pushes=run["count"], first=run["first"],
                    last=event.published, ip=event.ip, evidence=[*run["evidence"], event.uuid],
                )  # fmt: skip
            return
        if not _is_refused_push(event):
            return
        run = pushes.setdefault(who, {"count": 0, "first": event.published, "evidence": []})
        run |= {"count": run["count"] + 1, "at": event.at, "last": event.published}
        run["evidence"] = [*run["evidence"], event.uuid][:3]
        if len(pushes) > _MAX_PEOPLE:
            self._end_pushes(min(pushes, key=lambda each: pushes[each]["at"]))

    def _end_pushes(self, who: str) -> None:
        run = self._memory["pushes"].pop(who)
        if run["count"] < FATIGUE_PUSHES:
            return
        reason = f"{run['count']} pushes refused or unanswered, none accepted within half an hour"
        if not self._with_successes:
            reason = (
                f"{run['count']} pushes refused or unanswered; whether one was accepted then was"
                " not read: ask with user_id"
            )
        self._findings.put(
            "many_refused_pushes", who, reason, refused_pushes=run["count"], first=run["first"],
            last=run["last"], evidence=run["evidence"],
        )  # fmt: skip

    def _new_places(self, event: LogEvent) -> None:
        for rule, attribute in _NEW.items():
            known, value = self._memory["known"][rule], short(getattr(event, attribute))
            if not value or value in known or len(known) >= _MAX_PLACES:
                continue
            if known and self.sign_ins > EARLIER_SIGN_INS:
                reason = (
                    f"{value} ({event.place}, {event.as_org}), not among {', '.join(known[:5])}"
                    f" of the {self.sign_ins - 1} earlier sign-ins"
                )
                self._findings.add(rule, event.actor.shown, reason, event, ip=event.ip)
            known.append(value)

    def _travel(self, event: LogEvent) -> None:
        if event.coordinates is None:
            return
        before = self._memory.get("last_place")
        here = [*event.coordinates, event.at, event.published, short(event.place), event.uuid]
        self._memory["last_place"] = here
        if before is None:
            return
        way = journey((before[0], before[1]), event.coordinates, event.at - before[2])
        if way.is_impossible:
            minutes = round((event.at - before[2]) / 60)
            reason = (
                f"{before[4]} and {event.place}: {way.distance_km:.0f} km in {minutes} minutes,"
                f" {way.speed_kmh:.0f} km/h"
            )
            self._findings.put(
                "impossible_travel", event.actor.shown, reason, first=before[3],
                last=event.published, ip=event.ip, distance_km=round(way.distance_km),
                speed_kmh=round(way.speed_kmh), evidence=[before[5], event.uuid],
            )  # fmt: skip

    def _lockout(self, event: LogEvent) -> None:
        who = _locked(event).shown
        self._findings.add("lockout", who, event.message or RULES["lockout"], event, ip=event.ip)
        for spray in self._sprays_of(event):
            _name(spray["locked"], who)

    def _threats(self, event: LogEvent) -> None:
        who = event.actor.shown
        if event.type in TOKEN_REUSE:
            reason = f"{event.message} ({event.reason})"
            self._findings.add("refresh_token_reuse", who, reason, event, ip=event.ip)
        elif event.type in THREATS or event.is_threat or "HIGH" in event.risk:
            reason = event.reason if event.type in THREATS else f"{event.message}: {event.risk}"
            self._findings.add("okta_threat", who, reason or event.message, event, ip=event.ip)
        proxies = self._memory["proxies"]
        if event.is_proxy and event.ip not in proxies and len(proxies) < _MAX_PLACES:
            proxies.append(short(event.ip))
            reason = f"{event.ip} ({event.place}, {event.as_org}) is an anonymizing proxy"
            self._findings.add("anonymizing_proxy", who, reason, event, ip=event.ip)

    def _fit(self) -> None:
        """Forgets the oldest of what may only become a finding, until the memory is small enough.

        Names are whatever somebody typed into a sign-in page, and a cursor has an end.
        """
        memory = self._memory
        while len(json.dumps(memory, ensure_ascii=False).encode()) > _MAX_STATE_BYTES:
            if memory["recent"]:
                del memory["recent"][: len(memory["recent"]) // 2 + 1]
            elif memory["pushes"]:
                memory["pushes"].pop(next(iter(memory["pushes"])))
            elif memory["sprays"]:
                self._end_spray(memory["sprays"][0])
            else:
                memory["known"] = {rule: [] for rule in _NEW}
                memory["proxies"] = []


def is_failed(event: LogEvent) -> bool:
    """Whether the event is worth a row of its own: refused, locked or a threat.

    A challenge is none of these: the policy asks for a factor, as it should.
    """
    is_refused = event.result in (*_REFUSED, "DENY")
    return is_refused or event.type in (LOCKED, DENIED_PUSH, *THREATS, *TOKEN_REUSE)


def _is_refused_push(event: LogEvent) -> bool:
    """In Identity Engine a refused push is a failed MFA; other factors name themselves."""
    if event.type == DENIED_PUSH:
        return True
    is_push = not event.factor or "PUSH" in event.factor.upper()
    return is_push and event.result in _REFUSED


def _locked(event: LogEvent) -> Party:
    """Whose account was locked: the target where there is one, otherwise who tried."""
    return next((target for target in event.targets if target.type == "User"), event.actor)


def _name(names: list[str], name: str) -> bool:
    """Adds a name to a short list; whether it is there now."""
    name = short(name)
    if name not in names and len(names) < _MAX_ACCOUNTS:
        names.append(name)
    return name in names


def _grow(spray: dict[str, Any], at: float, published: str, account: str) -> None:
    spray |= {"at": at, "last": published, "attempts": spray["attempts"] + 1}
    spray["more"] = not _name(spray["accounts"], account) or spray["more"]


def _spray_finding(spray: dict[str, Any]) -> dict[str, Any]:
    accounts, more = len(spray["accounts"]), " or more" if spray["more"] else ""
    entered = f"; {len(spray['signed_in'])} signed in from there" if spray["signed_in"] else ""
    return {
        "rule": "password_spray",
        "who": spray["source"],
        "reason": f"{spray['attempts']} refused sign-ins of {accounts}{more} accounts from"
        f" {spray['source']} ({spray['network']}), none more than an hour after the one before"
        f"{entered}",
        "first": okta_time(datetime.fromtimestamp(spray["first"], UTC)),
        "last": spray["last"],
        "attempts": spray["attempts"],
        "accounts": spray["accounts"],
        "accounts_are_all": not spray["more"],
        "locked_out": spray["locked"],
        "signed_in": spray["signed_in"],
        "evidence": spray["evidence"],
    }
