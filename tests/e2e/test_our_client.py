"""Our own client as a newcomer uses it: a process, a printed URL, a table."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import signs_in
from tests.vocabulary.processes import CHECKOUT
from tests.vocabulary.replicas import Server

pytestmark = pytest.mark.usefixtures("sandbox")


async def run(server: Server, store: Path, *words: str, person: str = "") -> tuple[int, str, str]:
    """Run the client; where it prints a URL, `person` signs in there. Status, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "okta_mcp.client", server.mcp_url, *words),
        *("--no-browser", "--store-dir", str(store)),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
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


async def test_a_person_without_a_role_ends_the_client_at_once(
    server: Server, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "okta_mcp.client", server.mcp_url),
        *("--no-browser", "--store-dir", str(tmp_path)),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
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
    assert "access_denied" in errors.decode() or "denied" in errors.decode().lower()
