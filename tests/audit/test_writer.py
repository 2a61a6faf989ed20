"""The audit trail: what is written can be verified, and what was not written is found out."""

import asyncio
import contextlib
import hashlib
import io
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.audit.catalogue import EVENTS
from okta_mcp.audit.writer import Audit, AuditFileError, BrokenChainError, verified_lines
from tests.vocabulary.clock import Clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def written(path: Path, count: int = 4) -> list[str]:
    audit = Audit(str(path), Clock())
    for n in range(count):
        audit.write("tool.called", user_id=f"00u{n}", subject="get_okta_user")
    audit.close()
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def edited(lines: list[str], index: int, **values: Any) -> list[str]:
    line = json.dumps(json.loads(lines[index]) | values, separators=(",", ":")) + "\n"
    return [*lines[:index], line, *lines[index + 1 :]]


def without(lines: list[str], index: int, name: str) -> list[str]:
    event = json.loads(lines[index])
    del event[name]
    line = json.dumps(event, separators=(",", ":")) + "\n"
    return [*lines[:index], line, *lines[index + 1 :]]


@pytest.mark.parametrize(
    ("tampered", "line"),
    [
        (lambda lines: edited(lines, 0, user_id="00uX"), 1),
        (lambda lines: edited(lines, 2, user_id="00uX"), 3),
        (lambda lines: edited(lines, 3, outcome="refused"), 4),
        (lambda lines: edited(lines, 2, chain="0" * 64), 3),
        (lambda lines: edited(lines, 2, seq=7), 3),
        (lambda lines: edited(lines, 2, seq="3"), 3),
        (lambda lines: edited(lines, 2, more="x"), 3),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3),
        (lambda lines: [*lines[:2], "\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], "not json\n"], 3),
        (lambda lines: [*lines[:2], "[]\n"], 3),
        (lambda lines: [*lines[:2], "{}\n"], 3),
        (lambda lines: [*lines[:2], lines[2].replace('":"', '": "')], 3),
        (lambda lines: without(lines, 2, "chain"), 3),
        (lambda lines: without(lines, 2, "seq"), 3),
    ],
    ids=[
        "first line changed",
        "line changed",
        "last line changed",
        "chain changed",
        "number changed",
        "number as text",
        "field added",
        "line removed",
        "lines exchanged",
        "line repeated",
        "empty line",
        "no JSON",
        "no object",
        "empty object",
        "spelled otherwise",
        "without chain",
        "without number",
    ],
)
def test_tampering_is_found_at_its_line(
    path: Path, tampered: Callable[[list[str]], list[str]], line: int
) -> None:
    lines = tampered(written(path))
    with pytest.raises(BrokenChainError) as caught:
        list(verified_lines(lines))
    assert caught.value.line == line


def test_a_line_rewritten_with_a_fitting_hash_breaks_the_next_one(path: Path) -> None:
    lines = written(path)
    before = json.loads(lines[0])["chain"]
    body = lines[1].partition(',"chain"')[0].replace("00u1", "00uX") + "}"
    chain = hashlib.sha256(f"{before}{body}".encode()).hexdigest()
    rewritten = f'{body[:-1]},"chain":"{chain}"}}\n'
    assert len(list(verified_lines([lines[0], rewritten]))) == 2
    with pytest.raises(BrokenChainError) as caught:
        list(verified_lines([lines[0], rewritten, *lines[2:]]))
    assert caught.value.line == 3


def test_an_event_outside_the_catalogue_cannot_be_written(path: Path) -> None:
    audit = Audit(str(path), Clock())
    with pytest.raises(ValueError, match="catalogue"):
        audit.write("tool.exploded")
    audit.close()
    assert path.read_text() == ""


def test_a_refused_event_leaves_no_gap(path: Path) -> None:
    audit = Audit(str(path), Clock())
    with pytest.raises(ValueError, match="catalogue"):
        audit.write("Tool.Called")
    audit.write("tool.called")
    audit.close()
    assert [event["seq"] for event in verified_lines(path.read_text().splitlines())] == [1]


@pytest.mark.parametrize("last", ["a line", '{"seq":1}', "[]", '{"seq":"x","chain":"y"}'])
def test_a_file_that_does_not_end_with_an_event_is_refused(path: Path, last: str) -> None:
    path.write_text(f"{last}\n")
    with pytest.raises(BrokenChainError, match="does not end with a line"):
        Audit(str(path), Clock())


def test_a_line_that_was_cut_off_by_a_kill_does_not_stop_the_next_start(path: Path) -> None:
    written(path, 3)
    whole = path.read_text()
    path.write_text(whole[:-20])
    audit = Audit(str(path), Clock())
    audit.write("server.started")
    audit.write("tool.called")
    audit.close()
    lines = path.read_text().splitlines()
    assert [event["seq"] for event in verified_lines(lines)] == [1, 2, 3, 4]
    # Only the line after it explains it; the same scrap anywhere else is a break.
    with pytest.raises(BrokenChainError):
        list(verified_lines([*lines[:3], lines[4]]))
    with pytest.raises(BrokenChainError):
        list(verified_lines(lines[:3]))


FORGERY = '\n{"schema":1,"seq":2,"event":"consent.granted"}\r\n\u2028\u2029\x85\x0b\x1b[2J\x00"}'


@pytest.mark.parametrize("field", ["reason", "client_name", "login"])
def test_a_value_cannot_forge_a_line(path: Path, field: str) -> None:
    """S-02."""
    audit = Audit(str(path), Clock())
    audit.write("client.registered", **{field: FORGERY})
    audit.write("tool.called")
    audit.close()
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) == 2
    assert text.isascii()
    assert "\x1b" not in text
    events = list(verified_lines(text.splitlines()))
    assert events[0][field] == FORGERY


