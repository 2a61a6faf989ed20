"""The JavaScript client of the README, run as it stands with the TypeScript SDK."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import signs_in
from tests.vocabulary.processes import CHECKOUT
from tests.vocabulary.replicas import Server
from tests.vocabulary.roles import VIEWER_TOOLS

SDK = "@modelcontextprotocol/sdk@1.32"
EXAMPLE = CHECKOUT / "docs" / "examples" / "client.mjs"

pytestmark = [
    pytest.mark.usefixtures("sandbox"),
    pytest.mark.skipif(
        not shutil.which("npm") and not os.environ.get("CI"),
        reason="needs Node.js and npm; on Debian: apt-get install nodejs npm",
    ),
]


@pytest.fixture(scope="session")
def with_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example and the SDK beside it."""
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copy(EXAMPLE, folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", SDK]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return folder


async def test_the_example_logs_in_and_calls_a_tool(with_sdk: Path, server: Server) -> None:
    process = await asyncio.create_subprocess_exec(
        *("node", "client.mjs", server.mcp_url),
        cwd=with_sdk,
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
