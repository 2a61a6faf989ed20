"""The resources: short texts that an assistant reads instead of guessing.

Each is a `Readable` under a URI or a URI template (RFC 6570, level 1); `mcp_endpoint.server`
registers them and the policy says who may read which. What a template's variable holds is the
caller's text: an unknown value is answered like a resource that does not exist.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from okta_mcp.compact_json import compact_text
from okta_mcp.guides.event_types import (
    event_type_families,
    event_types_asked_first,
    event_types_beginning,
)
from okta_mcp.guides.policy_types import POLICY_TYPES
from okta_mcp.tools.call import current_call
from okta_mcp.tools.error_codes import ERROR_CODES
from okta_mcp.tools.grammars import HELP
from okta_mcp.tools.reports.report import REPORT_URI
from okta_mcp.tools.reports.shelf import Shelf

JSON = "application/json"
SEARCH_HELP_URI = "okta://help/search/{subject}"
EVENT_TYPES_URI = "okta://event-types/{prefix}"
ERROR_URI = "okta://errors/{code}"

_MOST_EVENT_TYPES = 300


class NoSuchResourceError(Exception):
    """A variable of a template has a value under which nothing is to be read."""


@dataclass(frozen=True, slots=True)
class Readable:
    """A resource, or a template where `uri` has a variable; `read` takes the variables by name.

    `read` raises `NoSuchResourceError`.
    """

    uri: str
    name: str
    title: str
    description: str
    read: Callable[..., Awaitable[str]]
    mime_type: str = JSON

    @property
    def is_template(self) -> bool:
        """Whether one URI stands for many."""
        return "{" in self.uri


Source = Callable[[], Mapping[str, Any]]


def readables(shelf: Shelf | None, who: Source, who_may_use_what: Source) -> Sequence[Readable]:
    """Every resource, in the order of lists.

    `shelf` keeps the CSV of reports; without it there is none. `who` is `who_am_i` of the request
    that runs, `who_may_use_what` the policy as a table.
    """
    return (
        Readable(
            "user://me",
            "me",
            "Who am I",
            "The signed-in person: role, groups that gave it, tools, scopes.",
            _json_of(who),
        ),
        Readable(
            "okta://help/search",
            "search_help",
            "What can be searched",
            "The lists with an expression language, and where each is described.",
            _search_subjects,
        ),
        Readable(
            SEARCH_HELP_URI,
            "search_help_of",
            "How to search",
            f"Attributes, operators and examples for one of: {', '.join(HELP)}.",
            _search_help,
        ),
        Readable(
            "okta://event-types",
            "event_types",
            "Event types of the system log",
            "The types asked for first, and the beginnings of all names with their counts.",
            _event_types,
        ),
        Readable(
            EVENT_TYPES_URI,
            "event_types_beginning",
            "Event types by the beginning of the name",
            "The types whose name begins so, such as user.mfa, with what each is about.",
            _event_types_of,
        ),
        Readable(
            "okta://policy-types",
            "policy_types",
            "Types of policies",
            "What each type of policy decides; list_okta_policies takes them as type.",
            _policy_types,
        ),
        Readable(
            "okta://errors",
            "error_codes",
            "Error codes of the tools",
            "Every code with what happened and what to do.",
            _errors,
        ),
        Readable(
            ERROR_URI, "error_code", "One error code", "What happened and what to do.", _error
        ),
        Readable(
            "okta://rbac",
            "who_may_use_what",
            "Who may use what",
            "The tools, resources and prompts of each role.",
            _json_of(who_may_use_what),
        ),
        Readable(
            REPORT_URI,
            "report",
            "The rows of a report",
            "The table of a report that you asked for within the last hour, as CSV.",
            _report_of(shelf),
            "text/csv",
        ),
    )


def _json_of(source: Source) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        return compact_text(dict(source()))

    return read


async def _search_subjects() -> str:
    return compact_text({"subjects": {name: SEARCH_HELP_URI.format(subject=name) for name in HELP}})


async def _search_help(subject: str) -> str:
    if subject not in HELP:
        raise NoSuchResourceError
    return compact_text(HELP[subject])


async def _event_types() -> str:
    return compact_text(
        {
            "asked_first": event_types_asked_first(),
            "families": event_type_families(),
            "more": EVENT_TYPES_URI,
            "note": "Okta adds types without notice: one that is not listed may still exist.",
        }
    )


async def _event_types_of(prefix: str) -> str:
    found = event_types_beginning(prefix)
    if not found:
        raise NoSuchResourceError
    return compact_text(
        {"types": found[:_MOST_EVENT_TYPES], "truncated": len(found) > _MOST_EVENT_TYPES}
    )


async def _policy_types() -> str:
    return compact_text({"types": POLICY_TYPES})


async def _errors() -> str:
    return compact_text({code: _told(code) for code in ERROR_CODES})


async def _error(code: str) -> str:
    if code not in ERROR_CODES:
        raise NoSuchResourceError
    return compact_text({"code": code, **_told(code)})


def _told(code: str) -> dict[str, str]:
    each = ERROR_CODES[code]
    told = {"happened": each.happened, "to_do": each.to_do}
    return told | {"check": f"okta-mcp doctor --only {each.check}"} if each.check else told


def _report_of(shelf: Shelf | None) -> Callable[[str], Awaitable[str]]:
    async def read(report_id: str) -> str:
        person = current_call.get().user_id
        text = await shelf.get(person, report_id) if shelf is not None else None
        if text is None:
            # Also somebody else's: a caller cannot tell the two apart.
            raise NoSuchResourceError
        return text

    return read