@given(st.text())
def test_any_text_is_one_line_that_verifies(text: str) -> None:
    """S-02: lone surrogates and separators included."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        Audit("-", Clock()).write("client.registered", client_name=text)
    lines = written.getvalue().split("\n")[:-1]
    assert len(lines) == 1
    assert len(lines[0].splitlines()) == 1
    (event,) = verified_lines(lines)
    assert event["client_name"] == text[:512]


def test_long_values_are_cut(path: Path) -> None:
    audit = Audit(str(path), Clock())
    audit.write(
        "client.registered",
        reason="r" * 5000,
        client_name="n" * 5000,
        redirect_uris=tuple("u" * 5000 for _ in range(300)),
    )
    audit.close()
    (event,) = verified_lines(path.read_text().splitlines())
    assert event["reason"] == "r" * 512
    assert event["client_name"] == "n" * 512
    assert event["redirect_uris"] == ["u" * 512] * 100


def test_an_event_says_when_what_and_with_which_outcome(path: Path) -> None:
    """S-02: time UTC, event, outcome."""
    audit = Audit(str(path), Clock())
    audit.write("token.refused", "refused", reason="code_unknown", client_id=None, count=0)
    audit.close()
    event = json.loads(path.read_text())
    chain = event.pop("chain")
    assert len(chain) == 64
    assert event == {
        "schema": 1,
        "seq": 1,
        "time": "2027-01-15T08:00:00.000Z",
        "event": "token.refused",
        "outcome": "refused",
        "reason": "code_unknown",
        "count": 0,
    }


def test_the_chain_goes_on_over_a_restart(path: Path) -> None:
    written(path, 3)
    lines = written(path, 2)
    assert [event["seq"] for event in verified_lines(lines)] == [1, 2, 3, 4, 5]


def test_a_trail_may_begin_in_the_middle_after_a_rotation(path: Path) -> None:
    lines = written(path, 5)
    assert [event["seq"] for event in verified_lines(lines[2:])] == [3, 4, 5]


def test_what_follows_a_middle_start_is_still_verified(path: Path) -> None:
    lines = edited(written(path, 5), 3, user_id="00uX")
    with pytest.raises(BrokenChainError):
        list(verified_lines(lines[2:]))


def in_turns(writers: list[Audit], rounds: int) -> None:
    for number in range(rounds):
        for writer in writers:
            writer.write("tool.called", count=number)


def test_two_writers_of_one_file_make_one_chain(path: Path) -> None:
    """Workers of one server, or a command beside it."""
    writers = [Audit(str(path), Clock()) for _ in range(2)]
    in_turns(writers, 5)
    for writer in writers:
        writer.close()
    events = list(verified_lines(path.read_text().splitlines()))
    assert [event["seq"] for event in events] == list(range(1, 11))


def test_the_line_of_a_writer_that_was_killed_in_the_middle_is_passed_over(path: Path) -> None:
    survivor = Audit(str(path), Clock())
    survivor.write("server.started")
    with path.open("a") as killed:
        killed.write('{"schema":1,"seq":2,"ti')
    survivor.write("tool.called")
    survivor.write("tool.called")
    survivor.close()
    lines = path.read_text().splitlines()
    events = list(verified_lines(lines))
    assert [event.get("after_cut") for event in events] == [None, True, None]
    with pytest.raises(BrokenChainError):
        list(verified_lines([*lines[:3], lines[1], lines[3]]))


def test_a_line_slipped_in_while_the_server_runs_is_found(path: Path) -> None:
    audit = Audit(str(path), Clock())
    audit.write("server.started")
    with path.open("a") as stranger:
        stranger.write('{"event":"nothing happened"}\n')
    audit.write("tool.called")
    audit.close()
    with pytest.raises(BrokenChainError) as caught:
        list(verified_lines(path.read_text().splitlines()))
    assert caught.value.line == 2


@pytest.mark.parametrize("target", ["a file", "-"])
def test_processes_that_write_at_once_make_one_chain(path: Path, target: str) -> None:
    program = (
        "import os, sys, tempfile, time\n"
        "from okta_mcp.audit.writer import Audit\n"
        "with tempfile.TemporaryFile(buffering=0) as position:\n"
        "    children = []\n"
        "    for _ in range(4):\n"
        "        child = os.fork()\n"
        "        if not child:\n"
        "            audit = Audit(sys.argv[1], time.time, position=position)\n"
        "            for _ in range(50):\n"
        "                audit.write('tool.called', login='x' * 500)\n"
        "            os._exit(0)\n"
        "        children.append(child)\n"
        "    for child in children:\n"
        "        assert os.waitpid(child, 0)[1] == 0\n"
    )
    command = [sys.executable, "-c", program, "-" if target == "-" else str(path)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = (printed if target == "-" else path.read_text()).splitlines()
    assert [event["seq"] for event in verified_lines(lines)] == list(range(1, 201))


# Writes four events where the file has no room for another line, and a fifth when it has. Each time
# that it is refused the clock goes on by 25 seconds.
FULL_DISK = """
import os, resource, sys
from okta_mcp.audit.writer import Audit, AuditFileError
path, left = sys.argv[1], int(sys.argv[2])
refused, seen = [], []
audit = Audit(path, lambda: 1_800_000_000.0 + len(refused) * 25)
audit.observe(lambda event: seen.append(event["subject"]))
size = os.path.getsize(path)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + left, most))
for number in range(4):
    assert audit.is_writable is (number == 0)
    try:
        audit.write("tool.called", subject=f"without {number}")
    except AuditFileError as error:
        refused.append(error)
