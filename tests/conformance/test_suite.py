"""The conformance suite of MCP against this server, its authorization server and our client.

docs/conformance.md has its scenarios one by one and says which do not apply and why.
"""

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.vocabulary.bearer_relay import bearer_relay
from tests.vocabulary.browser import Browser
from tests.vocabulary.client_environments import Environments, needs_npm
from tests.vocabulary.conformance_suite import (
    VERSIONS,
    Row,
    Side,
    Suite,
    checks,
    rows,
    shortcomings,
)
from tests.vocabulary.mcp_clients import signs_in
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess, ServerProcess, free_port

pytestmark = needs_npm

COMMAND = f"{shlex.quote(sys.executable)} -m tests.conformance.client_command"
# What the suite prints for its user to open.
AUTHORIZATION_URL = re.compile(r"https?://\S+/oauth/authorize\?\S+")


def applicable(side: Side) -> list[Any]:
    return [pytest.param(row, id=str(row)) for row in rows(side) if row.applies]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("side", ["server", "client", "authorization"])
async def test_each_scenario_of_the_suite_has_its_line(
    environments: Environments, tmp_path: Path, side: Side, version: str
) -> None:
    listed = await Suite(environments, version).listed(side, tmp_path)
    assert {row.scenario for row in rows(side) if row.version == version} == listed


Runs = dict[str, dict[str, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def server_runs(
    environments: Environments,
    server: ServerProcess,
    shared_sandbox: SandboxProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Runs:
    """The checks of all scenarios of each version, run as a person who may use every tool."""

    async def run() -> Runs:
        client, browser = OAuthClient(server.url), Browser()
        assert (await client.register()).status_code == 201
        await connected(browser, client, "Nora Lind")
        runs = {}
        async with bearer_relay(server.url, client.tokens["access_token"]) as relay:
            for version in VERSIONS:
                folder = tmp_path_factory.mktemp("server-scenarios")
                words = ("server", "--url", f"{relay}/mcp", "--suite", "all", "-o", str(folder))
                await Suite(environments, version).run(*words, home=folder)
                runs[version] = checks(folder, "server-")
        await browser.close()
        await client.close()
        return runs

    return asyncio.run(run())


@pytest.mark.parametrize("row", applicable("server"))
def test_the_server_passes(server_runs: Runs, row: Row) -> None:
    assert shortcomings(row, server_runs[row.version][row.scenario]) == []


ClientRun = tuple[int, str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def client_runs(
    request: pytest.FixtureRequest,
    environments: Environments,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[Row, "Future[ClientRun]"]]:
    """Every scenario is a suite and a client of its own; as many run at once as there are cores."""
    asked = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = {spec.params.get("row") for spec in asked if spec is not None}

    async def run(row: Row, folder: Path) -> ClientRun:
        words = ("client", "--command", COMMAND, "--scenario", row.scenario, "-o", str(folder))
        status, said = await Suite(environments, row.version).run(*words, home=folder)
        return status, said, checks(folder).get(row.scenario, [])

    environments.node, environments.suites  # noqa: B018 - made once, before they are used at once
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        yield {
            row: threads.submit(asyncio.run, run(row, tmp_path_factory.mktemp("client-scenario")))
            for row in rows("client")
            if row in wanted
        }


@pytest.mark.parametrize("row", applicable("client"))
def test_our_client_passes(client_runs: dict[Row, "Future[ClientRun]"], row: Row) -> None:
    status, said, made = client_runs[row].result()
    assert (status, shortcomings(row, made)) == (0, []), said[-4000:]


@pytest.mark.parametrize("version", {row.version for row in rows("authorization")})
async def test_the_authorization_server_passes(
    environments: Environments,
    server: ServerProcess,
    sandbox: SandboxProcess,
    tmp_path: Path,
    version: str,
) -> None:
    """One run, as the second scenario uses what the first has found.

    The suite prints the URL that its user shall open, and waits for the answer at its port.
    """
    port, client, browser = free_port(), OAuthClient(server.url), Browser()
    callback = f"http://127.0.0.1:{port}/callback"
    assert (await client.register(redirect_uris=[callback])).status_code == 201
    words = ["authorization", "--url", server.url, "--client-id", client.client_id]
    words += ["--resource", server.mcp_url, "-p", str(port), "-o", str(tmp_path)]
    async with Suite(environments, version).started(*words, home=tmp_path) as process:
        assert process.stdout is not None
        async for line in process.stdout:
            if found := AUTHORIZATION_URL.search(line.decode()):
                await signs_in(browser, found.group(), "Hana Novak")
        status = await process.wait()
    await browser.close()
    await client.close()
    made = checks(tmp_path, "authorization-server-")
    against = {
        row.scenario: shortcomings(row, made[row.scenario])
        for row in rows("authorization")
        if row.version == version and row.applies
    }
    assert (status, any(against.values())) == (0, False), against
