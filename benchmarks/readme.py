"""The README's few figures: rows of docs/performance.md, as the benchmarks wrote them there.

`python -m benchmarks.readme` after the benchmarks have run with `--write`.
"""

import click

from benchmarks import servers
from benchmarks.figures import table, written

PAGE = servers.ROOT / "docs" / "performance.md"
README = servers.ROOT / "README.md"
# How the measures begin; of several rows the first.
SHOWN = ("`tools/list`", "call of a local tool", "401", "whole logins", "time added")


def figures() -> str:
    """The table; raises `ClickException` where a row has not been written yet."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = []
    for measure in SHOWN:
        row = next((line for line in lines if line.startswith(f"| {measure}")), None)
        if row is None:
            raise click.ClickException(f"{PAGE.name} has no row that begins with {measure}")
        rows.append(row)
    return table("measure | target | measured", rows)


@click.command()
def main() -> None:
    """Take the README's table from docs/performance.md."""
    written(README, "figures", figures())


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.readme")
