"""Lines that are written together: in order, before anybody goes on, and none is lost."""

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from okta_mcp.audit.trail import FileTrail, Last
from okta_mcp.audit.writer import Audit, AuditFileError, verified_lines
from tests.vocabulary.clock import Clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def audit(path: Path) -> Iterator[Audit]:
    opened = Audit(str(path), Clock())
    yield opened
    opened.close()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lines were written in each turn at the file."""
    noted: list[int] = []
    own = FileTrail.append

    def append(self: FileTrail, lines: Sequence[str], last: Last) -> None:
        own(self, lines, last)
        noted.append(len(lines))

    monkeypatch.setattr(FileTrail, "append", append)
    return noted


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def subjects(path: Path) -> list[str]:
    """Of a trail that verifies, from its first line on."""
    events = list(verified_lines(text_of(path).splitlines()))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return [event["subject"] for event in events]


def called(audit: Audit, number: object) -> Any:
    return audit.record("tool.called", subject=str(number))


# Three callers wait for a line where the file has no room for it, a fourth comes, then there is.
FULL_DISK = """
import asyncio, os, resource, sys
from okta_mcp.audit.writer import Audit, AuditFileError
path, left = sys.argv[1], int(sys.argv[2])

async def main():
    audit = Audit(path, lambda: 1_800_000_000.0)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    await audit.record("tool.called", subject="before")
    size = os.path.getsize(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + left, most))
    waiting = [audit.record("tool.called", subject=str(number)) for number in range(3)]
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in told] == [AuditFileError] * 3, told
    assert len({id(each) for each in told}) == 3
    assert all("cannot write the audit trail" in str(each) for each in told), told
    assert os.path.getsize(path) == size and not audit.is_writable
    try:
        await audit.record("tool.called", subject="3")
        raise SystemExit("it was told of something that is not on the record")
    except AuditFileError:
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    await asyncio.gather(*(audit.record("tool.called", subject=str(n)) for n in (4, 5)))
    assert audit.is_writable
    audit.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "left", [0, 1, 50, 400], ids="no room, a byte, half a line, one".split(", ")
)
def test_on_a_full_disk_everybody_who_waits_is_refused_and_nothing_is_lost(
    path: Path, left: int
) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(path), str(left)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert subjects(path) == ["before", *"012345"]


async def test_nobody_goes_on_before_the_line_is_on_disk(path: Path, audit: Audit) -> None:
    async def act(number: int) -> bool:
        await called(audit, number)
        return str(number) in subjects(path)

    assert await asyncio.gather(*(act(number) for number in range(60))) == [True] * 60


async def test_lines_of_one_round_are_one_turn_in_their_order(
    path: Path, audit: Audit, turns: list[int]
) -> None:
    for round_ in range(3):
        await asyncio.gather(*(called(audit, f"{round_} {number}") for number in range(16)))
    assert turns == [16] * 3
    assert subjects(path) == [f"{round_} {number}" for round_ in range(3) for number in range(16)]


async def test_a_long_round_is_cut_into_turns_that_a_nearly_full_disk_can_take(
    path: Path, audit: Audit, turns: list[int]
) -> None:
    await asyncio.gather(*(called(audit, number) for number in range(1001)))
    assert sum(turns) == 1001
    assert max(turns) <= 200
    assert subjects(path) == [str(number) for number in range(1001)]


async def test_what_is_written_at_once_comes_after_what_waits(
    path: Path, audit: Audit, turns: list[int]
) -> None:
    """And those who wait go on by it: nothing is written twice."""
    waiting = [asyncio.create_task(called(audit, f"waits {number}")) for number in range(2)]
    await asyncio.sleep(0)
    audit.write("tool.called", subject="at once")
    before = subjects(path)
    assert before == ["waits 0", "waits 1", "at once"]
    later = asyncio.create_task(called(audit, "later"))
    await asyncio.gather(*waiting, later)
    assert subjects(path) == [*before, "later"]
    assert sum(turns) == 4


@pytest.mark.parametrize("cancelled", [[0], [1], [0, 2], [0, 1, 2]])
async def test_a_caller_that_is_cancelled_leaves_its_line_and_disturbs_nobody(
    path: Path, audit: Audit, cancelled: list[int]
) -> None:
    tasks = [asyncio.create_task(called(audit, number)) for number in range(3)]
    await asyncio.sleep(0)
    for number in cancelled:
        tasks[number].cancel()
    async with asyncio.timeout(5):
        told = await asyncio.gather(*tasks, return_exceptions=True)
    expected = [asyncio.CancelledError if n in cancelled else type(None) for n in range(3)]
    assert [type(each) for each in told] == expected
    await called(audit, "later")
    assert subjects(path) == ["0", "1", "2", "later"]


