"""How figures are shown: a table with targets, what was missed; the command of a benchmark."""

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import servers


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
        unit = f" {self.unit}" if self.unit else ""
        target = f"{bound} {self.target:g}{unit}"
        return f"| {self.measure} | {target} | {_shown(self.measured)}{unit} |"

    @property
    def missed(self) -> str:
        return f"MISSED {self.measure}: {_shown(self.measured)} instead of {self.target:g}"


@dataclass(frozen=True, slots=True)
class Report:
    """What has a target, if anything has, and the paragraphs and tables below it."""

    figures: Sequence[Figure]
    below: Sequence[str]

    def text(self, *, has_targets: bool) -> str:
        """As Markdown; without `has_targets` nothing is said of a target that was missed."""
        missed = [each.missed for each in self.figures if has_targets and not each.is_met]
        targets = [table("measure | target | measured", [each.row for each in self.figures])]
        return "\n\n".join([*(targets if self.figures else []), *missed, *self.below])


def table(head: str, rows: Sequence[str]) -> str:
    """Markdown of names with bars between them, and of rows with bars around them."""
    return "\n".join([f"| {head} |", f"|{'---|' * (head.count('|') + 1)}", *rows])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds, each against the same round."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def benchmark(
    name: str, page: str = "performance.md"
) -> Callable[[Callable[..., Report]], click.Command]:
    """Makes `python -m benchmarks.NAME` of the function that measures, which is told `short`.

    `--write` puts the report between the marks of that name in a page of docs/.
    """

    def command(measured: Callable[..., Report]) -> click.Command:
        @click.command(name, help=measured.__doc__)
        @click.option("--short", is_flag=True, help="A moment only: to see that it works.")
        @click.option("--write", is_flag=True, help=f"Put the report into docs/{page}.")
        def main(short: bool, write: bool, **options: object) -> None:
            servers.leave_their_core()
            text = measured(short=short, **options).text(has_targets=not short)
            click.echo(text)
            if write:
                written(servers.ROOT / "docs" / page, name, text)

        return main

    return command


def written(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks of `name` in a page; raises `ClickException` without them."""
    between = re.compile(f"(?<=<!-- {name} -->\n).*(?=\n<!-- end of {name} -->)", re.DOTALL)
    after, places = between.subn(lambda _: text, page.read_text(encoding="utf-8"), count=1)
    if not places:
        raise click.ClickException(f"{page.name} has no place for the figures of {name}")
    page.write_text(after, encoding="utf-8")


def _shown(number: float) -> str:
    # A count is an int.
    return f"{number:.0f}" if number >= 10 or isinstance(number, int) else f"{number:.2f}"
