"""Two and three servers with one Redis: any request of anybody may land on any of them."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import sdk_client
from tests.vocabulary.oauth_client import OAuthClient, connected, signed_in
from tests.vocabulary.processes import SandboxProcess, free_port, running_sandbox
from tests.vocabulary.redis_server import RedisServer, running_redis
from tests.vocabulary.replicas import Replicas, running_nginx, running_replicas

HANA, SOC = "hana.help@northwind.example", "sso-security-admins"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def two(
    shared_sandbox: SandboxProcess,
    server_port: int,
    redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Replicas]:
    environment = shared_sandbox.settings_for_server() | {"STORE_URL": redis.url}
    url, folder = f"http://localhost:{server_port}", tmp_path_factory.mktemp("replicas")
    with running_replicas(folder, url, 2, environment) as servers:
        yield Replicas(url, servers)


@pytest.fixture
async def replicas(two: Replicas, sandbox: SandboxProcess) -> AsyncIterator[Replicas]:
    yield two
    await two.close()


async def role_of(client: OAuthClient) -> str | None:
    answer = await client.rpc("resources/read", {"uri": "user://me"})
    assert answer.status_code == 200, answer.text
    role: str | None = json.loads(answer.json()["result"]["contents"][0]["text"])["role"]
    return role


async def test_a_revocation_on_one_counts_on_the_other_at_once(replicas: Replicas) -> None:
    """T-09: nothing about a token is remembered by a process."""
    client = await replicas.client(0)
    await connected(replicas.browser(0), client, "Hana Novak")
    elsewhere = replicas.copy(client, 1)
    assert await role_of(elsewhere) == "viewer"
    await client.revoke(client.tokens["refresh_token"])
    assert (await elsewhere.rpc("tools/list")).status_code == 401
    assert (await elsewhere.refresh()).json()["error"] == "invalid_grant"


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


async def test_a_replica_that_is_killed_in_the_middle_of_a_login_loses_nobody(
    redis: RedisServer, sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    environment = sandbox.settings_for_server() | {"STORE_URL": redis.url}
    url = f"http://localhost:{server_port}"
    with running_replicas(tmp_path, url, 2, environment) as servers:
        replicas = Replicas(url, servers)
        there, client = replicas.browser(0), await replicas.client(0)
        await signed_in(there, client, "Hana Novak")
        servers[0].process.kill()
        here = Browser(replicas.http(1), there.response)
        here.client.cookies = there.client.cookies
        await here.press("Allow")
        left = replicas.copy(client, 1)
        left.verifier = client.verifier
        assert (await left.redeem(here.answer["code"])).status_code == 200
        assert await role_of(left) == "viewer"
        await replicas.close()


async def test_a_real_client_gets_through_nginx_to_three_servers(
    redis: RedisServer, tmp_path: Path
) -> None:
    """Also the address of the caller, which nginx tells and a stranger cannot."""
    port = free_port()
    url = f"http://localhost:{port}"
    with running_sandbox(url) as okta:
        environment = okta.settings_for_server() | {
            "STORE_URL": redis.url,
            "STORE_PREFIX": "nginx",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        with running_replicas(tmp_path, url, 3, environment) as servers:
            ports = [int(server.url.rpartition(":")[2]) for server in servers]
            with running_nginx(tmp_path / "nginx", port, ports):
                async with sdk_client(f"{url}/mcp", "Sami Korhonen", mode="auto") as client:
                    listed = await client.list_tools()
                    for _ in range(6):
                        answer = await client.call_tool("list_okta_users", {"q": "ann"})
                        assert not answer.is_error
                    servers[0].process.kill()
                    # What was under way there is lost; what comes now goes to the others.
                    servers[0].process.wait()
                    for _ in range(6):
                        answer = await client.call_tool("get_current_time", {})
                        assert not answer.is_error
                browser = Browser()
                await browser.open(f"{url}/")
                assert browser.status == 200
                await browser.close()
            events = [event for server in servers for event in server.events()]
    assert "list_okta_users" in {tool.name for tool in listed.tools}
    assert {event["ip"] for event in events if "ip" in event} == {"127.0.0.1"}
    assert [len(server.events("tool.called")) > 0 for server in servers] == [True] * 3
