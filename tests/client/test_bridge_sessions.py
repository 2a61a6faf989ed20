"""A server that keeps sessions: its header, its own stream, its end, and its forgetting."""

import asyncio
from typing import Any

import pytest

from okta_mcp.client.transport import Patience
from tests.client.raw_server import INITIALIZE, INITIALIZED, Asked, RawServer, Talk, request, result

CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


class SessionKeeper:
    """A handler that knows one session at a time; `restart` forgets it, as a real one does."""

    def __init__(self, *, gone_status: int = 404, gone_body: object = b"") -> None:
        self.number = 0
        self.known = ""
        self.offers_stream = True
        self.begins = True
        self.gone = gone_status, gone_body
        self.listening = asyncio.Event()
        self.to_say: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def restart(self) -> None:
        self.known = ""

    async def __call__(self, asked: Asked) -> None:
        if asked.method == "initialize" and self.begins:
            self.number += 1
            self.known = f"session-{self.number}"
            answer = result(asked.message["id"], protocolVersion="2025-06-18")
            await asked.reply(answer, mcp_session_id=self.known)
        elif asked.headers.get("mcp-session-id") != self.known:
            await asked.reply(self.gone[1], status=self.gone[0])
        elif asked.verb == "GET" and self.offers_stream:
            await asked.begin_stream()
            self.listening.set()
            while (said := await self.to_say.get()) is not None:
                await asked.event(said, f"id: {self.number}")
        elif asked.verb == "GET":
            await asked.reply(status=405)
            self.listening.set()
        elif asked.verb == "DELETE" or "id" not in asked.message or asked.method == "answer":
            await asked.reply(status=202)
        else:
            await asked.reply(result(asked.message["id"], session=self.known))


@pytest.fixture
async def keeper(http: RawServer, talk: Talk) -> SessionKeeper:
    """A server with a session that the client has begun."""
    http.handler = keeper = SessionKeeper()
    assert (await talk.begin())["result"]["protocolVersion"] == "2025-06-18"
    async with asyncio.timeout(30):
        await keeper.listening.wait()
    keeper.listening.clear()
    http.asked.clear()
    return keeper


