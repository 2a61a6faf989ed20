"""The reports that read the system log, as one family of tools."""

from collections.abc import Callable

from okta_mcp.tools.answers import OktaTool
from okta_mcp.tools.reports.admin_changes import AdminChanges
from okta_mcp.tools.reports.incident_timeline import IncidentTimeline
from okta_mcp.tools.reports.login_activity import LoginActivity
from okta_mcp.tools.reports.report import ReportTools


class LogReports:
    """`role_groups` gives the groups, by name or id, that give roles: who joins one is a change."""

    def __init__(
        self, tools: ReportTools, role_groups: Callable[[], tuple[str, ...]] = tuple
    ) -> None:
        self._reports = (
            LoginActivity(tools),
            IncidentTimeline(tools),
            AdminChanges(tools, role_groups),
        )

    def tools(self) -> list[OktaTool]:
        """The tools, ready to be registered."""
        return [tool for report in self._reports for tool in report.tools()]
