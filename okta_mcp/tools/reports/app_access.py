"""Who has access to an application, and how: directly or through which of its groups.

Okta: /api/v1/apps/{id}, its /users (which say direct or group, but not which group), its /groups,
and the members of each of these, a few groups at a time. A row is one way of one person, so who is
assigned directly and belongs to a group of the application has two; people are counted once, by
the assignments.
"""

from typing import Any

from okta_mcp.okta.errors import OktaError, OktaRefusedError
from okta_mcp.okta.ids import id_segment, is_okta_id
from okta_mcp.okta.paging import Parameter, target_of
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.reader import After
from okta_mcp.tools.reports.raw import PERSON, person, text
from okta_mcp.tools.reports.report import Report, ReportTools, report_schema

_COLUMNS = (*PERSON, "how", "group_id", "group", "assignment_status")
_ASSIGNMENTS: dict[str, Parameter] = {"limit": 500, "expand": "user"}
# Names and ids of a page of groups travel in the cursor: Okta's least page keeps it short.
_GROUPS: dict[str, Parameter] = {"limit": 20, "expand": "group"}
_MEMBERS: dict[str, Parameter] = {"limit": 200}
_COUNTS = ("people", "people_direct", "people_by_group", "people_not_active", "groups")
_FIND_APP = 'find the id with list_okta_applications q="the start of its name"'


class AppAccessReport:
    """One tool that reads applications, people and groups."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.app_access_report,
                title="Report: access to an application",
                description=(
                    "Who has access to an application, and how: a row for each person assigned"
                    " directly and for each member of an assigned group."
                ),
                scopes=("okta.apps.read", "okta.users.read", "okta.groups.read"),
                output_schema=report_schema(_COLUMNS),
            )
        ]

    async def app_access_report(self, app_id: str, after: After = None) -> dict[str, Any]:
        app = id_segment(app_id, "app_id")
        report = self._tools.begun("app_access_report", _COLUMNS, {"app_id": app}, after)
        await report.work(lambda: _step(report))
        return await report.answer(
            {"app": report.state["app"], **{name: report.state[name] for name in _COUNTS}}
        )


async def _step(report: Report) -> bool:
    """First the application, then its assignments, then group by group its members."""
    state = report.state
    path = f"/api/v1/apps/{report.question['app_id']}"
    if not state:
        app = await read_app(report)
        state |= {"app": app_cells(app), **dict.fromkeys(_COUNTS, 0), "waiting": []}
        state["assignments"] = target_of(f"{path}/users", _ASSIGNMENTS)
        state["group_page"] = target_of(f"{path}/groups", _GROUPS)
        return True
    if state["assignments"]:
        await _assignments(report)
    elif state["waiting"]:
        await _members(report)
    else:
        await _groups(report)
    report.doing("reading who has access", state["people"])
    return bool(state["assignments"] or state["waiting"] or state["group_page"])


async def _assignments(report: Report) -> None:
    state = report.state
    assignments, following = await report.reader.page(state["assignments"])
    for assignment in assignments:
        user = (assignment.get("_embedded") or {}).get("user")
        cells = {**person(user), "user_id": text(assignment, "id")}
        is_direct = assignment.get("scope") == "USER"
        state["people_direct" if is_direct else "people_by_group"] += 1
        state["people_not_active"] += cells["status"] not in ("ACTIVE", "")
        if is_direct:
            status = text(assignment, "status")
            report.rows.append({**cells, "how": "direct", "assignment_status": status})
    state["people"] += len(assignments)
    state["assignments"] = following


async def _groups(report: Report) -> None:
    state = report.state
    groups, following = await report.reader.page(state["group_page"])
    # The names are the organisation's: what travels in the cursor is bounded.
    named = [
        (text(group, "id"), text(group, "_embedded", "group", "profile", "name")[:100])
        for group in groups
    ]
    if report.may("list_okta_group_users", "who is in the groups of the application"):
        state["waiting"] = [
            [group_id, name, target_of(f"/api/v1/groups/{group_id}/users", _MEMBERS)]
            for group_id, name in named
            if is_okta_id(group_id)
        ]
    else:
        report.rows += [
            {"how": "group", "group_id": group_id, "group": name} for group_id, name in named
        ]
    state["groups"] += len(groups)
    state["group_page"] = following


async def _members(report: Report) -> None:
    """The next page of the first groups that are waiting; those with another one wait on."""
    waiting = report.state["waiting"]

    async def read(group: list[str]) -> tuple[list[dict[str, Any]], str | None] | OktaRefusedError:
        try:
            return await report.reader.page(group[2])
        except OktaRefusedError as error:
            return error

    found = await report.of_first(waiting, read)
    longer = []
    for (group_id, name, _), page in zip(waiting, found, strict=False):
        if isinstance(page, OktaRefusedError):
            # A group may go while the report runs, or lie outside what the credentials may see.
            report.note_unseen(f"the members of group {group_id} ({page.message})")
            continue
        members, following = page
        report.rows += [
            {**person(user), "how": "group", "group_id": group_id, "group": name}
            for user in members
        ]
        if following:
            longer.append([group_id, name, following])
    report.state["waiting"] = longer + waiting[len(found) :]


async def read_app(report: Report) -> dict[str, Any]:
    """The application that the report is about."""
    try:
        return await report.reader.raw(f"/api/v1/apps/{report.question['app_id']}")
    except OktaError as error:
        if error.code == "not_found":
            error.details["fix"] = _FIND_APP
        raise


def app_cells(app: object) -> dict[str, str]:
    """How a summary names an application."""
    return {name: text(app, name) for name in ("id", "label", "status")}