assert len(refused) == 4
assert os.path.getsize(path) == size and not seen
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
audit.check()
assert audit.is_writable
audit.write("tool.called", subject="with")
assert seen == ["without 0", "without 1", "without 2", "without 3", "with"]
"""


@pytest.mark.parametrize("left", [0, 1, 50], ids="no room, a byte, a part of a line".split(", "))
@pytest.mark.parametrize("before", ["nothing", "lines", "a cut-off line"])
def test_what_a_full_disk_kept_out_is_written_later_in_one_chain(
    path: Path, left: int, before: str
) -> None:
    earlier = len(written(path, 0 if before == "nothing" else 2))
    if before == "a cut-off line":
        path.write_text(path.read_text() + '{"schema":1,"seq":3,"ti')
    command = [sys.executable, "-c", FULL_DISK, str(path), str(left)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    events = list(verified_lines(path.read_text().splitlines()))
    assert [event["seq"] for event in events] == list(range(1, earlier + 6))
    seconds = [event["time"][14:19] for event in events[earlier:]]
    assert seconds == ["00:00", "00:25", "00:50", "01:15", "01:40"]
    # At 0 and at 75 seconds: once a minute at the most.
    assert ran.stderr.count("AUDIT_LOG cannot be written") == 2


def test_standard_output_that_takes_nothing_is_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(full, write_through=True))
        audit = Audit("-", Clock())
        for _ in range(2):
            with pytest.raises(AuditFileError):
                audit.write("tool.called")
            with pytest.raises(AuditFileError):
                audit.check()


async def test_what_fails_after_the_lines_leaves_nobody_waiting_and_writes_none_twice(
    path: Path,
) -> None:
    audit = Audit(str(path), Clock())
    failures = [RuntimeError("of an observer"), None, None]
    audit.observe(lambda _: raised(failures.pop(0) if failures else None))
    said: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    records = [audit.record("tool.called", subject=str(number)) for number in range(3)]
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*records, return_exceptions=True)
        await audit.record("tool.called", subject="later")
    assert [type(answer) for answer in answers] == [AuditFileError] * 3
    assert [str(each["exception"]) for each in said] == ["of an observer"]
    audit.close()
    assert subjects_of(path) == ["0", "1", "2", "later"]


async def test_nobody_waits_for_a_trail_that_was_closed(path: Path) -> None:
    audit = Audit(str(path), Clock())
    audit.close()
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with asyncio.timeout(5):
        with pytest.raises(AuditFileError):
            await audit.record("tool.called")


def subjects_of(path: Path) -> list[str]:
    return [event["subject"] for event in verified_lines(path.read_text().splitlines())]


def raised(error: Exception | None) -> None:
    if error is not None:
        raise error


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    """S-03."""
    written(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) & 0o177 == 0


def test_standard_output_gets_the_line_and_stays_open(capsys: pytest.CaptureFixture[str]) -> None:
    audit = Audit("-", Clock())
    audit.write("server.started")
    audit.close()
    print("still open")
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first)["event"] == "server.started"
    assert second == "still open"


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_of_the_catalogue_can_be_written_and_is_explained(
    path: Path, event: str
) -> None:
    audit = Audit(str(path), Clock())
    audit.write(event)
    audit.close()
    assert json.loads(path.read_text())["event"] == event
    assert EVENTS[event].endswith(".")
