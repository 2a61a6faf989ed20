"""The bridge between a client's lines and a server's answers, without sessions and log-in."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from okta_mcp.client.bridge import MAX_IN_FLIGHT, Endings
from okta_mcp.client.jsonrpc import MAX_MESSAGE_BYTES
from tests.client.raw_server import (
    Asked,
    RawServer,
    Talk,
    bridged,
    echo,
    nobody,
    request,
    result,
)

HUGE = b'"' + b"x" * (MAX_MESSAGE_BYTES + 1) + b'"'
EXACT = (
    b'{"jsonrpc": "2.0", "id": 1, "result": {"a": 1.50, "b": 12345678901234567890, '
    b'"c": "\\u00e9\xc3\xa9", "a": 2, "_meta": {"unknown/field": [1e2]}}}'
)


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        (b"hello", -32700, "not JSON"),
        (b"{", -32700, "not JSON"),
        (b"\xff\xfe", -32700, "not JSON"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', -32700, "not JSON"),
        (b"[" * 100_000, -32700, "not JSON"),
        (b"5", -32600, "not a JSON-RPC"),
        (b"[]", -32600, "not a JSON-RPC"),
        (b'{"id":1,"method":"ping"}', -32600, "not a JSON-RPC"),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, "a string or a number"),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, "a string or a number"),
        (b'{"jsonrpc":"2.0","id":1}', -32600, "neither a request nor an answer"),
        (b'{"jsonrpc":"2.0","method":5}', -32600, "neither a request nor an answer"),
    ],
)
async def test_a_line_that_is_no_message_is_answered_and_not_relayed(
    http: RawServer, talk: Talk, line: bytes, code: int, text: str
) -> None:
    await talk.send(line)
    answer = await talk.next()
    assert (answer["id"], answer["error"]["code"]) == (None, code)
    assert text in answer["error"]["message"]
    assert http.asked == []


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":' + HUGE + b"}", 7),
        (b'{"method":"ping","params":' + HUGE + b',"jsonrpc":"2.0","id":"a7"}', "a7"),
        (b'{"method":"ping","params":' + HUGE + b',"id":7,"jsonrpc":"2.0"}', 7),
        (b'{"method":"ping","params":{"id":7,"x":' + HUGE + b',"id":8}}', None),
    ],
    ids=["id first", "id last", "id before the version", "no outer id"],
)
async def test_a_line_that_is_too_long_is_refused_under_its_own_id(
    http: RawServer, talk: Talk, line: bytes, asked: object
) -> None:
    await talk.send(line)
    answer = await talk.next()
    assert (answer["id"], answer["error"]["code"]) == (asked, -32600)
    assert "longer than" in answer["error"]["message"]
    assert http.asked == []
    assert "result" in await talk.ask(request(1))


async def test_an_id_that_is_under_way_is_refused_to_a_second_request(
    http: RawServer, talk: Talk
) -> None:
    go_on = asyncio.Event()

    async def slow(asked: Asked) -> None:
        await go_on.wait()
        await asked.reply(result(1))

    http.handler = slow
    await talk.send(request(1), request(1))
    refused = await talk.next()
    assert refused["id"] is None
    assert "under way" in refused["error"]["message"]
    go_on.set()
    assert await talk.next() == result(1)
    assert len(http.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind", "body", "text"),
    [
        (200, "application/json", b"<html>", "no JSON-RPC"),
        (200, "application/json", b'{"a":1}', "no JSON-RPC"),
        (200, "application/json", b"", "did not answer"),
        (200, "application/json", b"[" * 100_000, "no JSON-RPC"),
        (200, "application/json", HUGE, "sent more than"),
        (200, "application/json", json.dumps(result(2)).encode(), "did not answer"),
        (200, "application/json", json.dumps(result("1")).encode(), "did not answer"),
        (200, "text/html", b"<html>", "text/html, which is no MCP"),
        (200, "text/event-stream", b"data: hello\n\n", "no JSON-RPC"),
        (200, "text/event-stream", b"data: " + HUGE + b"\n\n", "sent more than"),
        (200, "text/event-stream", b": nothing\n\n", "may have been done"),
        (202, "text/plain", b"", "which is no MCP"),
        (302, "text/html", b"", "redirected elsewhere"),
        (307, "text/html", b"", "redirected elsewhere"),
        (403, "text/plain", b"no", "does not let you"),
        (404, "text/plain", b"no", "no MCP server at this path"),
        (500, "application/json", b'{"error":"\\u001b[2J"}', "HTTP 500"),
    ],
)
async def test_an_answer_that_is_none_becomes_one_error(
    http: RawServer, talk: Talk, status: int, kind: str, body: bytes, text: str
) -> None:
    async def bad(asked: Asked) -> None:
        if asked.message["id"] == 1:
            await asked.reply(body, status, kind, location="http://127.0.0.2/mcp")
        else:
            await asked.reply(result(asked.message["id"]))

    http.handler = bad
    assert text in await talk.error_text(request(1))
    assert await talk.ask(request(3)) == result(3)


@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize("given", [1, None])
async def test_the_servers_own_error_is_the_answer_under_the_id_that_was_asked(
    http: RawServer, talk: Talk, status: int, given: int | None
) -> None:
    error = {"code": -32601, "message": "no such method", "data": {"x": 1}}

    async def refuse(asked: Asked) -> None:
        await asked.reply({"jsonrpc": "2.0", "id": given, "error": error}, status)

    http.handler = refuse
    assert await talk.ask(request(1)) == {"jsonrpc": "2.0", "id": 1, "error": error}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", EXACT),
        ("application/json; charset=utf-8", EXACT.replace(b", ", b",\r\n  ")),
        ("text/event-stream", b"id: 1\ndata: " + EXACT + b"\n\n"),
        ("text/event-stream", b": wait\n\nevent: other\ndata: 1\n\ndata: " + EXACT + b"\n\n"),
        ("text/event-stream", b"data:" + EXACT.replace(b", ", b",\ndata: ") + b"\n\n"),
    ],
)
async def test_an_answer_is_relayed_as_it_was_written_on_one_line(
    http: RawServer, talk: Talk, kind: str, body: bytes
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.reply(body, kind=kind)

    http.handler = answer
    await talk.send(request(1))
    line = await talk.line()
    assert line.replace(b" ", b"") == EXACT.replace(b" ", b"")


async def test_a_request_is_relayed_as_it_was_written(http: RawServer, talk: Talk) -> None:
    line = b' {"id":"\\u00e9", "method":"x/unknown","jsonrpc":"2.0","params":{"n":1.0},"more":[]}'
    await talk.send(b"", line + b"\r")
    assert (await talk.next())["id"] == "é"
    assert http.asked[0].body == line.strip()
    assert http.asked[0].headers["accept"] == "application/json, text/event-stream"


async def test_the_messages_of_a_batch_travel_on_their_own(http: RawServer, talk: Talk) -> None:
    await talk.send([request(1), request("1"), {"jsonrpc": "2.0", "method": "notifications/x"}])
    answers = [await talk.next(), await talk.next()]
    assert {json.dumps(answer["id"]) for answer in answers} == {"1", '"1"'}
    talk.hang_up()
    await talk.ended()
    assert sorted(http.methods) == ["notifications/x", "tools/list", "tools/list"]


async def test_everything_on_the_stream_of_a_request_is_relayed_before_its_answer(
    http: RawServer, talk: Talk
) -> None:
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}
    question = request("s1", "elicitation/create", message="sure?")
    answered = asyncio.Event()

    async def converse(asked: Asked) -> None:
        if asked.method == "answer":
            await asked.reply(status=202)
            answered.set()
            return
        await asked.begin_stream()
        await asked.event(progress)
        await asked.event(json.dumps([question, progress]))
        await answered.wait()
        await asked.event(result(1, done=True))
        # A second answer, and the stream left open: neither is the client's affair.
        await asked.event(result(1, done=False))
        await asked.hung_up()

    http.handler = converse
    await talk.send(request(1, "tools/call"))
    assert [await talk.next() for _ in range(3)] == [progress, question, progress]
    await talk.send(result("s1", action="accept"))
    assert await talk.next() == result(1, done=True)
    talk.hang_up()
    await talk.ended()
    assert await talk.rest() == b""


async def test_requests_run_at_the_same_time_and_are_answered_as_they_end(
    http: RawServer, talk: Talk
) -> None:
    arrived = {number: asyncio.Event() for number in (1, 2)}

    async def second_first(asked: Asked) -> None:
        number = asked.message["id"]
        arrived[number].set()
        if number == 1:
            await arrived[2].wait()
            await second_is_out.wait()
        await asked.reply(result(number))

    second_is_out = asyncio.Event()
    http.handler = second_first
    await talk.send(request(1), request(2))
    assert await talk.next() == result(2)
    second_is_out.set()
    assert await talk.next() == result(1)


async def test_reading_stops_while_too_much_is_under_way(http: RawServer, talk: Talk) -> None:
    full, go_on = asyncio.Event(), asyncio.Event()

    async def held(asked: Asked) -> None:
        if len(http.asked) == MAX_IN_FLIGHT:
            full.set()
        await go_on.wait()
        await asked.reply(result(asked.message["id"]))

    http.handler = held
    await talk.send(*(request(number) for number in range(MAX_IN_FLIGHT + 5)))
    async with asyncio.timeout(30):
        await full.wait()
    assert len(http.asked) == MAX_IN_FLIGHT
    go_on.set()
    answers = {(await talk.next())["id"] for _ in range(MAX_IN_FLIGHT + 5)}
    assert answers == set(range(MAX_IN_FLIGHT + 5))


async def test_nothing_overtakes_the_beginning(http: RawServer, talk: Talk) -> None:
    overtaken = asyncio.Event()

    async def slow_to_begin(asked: Asked) -> None:
        if asked.method not in ("initialize", "notifications/initialized"):
            overtaken.set()
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(overtaken.wait(), 0.1)
            assert not overtaken.is_set()
        await echo(asked)

    http.handler = slow_to_begin
    await talk.send(
        request(0, "initialize"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request(1),
        request(2),
    )
    assert (await talk.next())["id"] == 0
    assert {(await talk.next())["id"], (await talk.next())["id"]} == {1, 2}
    assert http.methods[:2] == ["initialize", "notifications/initialized"]


async def test_a_cancelled_request_is_closed_and_not_answered(http: RawServer, talk: Talk) -> None:
    closed = asyncio.Event()
    begun = asyncio.Event()

    async def endless(asked: Asked) -> None:
        if asked.message["id"] != 1:
            await asked.reply(result(asked.message["id"]))
            return
        begun.set()
        await asked.hung_up()
        closed.set()

    http.handler = endless
    await talk.send(request(1, "tools/call"))
    await begun.wait()
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    await talk.send(cancelled | {"params": {"requestId": "1"}}, cancelled)
    async with asyncio.timeout(30):
        await closed.wait()
    assert await talk.ask(request(2)) == result(2)
    # A server without sessions has heard it by the closing.
    assert "notifications/cancelled" not in http.methods


async def test_what_is_under_way_at_the_end_of_stdin_is_finished(
    http: RawServer, talk: Talk
) -> None:
    async def after_the_end(asked: Asked) -> None:
        talk.hang_up()
        ended, _ = await asyncio.wait({talk.running}, timeout=0.1)
        assert not ended
        await asked.reply(result(1))

    http.handler = after_the_end
    await talk.send(request(1))
    assert await talk.next() == result(1)
    await talk.ended()


@pytest.mark.parametrize("how", ["hang_up", "stop"])
async def test_the_end_does_not_wait_for_a_server_that_does_not_answer(
    http: RawServer, tmp_path: Path, how: str
) -> None:
    begun = asyncio.Event()

    async def endless(asked: Asked) -> None:
        begun.set()
        await asked.hung_up()

    http.handler = endless
    endings = Endings(finish=0.05, stop=0.05, farewell=0.05)
    session = nobody(http.url, tmp_path)
    async with bridged(http.url, session, endings=endings) as talk:
        await talk.send(request(1))
        await begun.wait()
        getattr(talk if how == "hang_up" else talk.bridge, how)()
        await talk.ended()


async def test_a_redirect_within_the_server_is_followed_with_the_message(
    http: RawServer, talk: Talk
) -> None:
    async def moved(asked: Asked) -> None:
        if len(http.asked) == 1:
            await asked.reply(status=307, location="/mcp/")
        else:
            await asked.reply(result(asked.message["id"]))

    http.handler = moved
    assert await talk.ask(request(1)) == result(1)
    assert http.asked[0].body == http.asked[1].body


async def test_a_notification_that_does_not_arrive_is_told_to_the_person_only(
    http: RawServer, talk: Talk
) -> None:
    async def refuse(asked: Asked) -> None:
        body: Any = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no"}}
        answer = result(asked.message["id"]) if "id" in asked.message else body
        await asked.reply(answer, status=200 if "id" in asked.message else 400)

    http.handler = refuse
    await talk.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
    assert await talk.ask(request(1)) == result(1)
    talk.hang_up()
    await talk.ended()
    assert any("list_changed did not reach the server" in text for text in talk.said)
