"""What somebody who has left still has: the account, groups, applications, factors, rights, use.

Okta: the person and about eight lists of theirs, each a check of its own with ids as evidence and
the fix in words. A check whose list the caller may not ask for, or Okta does not give, is unseen.
"""

from collections.abc import Awaitable, Callable, Sequence
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

_Check = Callable[[Report, Any, dict[str, Any]], Awaitable[None]]


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
            _account(report, state["user"])
            return True
        tool, what, check = self._checks[state["done"]]
        if report.may(tool, what):
            try:
                await check(report, what, state["user"])
            except OktaRefusedError as error:
                report.note_unseen(f"{what} ({error.message})")
        state["done"] += 1
        return bool(state["done"] < len(self._checks))

    async def _use(self, report: Report, what: str, user: dict[str, Any]) -> None:
        """What the account did after its end, as far back as the log and the role allow."""
        ended = moment(user, "status_changed")
        if user["status"] not in _ENDED or ended is None:
            report.note_unseen(_NO_END)
            return
        seen = window(None, None, self._tools.now(), _LONGEST)
        if ended >= seen.until:
            return
        if ended < seen.since:
            report.note_unseen(f"{what} before {okta_time(seen.since)}")
        params: dict[str, Parameter] = {
            "since": okta_time(max(ended, seen.since)),
            "until": okta_time(seen.until),
            "filter": f'actor.id eq "{user["user_id"]}"',
            "limit": 1000,
        }
        events, is_all = await report.reader.all(target_of("/api/v1/logs", params), 1)
        if not is_all:
            report.note_unseen(f"{what} after the first 1000 events")
        used = [event for event in events if _succeeded(event)]
        kinds = ", ".join(sorted({text(event, "eventType") for event in used})[:10])
        _find(
            report,
            what,
            [text(event, "uuid") for event in used],
            f"the account was used after it ended: {kinds}",
            "treat it as an incident: clear the sessions, revoke the tokens of these applications"
            " and look at incident_timeline",
        )


def _succeeded(event: Raw) -> bool:
    return text(event, "outcome", "result") in ("SUCCESS", "ALLOW")


def _account(report: Report, user: dict[str, Any]) -> None:
    status = user["status"]
    left = [] if status == "DEPROVISIONED" else [user["user_id"]]
    if status == "SUSPENDED":
        finding = f"suspended since {user['status_changed']}: no sign-in, but everything is kept"
        fix = "deactivate the person when the leave is final"
    else:
        finding = f"the account is {status} and not deactivated"
        fix = "suspend the person at once, or deactivate"
    _find(report, "account", left, finding, fix)


async def _groups(report: Report, what: str, user: dict[str, Any]) -> None:
    rows = await _rows(report, what, f"/api/v1/users/{user['user_id']}/groups")
    given = [group for group in rows if group.get("type") != "BUILT_IN"]
    names = _named(text(group, "profile", "name") for group in given)
    fix = "take the person out of the groups; rules and imports would put them back"
    _find(report, what, [text(group, "id") for group in given], f"member of {names}", fix)


async def _applications(report: Report, what: str, user: dict[str, Any]) -> None:
    # Also what the dashboard hides, which appLinks would not show.
    query: dict[str, Parameter] = {"filter": f'user.id eq "{user["user_id"]}"', "limit": 200}
    rows = await _rows(report, what, target_of("/api/v1/apps", query))
    names = _named(text(app, "label") for app in rows)
    fix = "take the assignments away and end the accounts inside the applications"
    _find(report, what, [text(app, "id") for app in rows], f"assigned to {names}", fix)


async def _factors(report: Report, what: str, user: dict[str, Any]) -> None:
    rows = await _rows(report, what, f"/api/v1/users/{user['user_id']}/factors")
    report.note_unseen(HIDDEN)
    used = [factor for factor in rows if factor.get("status") == "ACTIVE"]
    finding = f"can confirm a sign-in with {_named(active_kinds(rows))}"
    _find(report, what, [text(each, "id") for each in used], finding, "reset the factors")


async def _devices(report: Report, what: str, user: dict[str, Any]) -> None:
    rows = await _rows(report, what, f"/api/v1/users/{user['user_id']}/devices")
    names = _named(text(row, "device", "profile", "displayName") for row in rows)
    ids = [text(row, "device", "id") for row in rows]
    _find(report, what, ids, f"registered on {names}", "deactivate the devices, or collect them")


async def _roles(report: Report, what: str, user: dict[str, Any]) -> None:
    rows = await _rows(report, what, f"/api/v1/users/{user['user_id']}/roles")
    names = _named(text(role, "label") or text(role, "type") for role in rows)
    fix = "take the roles away; those that come from a group go with the group"
    _find(report, what, [text(role, "id") for role in rows], f"holds {names}", fix)


async def _api_tokens(report: Report, what: str, user: dict[str, Any]) -> None:
    rows = await _rows(report, what, "/api/v1/api-tokens")
    owned = [token for token in rows if token.get("userId") == user["user_id"]]
    names = _named(text(token, "name") for token in owned)
    fix = "revoke the tokens, after what uses them has one of its own"
    _find(report, what, [text(token, "id") for token in owned], f"owns {names}", fix)


async def _rows(report: Report, what: str, target: str) -> list[dict[str, Any]]:
    rows, is_all = await report.reader.all(target)
    if not is_all:
        report.note_unseen(f"{what} after the first {len(rows)}")
    return rows


def _named(names: Any) -> str:
    some = [name for name in names if name]
    return ", ".join(some[:10]) + (f" and {len(some) - 10} more" if len(some) > 10 else "")


def _find(report: Report, check: str, evidence: Sequence[str], finding: str, fix: str) -> None:
    """A row: what is there is open, and nothing there is closed."""
    report.state["open" if evidence else "closed"] += 1
    report.rows.append(
        {
            "check": check,
            "result": "open" if evidence else "closed",
            "finding": finding if evidence else "nothing left",
            "number": len(evidence),
            "evidence": list(evidence[:_MAX_EVIDENCE]),
            "fix": fix if evidence else None,
        }
    )
