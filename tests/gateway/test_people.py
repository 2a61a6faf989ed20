"""A program for each person: nothing crosses, the cap holds, idle ones end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from okta_mcp.gateway.assertions import Assertions
from okta_mcp.gateway.errors import ServerError
from okta_mcp.gateway.gateway import Gateway
from okta_mcp.gateway.people import PersonalUpstreams
from okta_mcp.gateway.upstream import Upstream
from tests.vocabulary.behind import VARIABLES, eventually, lives, person, stdio_server, text_of
from tests.vocabulary.clock import Clock

ASSERTIONS = Assertions("http://localhost", (b"x" * 32,), lambda: 0.0)


async def asked(gateway: Gateway, user_id: str, tool: str, **arguments: str) -> str:
    params = {"name": tool, "arguments": arguments}
    return text_of(await gateway.request("behind", person(user_id), "tools/call", params))


async def process_of(gateway: Gateway, user_id: str) -> int:
    import json

    return int(json.loads(await asked(gateway, user_id, "process"))["pid"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gateway(clock: Clock) -> AsyncIterator[Gateway]:
    server = stdio_server(per_person=True, most_processes=2, idle_seconds=60.0)
    gateway = Gateway([server], VARIABLES, ASSERTIONS, now=clock)
    async with gateway.running():
        yield gateway


async def test_no_state_of_one_person_reaches_another(gateway: Gateway) -> None:
    await asyncio.gather(
        *(
            asked(gateway, user_id, "remember", text=f"the secret of {user_id};")
            for user_id in ("00uhana", "00usami")
            for _ in range(3)
        )
    )
    assert await asked(gateway, "00uhana", "recall") == "the secret of 00uhana;" * 3
    assert await asked(gateway, "00usami", "recall") == "the secret of 00usami;" * 3


async def test_no_call_reaches_the_process_that_only_lists(gateway: Gateway) -> None:
    await asked(gateway, "00uhana", "remember", text="something")
    template = gateway.upstreams["behind"]
    await eventually(lambda: template.state.name == "up")
    params = {"name": "recall", "arguments": {}}
    assert text_of(await template.request("tools/call", params)) == ""


async def test_the_longest_idle_one_ends_for_somebody_new(gateway: Gateway, clock: Clock) -> None:
    processes = {}
    for user_id in ("00uhana", "00usami"):
        processes[user_id] = await process_of(gateway, user_id)
        clock.pass_seconds(1)
    await asked(gateway, "00uhana", "echo")
    await asked(gateway, "00unora", "echo")
    await eventually(lambda: not lives(processes["00usami"]))
    assert await process_of(gateway, "00uhana") == processes["00uhana"]
    assert gateway.status()[0].processes == 2


async def test_somebody_new_is_told_when_all_are_at_work(gateway: Gateway) -> None:
    waiting = [
        asyncio.create_task(asked(gateway, user_id, "wait")) for user_id in ("00uhana", "00usami")
    ]
    await eventually(lambda: gateway.status()[0].processes == 2)
    with pytest.raises(ServerError) as refused:
        await asked(gateway, "00unora", "echo")
    assert refused.value.code == "server_busy"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await asked(gateway, "00unora", "echo")


async def test_idle_ones_end(gateway: Gateway, clock: Clock) -> None:
    process = await process_of(gateway, "00uhana")
    clock.pass_seconds(59)
    gateway.end_idle()
    assert await process_of(gateway, "00uhana") == process
    clock.pass_seconds(60)
    gateway.end_idle()
    await eventually(lambda: not lives(process))
    assert gateway.status()[0].processes == 0


async def test_nobody_gets_one_of_a_server_that_has_been_stopped() -> None:
    """Who waited for a place while a reload took the server away."""
    people = PersonalUpstreams(stdio_server(per_person=True), _none, lambda: 0.0)
    await people.stop()
    with pytest.raises(ServerError) as refused:
        async with people.of("00uhana"):
            pass
    assert (refused.value.code, people.count) == ("server_unavailable", 0)


def _none() -> Upstream:
    raise AssertionError("one was made")


async def test_all_end_with_the_gateway(clock: Clock) -> None:
    gateway = Gateway([stdio_server(per_person=True)], VARIABLES, ASSERTIONS, now=clock)
    async with gateway.running():
        processes = [await process_of(gateway, user_id) for user_id in ("00uhana", "00usami")]
    assert not any(lives(process) for process in processes)
