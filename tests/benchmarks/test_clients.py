"""What benchmarks look for in the audit trail, lest they count what was not recorded."""

from pathlib import Path

import click
import pytest

from benchmarks.clients import check_trail
from okta_mcp.audit.writer import Audit, BrokenChainError
from tests.vocabulary.clock import Clock


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """Two calls and a refusal."""
    audit = Audit(str(tmp_path / "audit.jsonl"), Clock())
    for event in ("tool.called", "tool.called", "tool.refused"):
        audit.write(event, user_id="00u1", login="a@acme.example", subject="get_okta_user")
    audit.close()
    return tmp_path / "audit.jsonl"


@pytest.mark.parametrize("called", [1, 3])
def test_a_line_too_many_or_too_few_ends_the_benchmark(trail: Path, called: int) -> None:
    with pytest.raises(click.ClickException, match=r"tool\.called.*2, "):
        check_trail(trail, {"tool.called": called, "tool.refused": 1})


def test_a_trail_with_a_line_taken_out_ends_the_benchmark(trail: Path) -> None:
    lines = trail.read_text(encoding="utf-8").splitlines(keepends=True)
    trail.write_text(lines[0] + lines[2], encoding="utf-8")
    with pytest.raises(BrokenChainError):
        check_trail(trail, {"tool.called": 1, "tool.refused": 1})


def test_a_trail_with_a_line_for_each_passes_and_says_whose_they_are(trail: Path) -> None:
    found = check_trail(trail, {"tool.called": 2, "tool.refused": 1})
    assert found == {("tool.called", "a@acme.example"): 2, ("tool.refused", "a@acme.example"): 1}
