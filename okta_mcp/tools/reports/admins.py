"""Who holds which administrator role, directly or by a group, and with which sign-in factors.

Okta: /api/v1/iam/assignees/users, which pages by a link in its body, then for each person the
account, the roles and the factors. One row is one person and one role; the report goes on by its
cursor where an organisation has many administrators.
"""

from typing import Any

from okta_mcp.okta.errors import OktaRefusedError
from okta_mcp.okta.ids import id_segment, is_okta_id
from okta_mcp.okta.paging import next_target, target_of
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.reader import After
from okta_mcp.tools.reports.factors import HIDDEN, active_kinds, posture_of
from okta_mcp.tools.reports.raw import PERSON, Raw, at, person, text
from okta_mcp.tools.reports.report import Report, ReportTools, report_schema

_COLUMNS = (
    *PERSON,
    *("role", "label", "assigned", "group", "resource_set", "role_status"),
    *("last_login", "factors", "posture"),
)
_ASSIGNEES = "/api/v1/iam/assignees/users"
_PAGE = 100
_COUNTS = ("people", "assignments", "super_admins", "inactive_accounts", "without_mfa", "weak_only")
_FACTORS = "sign-in factors"


class AdminsReport:
    """One tool; it shows roles and the people who hold them."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.list_okta_admins,
                title="List administrators",
                description=(
                    "Who holds which administrator role in Okta: one row for each person and role,"
                    " direct or by group, custom roles with their resource set, with account"
                    " status, last sign-in and sign-in factors."
                ),
                scopes=("okta.roles.read", "okta.users.read"),
                output_schema=report_schema(_COLUMNS),
            )
        ]

    async def list_okta_admins(self, after: After = None) -> dict[str, Any]:
        report = self._tools.begun("list_okta_admins", _COLUMNS, {}, after)
        state = report.state
        if not state:
            state |= {"next": target_of(_ASSIGNEES, {"limit": _PAGE}), "waiting": [], "groups": {}}
            state |= {"summary": dict.fromkeys(_COUNTS, 0) | {"by_role": {}}}
        await report.work(lambda: _step(report))
        return await report.answer(state["summary"])


async def _step(report: Report) -> bool:
    """The next administrator, or the next page of them where none is waiting."""
    state = report.state
    report.doing("reading administrators", state["summary"]["people"])
    if state["waiting"]:
        await _look_at(report, state["waiting"][0])
        state["waiting"] = state["waiting"][1:]
    elif state["next"]:
        body = await report.reader.raw(state["next"])
        listed = body.get("value")
        found = [text(each, "id") for each in listed] if isinstance(listed, list) else []
        state["waiting"] = [each for each in found if is_okta_id(each)]
        state["next"] = _following(body)
    return bool(state["waiting"] or state["next"])


def _following(body: Raw) -> str | None:
    href = text(body, "_links", "next", "href")
    return next_target([f'<{href}>; rel="next"'], _ASSIGNEES) if href else None


async def _look_at(report: Report, user_id: str) -> None:
    try:
        user = await report.reader.raw(f"/api/v1/users/{user_id}")
    except OktaRefusedError as error:
        if error.code != "not_found":
            raise
        user = {"id": user_id}
    roles, _ = await report.reader.all(f"/api/v1/users/{user_id}/roles")
    cells: dict[str, Any] = {**person(user), "last_login": user.get("lastLogin")}
    cells |= await _factors(report, user_id)
    rows = [cells | await _assignment(report, role) for role in roles]
    report.rows += rows
    _count(report.state["summary"], cells, rows)


async def _factors(report: Report, user_id: str) -> dict[str, Any]:
    """The cells about factors; empty where the caller or the server may not see them."""
    if not report.may("list_okta_user_factors", _FACTORS):
        return {}
    try:
        factors, _ = await report.reader.all(f"/api/v1/users/{user_id}/factors")
    except OktaRefusedError as error:
        report.note_unseen(f"{_FACTORS} of some people ({error.message})")
        return {}
    report.note_unseen(HIDDEN)
    kinds = active_kinds(factors)
    return {"factors": kinds, "posture": posture_of(kinds)}


async def _assignment(report: Report, role: Raw) -> dict[str, Any]:
    kind = text(role, "type")
    assigned = text(role, "assignmentType")
    return {
        "role": kind,
        "label": text(role, "label"),
        "assigned": {"USER": "direct", "GROUP": "by group"}.get(assigned, assigned.lower()),
        "group": await _group_name(report, role) if assigned == "GROUP" else None,
        "resource_set": text(role, "resource-set") or None,
        "role_status": text(role, "status"),
    }


async def _group_name(report: Report, role: Raw) -> str | None:
    """The name of the group through which a role came, each asked once; else its id."""
    group_id = text(role, "_links", "assignee", "href").rpartition("/")[2]
    if not is_okta_id(group_id):
        report.note_unseen("the group behind some roles: Okta does not say which")
        return None
    known = report.state["groups"]
    if group_id not in known and report.may("get_okta_group", "names of groups"):
        try:
            group = await report.reader.raw(f"/api/v1/groups/{id_segment(group_id, 'group_id')}")
        except OktaRefusedError:
            group = {}
        known[group_id] = str(at(group, "profile", "name") or group_id)
    return str(known.get(group_id, group_id))


def _count(summary: dict[str, Any], cells: Raw, rows: list[dict[str, Any]]) -> None:
    kinds = {row["role"] for row in rows if row["role_status"] != "INACTIVE"}
    summary["people"] += 1
    summary["assignments"] += len(rows)
    summary["super_admins"] += "SUPER_ADMIN" in kinds
    summary["inactive_accounts"] += cells["status"] in ("SUSPENDED", "DEPROVISIONED", "")
    summary["without_mfa"] += cells.get("posture") == "no_mfa"
    summary["weak_only"] += cells.get("posture") == "weak_only"
    for kind in kinds:
        summary["by_role"][kind] = summary["by_role"].get(kind, 0) + 1
