"""What somebody who has left still has: the account, groups, applications, factors, rights, use.

Okta: the person and about eight lists of theirs, a few at a time, each a check of its own with ids
as evidence and the fix in words. A check whose list the caller may not ask for, or Okta does not
give, is unseen.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from okta_mcp.okta.errors import OktaRefusedError
from okta_mcp.okta.ids import user_segment
from okta_mcp.okta.paging import Parameter, target_of
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.phrases import okta_time
from okta_mcp.tools.reader import After
from okta_mcp.tools.reports.factors import HIDDEN, active_kinds
from okta_mcp.tools.reports.raw import Raw, moment, person, text
from okta_mcp.tools.reports.report import Report, ReportTools, report_schema
from okta_mcp.tools.users import UserId
from okta_mcp.tools.windows import window

_COLUMNS = ("check", "result", "finding", "number", "evidence", "fix")
_VERDICT: dict[str, dict[str, Any]] = {
    "verdict": {"type": "string", "enum": ["nothing_open", "open", "not_finished"]}
}
_MAX_EVIDENCE = 20
_LONGEST = timedelta(days=90)
_ENDED = ("SUSPENDED", "DEPROVISIONED")
_SESSIONS = (
    "sessions that are still open: Okta lists nobody's sessions; end them in the Admin Console"
    " with Clear User Sessions"
)
_NO_END = "use after the end: the account was neither suspended nor deactivated"


@dataclass(slots=True)
class _Seen:
    """What one check has found: a row of the report, and what it could not see."""

    what: str
    row: dict[str, Any] | None = None
    unseen: list[str] = field(default_factory=list)


_Check = Callable[[Report, _Seen, dict[str, Any]], Awaitable[None]]


class OffboardingCheck:
    """One tool about one person."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools
        self._checks: tuple[tuple[str, str, _Check], ...] = (
            ("list_okta_user_groups", "groups", _groups),
            ("list_okta_applications", "applications", _applications),
            ("list_okta_user_factors", "factors", _factors),
            ("list_okta_devices", "devices", _devices),
            ("list_okta_admins", "administrator roles", _roles),
            ("list_okta_api_tokens", "API tokens", _api_tokens),
            ("get_okta_event_logs", "use after the end", self._use),
        )

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.offboarding_check,
                title="Check of a leaver",
                description=(
                    "What a person who has left still has: account, groups, applications,"
                    " factors, devices, administrator roles, API tokens, and use of the account"
                    " after it was suspended or deactivated. rows are the checks, each with"
                    " evidence ids and a fix."
                ),
                scopes=("okta.users.read",),
                output_schema=report_schema(_COLUMNS, **_VERDICT),
            )
        ]

    async def offboarding_check(self, user_id: UserId, after: After = None) -> dict[str, Any]:
        asked = {"user": user_segment(user_id)}
        report = self._tools.begun("offboarding_check", _COLUMNS, asked, after)
        report.note_unseen(_SESSIONS)
        is_finished = await report.work(lambda: self._step(report))
        state = report.state
        verdict = "open" if state["open"] else "nothing_open" if is_finished else "not_finished"
        return await report.answer(
            {"user": state["user"], "open": state["open"], "closed": state["closed"]},
            verdict=verdict,
        )

    async def _step(self, report: Report) -> bool:
        state = report.state
        report.doing("checking what is left", state.get("done", 0), len(self._checks))
        if not state:
            user = await report.reader.raw(f"/api/v1/users/{report.question['user']}")
            dates = {
                "status_changed": text(user, "statusChanged"),
                "last_login": text(user, "lastLogin"),
            }
            state |= {"user": person(user) | dates, "done": 0, "open": 0, "closed": 0}
            _take(report, _account(state["user"]))
            return True
        checked = await report.of_first(
            self._checks[state["done"] :], lambda check: _checked(report, *check)
        )
        for seen in checked:
            _take(report, seen)
        state["done"] += len(checked)
        return bool(state["done"] < len(self._checks))

    async def _use(self, report: Report, seen: _Seen, user: dict[str, Any]) -> None:
        """What the account did after its end, as far back as the log and the role allow."""
        ended = moment(user, "status_changed")
        if user["status"] not in _ENDED or ended is None:
            seen.unseen.append(_NO_END)
            return
        period = window(None, None, self._tools.now(), _LONGEST)
        if ended >= period.until:
            return
        if ended < period.since:
            seen.unseen.append(f"{seen.what} before {okta_time(period.since)}")
        params: dict[str, Parameter] = {
            "since": okta_time(max(ended, period.since)),
            "until": okta_time(period.until),
            "filter": f'actor.id eq "{user["user_id"]}"',
            "limit": 1000,
        }
        events, is_all = await report.reader.all(target_of("/api/v1/logs", params), 1)
        if not is_all:
            seen.unseen.append(f"{seen.what} after the first 1000 events")
        used = [event for event in events if _succeeded(event)]
        kinds = ", ".join(sorted({text(event, "eventType") for event in used})[:10])
        _find(
            seen,
            [text(event, "uuid") for event in used],
            f"the account was used after it ended: {kinds}",
            "treat it as an incident: clear the sessions, revoke the tokens of these applications"
            " and look at incident_timeline",
        )


