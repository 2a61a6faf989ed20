"""A server that goes away and comes back: nothing is lost, and nothing is done twice."""

import json
from pathlib import Path

import pytest

from okta_mcp.client.errors import UnreachableError
from okta_mcp.client.transport import Patience
from tests.client.raw_server import QUICK, Asked, RawServer, Talk, bridged, nobody, request, result

ANSWER_BEGUN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"


async def test_a_server_that_was_never_there_ends_the_bridge_after_its_answer(
    http: RawServer, talk: Talk
) -> None:
    await http.stop()
    await talk.send(request(0, "initialize"))
    answer = await talk.next()
    assert answer["id"] == 0
    assert "Cannot reach" in answer["error"]["message"]
    with pytest.raises(UnreachableError):
        await talk.ended()
    assert any("Trying again" in text for text in talk.said)


async def test_an_outage_that_is_too_long_is_an_error_and_not_the_end(
    http: RawServer, talk: Talk
) -> None:
    assert "result" in await talk.ask(request(1))
    await http.stop()
    assert "Cannot reach" in await talk.error_text(request(2))
    await http.start()
    assert "result" in await talk.ask(request(3))


async def test_requests_of_an_outage_arrive_when_the_server_is_back(
    http: RawServer, tmp_path: Path
) -> None:
    patience = Patience(outage=10, first_pause=0.01, longest_pause=0.02)
    async with bridged(http.url, nobody(http.url, tmp_path), patience=patience) as talk:
        assert "result" in await talk.ask(request(1))
        await http.stop()
        await talk.send(request(2), request(3))
        await talk.said.reaches(2)
        await http.start()
        assert {(await talk.next())["id"] for _ in range(2)} == {2, 3}
        assert len(http.asked) == 3


async def test_a_server_that_says_later_is_asked_later(http: RawServer, talk: Talk) -> None:
    async def stopping(asked: Asked) -> None:
        if len(http.asked) < 3:
            await asked.reply({"error": "stopping"}, status=503, retry_after="1")
        else:
            await asked.reply(result(asked.message["id"]))

    http.handler = stopping
    assert await talk.ask(request(1)) == result(1)
    assert len(http.asked) == 3


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", ANSWER_BEGUN])
async def test_a_request_that_was_sent_is_not_sent_again(
    http: RawServer, talk: Talk, part: bytes
) -> None:
    async def die(asked: Asked) -> None:
        if asked.message["id"] == 1:
            await asked.bytes_only(part)
        else:
            await asked.reply(result(asked.message["id"]))

    http.handler = die
    assert "may have been done" in await talk.error_text(request(1, "tools/call"))
    assert len(http.asked) == 1
    assert await talk.ask(request(2)) == result(2)


async def test_a_stream_that_breaks_without_ids_is_an_error(http: RawServer, talk: Talk) -> None:
    async def broken(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.event(request("x", "notifications/message"))

    http.handler = broken
    await talk.send(request(1))
    assert (await talk.next())["id"] == "x"
    assert "may have been done" in (await talk.next())["error"]["message"]
    assert len(http.asked) == 1


@pytest.mark.parametrize("cleanly", [True, False])
async def test_a_stream_that_breaks_is_taken_up_where_it_broke(
    http: RawServer, talk: Talk, cleanly: bool
) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}
    last_ids = []

    async def in_pieces(asked: Asked) -> None:
        await asked.begin_stream()
        if asked.verb == "POST":
            await asked.chunk("id: 0\nretry: 5\ndata:\n\n")
        else:
            last_ids.append(asked.headers["last-event-id"])
            await asked.event(note, f"id: {len(last_ids)}")
        if len(last_ids) == 5:
            await asked.event(result(1), "id: end")
        elif cleanly:
            await asked.end_stream()

    http.handler = in_pieces
    await talk.send(request(1))
    assert [await talk.next() for _ in range(5)] == [note] * 5
    assert await talk.next() == result(1)
    assert last_ids == ["0", "1", "2", "3", "4"]
    assert http.methods.count("tools/list") == 1


@pytest.mark.parametrize("status", [404, 405, 200])
async def test_a_stream_that_cannot_be_taken_up_is_an_error(
    http: RawServer, talk: Talk, status: int
) -> None:
    async def once(asked: Asked) -> None:
        if asked.verb == "GET":
            await asked.reply({}, status=status)
            return
        await asked.begin_stream()
        await asked.chunk("id: 0\ndata:\n\n")

    http.handler = once
    assert "may have been done" in await talk.error_text(request(1))
    assert http.methods == ["tools/list", "GET"]


async def test_a_stream_that_only_breaks_is_given_up(http: RawServer, talk: Talk) -> None:
    async def again(asked: Asked) -> None:
        await asked.begin_stream()
        if asked.verb == "POST":
            await asked.chunk("id: 0\ndata:\n\n")

    http.handler = again
    assert "may have been done" in await talk.error_text(request(1))
    assert http.methods.count("GET") == QUICK.resumptions


async def test_a_client_that_is_gone_ends_the_bridge(http: RawServer, tmp_path: Path) -> None:
    async with bridged(http.url, nobody(http.url, tmp_path)) as talk:
        await talk.send(request(1))
        assert json.loads(await talk.line())["id"] == 1
        talk.stop_reading()
        await talk.send(request(2))
        await talk.ended()
