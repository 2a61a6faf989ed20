"""JSON-RPC as it arrives: what is no message of ours is a 400, and never more than that."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse

from okta_mcp.mcp_endpoint.messages import (
    INVALID_REQUEST,
    LONGEST_BATCH,
    PARSE_ERROR,
    MessageError,
    error_body,
    parsed,
)


def message(**changes: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"} | changes).encode()


def nested(depth: int) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + (
        b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"x",
        b"{",
        b"{'a':1}",
        b'{"jsonrpc":"2.0",}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":-Infinity}}',
        b'{"a":"\xff"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xed\xa0\x80"}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"id":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_is_not_json_is_a_parse_error(body: bytes) -> None:
    """M-13."""
    with pytest.raises(MessageError) as caught:
        parsed(body)
    assert (caught.value.code, caught.value.request_id) == (PARSE_ERROR, None)


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"1",
        b'"ping"',
        b"[]",
        b"{}",
        message(jsonrpc="1.0"),
        message(jsonrpc=2.0),
        message(jsonrpc=None),
        message(id=None),
        message(id=True),
        message(id=1.5),
        message(id=[1]),
        message(id={}),
        message(method=None),
        message(method=7),
        message(method=["ping"]),
        message(params=[]),
        message(params="x"),
        message(params=None),
        message(method="notifications/initialized"),
        b'{"jsonrpc":"2.0","method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
        nested(64),
        nested(500),
    ],
    ids=lambda body: repr(body[:60]),
)
def test_json_that_is_no_message_is_an_invalid_request(body: bytes) -> None:
    """M-13, M-15."""
    with pytest.raises(MessageError) as caught:
        parsed(body)
    assert caught.value.code == INVALID_REQUEST


def test_an_error_names_the_request_it_is_about() -> None:
    with pytest.raises(MessageError) as caught:
        parsed(message(id="seven", params=[]))
    assert caught.value.request_id == "seven"


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
        b'{"jsonrpc":"2.0","id":"\\udfff","method":"ping"}',
    ],
)
def test_text_that_is_no_unicode_is_refused_or_can_be_answered(body: bytes) -> None:
    """M-13: half a surrogate pair cannot be written into an answer."""
    try:
        found = parsed(body)
    except MessageError as error:
        JSONResponse(error_body(error.code, error.message, error.request_id))
    else:
        text = f"{found.method} {found.params.get('name')}"
        JSONResponse(error_body(INVALID_REQUEST, text, found.request_id))


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params", "x"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises_anything_but_a_message_error(body: bytes) -> None:
    """M-13."""
    try:
        found = parsed(body)
    except MessageError:
        return
    for element in found if isinstance(found, tuple) else (found,):
        assert isinstance(element, MessageError) or element.raw["jsonrpc"] == "2.0"


@pytest.mark.parametrize("number", [b"1e999", b"-1e999"])
def test_a_number_that_no_float_holds_is_not_json(number: bytes) -> None:
    """M-13: written again it would be `Infinity`, which nobody can read."""
    with pytest.raises(MessageError) as caught:
        parsed(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + number + b"}}")
    assert caught.value.code == PARSE_ERROR


def test_a_batch_is_its_elements_and_what_is_wrong_with_each() -> None:
    """M-15."""
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    alone = b'{"jsonrpc":"2.0","id":2,"method":"initialize"}'
    first, second, third = parsed(b"[" + b",".join([ping, alone, b"7"]) + b"]")
    assert first.method == "ping"
    assert (second.code, second.request_id) == (INVALID_REQUEST, 2)
    assert third.code == INVALID_REQUEST


@pytest.mark.parametrize("count", [0, LONGEST_BATCH + 1])
def test_a_batch_is_bounded(count: int) -> None:
    """M-15."""
    with pytest.raises(MessageError):
        parsed(json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "ping"}] * count).encode())


def test_fifty_messages_are_a_batch() -> None:
    """M-15."""
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert [each.method for each in parsed(json.dumps([ping] * 50).encode())] == ["ping"] * 50


@pytest.mark.parametrize("value", [None, 7, True, ["get_okta_user"], {"x": 1}])
def test_a_name_that_is_no_text_is_refused_and_not_converted(value: Any) -> None:
    """B-04."""
    with pytest.raises(MessageError) as caught:
        parsed(message(method="tools/call", params={"name": value})).text_param("name")
    assert (caught.value.code, caught.value.request_id) == (INVALID_REQUEST, 1)


def test_a_missing_name_is_refused() -> None:
    with pytest.raises(MessageError):
        parsed(message(method="tools/call")).text_param("name")


@pytest.mark.parametrize("request_id", [0, -1, 2**53, "", "a", "0"])
def test_a_request_keeps_its_id(request_id: str | int) -> None:
    found = parsed(message(id=request_id, params={"a": 1}))
    assert (found.request_id, found.method, found.params) == (request_id, "ping", {"a": 1})
    assert not found.is_notification


def test_a_notification_has_no_id() -> None:
    assert parsed(b'{"jsonrpc":"2.0","method":"notifications/initialized"}').is_notification


def test_the_deepest_message_that_is_taken() -> None:
    """M-13: 64 levels."""
    assert parsed(nested(63)).method == "ping"


def test_what_is_judged_is_what_is_handed_on() -> None:
    """B-13: of a name that stands there twice, one and the same counts."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"x"}}'
    found = parsed(body)
    assert found.method == found.raw["method"] == "tools/call"


def test_an_error_body_is_json_rpc() -> None:
    assert error_body(-32602, "Unknown", 7) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {"code": -32602, "message": "Unknown"},
    }
    assert error_body(-32602, "Unknown", None, {"uri": "x"})["error"]["data"] == {"uri": "x"}