def _succeeded(event: Raw) -> bool:
    return text(event, "outcome", "result") in ("SUCCESS", "ALLOW")


async def _checked(report: Report, tool: str, what: str, check: _Check) -> _Seen:
    seen = _Seen(what)
    if report.may(tool, what):
        try:
            await check(report, seen, report.state["user"])
        except OktaRefusedError as error:
            seen.unseen.append(f"{what} ({error.message})")
    return seen


def _take(report: Report, seen: _Seen) -> None:
    """The checks end in any order, and are told in their own."""
    for each in seen.unseen:
        report.note_unseen(each)
    if seen.row is not None:
        report.state[seen.row["result"]] += 1
        report.rows.append(seen.row)


def _account(user: dict[str, Any]) -> _Seen:
    seen, status = _Seen("account"), user["status"]
    left = [] if status == "DEPROVISIONED" else [user["user_id"]]
    if status == "SUSPENDED":
        finding = f"suspended since {user['status_changed']}: no sign-in, but everything is kept"
        fix = "deactivate the person when the leave is final"
    else:
        finding = f"the account is {status} and not deactivated"
        fix = "suspend the person at once, or deactivate"
    _find(seen, left, finding, fix)
    return seen


async def _groups(report: Report, seen: _Seen, user: dict[str, Any]) -> None:
    rows = await _rows(report, seen, f"/api/v1/users/{user['user_id']}/groups")
    given = [group for group in rows if group.get("type") != "BUILT_IN"]
    names = _named(text(group, "profile", "name") for group in given)
    fix = "take the person out of the groups; rules and imports would put them back"
    _find(seen, [text(group, "id") for group in given], f"member of {names}", fix)


async def _applications(report: Report, seen: _Seen, user: dict[str, Any]) -> None:
    # Also what the dashboard hides, which appLinks would not show.
    query: dict[str, Parameter] = {"filter": f'user.id eq "{user["user_id"]}"', "limit": 200}
    rows = await _rows(report, seen, target_of("/api/v1/apps", query))
    names = _named(text(app, "label") for app in rows)
    fix = "take the assignments away and end the accounts inside the applications"
    _find(seen, [text(app, "id") for app in rows], f"assigned to {names}", fix)


async def _factors(report: Report, seen: _Seen, user: dict[str, Any]) -> None:
    rows = await _rows(report, seen, f"/api/v1/users/{user['user_id']}/factors")
    seen.unseen.append(HIDDEN)
    used = [factor for factor in rows if factor.get("status") == "ACTIVE"]
    finding = f"can confirm a sign-in with {_named(active_kinds(rows))}"
    _find(seen, [text(each, "id") for each in used], finding, "reset the factors")


async def _devices(report: Report, seen: _Seen, user: dict[str, Any]) -> None:
    rows = await _rows(report, seen, f"/api/v1/users/{user['user_id']}/devices")
    names = _named(text(row, "device", "profile", "displayName") for row in rows)
    ids = [text(row, "device", "id") for row in rows]
    _find(seen, ids, f"registered on {names}", "deactivate the devices, or collect them")


async def _roles(report: Report, seen: _Seen, user: dict[str, Any]) -> None:
    rows = await _rows(report, seen, f"/api/v1/users/{user['user_id']}/roles")
    names = _named(text(role, "label") or text(role, "type") for role in rows)
    fix = "take the roles away; those that come from a group go with the group"
    _find(seen, [text(role, "id") for role in rows], f"holds {names}", fix)


async def _api_tokens(report: Report, seen: _Seen, user: dict[str, Any]) -> None:
    rows = await _rows(report, seen, "/api/v1/api-tokens")
    owned = [token for token in rows if token.get("userId") == user["user_id"]]
    names = _named(text(token, "name") for token in owned)
    fix = "revoke the tokens, after what uses them has one of its own"
    _find(seen, [text(token, "id") for token in owned], f"owns {names}", fix)


async def _rows(report: Report, seen: _Seen, target: str) -> list[dict[str, Any]]:
    rows, is_all = await report.reader.all(target)
    if not is_all:
        seen.unseen.append(f"{seen.what} after the first {len(rows)}")
    return rows


def _named(names: Any) -> str:
    some = [name for name in names if name]
    return ", ".join(some[:10]) + (f" and {len(some) - 10} more" if len(some) > 10 else "")


def _find(seen: _Seen, evidence: Sequence[str], finding: str, fix: str) -> None:
    """A row: what is there is open, and nothing there is closed."""
    seen.row = {
        "check": seen.what,
        "result": "open" if evidence else "closed",
        "finding": finding if evidence else "nothing left",
        "number": len(evidence),
        "evidence": list(evidence[:_MAX_EVIDENCE]),
        "fix": fix if evidence else None,
    }
