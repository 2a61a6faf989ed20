"""The JavaScript client of the README, run as it stands with the TypeScript SDK."""

import asyncio
import json
import re
import shutil

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.client_environments import Environments, needs_npm
from tests.vocabulary.mcp_clients import signs_in
from tests.vocabulary.pinned_clients import NPM
from tests.vocabulary.processes import CHECKOUT
from tests.vocabulary.replicas import Server
from tests.vocabulary.roles import VIEWER_TOOLS

EXAMPLE = CHECKOUT / "docs" / "examples" / "client.mjs"

pytestmark = [pytest.mark.usefixtures("sandbox"), needs_npm]


async def test_the_example_logs_in_and_calls_a_tool(
    environments: Environments, server: Server
) -> None:
    shutil.copy(EXAMPLE, environments.npm)
    process = await asyncio.create_subprocess_exec(
        *(environments.node, "client.mjs", server.mcp_url),
        cwd=environments.npm,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    opened = re.fullmatch(r"Open: (\S+)\n", line)
    assert opened is not None, line
    browser = Browser()
    await signs_in(browser, opened.group(1), "Hana Novak")
    await browser.close()
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    lines = [json.loads(line) for line in output.decode().splitlines()]
    names = [line["tool"] for line in lines if "tool" in line]
    assert len(names) == VIEWER_TOOLS
    assert "list_okta_users" in names
    assert lines[-1]["result"]["count"] >= 1


def test_the_readme_installs_the_version_that_is_tried() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    [version] = re.findall(r"npm install @modelcontextprotocol/sdk@([\d.]+)", readme)
    assert f"{NPM['@modelcontextprotocol/sdk']}.".startswith(f"{version}.")
