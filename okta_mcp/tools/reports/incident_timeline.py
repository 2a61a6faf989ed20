"""The story of an incident: all events of a person, an address, a session or a transaction.

Okta: /api/v1/logs. Two walks of the same window: the first finds what the events are tied to
(sessions, API tokens, transactions of what failed or changed something), the second reads those
too, in one order. A row is one event, and `tied_by` says why it belongs here.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from okta_mcp.okta.ids import InvalidArgumentError
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.reader import After
from okta_mcp.tools.reports.changes import flags_of
from okta_mcp.tools.reports.events import (
    LogEvent,
    checked_address,
    count_in,
    equal,
    events_of,
    first_page,
    most_counted,
    note_what_is_not_there,
    only_one_of,
    person_of,
    short,
    window_of,
)
from okta_mcp.tools.reports.findings import FINDINGS_SCHEMA, Findings
from okta_mcp.tools.reports.login_rules import THREATS, TOKEN_REUSE
from okta_mcp.tools.reports.report import Report, ReportTools, report_schema
from okta_mcp.tools.windows import Moment

_DEFAULT_WINDOW = timedelta(days=7)
_COLUMNS = (
    *("published", "event", "message", "who", "who_id", "what", "outcome", "reason", "ip"),
    *("place", "network", "flags", "tied_by", "transaction", "session", "api_token", "uuid"),
)
_BY = ("user_id", "ip", "session_id", "transaction_id")
_SESSION = ("authenticationContext.rootSessionId", "authenticationContext.externalSessionId")
_TRANSACTION = "transaction.id"
_API_TOKEN = "transaction.detail.requestApiTokenId"  # noqa: S105
# How many of each are followed: a filter is part of a URL.
_FOLLOWED = {"session": 8, "api_token": 5, "transaction": 8}
_REFERENCE = re.compile(r"[\w@.:+/=~-]{6,128}", re.ASCII)
_MOST_NAMES = 30
_MOST_PEOPLE = 15

_ENDED = ("user.lifecycle.suspend", "user.lifecycle.deactivate")
_BEGUN = ("user.lifecycle.unsuspend", "user.lifecycle.activate", "user.lifecycle.reactivate")
_ACCESS = ("user.session.start", "user.authentication.", "app.oauth2.")
_NO_ACCESS = (*TOKEN_REUSE, "app.oauth2.token.revoke", "app.oauth2.as.token.revoke")

User = Annotated[str | None, Field(max_length=100, description="id or login")]
Address = Annotated[str | None, Field(max_length=45, description="one IP address")]
Reference = Annotated[str | None, Field(max_length=128, description="as the rows spell it")]


class IncidentTimeline:
    """One tool of `okta.logs.read` and, for the id of a login, `okta.users.read`."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.incident_timeline,
                title="Timeline of an incident",
                description=(
                    "All events of one user_id, ip, session_id or transaction_id between since"
                    " (default: 7 days before until) and until (default: now), oldest first, with"
                    " those of their sessions and API tokens: who, what, outcome, from where, and"
                    " the ids that tie them together. Findings: access after suspension, reused"
                    " refresh tokens, threats."
                ),
                scopes=("okta.logs.read", "okta.users.read"),
                output_schema=report_schema(_COLUMNS, findings=FINDINGS_SCHEMA),
            )
        ]

    async def incident_timeline(
        self,
        user_id: User = None,
        ip: Address = None,
        session_id: Reference = None,
        transaction_id: Reference = None,
        since: Moment = None,
        until: Moment = None,
        after: After = None,
    ) -> dict[str, Any]:
        question = {
            "user_id": user_id,
            "ip": checked_address(ip),
            "session_id": _reference(session_id, "session_id"),
            "transaction_id": _reference(transaction_id, "transaction_id"),
            "since": since,
            "until": until,
        }
        report = self._tools.begun("incident_timeline", _COLUMNS, question, after)
        asked = only_one_of(report.question, *_BY)
        if asked is None:
            raise InvalidArgumentError(
                "user_id", "nothing to follow was given", f"give one of {', '.join(_BY)}"
            )
        period = window_of(report, self._tools.now(), _DEFAULT_WINDOW)
        about, seed = await _seed(report, asked)
        state = report.state
        if "next" not in state:
            state |= {"next": first_page(seed, period), "is_told": False}
            state |= {"tied": {kind: [] for kind in _FOLLOWED}, "ended": {}, "findings": {}}
            state |= {"events": {}, "people": {}, "addresses": {}, "rows": 0, "is_cut": False}
        findings = Findings(state["findings"])

        async def step() -> bool:
            events, following = await events_of(report, state["next"])
            for event in events:
                if state["is_told"]:
                    _tell(report, findings, event)
                else:
                    _follow(state, event)
            if following is None and not state["is_told"]:
                state["is_told"] = True
                following = first_page(_tied_to(seed, state["tied"]), period)
            state["next"] = following
            report.doing("reading the log", state["rows"])
            return following is not None

        await report.work(step)
        note_what_is_not_there(report, period, self._tools.now())
        if not state["is_told"]:
            report.note_unseen("the events: what they are tied to is still being read")
        if state["is_cut"]:
            report.note_unseen(
                "what is tied to some sessions, API tokens or transactions: only the latest in"
                " summary.followed were followed; ask for a shorter window, or with session_id"
            )
        findings.note_left_out(report)
        return await report.answer(_summary(state, about), findings=findings.listed)


