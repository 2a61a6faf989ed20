"""Who holds which administrator role, directly or by a group, and with which sign-in factors.

Okta: /api/v1/iam/assignees/users, which pages by a link in its body, then for a few people at a
time the account, the roles and the factors. One row is one person and one role; the report goes on
by its cursor where an organisation has many administrators.
"""

from dataclasses import dataclass
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
        sees_factors = report.may("list_okta_user_factors", _FACTORS)
        found = await report.of_first(
            state["waiting"],
            lambda user_id: _read(report, user_id, sees_factors=sees_factors),
            reads_each=3,
        )
        await _name_groups(report, [role for each in found for role in each.roles])
        for each in found:
            _take(report, each)
        state["waiting"] = state["waiting"][len(found) :]
    elif state["next"]:
        body = await report.reader.raw(state["next"])
        listed = body.get("value")
        ids = [text(each, "id") for each in listed] if isinstance(listed, list) else []
        state["waiting"] = [each for each in ids if is_okta_id(each)]
        state["next"] = _following(body)
    return bool(state["waiting"] or state["next"])


def _following(body: Raw) -> str | None:
    href = text(body, "_links", "next", "href")
    return next_target([f'<{href}>; rel="next"'], _ASSIGNEES) if href else None


@dataclass(frozen=True, slots=True)
class _Admin:
    """What Okta says of one: `factors` is None where the caller may not see them."""

    user: dict[str, Any]
    roles: list[dict[str, Any]]
    factors: list[dict[str, Any]] | OktaRefusedError | None


async def _read(report: Report, user_id: str, *, sees_factors: bool) -> _Admin:
    reads = [_account(report, user_id), report.reader.all(f"/api/v1/users/{user_id}/roles")]
    if not sees_factors:
        user, (roles, _) = await report.together(*reads)
        return _Admin(user, roles, None)
    user, (roles, _), factors = await report.together(*reads, _factors(report, user_id))
    return _Admin(user, roles, factors)


async def _account(report: Report, user_id: str) -> dict[str, Any]:
    try:
        return await report.reader.raw(f"/api/v1/users/{user_id}")
    except OktaRefusedError as error:
        if error.code != "not_found":
            raise
        return {"id": user_id}


async def _factors(report: Report, user_id: str) -> list[dict[str, Any]] | OktaRefusedError:
    try:
        factors, _ = await report.reader.all(f"/api/v1/users/{user_id}/factors")
    except OktaRefusedError as error:
        return error
    return factors


def _take(report: Report, admin: _Admin) -> None:
    cells: dict[str, Any] = {**person(admin.user), "last_login": admin.user.get("lastLogin")}
    if isinstance(admin.factors, OktaRefusedError):
        report.note_unseen(f"{_FACTORS} of some people ({admin.factors.message})")
    elif admin.factors is not None:
        report.note_unseen(HIDDEN)
        kinds = active_kinds(admin.factors)
        cells |= {"factors": kinds, "posture": posture_of(kinds)}
    rows = [cells | _assignment(report, role) for role in admin.roles]
    report.rows += rows
    _count(report.state["summary"], cells, rows)


def _assignment(report: Report, role: Raw) -> dict[str, Any]:
    kind = text(role, "type")
    assigned = text(role, "assignmentType")
    return {
        "role": kind,
        "label": text(role, "label"),
        "assigned": {"USER": "direct", "GROUP": "by group"}.get(assigned, assigned.lower()),
        "group": _group_name(report, role) if assigned == "GROUP" else None,
        "resource_set": text(role, "resource-set") or None,
        "role_status": text(role, "status"),
    }


async def _name_groups(report: Report, roles: list[dict[str, Any]]) -> None:
    """Asks for the groups that are not known yet, each once in a report."""
    known = report.state["groups"]
    ids = {_group_id(role) for role in roles if text(role, "assignmentType") == "GROUP"}
    new = sorted(each for each in ids - known.keys() if is_okta_id(each))

    async def learn(group_id: str) -> None:
        try:
            group = await report.reader.raw(f"/api/v1/groups/{id_segment(group_id, 'group_id')}")
        except OktaRefusedError:
            group = {}
        # Kept also where the step is repeated: a name stays true.
        known[group_id] = str(at(group, "profile", "name") or group_id)

    if new and report.may("get_okta_group", "names of groups"):
        await report.together(*map(learn, new))


def _group_name(report: Report, role: Raw) -> str | None:
    """The name of the group through which a role came; else its id."""
    group_id = _group_id(role)
    if not is_okta_id(group_id):
        report.note_unseen("the group behind some roles: Okta does not say which")
        return None
    return str(report.state["groups"].get(group_id, group_id))


def _group_id(role: Raw) -> str:
    return text(role, "_links", "assignee", "href").rpartition("/")[2]


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
