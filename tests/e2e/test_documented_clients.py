"""Clients that cannot be run here, replayed from what is documented of them, step by step."""

from pathlib import Path

import httpx
import pytest

from tests.oauth_proxy.document_host import HOST, Authority, reading_documents, serving
from tests.vocabulary.browser import PLAIN, Browser
from tests.vocabulary.documented_clients import CLIENTS, DocumentedClient, claude_code
from tests.vocabulary.processes import SandboxProcess, ServerProcess
from tests.vocabulary.replay import Replay
from tests.vocabulary.roles import VIEWER_TOOLS

PERSON = "Hana Novak"

pytestmark = pytest.mark.usefixtures("sandbox")


@pytest.mark.parametrize("client", CLIENTS, ids=str)
async def test_the_whole_way(server: ServerProcess, client: DocumentedClient) -> None:
    """401, discovery, registration, browser, tools, refresh, revocation, log in again.

    Then its registration is gone, and it makes another one.
    """
    before = len(server.events())
    async with httpx.AsyncClient(timeout=30, verify=PLAIN) as http:
        replay = Replay(client, server.mcp_url, http)
        await replay.discovers()
        await replay.registers()
        await log_in(replay)
        assert await replay.uses_tools() == VIEWER_TOOLS

        assert (await replay.refreshes()).status_code == 200
        assert await replay.uses_tools() == VIEWER_TOOLS

        assert (await replay.revokes()).status_code == 200
        assert not await replay.is_admitted()
        dead = await replay.refreshes()
        assert (dead.status_code, dead.json()["error"]) == (400, "invalid_grant")
        await log_in(replay)
        assert await replay.uses_tools() == VIEWER_TOOLS

        replay.client_id = "omcp_client_forgotten"
        gone = await replay.refreshes()
        assert (gone.status_code, gone.json()["error"]) == (401, "invalid_client")
        await replay.registers()
        await log_in(replay)
        assert await replay.is_admitted()
    events = [line["event"] for line in server.events()[before:]]
    assert events.count("client.registered") == 2
    assert events.count("token.issued") == 3


async def test_a_client_by_document_on_a_port_of_the_moment(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    """Claude Code, whose document names loopback URIs without a port; the host is the test's."""
    url, authority = f"http://localhost:{server_port}", Authority(tmp_path)
    environment = sandbox.settings_for_server()
    async with (
        serving(authority.serving(HOST)) as host,
        reading_documents(tmp_path, url, environment, authority) as place,
    ):
        host.serves(
            client_name="Claude Code",
            redirect_uris=["http://localhost/callback", "http://127.0.0.1/callback"],
        )
        browser = place.browser()
        replay = Replay(claude_code(58135), f"{url}/mcp", browser.client)
        await replay.discovers()
        assert replay.server["client_id_metadata_document_supported"] is True
        replay.client_id = host.url
        await replay.logs_in(browser, PERSON)
        assert await replay.uses_tools() == VIEWER_TOOLS
        assert (await replay.refreshes()).status_code == 200
        assert (await replay.revokes()).status_code == 200
        assert not await replay.is_admitted()
        await replay.logs_in(place.browser(), PERSON)
        assert await replay.uses_tools() == VIEWER_TOOLS
    assert not place.events("client.registered")


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_every_record_says_where_its_facts_are_and_what_is_assumed(
    client: DocumentedClient,
) -> None:
    assert client.documented_at
    assert all(place.startswith("https://") for place in client.documented_at)
    assert client.assumed


async def log_in(replay: Replay) -> None:
    """In a browser that has never been here."""
    browser = Browser()
    try:
        await replay.logs_in(browser, PERSON)
    finally:
        await browser.close()
