"""All servers together: none waits for another, and a reload touches what changed."""

import asyncio
import itertools
from dataclasses import replace

import jwt
import pytest

from okta_mcp.gateway.assertions import Assertions
from okta_mcp.gateway.errors import ServerError
from okta_mcp.gateway.gateway import Gateway
from okta_mcp.gateway.servers import HttpServer, Server
from tests.vocabulary.behind import (
    VARIABLES,
    eventually,
    lives,
    median_seconds,
    person,
    stdio_server,
    text_of,
)
from tests.vocabulary.servers_behind import running_recorder

ASSERTIONS = Assertions("https://mcp.acme.example", (b"x" * 32,), lambda: 1_800_000_000.0)


def gateway_of(*servers: Server) -> Gateway:
    return Gateway(servers, VARIABLES, ASSERTIONS)


async def asked(gateway: Gateway, name: str, tool: str, **arguments: str) -> str:
    params = {"name": tool, "arguments": arguments}
    return text_of(await gateway.request(name, person(), "tools/call", params))


async def up(gateway: Gateway, *names: str) -> None:
    await eventually(lambda: all(gateway.upstreams[name].state.name == "up" for name in names))


async def test_broken_servers_delay_neither_the_start_nor_the_others() -> None:
    kinds = ("silent", "crashing", "flooding", "endless-line", "grumbling", "endless-list")
    broken = [stdio_server(kind, name=kind) for kind in kinds]
    missing = stdio_server(name="missing", command="/no/such/program")
    away = HttpServer(name="away", title="away", url="http://127.0.0.1:9/mcp")
    gateway = gateway_of(*broken, missing, away, stdio_server(name="well"))
    async with gateway.running():
        assert {each.state.name for each in gateway.status()} == {"starting"}
        await up(gateway, "well")
        calls = itertools.count()
        usual = await median_seconds(gateway.upstreams["well"], lambda: next(calls) == 100)
        assert usual < 0.1
        # Who never answers was not waited for.
        assert gateway.upstreams["silent"].state.name == "starting"
        assert {each.server.name: each.state.name for each in gateway.status()}["missing"] == "down"


async def test_a_server_that_nobody_has_is_a_key_error() -> None:
    async with gateway_of().running():
        pass
    with pytest.raises(KeyError):
        await gateway_of().request("nobody", person(), "tools/call", {})


async def test_a_reload_touches_only_what_changed() -> None:
    kept, changed = stdio_server(name="kept"), stdio_server(name="changed")
    gone, new = stdio_server(name="gone"), stdio_server(name="new")
    gateway = gateway_of(kept, changed, gone)
    async with gateway.running():
        await up(gateway, "kept", "changed", "gone")
        before = {name: await asked(gateway, name, "process") for name in gateway.upstreams}
        running = asyncio.create_task(asked(gateway, "kept", "wait"))
        await gateway.reload([new, replace(changed, env={"A": "b"}), stdio_server(name="kept")])
        await up(gateway, "kept", "changed", "new")
        assert await asked(gateway, "kept", "process") == before["kept"]
        assert await asked(gateway, "changed", "process") != before["changed"]
        assert not running.done()
        running.cancel()
        with pytest.raises(KeyError):
            await asked(gateway, "gone", "echo")
        assert [each.server.name for each in gateway.status()] == ["new", "changed", "kept"]


async def test_calls_of_a_server_that_a_reload_takes_away_end_at_once() -> None:
    gateway = gateway_of(stdio_server(name="gone"))
    async with gateway.running():
        await up(gateway, "gone")
        running = asyncio.create_task(asked(gateway, "gone", "wait"))
        await asked(gateway, "gone", "echo")
        await gateway.reload([])
        with pytest.raises(ServerError) as refused:
            await running
        assert refused.value.code == "server_unavailable"


async def test_nothing_is_left_when_it_has_ended() -> None:
    gateway = gateway_of(*(stdio_server("stubborn", name=name) for name in ("one", "two")))
    async with gateway.running():
        await up(gateway, "one", "two")
        daemons = [int(await asked(gateway, name, "daemon")) for name in ("one", "two")]
    assert not any(lives(daemon) for daemon in daemons)


@pytest.mark.parametrize("wants", [False, True])
async def test_who_asks_is_told_only_to_those_that_want_it(*, wants: bool) -> None:
    with running_recorder() as recorder:
        server = HttpServer(name="web", title="web", url=recorder.url, assertion=wants)
        gateway = gateway_of(server)
        assert gateway.wants_assertions is wants
        async with gateway.running():
            await up(gateway, "web")
            await asked(gateway, "web", "echo")
        *listing, call = recorder.headers
        assert not any("okta-mcp-assertion" in headers for headers in listing)
        assert ("okta-mcp-assertion" in call) is wants
        if wants:
            token = call["okta-mcp-assertion"]
            told = jwt.decode(token, options={"verify_signature": False})
            assert (told["sub"], told["aud"]) == ("00uhana", recorder.url)
