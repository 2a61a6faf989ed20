"""Who has an account that nobody uses: active people whose last sign-in is long ago.

Okta: pages of /api/v1/users?search=status eq "ACTIVE"; `lastLogin` cannot be searched, so it is
compared here. Somebody who has never signed in is judged by when the account was made.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from okta_mcp.okta.paging import Parameter, target_of
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.phrases import okta_time
from okta_mcp.tools.reader import After
from okta_mcp.tools.reports.raw import PERSON, moment, person, text
from okta_mcp.tools.reports.report import Report, ReportTools, report_schema

_COLUMNS = (*PERSON, "last_login", "created", "days_inactive")
_DEFAULT_DAYS = 90
_PAGE = 200


class InactiveUsersReport:
    """One tool of `okta.users.read`."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.inactive_users_report,
                title="Report: inactive people",
                description=(
                    "Active people who have not signed in for some days, or never since the"
                    " account was made."
                ),
                scopes=("okta.users.read",),
                output_schema=report_schema(_COLUMNS),
            )
        ]

    async def inactive_users_report(
        self,
        days: Annotated[int | None, Field(ge=1, le=3650, description="90 if not given")] = None,
        after: After = None,
    ) -> dict[str, Any]:
        asked = {"days": _DEFAULT_DAYS if days is None and after is None else days}
        report = self._tools.begun("inactive_users_report", _COLUMNS, asked, after)
        if not report.state:
            search: dict[str, Parameter] = {"search": 'status eq "ACTIVE"', "limit": _PAGE}
            now = datetime.fromtimestamp(self._tools.now(), UTC)
            report.state |= {
                "next": target_of("/api/v1/users", search),
                # One moment for all parts, however late the last one is.
                "before": okta_time(now - timedelta(days=report.question["days"])),
                "looked_at": 0,
                "inactive": 0,
                "never_signed_in": 0,
            }
        await report.work(lambda: _page_of(report))
        # Never signed in first, then the longest ago.
        report.rows.sort(key=lambda row: (row["last_login"] or "", row["created"]))
        counts = {name: report.state[name] for name in ("looked_at", "inactive", "never_signed_in")}
        return await report.answer(
            {
                **counts,
                "days": report.question["days"],
                "not_signed_in_since": report.state["before"],
                "consistency": "eventual",
            }
        )


async def _page_of(report: Report) -> bool:
    state = report.state
    users, following = await report.reader.page(state["next"])
    before = datetime.fromisoformat(state["before"])
    for user in users:
        last_login = moment(user, "lastLogin")
        used = last_login or moment(user, "created")
        if used is None or used >= before:
            continue
        state["inactive"] += 1
        state["never_signed_in"] += last_login is None
        report.rows.append(
            {
                **person(user),
                "last_login": text(user, "lastLogin") or None,
                "created": text(user, "created"),
                "days_inactive": (before - used).days + report.question["days"],
            }
        )
    state["looked_at"] += len(users)
    state["next"] = following
    report.doing("reading people", state["looked_at"])
    return following is not None
