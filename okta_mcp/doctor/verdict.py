"""What a check answers with. It never holds a secret: the words are ours, besides ids and names."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`seen` is what was found, `fix` what to do about it, empty where there is nothing to do."""

    status: Status
    seen: str
    fix: str = ""


def ok(seen: str) -> Verdict:
    """As it should be."""
    return Verdict("ok", seen)


def warning(seen: str, fix: str) -> Verdict:
    """The server works, or works in part."""
    return Verdict("warning", seen, fix)


def failed(seen: str, fix: str) -> Verdict:
    """Nobody can sign in, or nobody gets what they should."""
    return Verdict("failed", seen, fix)


def skipped(seen: str, fix: str = "") -> Verdict:
    """It does not apply, or cannot be told from here; stops no other check."""
    return Verdict("skipped", seen, fix)
