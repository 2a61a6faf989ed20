"""How well people's sign-in is protected: no factor, weak ones only, strong, phishing-resistant.

Okta: people by group, by search or all active ones, and /api/v1/users/{id}/factors, one read a
person, a few people at a time: a call looks at about fifty. Administrators come first in a report
about everybody.
"""

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from okta_mcp.okta.errors import OktaError, OktaRefusedError
from okta_mcp.okta.ids import InvalidArgumentError, id_segment, is_okta_id
from okta_mcp.okta.paging import next_target, target_of
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.expressions import check
from okta_mcp.tools.grammars import USERS_SEARCH
from okta_mcp.tools.reader import After
from okta_mcp.tools.reports.factors import (
    HIDDEN,
    POSTURES,
    active_kinds,
    pending_kinds,
    posture_of,
    unknown_kinds,
)
from okta_mcp.tools.reports.raw import PERSON, person, text
from okta_mcp.tools.reports.report import Report, ReportTools, Row, report_schema

_COLUMNS = (*PERSON, "admin", "posture", "factors", "pending")
_ADMINS = "/api/v1/iam/assignees/users"
_MOST_ADMINS = 200
# People of a page that are still to be looked at travel in the cursor.
_PAGE = 25
_MAX_NAME_CHARS = 60
_EVERYBODY = 'status eq "ACTIVE"'

# What Okta says of a person's factors, or that it does not.
_Factors = list[dict[str, Any]] | OktaRefusedError


