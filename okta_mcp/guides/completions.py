"""Completions: what could stand in an argument of a prompt or in a resource's URI.

Names of people, groups and applications are read from Okta, a few and only for somebody who may
list them; everything else comes from tables of this server. A completion never fails: where
nothing can be offered, nothing is.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from okta_mcp.guides.event_types import event_types
from okta_mcp.guides.policy_types import POLICY_TYPES
from okta_mcp.okta.errors import OktaError
from okta_mcp.okta.paging import Parameter, target_of
from okta_mcp.okta.text import clean_text
from okta_mcp.rbac.limits import Limit, Limits
from okta_mcp.tools.answers import ToolError
from okta_mcp.tools.call import current_call
from okta_mcp.tools.error_codes import ERROR_CODES
from okta_mcp.tools.grammars import HELP
from okta_mcp.tools.reader import Reader

_MOST = 10
_MOST_LISTED = 100
_LONGEST_BEGINNING = 100
_LONGEST_VALUE = 200


class Completions:
    """Answers by the argument's name; every argument of a prompt or template has one meaning."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._by_argument: dict[str, Callable[[str], Awaitable[Sequence[str]]]] = {
            "user": self._people,
            "group": self._groups,
            "application": self._applications,
            "prefix": _of(event_types),
            "event_type": _of(event_types),
            "policy_type": _of(lambda: tuple(POLICY_TYPES)),
            "subject": _of(lambda: tuple(HELP)),
            "code": _of(lambda: tuple(ERROR_CODES)),
            "since": _of(lambda: ("last 24 hours", "last 7 days", "last 30 days", "last 90 days")),
        }

    async def values(self, argument: str, beginning: str) -> Sequence[str]:
        """At most 100 values that begin with, or for names of Okta are found by, `beginning`."""
        complete = self._by_argument.get(argument)
        if complete is None:
            return ()
        try:
            return await complete(beginning[:_LONGEST_BEGINNING])
        except (OktaError, ToolError):
            return ()

    async def _people(self, beginning: str) -> Sequence[str]:
        return await self._found("list_okta_users", "/api/v1/users", beginning, _login)

    async def _groups(self, beginning: str) -> Sequence[str]:
        return await self._found("list_okta_groups", "/api/v1/groups", beginning, _group_name)

    async def _applications(self, beginning: str) -> Sequence[str]:
        return await self._found("list_okta_applications", "/api/v1/apps", beginning, _label)

    async def _found(
        self, tool: str, path: str, beginning: str, value: Callable[[dict[str, Any]], Any]
    ) -> Sequence[str]:
        call = current_call.get()
        limits = call.limits_of(tool)
        if not beginning.strip() or not call.may(tool) or _narrows(limits):
            return ()
        limit = limits.parameters.get("limit", Limit()).most or _MOST
        params: dict[str, Parameter] = {"q": beginning, "limit": min(_MOST, int(limit))}
        page = await self._reader.page(target_of(path, params))
        rows = page.body if isinstance(page.body, list) else []
        found = [value(row) for row in rows if isinstance(row, dict)]
        return [clean_text(text, _LONGEST_VALUE) for text in found if isinstance(text, str)]


def _narrows(limits: Limits) -> bool:
    """Whether the policy keeps from the person a list by `q`, or a part of its rows."""
    return any(
        name == "q" or not limit.is_forbidden
        for name, limit in limits.parameters.items()
        if name not in ("limit", "fields")
    )


def _of(listed: Callable[[], Sequence[str]]) -> Callable[[str], Awaitable[Sequence[str]]]:
    async def complete(beginning: str) -> Sequence[str]:
        wanted = beginning.casefold()
        return [name for name in listed() if name.casefold().startswith(wanted)][:_MOST_LISTED]

    return complete


def _login(user: dict[str, Any]) -> Any:
    return _profile(user).get("login")


def _group_name(group: dict[str, Any]) -> Any:
    return _profile(group).get("name")


def _profile(row: dict[str, Any]) -> dict[str, Any]:
    profile = row.get("profile")
    return profile if isinstance(profile, dict) else {}


def _label(application: dict[str, Any]) -> Any:
    return application.get("label")
