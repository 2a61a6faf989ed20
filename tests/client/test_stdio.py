"""The two pipes: whole lines, one after the other, at the pace of the slower side."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from okta_mcp.client.stdio import LineReader, LineWriter, ListenerGoneError
from tests.vocabulary.processes import CHECKOUT

PIPE_BYTES = 1024 * 1024


async def test_lines_arrive_whole_however_they_were_written() -> None:
    source, sink = os.pipe()
    os.write(sink, b"a\nb")
    lines = LineReader(source).lines()
    assert await anext(lines) == b"a"
    os.write(sink, b"c\n\n \r\nlast")
    os.close(sink)
    assert [line async for line in lines] == [b"bc", b"last"]
    os.close(source)


async def test_nothing_is_read_ahead_of_whoever_takes_the_lines() -> None:
    source, sink = os.pipe()
    lines = LineReader(source).lines()
    first = asyncio.ensure_future(anext(lines))
    line = b"x" * 1023 + b"\n"
    writing = asyncio.create_task(asyncio.to_thread(_write, sink, line * 2048))
    assert await first == line.rstrip()
    done, _ = await asyncio.wait({writing}, timeout=0.1)
    assert not done
    rest = 0
    while rest < 2047:
        await anext(lines)
        rest += 1
    await writing
    os.close(sink)
    assert [line async for line in lines] == []
    os.close(source)


async def test_writing_waits_for_a_reader() -> None:
    source, sink = os.pipe()
    writer = LineWriter(sink)
    big = asyncio.ensure_future(writer.write(b"x" * PIPE_BYTES))
    small = asyncio.ensure_future(writer.write(b"y"))
    done, _ = await asyncio.wait({big, small}, timeout=0.05)
    assert not done
    small.cancel()
    found = b""
    while not found.endswith(b"y\n"):
        found += await asyncio.to_thread(os.read, source, PIPE_BYTES)
    # A line whose writer gave up is written whole as well.
    assert found == b"x" * PIPE_BYTES + b"\ny\n"
    await big
    os.close(source)
    with pytest.raises(ListenerGoneError):
        await writer.write(b"z")
    os.close(sink)


def test_what_a_browser_prints_never_reaches_stdout() -> None:
    program = (
        "import os, subprocess, sys; from okta_mcp.client.stdio import claim_standard_streams\n"
        "source, sink = claim_standard_streams()\n"
        "subprocess.run([sys.executable, '-c', 'print(repr(input.__doc__ and open(0).read()))'])\n"
        "print('stray'); sys.stdout.flush()\n"
        "os.write(sink, os.read(source, 100))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        input=b"a message\n",
        capture_output=True,
        cwd=CHECKOUT,
        timeout=30,
        check=True,
    )
    assert ended.stdout == b"a message\n"
    assert ended.stderr.split() == [b"''", b"stray"]


async def test_the_threads_do_not_keep_the_process() -> None:
    source, sink = os.pipe()
    LineWriter(sink)
    asyncio.ensure_future(anext(LineReader(source).lines())).cancel()
    assert all(
        thread.daemon for thread in threading.enumerate() if thread.name in ("stdin", "stdout")
    )
    os.close(sink)
    os.close(source)


def _write(sink: int, content: bytes) -> None:
    while content:
        content = content[os.write(sink, content) :]
