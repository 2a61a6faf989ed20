"""Our own client as a newcomer uses it: a process, a printed URL, a table."""

import asyncio
import contextlib
import csv
import io
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import signs_in
from tests.vocabulary.processes import CHECKOUT, SandboxProcess
from tests.vocabulary.replicas import Server

pytestmark = pytest.mark.usefixtures("sandbox")


async def run(server: Server, store: Path, *words: str, person: str = "") -> tuple[int, str, str]:
    """Run the client; where it prints a URL, `person` signs in there. Status, output, errors."""
    options = () if words == ("logout",) else ("--no-browser",)
    process = await _started(server, store, *words, *options)
    assert process.stdout is not None
    assert process.stderr is not None
    errors = ""
    if person:
        url = None
        while url is None:
            line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
            errors += line
            assert line, f"the client ended: {errors}"
            url = re.search(r"https?://\S+/oauth/authorize\S+", line)
        browser = Browser()
        await signs_in(browser, url.group(), person)
        await browser.close()
    output, rest = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, output.decode(), errors + rest.decode()


async def test_login_tools_call_and_logout(server: Server, tmp_path: Path) -> None:
    status, output, errors = await run(server, tmp_path, person="Hana Novak")
    assert (status, "Traceback" in errors) == (0, False), errors
    assert "Hana Novak" in output
    assert "viewer" in output
    assert "list_okta_users" in output
    assert "list_okta_network_zones" not in output

    status, output, _ = await run(server, tmp_path, "call", "list_okta_users", "q=ann")
    assert status == 0
    assert "Ann" in output

    status, output, _ = await run(server, tmp_path, "call", "list_okta_users", "q=ann", "--json")
    assert json.loads(output)["count"] >= 1

    status, _, errors = await run(
        server, tmp_path, "call", "get_okta_user", "user_id=00unobody0000"
    )
    assert status == 1
    assert "not_found" in errors

    assert (await run(server, tmp_path, "logout"))[0] == 0
    events = [event["event"] for event in server.events()]
    assert events[-1] == "token.revoked"


async def test_resources_prompts_csv_and_status(server: Server, tmp_path: Path) -> None:
    async def shown(*words: str) -> str:
        process = await _started(server, tmp_path, *words)
        output, errors = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, errors
        return output.decode()

    status, output, _ = await run(server, tmp_path, "resources", person="Hana Novak")
    assert (status, "user://me" in output) == (0, True)
    assert json.loads(await shown("resources", "user://me"))["role"] == "viewer"

    prompt = (await shown("prompts", "--csv")).splitlines()[1].split(",")
    arguments = [f"{name}=x" for name in prompt[2].split()]
    assert (await shown("prompts", prompt[0], *arguments)).startswith("user:\n")

    rows = list(csv.DictReader(io.StringIO(await shown("call", "list_okta_users", "--csv"))))
    assert len(rows) > 1
    assert all(row["id"].startswith("00u") for row in rows)

    assert "q=…" in await shown("call", "list_okta_users", "--help")

    lines = (await shown("status")).splitlines()
    assert lines[0].startswith("Person  Hana Novak")
    assert f"Kept    in {tmp_path}" in "\n".join(lines)
    assert lines[-1] == f"Server  {server.mcp_url} answers"

    assert (await run(server, tmp_path, "logout"))[0] == 0
    process = await _started(server, tmp_path, "status")
    await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2


async def test_a_long_call_shows_its_progress_on_a_terminal_only(
    server: Server, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    await run(server, tmp_path, "login", person="Hana Novak")
    slow = {"match": "GET /api/v1/users", "kind": "slow", "seconds": 2.5}
    words = ("call", "list_okta_users", "q=ann", "--json")

    sandbox.control("faults", slow)
    status, output, errors = await run(server, tmp_path, *words)
    assert (status, errors, json.loads(output)["count"] >= 1) == (0, "", True)

    sandbox.control("faults", slow)
    master, terminal = os.openpty()
    process = await _started(server, tmp_path, *words, stderr=terminal)
    os.close(terminal)
    output = (await asyncio.wait_for(process.communicate(), 30))[0].decode()
    shown = _all_of(master)
    assert json.loads(output)["count"] >= 1
    assert re.fullmatch(r"(\r\x1b\[K[^\r\n]+)+\r\x1b\[K", shown), shown


async def test_ctrl_c_ends_the_call_at_the_server_too(
    server: Server, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    await run(server, tmp_path, "login", person="Hana Novak")
    before = len(_interrupted(server))
    slow = {"match": "GET /api/v1/users", "kind": "slow", "seconds": 30}
    sandbox.control("faults", slow)
    master, terminal = os.openpty()
    process = await _started(server, tmp_path, "call", "list_okta_users", "q=ann", stderr=terminal)
    os.close(terminal)
    # The first line of progress: the call is under way.
    await asyncio.to_thread(os.read, master, 1)
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.communicate(), 30)
    shown = _all_of(master)
    assert process.returncode == 130
    assert "Stopped." in shown
    assert "Traceback" not in shown
    async with asyncio.timeout(30):
        # Another process writes the file: there is nothing to wait for but time.
        while len(ended := _interrupted(server)) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [line["subject"] for line in ended[before:]] == ["list_okta_users"]


def _interrupted(server: Server) -> list[dict[str, Any]]:
    return [line for line in server.events("tool.called") if line.get("reason") == "interrupted"]


def _all_of(master: int) -> str:
    """What a process that has ended wrote to its terminal, which is closed then."""
    shown = b""
    # Linux ends the reading with an error.
    with contextlib.suppress(OSError):
        while part := os.read(master, 4096):
            shown += part
    os.close(master)
    return shown.decode()


async def _started(
    server: Server, store: Path, *words: str, stderr: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "okta_mcp.client", server.mcp_url, *words),
        *("--store-dir", str(store)),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        # A shell in which the tests run in the background has its programs ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


async def test_a_person_without_a_role_ends_the_client_at_once(
    server: Server, tmp_path: Path
) -> None:
    process = await _started(server, tmp_path, "--no-browser")
    assert process.stderr is not None
    url = None
    while url is None:
        line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
        url = re.search(r"https?://\S+/oauth/authorize\S+", line)
    browser = Browser()
    await browser.open(url.group())
    await browser.press("Sign in with Okta")
    await browser.press("Cole Baker")
    await browser.press("Back to the application")
    await browser.close()
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert "you said no, or you have no access here. It said:" in errors.decode()
    assert (
        "none of the person's groups gives access to this server (access_denied)" in errors.decode()
    )