async def test_an_event_that_there_is_not_fails_for_its_caller_only(
    path: Path, audit: Audit
) -> None:
    wrong = audit.record("tool.exploded")
    told = await asyncio.gather(called(audit, 0), wrong, called(audit, 1), return_exceptions=True)
    assert [type(each) for each in told] == [type(None), ValueError, type(None)]
    assert subjects(path) == ["0", "1"]


async def test_a_stop_writes_what_waits_and_lets_everybody_go(path: Path, audit: Audit) -> None:
    tasks = [asyncio.create_task(called(audit, number)) for number in range(5)]
    await asyncio.sleep(0)
    audit.close()
    assert subjects(path) == list("01234")
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)


async def test_after_a_stop_nothing_is_told_as_if_it_were_on_the_record(
    path: Path, audit: Audit
) -> None:
    await called(audit, 0)
    audit.close()
    async with asyncio.timeout(5):
        told = await asyncio.gather(called(audit, 1), called(audit, 2), return_exceptions=True)
    assert [type(each) for each in told] == [AuditFileError] * 2
    assert subjects(path) == ["0"]


async def test_observers_get_each_line_once_and_only_those_that_are_written(
    path: Path, audit: Audit
) -> None:
    seen: list[tuple[int, str]] = []

    def observe(event: Any) -> None:
        seen.append((event["seq"], event["subject"]))

    audit.observe(observe)
    await asyncio.gather(*(called(audit, number) for number in range(3)))
    audit.write("tool.called", subject="3")
    assert seen == [(1, "0"), (2, "1"), (3, "2"), (4, "3")]
    assert subjects(path) == list("0123")


TWO_LOOPS = """
import asyncio, os, sys, tempfile, time
from okta_mcp.audit.writer import Audit

async def work(audit, who):
    for number in range(20):
        await asyncio.gather(
            *(audit.record("tool.called", subject=f"{who} {number} {n}") for n in range(5))
        )

with tempfile.TemporaryFile(buffering=0) as position:
    children = []
    for who in range(3):
        child = os.fork()
        if not child:
            audit = Audit(sys.argv[1], time.time, position=position)
            asyncio.run(work(audit, who))
            audit.close()
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("target", ["a file", "-"])
def test_processes_that_write_together_make_one_chain(path: Path, target: str) -> None:
    command = [sys.executable, "-c", TWO_LOOPS, "-" if target == "-" else str(path)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = (printed if target == "-" else path.read_text()).splitlines()
    events = list(verified_lines(lines))
    assert [event["seq"] for event in events] == list(range(1, 301))
    for who in "012":
        own = [event["subject"] for event in events if event["subject"].startswith(who)]
        assert own == [f"{who} {number} {n}" for number in range(20) for n in range(5)]


async def test_a_line_of_another_writer_in_between_is_a_link_of_the_same_chain(
    path: Path, audit: Audit
) -> None:
    beside = Audit(str(path), Clock())
    for number in range(3):
        await asyncio.gather(called(audit, f"{number}"), called(beside, f"beside {number}"))
    beside.close()
    assert sorted(subjects(path)) == sorted([*"012", *(f"beside {n}" for n in range(3))])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec=None, exclude_categories=()), max_size=20), max_size=5))
def test_any_texts_that_are_written_together_are_lines_that_verify(
    monkeypatch: pytest.MonkeyPatch, texts: list[str]
) -> None:
    """S-02: half surrogate pairs and separators included."""
    out = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        audit = Audit("-", Clock())

        async def all_at_once() -> None:
            await asyncio.gather(
                *(audit.record("client.registered", client_name=text) for text in texts)
            )

        asyncio.run(all_at_once())
    lines = out.getvalue().split("\n")[:-1]
    assert out.getvalue().isascii()
    assert [event["client_name"] for event in verified_lines(lines)] == texts


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", "ü", "\u2028\x85", "\U0001f511", '"}\n{"'])
async def test_an_odd_value_among_others_breaks_no_line(
    path: Path, audit: Audit, value: str
) -> None:
    await asyncio.gather(called(audit, "before"), called(audit, value), called(audit, "after"))
    assert subjects(path) == ["before", value, "after"]
    _, line, _ = text_of(path).splitlines()
    assert line.isascii()
    assert json.loads(line)["subject"] == value
