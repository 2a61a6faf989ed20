"""The tables of clients in README.md and docs/clients.md say what is pinned and was run."""

import re
from pathlib import Path

import pytest

from tests.clients import TABLES, row, rows, with_rows
from tests.vocabulary.client_environments import SCRIPTS
from tests.vocabulary.pinned_clients import CLIENTS

ADVICE = "run: python -m tests.clients --write"
README = TABLES[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("page", TABLES, ids=lambda path: path.name)
def test_the_table_names_each_pinned_client_at_its_version(page: Path) -> None:
    told = rows(page.read_text(encoding="utf-8"))
    assert told == {client.name: row(client, told[client.name][-1]) for client in CLIENTS}, ADVICE


@pytest.mark.parametrize("page", TABLES, ids=lambda path: path.name)
def test_each_client_has_passed_on_a_day(page: Path) -> None:
    for name, cells in rows(page.read_text(encoding="utf-8")).items():
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", cells[-1]), (name, ADVICE)


def test_both_tables_are_the_same() -> None:
    one, other = (rows(page.read_text(encoding="utf-8")) for page in TABLES)
    assert one == other


def test_a_client_that_did_not_pass_keeps_its_date() -> None:
    [first, second, *_] = [client.name for client in CLIENTS]
    before = with_rows(README, {first: "2026-01-01", second: "2026-01-01"})
    told = rows(with_rows(before, {first: "2026-02-02"}))
    assert (told[first][-1], told[second][-1]) == ("2026-02-02", "2026-01-01")


def test_a_version_that_was_never_run_has_no_date() -> None:
    client = CLIENTS[0]
    told = README.replace(
        " | ".join(row(client, rows(README)[client.name][-1])),
        " | ".join([f"`{client.package}`", "0.0.1", *row(client, "2026-01-01")[2:]]),
        1,
    )
    assert rows(told)[client.name][1] == "0.0.1"
    assert rows(with_rows(told, {}))[client.name][-1] == "not yet"


def test_every_script_is_somebodys() -> None:
    used = {client.script for client in CLIENTS if client.script}
    assert {path.name for path in SCRIPTS.glob("*.*")} == used | {"driving.py"}
