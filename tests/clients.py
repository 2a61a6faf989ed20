"""`python -m tests.clients`: tries every pinned client by the whole way, and says which passed.

`--write` puts the versions and the date into the tables of README.md and docs/clients.md. A client
of which a test failed keeps the date it had. Not a test: run it when a version is pinned anew, or
before a release.
"""

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from tests.vocabulary.pinned_clients import CLIENTS, PinnedClient
from tests.vocabulary.processes import CHECKOUT

TESTS = ("tests/e2e/test_clients.py", "tests/chromium/test_inspector.py")
TABLES = (CHECKOUT / "README.md", CHECKOUT / "docs" / "clients.md")
HEAD = "| client | package | version | proves itself by | last passed |\n|---|---|---|---|---|\n"
_TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\n)*")
_NEVER = "not yet"


def rows(page: str) -> dict[str, list[str]]:
    """The table of a page: for each client its package, version, methods and date."""
    table = _TABLE.search(page)
    assert table is not None, "the page has no table of clients"
    lines = table.group().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: rest for name, *rest in cells}


def row(client: PinnedClient, date: str) -> list[str]:
    """What the table says of a client."""
    methods = ", ".join(f"`{method}`" for method in client.methods)
    return [f"`{client.package}`", client.version, methods, date]


def with_rows(page: str, dates: Mapping[str, str]) -> str:
    """The page with the table of now; `dates` are those of the clients that passed."""
    before = {name: cells[-1] for name, cells in rows(page).items() if _stands(name, cells)}
    lines = [
        " | ".join([f"| {client.name}", *row(client, date), ""]).rstrip()
        for client in CLIENTS
        for date in [dates.get(client.name) or before.get(client.name, _NEVER)]
    ]
    return _TABLE.sub(lambda _: HEAD + "".join(f"{line}\n" for line in lines), page, count=1)


def _stands(name: str, cells: list[str]) -> bool:
    """Whether a row speaks of the version that is pinned now."""
    return any(client.name == name and row(client, cells[-1]) == cells for client in CLIENTS)


class Outcomes:
    """A pytest plugin: which clients passed all their tests."""

    def __init__(self) -> None:
        self._passed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = dict(report.user_properties).get("client")
        if isinstance(name, str) and (report.when == "call" or not report.passed):
            self._passed[name] = self._passed.get(name, True) and report.passed

    @property
    def passed(self) -> list[str]:
        return [name for name, has_passed in self._passed.items() if has_passed]


@click.command()
@click.option("--write", is_flag=True, help="Put the date into README.md and docs/clients.md.")
def main(write: bool) -> None:
    """Try every pinned client; exit code 1 where one failed."""
    outcomes = Outcomes()
    pytest.main(["-q", *(str(CHECKOUT / test) for test in TESTS)], plugins=[outcomes])
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    if write:
        for page in TABLES:
            _rewrite(page, dict.fromkeys(outcomes.passed, today))
    for client in CLIENTS:
        click.echo(f"{client.name}: {'passed' if client.name in outcomes.passed else 'failed'}")
    sys.exit(len(outcomes.passed) != len(CLIENTS))


def _rewrite(page: Path, dates: Mapping[str, str]) -> None:
    page.write_text(with_rows(page.read_text(encoding="utf-8"), dates), encoding="utf-8")


if __name__ == "__main__":
    main()
