"""A flood of registrations and authorization requests: the memory stays, and people get in."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.vocabulary.addresses import http_from
from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import (
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.size import how_many

EACH = how_many(person=400, full=20_000)
MOST_MEGABYTES = 40
FLOODER, PERSON = "127.0.0.1", "127.0.0.2"
AT_ONCE = 8
# Fewer than the rates of the person's own address allow.
MOST_LOGINS = 100
LIFTED = dict.fromkeys(("RATE_REGISTER", "RATE_AUTHORIZE"), "1000000/minute")


@pytest.fixture(params=["default rates", "no rates"])
def flooded_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Without rates it is as if each request of the flood came from another address."""
    port = free_port()
    rates = LIFTED if request.param == "no rates" else {}
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        environment = sandbox.settings_for_server() | rates
        with running_server(tmp_path_factory.mktemp("flooded"), port, environment) as running:
            yield running


class Flood:
    """Registrations and authorization requests, as fast as one address can send them."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.registered, self.authorized = Counter[int](), Counter[int]()
        self.without_wait = 0

    async def rise(self) -> None:
        async with http_from(FLOODER) as http:
            client = OAuthClient(self._server.url, http)
            assert (await client.register()).status_code == 201
            waves = [self._wave(http, client.authorization_url()) for _ in range(AT_ONCE)]
            await asyncio.gather(*waves)

    async def _wave(self, http: httpx.AsyncClient, url: str) -> None:
        stranger = OAuthClient(self._server.url, http)
        for number in range(EACH // AT_ONCE):
            answer = await stranger.register(client_name=f"Flood {number}")
            self._saw(self.registered, answer)
            self._saw(self.authorized, await http.get(url, headers={"accept": "text/html"}))

    def _saw(self, statuses: Counter[int], answer: httpx.Response) -> None:
        statuses[answer.status_code] += 1
        if answer.status_code in (429, 503) and not answer.headers.get("retry-after"):
            self.without_wait += 1


async def login(client: OAuthClient) -> None:
    """The whole way of a person, in a browser that has never been here."""
    async with http_from(PERSON) as http:
        await connected(Browser(http), client, "Hana Novak", prompt="consent")
    assert (await client.rpc("tools/list")).status_code == 200


async def test_a_flood_fills_nothing_and_locks_nobody_out(flooded_server: ServerProcess) -> None:
    """L-09, L-10, R-23: 429 or 503 with Retry-After for whoever floods, and logins elsewhere."""
    flood = Flood(flooded_server)
    async with http_from(PERSON) as http:
        client = OAuthClient(flooded_server.url, http)
        assert (await client.register()).status_code == 201
        await login(client)
        before = flooded_server.resident_megabytes
        async with asyncio.TaskGroup() as tasks:
            rising = tasks.create_task(flood.rise())
            for _ in range(MOST_LOGINS):
                await login(client)
                if rising.done():
                    break
    assert flooded_server.resident_megabytes - before < MOST_MEGABYTES
    assert flood.without_wait == 0
    assert flood.registered.keys() <= {201, 429, 503}
    assert flood.authorized.keys() <= {200, 429}
    if "RATE_REGISTER" not in flooded_server.environment:
        assert flood.registered[429] > flood.registered[201] > 0
        assert flood.authorized[429] > 0
