"""Every client of the table by the whole way, as a process of its own over real sockets.

401, discovery, registration, browser, token, tools; then its token ends and it refreshes without a
browser; then its access is ended and it logs in again by itself. What it did is read from the audit
trail, what it got from its own output.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.vocabulary.client_environments import Environments, needs_npm
from tests.vocabulary.driven_clients import Trail, disconnects_all, driven
from tests.vocabulary.pinned_clients import CLIENTS, PinnedClient
from tests.vocabulary.processes import ServerProcess, free_port, running_sandbox, running_server
from tests.vocabulary.roles import VIEWER_TOOLS

pytestmark = needs_npm

PERSON = "Hana Novak"
# Long enough for a login and the first calls, short enough to wait for.
TTL_SECONDS = 6
LINES = [(client, method) for client in CLIENTS if client.script for method in client.methods]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose access tokens live a moment, and its organisation."""
    port = free_port()
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        settings = sandbox.settings_for_server() | {
            "ACCESS_TOKEN_TTL_SECONDS": str(TTL_SECONDS),
            "RATE_REGISTER": "1000/minute",
            "RATE_AUTHORIZE": "1000/minute",
        }
        with running_server(tmp_path_factory.mktemp("server"), port, settings) as running:
            yield running


@pytest.mark.parametrize(
    ("client", "method"), LINES, ids=[f"{client.name}, {method}" for client, method in LINES]
)
async def test_the_whole_way(
    server: ServerProcess,
    environments: Environments,
    tmp_path: Path,
    client: PinnedClient,
    method: str,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("client", client.name)
    trail = Trail(server, TTL_SECONDS)
    async with driven(client, method, server.mcp_url, PERSON, environments, tmp_path) as running:
        answer = await running.use()
        assert answer == {"tools": VIEWER_TOOLS, "found": answer.get("found")}, answer
        assert answer["found"] >= 1
        assert running.logins == 1
        [registered] = trail.of("client.registered")
        assert registered["auth_method"] == method
        [issued] = trail.of("token.issued")
        assert issued["client_id"] == registered["client_id"]
        assert trail.of("tools.listed")
        assert [line["subject"] for line in trail.of("tool.called")] == ["list_okta_users"]

        await trail.until_expired()
        assert await running.use() == answer
        assert trail.of("token.refreshed")
        assert running.logins == 1

        await disconnects_all(server.url, PERSON)
        again = await running.use_until(lambda: len(trail.of("token.issued")) > 1)
        assert again == answer
        assert running.logins == 2
        [ended] = [line for line in trail.of("grant.ended") if line["grant"] == issued["grant"]]
        assert ended["reason"] == "disconnected_by_person"
        assert trail.of("token.issued")[-1]["grant"] != issued["grant"]
