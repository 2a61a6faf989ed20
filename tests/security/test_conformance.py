"""docs/conformance.md holds every security requirement once, and every claim in it has its proof.

Its tables have the id in the first column: `| A-07 | ... |`. A row names each proof as
`tests/path.py::test_name`, and the id stands in the tests; or the row begins its second column
with `not served:` and a reason.
"""

import re
from pathlib import Path

import pytest

from tests.vocabulary.processes import CHECKOUT

CONFORMANCE = CHECKOUT / "docs" / "conformance.md"
TESTS = CHECKOUT / "tests"
# The ids of each section, as first and last number of its runs. Numbers left out were never given.
SECTIONS = {
    "D": [(1, 16)],
    "R": [(1, 25)],
    "A": [(1, 23)],
    "X": [(1, 8)],
    "C": [(1, 22), (24, 26), (28, 29)],
    "K": [(1, 7), (9, 20)],
    "T": [(1, 17)],
    "U": [(1, 29)],
    "M": [(1, 11), (13, 20)],
    "B": [(1, 15)],
    "I": [(1, 9)],
    "W": [(1, 13)],
    "L": [(1, 11)],
    "S": [(1, 8)],
}
IDS = [
    f"{section}-{number:02}"
    for section, runs in SECTIONS.items()
    for first, last in runs
    for number in range(first, last + 1)
]
ROW = re.compile(r"^\|\s*([DRAXCKTUMBIWLS]-\d{2})\s*\|\s*(.*)$", re.MULTILINE)
PROOF = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")
NOT_SERVED = re.compile(r"not served:\s*\w+", re.IGNORECASE)


def rows() -> list[tuple[str, str]]:
    """Each row's id and the rest of its line."""
    return ROW.findall(CONFORMANCE.read_text())


def ids_in_tests() -> set[str]:
    """Every id that stands in a test, this file's own table aside."""
    here = Path(__file__)
    sources = (path.read_text() for path in TESTS.rglob("*.py") if path != here)
    return {found for text in sources for found in re.findall(r"\b[A-Z]-\d{2}\b", text)}


def missing_proofs(rest: str) -> list[str]:
    """What a row names that does not exist."""
    missing = []
    for path, name in PROOF.findall(rest):
        file = CHECKOUT / path
        if not file.is_file() or (name and not re.search(rf"\bdef {name}\b", file.read_text())):
            missing.append(f"{path}::{name}")
    return missing


def test_every_requirement_has_one_row() -> None:
    found = [identifier for identifier, _ in rows()]
    assert sorted(found) == sorted(IDS)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_names_a_proof_that_exists(section: str) -> None:
    """A proof is a test; what is not served says why instead."""
    proven = ids_in_tests()
    unproven = {}
    for identifier, rest in rows():
        if not identifier.startswith(section) or NOT_SERVED.match(rest):
            continue
        missing = missing_proofs(rest)
        if not PROOF.search(rest):
            unproven[identifier] = "names no test"
        elif missing:
            unproven[identifier] = f"does not exist: {missing}"
        elif identifier not in proven:
            unproven[identifier] = "stands in no test"
    assert unproven == {}


def test_no_test_names_a_requirement_that_was_never_given() -> None:
    """A wrong id proves nothing; ids of other lists have another form."""
    sections = "".join(SECTIONS)
    named = {found for found in ids_in_tests() if found[0] in sections}
    assert named - set(IDS) == set()
