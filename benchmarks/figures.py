"""A figure with its target, and how figures are shown: a table, and a line for each missed."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`measured` should be at least `target`, or with `is_most` at the most."""

    measure: str
    target: float
    measured: float
    unit: str = "times"
    is_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.measured <= self.target if self.is_most else self.measured >= self.target

    @property
    def row(self) -> str:
        bound = "at most" if self.is_most else "at least"
        target = f"{bound} {self.target:g} {self.unit}"
        return f"| {self.measure} | {target} | {_shown(self.measured)} {self.unit} |"

    @property
    def missed(self) -> str:
        return f"MISSED {self.measure}: {_shown(self.measured)} instead of {self.target:g}"


def table(figures: Sequence[Figure]) -> str:
    """The rows, and what was missed below them."""
    rows = ["| measure | target | measured |", "|---|---|---|", *(each.row for each in figures)]
    return "\n".join([*rows, *(f"\n{each.missed}" for each in figures if not each.is_met)])


def _shown(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2f}"