async def _seed(report: Report, asked: str) -> tuple[str, str]:
    """What the story is about, in words, and the filter for that."""
    value = report.question[asked]
    match asked:
        case "user_id":
            user_id, login = await person_of(report, value)
            return f"{login} ({user_id})", equal("actor.id", [user_id]) + " or " + equal(
                "target.id", [user_id]
            )
        case "ip":
            return f"address {value}", equal("client.ipAddress", [value])
        case "session_id":
            return f"session {value}", _in_sessions([value])
        case _:
            return f"transaction {value}", equal(_TRANSACTION, [value])


def _follow(state: dict[str, Any], event: LogEvent) -> None:
    """Remembers what the event is tied to; of too much the latest is kept."""
    notable = event.severity not in ("INFO", "DEBUG") or bool(flags_of(event))
    for kind, names in (
        ("session", event.sessions),
        ("api_token", (event.api_token, *_tokens_made(event))),
        ("transaction", (event.transaction,) if notable else ()),
    ):
        tied = state["tied"][kind]
        for name in names:
            if not _REFERENCE.fullmatch(name):
                continue
            if name in tied:
                tied.remove(name)
            tied.append(name)
            if len(tied) > _FOLLOWED[kind]:
                tied.pop(0)
                state["is_cut"] = True


def _tied_to(seed: str, tied: dict[str, list[str]]) -> str:
    parts = [seed]
    if tied["session"]:
        parts.append(_in_sessions(tied["session"]))
    if tied["api_token"]:
        parts.append(equal(_API_TOKEN, tied["api_token"]))
    if tied["transaction"]:
        parts.append(equal(_TRANSACTION, tied["transaction"]))
    return " or ".join(parts)


