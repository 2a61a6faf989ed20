"""What happened at sign-in: of a person, from an address, or of everybody who was refused.

Okta: /api/v1/logs; okta-facts 2.3 for what a failed sign-in is. The rules are in `login_rules`;
this module asks for the events, counts them and makes a row of each that is not a plain success.
For everybody only refusals are read: the successes of an organisation are too many.
"""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.reader import After
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
    window_of,
)
from okta_mcp.tools.reports.findings import FINDINGS_SCHEMA, Findings
from okta_mcp.tools.reports.login_rules import (
    DENIED_PUSH,
    EARLIER_SIGN_INS,
    LOCKED,
    MFA,
    SIGN_IN,
    SIGN_ON_POLICY,
    THREATS,
    TOKEN_REUSE,
    LoginRules,
    is_failed,
)
from okta_mcp.tools.reports.report import Report, ReportTools, report_schema
from okta_mcp.tools.windows import Moment

_DEFAULT_WINDOW = timedelta(days=7)
_COLUMNS = (
    *("published", "event", "who", "outcome", "reason", "ip", "city", "country", "network"),
    *("device", "uuid"),
)
_ALWAYS = equal("eventType", (DENIED_PUSH, LOCKED, *THREATS, *TOKEN_REUSE))
_REFUSALS = (
    f'(eventType eq "{SIGN_IN}" and outcome.result eq "FAILURE")'
    f' or (eventType eq "{SIGN_ON_POLICY}" and outcome.result eq "DENY")'
    f' or (eventType eq "{MFA}" and ({equal("outcome.result", ("FAILURE", "UNANSWERED"))}))'
    f" or {_ALWAYS}"
)
_ALL = (
    f"{equal('eventType', (SIGN_IN, MFA))}"
    f' or (eventType eq "{SIGN_ON_POLICY}" and ({equal("outcome.result", ("DENY", "CHALLENGE"))}))'
    f" or {_ALWAYS}"
)
# Different names that a count may have, and how many of them an answer shows.
_MOST_NAMES = 60
_SHOWN_NAMES = 10

User = Annotated[str | None, Field(max_length=100, description="id or login")]
Address = Annotated[str | None, Field(max_length=45, description="one IP address")]


class LoginActivity:
    """One tool of `okta.logs.read` and, for the id of a login, `okta.users.read`."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.investigate_login_activity,
                title="Investigate sign-ins",
                description=(
                    "Judges the sign-ins of a person (user_id) or from an address (ip), or with"
                    " neither the refused ones of everybody, between since (default: 7 days"
                    " before until) and until (default: now): refusals, lockouts, password spray,"
                    " push fatigue, impossible travel, new countries, networks and devices,"
                    " proxies, threats. Each finding has its reason and the uuids of its events."
                ),
                scopes=("okta.logs.read", "okta.users.read"),
                output_schema=report_schema(_COLUMNS, findings=FINDINGS_SCHEMA),
            )
        ]

    async def investigate_login_activity(
        self,
        user_id: User = None,
        ip: Address = None,
        since: Moment = None,
        until: Moment = None,
        after: After = None,
    ) -> dict[str, Any]:
        report = self._tools.begun(
            "investigate_login_activity",
            _COLUMNS,
            {"user_id": user_id, "ip": checked_address(ip), "since": since, "until": until},
            after,
        )
        asked = only_one_of(report.question, "user_id", "ip")
        period = window_of(report, self._tools.now(), _DEFAULT_WINDOW)
        about, expression = await _about(report, asked)
        state = report.state
        if "next" not in state:
            state |= {"next": first_page(expression, period), "events": 0, "outcomes": {}}
            state |= {"reasons": {}, "accounts": {}, "addresses": {}, "findings": {}, "memory": {}}
        findings = Findings(state["findings"])
        rules = LoginRules(
            state["memory"],
            findings,
            is_of_one_person=asked == "user_id",
            with_successes=asked is not None,
        )

        async def step() -> bool:
            events, following = await events_of(report, state["next"])
            for event in events:
                rules.judge(event)
                _count(report, event)
            state["next"] = following
            report.doing("reading sign-ins", state["events"])
            return following is not None

        is_finished = await report.work(step)
        rules.end(is_finished=is_finished)
        note_what_is_not_there(report, period, self._tools.now())
        _note_what_was_not_read(report, asked, rules.sign_ins if is_finished else None)
        findings.note_left_out(report)
        # A spray is complete only after the lockouts that it explains.
        listed = sorted(findings.listed, key=lambda each: each["rule"] != "password_spray")
        return await report.answer(_summary(report, about), findings=listed)


async def _about(report: Report, asked: str | None) -> tuple[str, str]:
    """Whom the report is about, in words, and the filter for that."""
    match asked:
        case "user_id":
            user_id, login = await person_of(report, report.question["user_id"])
            theirs = f'actor.id eq "{user_id}" or target.id eq "{user_id}"'
            return f"{login} ({user_id})", f"({theirs}) and ({_ALL})"
        case "ip":
            address = report.question["ip"]
            return address, f'client.ipAddress eq "{address}" and ({_ALL})'
        case _:
            return "everybody who was refused", _REFUSALS


def _count(report: Report, event: LogEvent) -> None:
    state = report.state
    state["events"] += 1
    count_in(state["outcomes"], f"{event.type} {event.result}", _MOST_NAMES)
    if not is_failed(event):
        return
    for name, value in (
        ("reasons", event.reason),
        ("accounts", event.actor.shown),
        ("addresses", event.ip),
    ):
        if value:
            count_in(state[name], value, _MOST_NAMES)
    report.rows.append(
        {
            "published": event.published,
            "event": event.type,
            "who": event.actor.shown,
            "outcome": event.result,
            "reason": event.reason,
            "ip": event.ip,
            "city": event.city,
            "country": event.country,
            "network": f"{event.network} {event.as_org}".strip(),
            "device": event.device,
            "uuid": event.uuid,
        }
    )


def _summary(report: Report, about: str) -> dict[str, Any]:
    state = report.state
    since, until = state["window"]
    return {
        "about": about,
        "since": since,
        "until": until,
        "events_read": state["events"],
        "findings": state["findings"],
        "outcomes": most_counted(state["outcomes"], _MOST_NAMES + 1),
        "refused_reasons": most_counted(state["reasons"], _SHOWN_NAMES),
        "refused_accounts": most_counted(state["accounts"], _SHOWN_NAMES),
        "refused_addresses": most_counted(state["addresses"], _SHOWN_NAMES),
    }


def _note_what_was_not_read(report: Report, asked: str | None, sign_ins: int | None) -> None:
    report.note_unseen("events of other types than sign-ins, lockouts, threats and token reuse")
    if asked != "user_id":
        report.note_unseen(
            "new places and impossible travel, which are looked at with user_id only"
        )
    if asked is None:
        report.note_unseen(
            "sign-ins that succeeded: ask with ip or user_id whether a refused one was let in"
        )
    if asked == "user_id":
        report.note_unseen("password spray, which is looked at with ip or for everybody")
        if sign_ins is not None and sign_ins <= EARLIER_SIGN_INS:
            report.note_unseen(
                f"whether a country, network or device is new: that needs more than"
                f" {EARLIER_SIGN_INS} sign-ins in the window, and there are {sign_ins}: give an"
                " earlier since"
            )
