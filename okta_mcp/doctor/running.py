"""Runs the checks one after the other, each in a bounded time, and skips what it cannot tell."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from okta_mcp.doctor.checks import CHECKS, IDS, SETTINGS, Check
from okta_mcp.doctor.configuration import Unusable, usable_settings
from okta_mcp.doctor.subject import Subject, subject_of
from okta_mcp.doctor.verdict import Status, Verdict, failed, skipped

_CHECK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer: a check's id and one of its verdicts."""

    id: str
    status: Status
    seen: str
    fix: str


async def findings(
    env_file: Path,
    overrides: Mapping[str, Any],
    only: Collection[str],
    now: Callable[[], float],
) -> list[Finding]:
    """What the checks of `only` found (all, if it is empty), and what stopped one of them.

    `only` holds ids of `IDS`; `now` is epoch seconds.
    """
    chosen = set(only or IDS)
    try:
        settings, key = usable_settings(env_file, overrides)
    except Unusable as unusable:
        rest = [each for each in IDS if each in chosen and each != SETTINGS]
        return [
            *_of(SETTINGS, unusable.verdicts),
            *(finding for each in rest for finding in _of(each, [_blocked_by(SETTINGS)])),
        ]
    async with subject_of(settings, key, now) as subject:
        return await _run(subject, chosen)


async def _run(subject: Subject, chosen: set[str]) -> list[Finding]:
    wanted = _with_needs(chosen)
    stopped: dict[str, str] = {}
    found: list[Finding] = []
    for check in CHECKS:
        if check.id not in wanted:
            continue
        blocking = next((stopped[each] for each in check.needs if each in stopped), None)
        verdicts = [_blocked_by(blocking)] if blocking else await _within_time(check, subject)
        if blocking or any(verdict.status == "failed" for verdict in verdicts):
            stopped[check.id] = blocking or check.id
        # What was run only for others is told where it stops them.
        if check.id in chosen or (check.id in stopped and not blocking):
            found += _of(check.id, verdicts)
    return found


async def _within_time(check: Check, subject: Subject) -> list[Verdict]:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check.run(subject)
    except TimeoutError:
        return [failed(f"not done in {_CHECK_SECONDS:.0f} seconds", "ask again; check the network")]


def _with_needs(chosen: set[str]) -> set[str]:
    wanted = set(chosen)
    for check in reversed(CHECKS):
        if check.id in wanted:
            wanted.update(check.needs)
    return wanted


def _blocked_by(check_id: str) -> Verdict:
    return skipped(f"cannot be told because {check_id} failed")


def _of(check_id: str, verdicts: list[Verdict]) -> list[Finding]:
    return [Finding(check_id, each.status, each.seen, each.fix) for each in verdicts]
