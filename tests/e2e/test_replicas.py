"""Three servers with one Redis: any request of anybody may land on any of them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.vocabulary.addresses import http_from
from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import sdk_client
from tests.vocabulary.oauth_client import OAuthClient, connected, signed_in
from tests.vocabulary.processes import SandboxProcess, free_port, running_sandbox
from tests.vocabulary.redis_server import RedisServer
from tests.vocabulary.replicas import Replicas, ServerGroup, running_nginx, running_replicas

HANA, SOC = "hana.help@northwind.example", "sso-security-admins"
PEOPLE = ("Hana Novak", "Sami Korhonen", "Nora Lind")


@pytest.fixture
async def replicas(three: ServerGroup, sandbox: SandboxProcess) -> AsyncIterator[Replicas]:
    found = Replicas(three.url, three.servers)
    yield found
    await found.close()


async def role_of(client: OAuthClient) -> str | None:
    answer = await client.rpc("resources/read", {"uri": "user://me"})
    assert answer.status_code == 200, answer.text
    role: str | None = json.loads(answer.json()["result"]["contents"][0]["text"])["role"]
    return role


async def test_a_revocation_on_one_counts_on_all_at_once(replicas: Replicas) -> None:
    """T-09: nothing about a token is remembered by a process."""
    client = await replicas.client(0)
    await connected(replicas.browser(0), client, "Hana Novak")
    everywhere = [replicas.copy(client, number) for number in range(3)]
    assert [await role_of(each) for each in everywhere] == ["viewer"] * 3
    await client.revoke(client.tokens["refresh_token"])
    assert [(await each.rpc("tools/list")).status_code for each in everywhere] == [401] * 3
    assert [(await each.refresh()).json()["error"] for each in everywhere] == ["invalid_grant"] * 3


async def test_a_code_works_once_on_all_together(replicas: Replicas) -> None:
    client, browser = await replicas.client(), replicas.browser()
    await signed_in(browser, client, "Hana Novak")
    await browser.press("Allow")
    code = browser.answer["code"]
    assert (await client.redeem(code)).status_code == 200
    again = replicas.copy(client, 1)
    again.verifier = client.verifier
    assert (await again.redeem(code)).json()["error"] == "invalid_grant"
    assert (await client.rpc("tools/list")).status_code == 401


async def test_a_suspended_person_is_out_on_all_when_one_has_heard(
    replicas: Replicas, sandbox: SandboxProcess
) -> None:
    """B-09."""
    client = await replicas.client(0)
    await connected(replicas.browser(0), client, "Hana Novak")
    elsewhere = replicas.copy(client, 1)
    assert await role_of(elsewhere) == "viewer"
    sandbox.control(f"users/{HANA}", {"status": "SUSPENDED"})
    assert (await client.refresh()).status_code == 400
    assert (await elsewhere.rpc("tools/list")).status_code == 401


async def test_another_role_counts_on_all_when_one_has_heard(
    replicas: Replicas, sandbox: SandboxProcess
) -> None:
    """B-08: a refresh asks Okta."""
    client = await replicas.client(0)
    await connected(replicas.browser(0), client, "Hana Novak")
    elsewhere = replicas.copy(client, 1)
    assert await role_of(elsewhere) == "viewer"
    sandbox.control(f"groups/{SOC}/members", {"add": [HANA]})
    assert (await client.refresh()).status_code == 200
    elsewhere.tokens = dict(client.tokens)
    assert await role_of(elsewhere) == "security-admin"


async def test_a_login_whose_steps_alternate_succeeds_and_okta_is_asked_once(
    replicas: Replicas, sandbox: SandboxProcess
) -> None:
    client = await replicas.client()
    await connected(replicas.browser(), client, "Hana Novak")
    asked = len(sandbox.requests())
    assert [await role_of(client) for _ in range(6)] == ["viewer"] * 6
    assert len(sandbox.requests()) == asked
    assert (await client.refresh()).status_code == 200
    for server in replicas.servers:
        assert {"resource.read", "server.started"} <= {event["event"] for event in server.events()}


async def test_one_of_them_asks_okta_for_its_keys(redis: RedisServer, tmp_path: Path) -> None:
    """Three sign-ins, each at a server that has seen none before."""
    url = f"http://localhost:{free_port()}"
    with running_sandbox(url) as okta:
        environment = okta.settings_for_server()
        environment |= {"STORE_URL": redis.url, "STORE_PREFIX": "keys"}
        with running_replicas(tmp_path, url, 3, environment) as servers:
            everywhere = Replicas(url, servers)
            for number, name in enumerate(PEOPLE):
                await connected(everywhere.browser(number), await everywhere.client(number), name)
            asked = [entry["path"] for entry in okta.requests()]
            assert asked.count("/oauth2/v1/keys") == 1
            await everywhere.close()


async def test_a_rate_is_counted_over_all(
    redis: RedisServer, sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    """R-23."""
    environment = sandbox.settings_for_server() | {
        "STORE_URL": redis.url,
        "STORE_PREFIX": "rates",
        "RATE_REGISTER": "5/hour",
    }
    url = f"http://localhost:{server_port}"
    with running_replicas(tmp_path, url, 2, environment) as servers:
        replicas = Replicas(url, servers)
        clients = [OAuthClient(url, replicas.http(number)) for number in (0, 1, 0, 1, 0, 1, 0)]
        answers = [await client.register() for client in clients]
        await replicas.close()
    assert [answer.status_code for answer in answers] == [201] * 5 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600


@pytest.mark.usefixtures("sandbox")
async def test_nginx_sends_the_requests_of_one_client_to_all(
    three_behind_nginx: ServerGroup,
) -> None:
    before = [len(server.events("tool.called")) for server in three_behind_nginx.servers]
    async with sdk_client(three_behind_nginx.mcp_url, "Sami Korhonen", mode="auto") as client:
        for _ in range(6):
            assert not (await client.call_tool("list_okta_users", {"q": "ann"})).is_error
    after = [len(server.events("tool.called")) for server in three_behind_nginx.servers]
    assert all(now > then for now, then in zip(after, before, strict=True)), (before, after)


async def test_an_address_is_what_nginx_tells_and_not_what_the_caller_says(
    three_behind_nginx: ServerGroup,
) -> None:
    client = OAuthClient(three_behind_nginx.url, http_from("127.0.0.77"))
    client.http.headers["X-Forwarded-For"] = "203.0.113.9"
    assert (await client.register()).status_code == 201
    [event] = [
        event
        for event in three_behind_nginx.events("client.registered")
        if event["client_id"] == client.client_id
    ]
    assert event["ip"] == "127.0.0.77"
    await client.close()


class Person:
    """Somebody at work whose requests may be cut off, and are then made again."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.browser, self.client = Browser(), OAuthClient(url)
        self.rounds = 0

    async def answer(self, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """An answer of a server: nginx says 502 where the server went away meanwhile."""
        while True:
            with contextlib.suppress(httpx.RemoteProtocolError):
                answer = await ask()
                if answer.status_code != 502:
                    return answer

    async def work(self) -> None:
        while True:
            for ask in (self._call, self.client.refresh):
                answer = await self.answer(ask)
                assert answer.status_code == 200, answer.text
            self.rounds += 1

    async def press(self, *buttons: str) -> None:
        for button in buttons:
            await self.browser.press(button)

    async def take_the_code(self) -> None:
        assert (await self.client.redeem(self.browser.answer["code"])).status_code == 200

    async def close(self) -> None:
        await self.browser.close()
        await self.client.close()

    async def _call(self) -> httpx.Response:
        return await self.client.rpc("tools/call", {"name": "list_okta_groups", "arguments": {}})


async def test_a_server_killed_in_the_middle_of_many_peoples_work_loses_nobody(
    redis: RedisServer, tmp_path: Path
) -> None:
    """Some call and refresh without a pause, others are at each page of a login."""
    port = free_port()
    url = f"http://localhost:{port}"
    with contextlib.ExitStack() as stack:
        okta = stack.enter_context(running_sandbox(url))
        rates = {"RATE_TOOL_CALLS": "100000/minute", "RATE_TOOL_CALLS_PER_TOOL": "100000/minute"}
        environment = okta.settings_for_server() | rates
        environment |= {"STORE_URL": redis.url, "STORE_PREFIX": "killed"}
        environment |= {"TRUSTED_PROXIES": "127.0.0.1"}
        servers = stack.enter_context(running_replicas(tmp_path, url, 3, environment))
        ports = [httpx.URL(server.url).port or 0 for server in servers]
        stack.enter_context(running_nginx(tmp_path / "nginx", port, ports))

        at_work, at_sign_in, at_okta, at_consent = groups = [
            [Person(url, name) for name in PEOPLE] for _ in range(4)
        ]
        everybody = [person for group in groups for person in group]
        for person in everybody:
            await person.client.register()
            await person.browser.open(person.client.authorization_url())
        for person in (*at_work, *at_okta, *at_consent):
            await person.press("Sign in with Okta")
        for person in (*at_work, *at_consent):
            await person.press(person.name)
        for person in at_work:
            await person.press("Allow")
            await person.take_the_code()

        working = [asyncio.create_task(person.work()) for person in at_work]

        async def more_rounds() -> None:
            wanted = [person.rounds + 3 for person in at_work]
            while [person.rounds for person in at_work] < wanted:
                await asyncio.wait(working, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
                assert not [await task for task in working if task.done()]

        await more_rounds()
        servers[0].process.kill()
        await more_rounds()
        for person in at_sign_in:
            await person.press("Sign in with Okta")
        for person in (*at_sign_in, *at_okta):
            await person.press(person.name)
        for person in (*at_sign_in, *at_okta, *at_consent):
            await person.press("Allow")
            await person.take_the_code()
        await more_rounds()
        for task in working:
            task.cancel()
        await asyncio.wait(working)
        for person in everybody:
            assert (await person.client.rpc("tools/list")).status_code == 200
            await person.close()
        group = ServerGroup(url, servers)
        assert len(group.events("login.succeeded")) == len(everybody)
        assert not group.events("grant.ended")
        assert [len(server.events("tool.called")) > 0 for server in servers] == [True] * 3
