"""What the rules of a report found, each with its reason and the events that show it.

A finding belongs to the part of a report in which its last event was read; how often each rule has
fired is counted over the whole report, in its state.
"""

from typing import Any

from okta_mcp.tools.reports.events import LogEvent
from okta_mcp.tools.reports.report import Report

_MAX_FINDINGS = 100
_MAX_EVIDENCE = 5


class Findings:
    """The findings of one part; `counts` by rule is the whole report's."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts
        self._repeated: dict[tuple[str, str], dict[str, Any]] = {}
        self._left_out = 0
        self.listed: list[dict[str, Any]] = []

    def add(self, rule: str, who: str, reason: str, event: LogEvent, **more: Any) -> None:
        """What one event shows. The same rule on the same `who` is one finding with a count, and
        with the reason and `more` of the first time."""
        known = self._repeated.get((rule, who))
        if known is None:
            self._repeated[rule, who] = self.put(
                rule, who, reason, count=1, first=event.published, last=event.published,
                evidence=[event.uuid], **more,
            )  # fmt: skip
        else:
            self._counts[rule] = self._counts.get(rule, 0) + 1
            known |= {"count": known["count"] + 1, "last": event.published}
            known["evidence"] = [*known["evidence"], event.uuid][:_MAX_EVIDENCE]

    def put(self, rule: str, who: str, reason: str, **more: Any) -> dict[str, Any]:
        """A finding as it is, counted."""
        self._counts[rule] = self._counts.get(rule, 0) + 1
        return self.show(rule, who, reason, **more)

    def show(self, rule: str, who: str, reason: str, **more: Any) -> dict[str, Any]:
        """A finding that may still grow and is counted when it is complete."""
        finding = {"rule": rule, "who": who, "reason": reason, **more}
        if len(self.listed) < _MAX_FINDINGS:
            self.listed.append(finding)
        else:
            self._left_out += 1
        return finding

    def note_left_out(self, report: Report) -> None:
        """Says how many findings there were besides those that are listed."""
        if self._left_out:
            report.note_unseen(f"{self._left_out} more findings: ask for a shorter window")


FINDINGS_SCHEMA: dict[str, Any] = {
    "type": "array",
    "description": "of this part; summary.findings counts those of all parts",
    "items": {
        "type": "object",
        "properties": {
            "rule": {"type": "string"},
            "who": {"type": "string"},
            "reason": {"type": "string"},
            "count": {"type": "integer"},
            "first": {"type": "string"},
            "last": {"type": "string"},
            "evidence": {
                "type": "array",
                "items": {"type": "string"},
                "description": "uuid of events",
            },
        },
        "required": ["rule", "who", "reason", "evidence"],
    },
}