def _tell(report: Report, findings: Findings, event: LogEvent) -> None:
    """Makes the row of one event and looks at it."""
    state, flags = report.state, flags_of(event)
    if _is_access_after_end(state, findings, event):
        flags.append("access_after_suspension")
    if event.type in TOKEN_REUSE:
        flags.append("refresh_token_reuse")
        reason = f"{event.message} ({event.reason})"
        findings.add(flags[-1], event.actor.shown, reason, event, ip=event.ip)
    if event.type in THREATS or event.is_threat:
        flags.append("okta_threat")
        reason = event.reason or event.message
        findings.add(flags[-1], event.actor.shown, reason, event, ip=event.ip)
    state["rows"] += 1
    count_in(state["events"], f"{event.type} {event.result}", _MOST_NAMES)
    count_in(state["people"], event.actor.shown, _MOST_PEOPLE)
    count_in(state["addresses"], event.ip, _MOST_PEOPLE)
    report.rows.append(
        {
            "published": event.published,
            "event": event.type,
            "message": event.message,
            "who": event.actor.shown,
            "who_id": event.actor.id,
            "what": [f"{target.type} {target.name or target.shown}" for target in event.targets],
            "outcome": event.result,
            "reason": event.reason,
            "ip": event.ip,
            "place": event.place,
            "network": f"{event.network} {event.as_org}".strip(),
            "flags": flags,
            "tied_by": _tied_by(report, event),
            "transaction": event.transaction,
            "session": list(event.sessions),
            "api_token": event.api_token,
            "uuid": event.uuid,
        }
    )


def _tied_by(report: Report, event: LogEvent) -> str:
    """The first reason why the event belongs to the story."""
    question, state = report.question, report.state
    if question.get("user_id"):
        user_id = state["person"][0]
        if event.actor.id == user_id:
            return "actor"
        if any(target.id == user_id for target in event.targets):
            return "target"
    elif question.get("ip") and event.ip == question["ip"]:
        return "ip"
    elif question.get("transaction_id") == event.transaction:
        return "transaction"
    if set(event.sessions) & {*state["tied"]["session"], question.get("session_id")}:
        return "session"
    return "api_token" if event.api_token in state["tied"]["api_token"] else "transaction"


def _is_access_after_end(state: dict[str, Any], findings: Findings, event: LogEvent) -> bool:
    """Whether somebody got in whose account had been suspended or deactivated before."""
    ended = state["ended"]
    for target in event.targets:
        if target.type == "User" and event.type in _ENDED and len(ended) < _MOST_PEOPLE:
            ended[short(target.id)] = [event.published, short(event.actor.shown), event.uuid]
        elif target.type == "User" and event.type in _BEGUN:
            ended.pop(target.id, None)
    end = ended.get(event.actor.id)
    is_access = (
        event.type.startswith(_ACCESS)
        and not event.type.startswith(_NO_ACCESS)
        and event.result in ("SUCCESS", "ALLOW")
    )
    if end is None or not is_access:
        return False
    ended_at, ended_by, ended_uuid = end
    reason = f"{ended_by} ended the account at {ended_at}; {event.message} after that"
    more = {"ip": event.ip, "ended_at": ended_at, "ended_by": ended_by, "ended_uuid": ended_uuid}
    findings.add("access_after_suspension", event.actor.shown, reason, event, **more)
    return True


def _summary(state: dict[str, Any], about: str) -> dict[str, Any]:
    since, until = state["window"]
    return {
        "about": about,
        "since": since,
        "until": until,
        "events_told": state["rows"],
        "findings": state["findings"],
        "events": most_counted(state["events"], _MOST_NAMES + 1),
        "people": most_counted(state["people"], _MOST_PEOPLE + 1),
        "addresses": most_counted(state["addresses"], _MOST_PEOPLE + 1),
        "followed": state["tied"],
    }


def _in_sessions(sessions: list[str]) -> str:
    return " or ".join(equal(attribute, sessions) for attribute in _SESSION)


def _tokens_made(event: LogEvent) -> list[str]:
    """API tokens that the event is about."""
    is_token_event = event.type.startswith("system.api_token.")
    return [each.id for each in event.targets if is_token_event and each.type == "Token"]


def _reference(text: str | None, argument: str) -> str | None:
    if text is not None and not _REFERENCE.fullmatch(text):
        raise InvalidArgumentError(
            argument,
            f"{argument} is not an id of a {argument.removesuffix('_id')}",
            f"give {argument} as the log spells it, without quotation marks or spaces",
        )
    return text
