"""The stdio bridge in front of a server that keeps sessions and asks the client things."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    LoggingMessageNotificationParams,
    Root,
    TextContent,
    ToolListChangedNotification,
)

from tests.vocabulary.over_stdio import over_stdio
from tests.vocabulary.processes import free_port
from tests.vocabulary.stateful_server import running_stateful_server


@pytest.fixture(scope="module")
def stateful() -> Iterator[str]:
    with running_stateful_server(free_port()) as url:
        yield url


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_what_it_offers_is_relayed(stateful: str, tmp_path: Path, mode: str) -> None:
    async with over_stdio(stateful, tmp_path, mode=mode) as (client, person):
        assert len((await client.list_tools()).tools) == 6
        (content,) = (await client.read_resource("note://second")).contents
        assert content.text == "a note on second"
        assert (await client.list_resource_templates()).resource_templates
        given = await client.get_prompt("greet", {"name": "Ann"})
        assert given.messages[0].content.text == "Greet Ann."
        assert person.read == []


async def test_what_it_asks_and_says_reaches_the_client(stateful: str, tmp_path: Path) -> None:
    steps: list[float] = []
    logged: list[Any] = []
    changed = asyncio.Event()

    async def elicited(_context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert params.message == "Which colour?"
        return ElicitResult(action="accept", content={"colour": "blue"})

    async def sampled(_context: Any, params: CreateMessageRequestParams) -> CreateMessageResult:
        text = TextContent(type="text", text=f"said, at most {params.max_tokens}")
        return CreateMessageResult(role="assistant", content=text, model="none")

    async def rooted(_context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri="file:///somewhere")])

    async def note(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async def log(params: LoggingMessageNotificationParams) -> None:
        logged.append(params.data)

    async def heard(message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            changed.set()

    callbacks = {
        "elicitation_callback": elicited,
        "sampling_callback": sampled,
        "list_roots_callback": rooted,
        "logging_callback": log,
        "message_handler": heard,
    }
    async with over_stdio(stateful, tmp_path, **callbacks) as (client, _):

        async def told(tool: str) -> str:
            return str((await client.call_tool(tool, {})).content[0].text)

        assert await told("ask") == "accept blue"
        assert await told("think") == "said, at most 10"
        assert "file:///somewhere" in await told("look")
        await client.call_tool("count", {"steps": 4}, progress_callback=note)
        assert steps == [0, 1, 2, 3]
        assert len(logged) == 4
        assert await told("change") == "changed"
        async with asyncio.timeout(30):
            await changed.wait()


async def test_a_session_outlives_the_server_that_kept_it(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as first, ExitStack() as second:
        url = first.enter_context(running_stateful_server(port))
        async with over_stdio(url, tmp_path) as (client, person):

            async def session() -> str:
                return str((await client.call_tool("session", {})).content[0].text)

            before = await session()
            assert await session() == before
            await asyncio.to_thread(first.close)
            call = asyncio.create_task(session())
            await person.hears("Trying again")
            await asyncio.to_thread(second.enter_context, running_stateful_server(port))
            after = await asyncio.wait_for(call, 30)
            assert after != before
            assert await session() == after
            await person.hears("a new one begins")