async def test_a_session_that_cannot_be_begun_again_is_an_error(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    keeper.restart()
    keeper.begins = False
    assert "HTTP 404" in await talk.error_text(request(1))


async def test_a_session_that_is_gone_again_at_once_is_an_error_and_no_loop(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    async def forgetful(asked: Asked) -> None:
        keeper.restart()
        await keeper(asked)

    http.handler = forgetful
    assert "does not know the session" in await talk.error_text(request(1))
    assert http.methods.count("tools/list") == 1


async def test_every_message_carries_the_session_and_the_revision(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    assert await talk.ask(request(1)) == result(1, session="session-1")
    await talk.send(CHANGED)
    talk.hang_up()
    await talk.ended()
    assert http.methods == ["tools/list", "notifications/tools/list_changed", "DELETE"]
    sent = {
        (asked.headers["mcp-session-id"], asked.headers.get("mcp-protocol-version"))
        for asked in http.asked[:2]
    }
    assert sent == {("session-1", "2025-06-18")}


async def test_the_session_is_ended_after_a_signal(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    talk.bridge.stop()
    await talk.ended()
    assert http.methods == ["DELETE"]
    assert http.asked[0].headers["mcp-session-id"] == "session-1"


async def test_what_the_server_says_of_its_own_accord_is_relayed(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    await keeper.to_say.put(CHANGED)
    assert await talk.next() == CHANGED
    await keeper.to_say.put(request("s", "sampling/createMessage"))
    assert await talk.next() == request("s", "sampling/createMessage")
    await talk.send(result("s", content=[]))
    talk.hang_up()
    await talk.ended()
    assert http.asked[0].message == result("s", content=[])


@pytest.mark.parametrize(
    ("wish", "seconds"), [(None, 1.0), (0, 0.25), (249, 0.25), (1500, 1.5), (10**400, 3600.0)]
)
def test_a_server_cannot_have_itself_asked_without_end_or_never(
    wish: int | None, seconds: float
) -> None:
    assert Patience().before_resuming(wish) == seconds


async def test_the_servers_stream_is_opened_again_where_it_ended(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    await keeper.to_say.put(CHANGED)
    assert await talk.next() == CHANGED
    await keeper.to_say.put(None)
    async with asyncio.timeout(30):
        await keeper.listening.wait()
    assert http.asked[-1].headers["last-event-id"] == "1"
    await keeper.to_say.put(CHANGED)
    assert await talk.next() == CHANGED


async def test_a_server_without_a_stream_of_its_own_is_not_asked_again(
    http: RawServer, talk: Talk
) -> None:
    http.handler = keeper = SessionKeeper()
    keeper.offers_stream = False
    await talk.begin()
    async with asyncio.timeout(30):
        await keeper.listening.wait()
    for number in range(3):
        await talk.ask(request(number))
    assert http.methods.count("GET") == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b""),
        (404, {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "no"}}),
        (
            400,
            {
                "jsonrpc": "2.0",
                "id": None,
                "error": {"code": -32000, "message": "Bad Request: No valid session ID provided"},
            },
        ),
    ],
)
async def test_a_session_that_is_gone_is_begun_again_and_the_request_repeated_once(
    http: RawServer, talk: Talk, keeper: SessionKeeper, status: int, body: object
) -> None:
    keeper.gone = status, body
    keeper.restart()
    assert await talk.ask(request(1)) == result(1, session="session-2")
    posts = [asked for asked in http.asked if asked.verb == "POST"]
    assert [asked.method for asked in posts] == [
        "tools/list",
        "initialize",
        "notifications/initialized",
        "tools/list",
    ]
    assert posts[1].message == INITIALIZE
    assert "mcp-session-id" not in posts[1].headers
    assert "mcp-protocol-version" not in posts[1].headers
    assert posts[2].message == INITIALIZED
    assert any("a new one begins" in text for text in talk.said)


async def test_requests_that_find_the_session_gone_together_begin_one(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    keeper.restart()
    await talk.send(*(request(number) for number in range(1, 9)))
    answers = [await talk.next() for _ in range(8)]
    assert {answer["id"] for answer in answers} == set(range(1, 9))
    assert {answer["result"]["session"] for answer in answers} == {"session-2"}
    assert http.methods.count("initialize") == 1


async def test_a_new_session_gets_what_the_client_wanted_of_the_old_one(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    await talk.ask(request(1, "logging/setLevel", level="debug"))
    await talk.ask(request(2, "resources/subscribe", uri="x://a"))
    await talk.ask(request(3, "resources/subscribe", uri="x://b"))
    await talk.ask(request(4, "resources/unsubscribe", uri="x://a"))
    http.asked.clear()
    keeper.restart()
    assert await talk.ask(request(5)) == result(5, session="session-2")
    wishes = [asked.message for asked in http.asked if asked.method.split("/")[0] in LASTING]
    assert wishes == [
        request(1, "logging/setLevel", level="debug"),
        request(3, "resources/subscribe", uri="x://b"),
    ]
    talk.hang_up()
    await talk.ended()
    assert await talk.rest() == b""


LASTING = ("logging", "resources")


async def test_the_servers_stream_notices_a_restart_by_itself(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    keeper.restart()
    await keeper.to_say.put(None)
    async with asyncio.timeout(30):
        await keeper.listening.wait()
    assert http.asked[-1].headers["mcp-session-id"] == "session-2"


async def test_a_stream_of_the_old_session_does_not_keep_the_new_one_from_being_heard(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    keeper.restart()
    await talk.ask(request(1))
    async with asyncio.timeout(30):
        await keeper.listening.wait()
    streams = [asked for asked in http.asked if asked.verb == "GET"]
    assert [asked.headers["mcp-session-id"] for asked in streams] == ["session-2"]


async def test_a_cancellation_is_also_relayed_to_a_server_with_sessions(
    http: RawServer, talk: Talk, keeper: SessionKeeper
) -> None:
    closed, told = asyncio.Event(), asyncio.Event()

    async def endless(asked: Asked) -> None:
        if asked.method == "tools/call":
            await talk.send(cancelled)
            await asked.hung_up()
            closed.set()
        else:
            await keeper(asked)
            if asked.method == "notifications/cancelled":
                told.set()

    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    http.handler = endless
    await talk.send(request(1, "tools/call"))
    async with asyncio.timeout(30):
        await closed.wait()
        await told.wait()
    assert await talk.ask(request(2)) == result(2, session="session-1")
