"""Reads single values out of Okta's raw objects for the reports, whatever form these have.

Okta omits nulls, adds enum values and may send anything: a value of another type than expected is
as if it were missing. Nothing here is shown before the report's answer has cleaned it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Raw = Mapping[str, Any]


def at(source: object, *path: str) -> Any:
    """What stands at `path`, or None."""
    for name in path:
        source = source.get(name) if isinstance(source, Mapping) else None
    return source


def text(source: object, *path: str) -> str:
    """The text at `path`; empty where there is none."""
    found = at(source, *path)
    return found if isinstance(found, str) else ""


def texts(source: object, *path: str) -> list[str]:
    """The texts of the list at `path`."""
    found = at(source, *path)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def moment(source: object, *path: str) -> datetime | None:
    """The time at `path`, aware; None where there is none."""
    try:
        found = datetime.fromisoformat(text(source, *path))
    except ValueError:
        return None
    return found if found.tzinfo else None


def person(user: object) -> dict[str, str]:
    """The cells by which a table names a person."""
    names = (text(user, "profile", "firstName"), text(user, "profile", "lastName"))
    return {
        "user_id": text(user, "id"),
        "login": text(user, "profile", "login"),
        "name": " ".join(name for name in names if name),
        "status": text(user, "status"),
    }


PERSON = ("user_id", "login", "name", "status")
