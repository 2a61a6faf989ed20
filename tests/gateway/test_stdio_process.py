"""A program behind: what it sees of us, and that it ends with the gateway whatever ends that."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

from okta_mcp.gateway.stdio_process import _LAUNCHER, environment_of
from tests.vocabulary.behind import (
    VARIABLES,
    eventually,
    lives,
    process_of,
    running,
    said,
    stdio_server,
)
from tests.vocabulary.processes import CHECKOUT

# A gateway in a process of its own; it says the ids of what it started and waits to be ended.
GATEWAY = """
import asyncio, sys
from tests.vocabulary.behind import process_of, running, said, stdio_server

async def main():
    async with running(stdio_server(sys.argv[1])) as upstream:
        print(await process_of(upstream), await said(upstream, "daemon"), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_environment_is_what_the_file_names_and_the_essentials() -> None:
    server = stdio_server(env={"TOKEN": "of the server", "HOME": "/srv"})
    async with running(server) as upstream:
        seen = json.loads(await said(upstream, "environment"))
    # Python itself sets this one where no locale is.
    seen.pop("LC_CTYPE", None)
    assert seen == {"TOKEN": "of the server", "HOME": "/srv", "PATH": os.environ["PATH"]}


def test_no_secret_of_ours_is_an_essential() -> None:
    assert "OKTA_API_TOKEN" not in environment_of(stdio_server(), VARIABLES)


def test_a_program_gets_its_three_streams_and_no_habit_of_python() -> None:
    """S-07: with the lifeline in its hands it could outlive the gateway."""
    watched, lifeline = os.pipe()
    shown = "grep SigIgn /proc/self/status; ls /proc/$$/fd"
    try:
        said = subprocess.run(
            [sys.executable, "-I", "-S", _LAUNCHER, str(watched), "/bin/sh", "-c", shown],
            pass_fds=(watched,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout.split()
    finally:
        os.close(watched)
        os.close(lifeline)
    assert said == ["SigIgn:", "0" * 16, "0", "1", "2"]


async def test_a_program_leads_no_group_of_ours() -> None:
    async with running(stdio_server()) as upstream:
        assert json.loads(await said(upstream, "process"))["group"] != os.getpgid(0)


@pytest.mark.parametrize("kind", ["well", "stubborn"])
async def test_the_end_of_an_upstream_ends_its_program_and_what_that_started(kind: str) -> None:
    async with running(stdio_server(kind)) as upstream:
        pids = await process_of(upstream), int(await said(upstream, "daemon"))
        assert all(lives(pid) for pid in pids)
    assert not any(lives(pid) for pid in pids)


async def test_the_end_of_a_program_ends_what_it_started() -> None:
    async with running(stdio_server()) as upstream:
        daemon = int(await said(upstream, "daemon"))
        os.kill(await process_of(upstream), signal.SIGKILL)
        await eventually(lambda: not lives(daemon))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("kind", ["well", "stubborn"])
async def test_no_child_outlives_a_gateway_that_is_killed(kind: str, number: int) -> None:
    gateway = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", GATEWAY, kind),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
    )
    assert gateway.stdout is not None
    pids = [int(pid) for pid in (await gateway.stdout.readline()).split()]
    assert all(lives(pid) for pid in pids)
    gateway.send_signal(number)
    await gateway.wait()
    await eventually(lambda: not any(lives(pid) for pid in pids))


async def test_whoever_kills_the_launcher_ends_the_program() -> None:
    async with running(stdio_server()) as upstream:
        program = await process_of(upstream)
        launcher = os.getpgid(program)
        assert launcher != program
        os.kill(launcher, signal.SIGKILL)
        await eventually(lambda: not lives(program))
        await eventually(lambda: upstream.state.name == "up")