class MfaPostureReport:
    """One tool that reads people, their factors and groups."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.mfa_posture_report,
                title="Report: sign-in factors",
                description=(
                    "Active people by their sign-in factors: none, weak only, strong,"
                    " phishing-resistant. Of a group, of a search as in list_okta_users, or all,"
                    " administrators first. About 50 people a call."
                ),
                scopes=("okta.users.read", "okta.groups.read"),
                output_schema=report_schema(_COLUMNS),
            )
        ]

    async def mfa_posture_report(
        self,
        group_id: str | None = None,
        search: Annotated[str | None, Field(max_length=256)] = None,
        after: After = None,
    ) -> dict[str, Any]:
        if group_id is not None and search is not None:
            raise InvalidArgumentError(
                "search", "group_id and search do not go together", "give one of them, or neither"
            )
        if search is not None:
            check(search, "search", USERS_SEARCH)
        group = None if group_id is None else id_segment(group_id, "group_id")
        asked = {"group_id": group, "search": search}
        report = self._tools.begun("mfa_posture_report", _COLUMNS, asked, after)
        sees_admins = report.may("list_okta_admins", "who of these people is an administrator")
        if not report.state:
            report.state |= _beginning(report.question, sees_admins)
        if not sees_admins:
            # The role may have changed since the cursor was given.
            report.state["admin_page"] = None
        report.note_unseen(HIDDEN)
        await report.work(lambda: _step(report, sees_admins))
        report.rows.sort(key=lambda row: _rank(report, row))
        return await report.answer(
            {"looked_at": report.state["looked_at"], **report.state["counts"]}
            | ({"administrators": report.state["admin_counts"]} if sees_admins else {})
        )


def _beginning(question: dict[str, Any], sees_admins: bool) -> dict[str, Any]:
    group, search = question["group_id"], question["search"]
    people = target_of("/api/v1/users", {"search": search or _EVERYBODY, "limit": _PAGE})
    if group:
        people = target_of(f"/api/v1/groups/{group}/users", {"limit": _PAGE})
    return {
        "people_page": people,
        "waiting": [],
        "admin_page": _ADMINS if sees_admins else None,
        "admins": [],
        "admins_done": 0,
        "looked_at": 0,
        "counts": dict.fromkeys((*POSTURES, "unreadable", "not_active"), 0),
        "admin_counts": dict.fromkeys(POSTURES, 0),
    }


async def _step(report: Report, sees_admins: bool) -> bool:
    """First who the administrators are and their factors, then everybody else page by page."""
    state = report.state
    if state["admin_page"]:
        await _admins(report)
    elif _admins_first(report) and state["admins_done"] < len(state["admins"]):
        rest = state["admins"][state["admins_done"] :]
        seen = await report.of_first(rest, partial(_admin, report), reads_each=2)
        for user_id, (user, factors) in zip(rest, seen, strict=False):
            if isinstance(user, OktaRefusedError):
                report.note_unseen(f"administrator {user_id} ({user.message})")
            elif factors is not None:
                _judge(report, person(user), factors, sees_admins)
        state["admins_done"] += len(seen)
    elif state["waiting"]:
        factors_of = await report.of_first(
            [user_id for user_id, _, _ in state["waiting"]], partial(_factors, report)
        )
        for (user_id, login, name), factors in zip(state["waiting"], factors_of, strict=False):
            cells = {"user_id": user_id, "login": login, "name": name, "status": "ACTIVE"}
            _judge(report, cells, factors, sees_admins)
        del state["waiting"][: len(factors_of)]
    else:
        await _people(report)
    report.doing("reading sign-in factors", state["looked_at"])
    return bool(state["waiting"] or state["people_page"])


def _admins_first(report: Report) -> bool:
    """In a group or a search nobody knows before the end which administrators belong to it."""
    return report.question["group_id"] is None and report.question["search"] is None


def _rank(report: Report, row: Row) -> tuple[bool, int]:
    """The weakest first, those who cannot be judged last; administrators before everybody else."""
    is_later = _admins_first(report) and not row["admin"]
    return is_later, [*POSTURES, "unreadable"].index(row["posture"])


async def _admins(report: Report) -> None:
    state = report.state
    target, following = state["admin_page"], None
    try:
        page = await report.reader.raw(target)
    except OktaRefusedError as error:
        report.note_unseen(f"who of these people is an administrator ({error.message})")
        page = {}
    rows = page.get("value")
    found = [text(row, "id") for row in rows] if isinstance(rows, list) else []
    state["admins"] += [user_id for user_id in found if is_okta_id(user_id)]
    link = text(page, "_links", "next", "href")
    if link:
        following = next_target([f'<{link}>; rel="next"'], _ADMINS)
    if len(state["admins"]) > _MOST_ADMINS or (following and len(state["admins"]) == _MOST_ADMINS):
        report.note_unseen(f"administrators after the first {_MOST_ADMINS}, not marked as such")
        del state["admins"][_MOST_ADMINS:]
        following = None
    state["admin_page"] = following


async def _admin(
    report: Report, user_id: str
) -> tuple[dict[str, Any] | OktaRefusedError, _Factors | None]:
    """The account, and its factors where it is active."""
    try:
        user = await report.reader.raw(f"/api/v1/users/{user_id}")
    except OktaRefusedError as error:
        return error, None
    return user, await _factors(report, user_id) if user.get("status") == "ACTIVE" else None


async def _people(report: Report) -> None:
    state = report.state
    try:
        users, following = await report.reader.page(state["people_page"])
    except OktaError as error:
        if error.code == "bad_filter":
            error.details["fix"] = f"a correct example: {USERS_SEARCH.example}"
        raise
    done = set(state["admins"]) if _admins_first(report) else set()
    active = [user for user in users if user.get("status") == "ACTIVE"]
    cells = [person(user) for user in active if user.get("id") not in done]
    state["waiting"] = [
        [each["user_id"], each["login"][:100], each["name"][:_MAX_NAME_CHARS]]
        for each in cells
        if is_okta_id(each["user_id"])
    ]
    state["counts"]["not_active"] += len(users) - len(active)
    state["people_page"] = following


async def _factors(report: Report, user_id: str) -> _Factors:
    try:
        factors, _ = await report.reader.page(f"/api/v1/users/{user_id}/factors")
    except OktaRefusedError as error:
        return error
    return factors


def _judge(report: Report, cells: dict[str, str], factors: _Factors, sees_admins: bool) -> None:
    state = report.state
    is_admin = cells["user_id"] in state["admins"] if sees_admins else None
    if isinstance(factors, OktaRefusedError):
        report.note_unseen(f"the factors of some people ({factors.message})")
        state["counts"]["unreadable"] += 1
        report.rows.append({**cells, "admin": is_admin, "posture": "unreadable"})
        return
    kinds = active_kinds(factors)
    for kind in unknown_kinds(kinds):
        report.note_unseen(f"the strength of factor {kind}, which counts as weak here")
    posture = posture_of(kinds)
    state["looked_at"] += 1
    state["counts"][posture] += 1
    if is_admin:
        state["admin_counts"][posture] += 1
    report.rows.append(
        {
            **cells,
            "admin": is_admin,
            "posture": posture,
            "factors": kinds,
            "pending": pending_kinds(factors),
        }
    )
