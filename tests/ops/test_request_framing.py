"""The strict reading alone: whole or in pieces it is the same, and both parsers agree with it."""

import contextlib
from typing import Any

import h11
import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okta_mcp.ops.request_framing import Head, RefusedRequestError, RequestFraming
from tests.ops.test_http_protocol import REFUSED, SERVED

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = (
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n"
)
MEASURED = b"POST /a HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nX-Name: caf\xe9\r\n\r\nabc"

# Pieces that are near the edge of what is allowed, so that random joins often pass.
_TARGETS = st.text("ab/?&=%:@;,.~!*'()[]{}|^`\\\"<>-_$+ #\x7f\x00é", max_size=12)
_NAMES = st.sampled_from(["X-A", "content-length", "Transfer-Encoding", "Connection", "Expect"])
_VALUES = st.one_of(
    st.sampled_from(["0", "3", " 3\t", "chunked", "close", "keep-alive, Upgrade", "100-continue"]),
    st.text('a b\t,;="\x00\x0b\x0c\x1f\x7f\x80\xa0\xff\r\n', max_size=8),
)
_BODIES = st.sampled_from(
    ["", "abc", "3\r\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", "0\r\n\r\n"]
)


def test_tls_on_a_plain_port_is_refused_at_its_first_byte() -> None:
    with pytest.raises(RefusedRequestError):
        RequestFraming().take(bytearray(b"\x16"))


@given(st.binary(max_size=200), st.integers(0, 60))
def test_noise_is_refused_or_awaited_and_never_another_error(noise: bytes, keep: int) -> None:
    with contextlib.suppress(RefusedRequestError):
        RequestFraming().take(bytearray(CHUNKED[:keep] + noise))


@settings(max_examples=400)
@given(_TARGETS, st.lists(st.tuples(_NAMES, _VALUES), max_size=3), _BODIES)
def test_what_passes_is_read_alike_by_both_parsers(
    target: str, headers: list[tuple[str, str]], body: str
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    text = f"POST /{target} HTTP/1.1\r\nHost: a\r\n{head}\r\n{body}"
    try:
        passed = RequestFraming().take(bytearray(text.encode("latin-1")))
    except RefusedRequestError:
        return
    if passed:
        assert _as_h11_reads(passed) == _as_httptools_reads(passed)


@pytest.mark.parametrize("request_bytes", [CHUNKED, MEASURED])
def test_request_in_single_bytes_is_the_same_as_in_one_piece(request_bytes: bytes) -> None:
    framing = RequestFraming()
    held = bytearray()
    passed = b""
    for byte in request_bytes:
        assert not framing.is_complete
        held.append(byte)
        passed += framing.take(held)
    assert framing.is_complete
    assert passed == request_bytes


@pytest.mark.parametrize("request_bytes", [CHUNKED, MEASURED])
def test_what_follows_a_request_stays(request_bytes: bytes) -> None:
    held = bytearray(request_bytes + NEXT)
    assert RequestFraming().take(held) == request_bytes
    assert held == NEXT


def test_half_a_head_is_kept_from_the_parser() -> None:
    framing = RequestFraming()
    assert framing.take(bytearray(b"GET / HTTP/1.1\r\nHost: a\r\n\r")) == b""
    assert (framing.has_begun, framing.has_head) == (True, False)


Outcome = tuple[Any, ...]


def _outcome(framing: RequestFraming, pieces: list[bytes]) -> Outcome:
    """What is passed on and what stays, or the refusal; and how far the request is."""
    held, passed = bytearray(), b""
    try:
        for piece in pieces:
            held += piece
            passed += framing.take(held)
    except RefusedRequestError as refused:
        return refused.status, refused.reason
    return passed, bytes(held), framing.has_head, framing.is_complete


def _head_of(sent: bytes) -> Head | None:
    framing = RequestFraming()
    framing.take(bytearray(sent))
    return framing.head


KNOWN = {name: _head_of(sent) for name, (sent, _) in SERVED.items()}
_SENT = {name: sent for name, (_, sent) in REFUSED.items()} | {
    name: sent for name, (sent, _) in SERVED.items()
}


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("sent", _SENT)
def test_what_was_read_before_changes_nothing_of_what_is_read_now(known: str, sent: str) -> None:
    """W-09: each bad and each good request after each good one, whole and in two pieces."""
    whole = _SENT[sent] + NEXT
    for size in {0, 1, 9, len(whole) // 2, len(_SENT[sent]) - 1, len(_SENT[sent])}:
        pieces = [whole[:size], whole[size:]]
        expected = _outcome(RequestFraming(), pieces)
        assert _outcome(RequestFraming(KNOWN[known]), pieces) == expected


_GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(_GET), _GET),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n" + b"x" * 9, _GET),
        (CHUNKED.partition(b"abc")[0].replace(b"\r\n3\r\n", b"\r\n%x\r\n" % len(_GET)), _GET),
        (CHUNKED.partition(b"0A")[0], _GET),
        (b"GET /a HTTP/1.1\r\n", _GET),
        (b"GET /a HTTP/1.1\r\nX: a\r\n", _GET),
    ],
    ids=["body", "rest of a body", "chunk", "size of a chunk", "second line", "third line"],
)
def test_the_head_of_the_one_before_is_no_head_in_the_middle_of_a_request(
    head: bytes, rest: bytes
) -> None:
    """W-09: a body may say the same, and is a body."""
    pieces = [head, rest + NEXT]
    expected = _outcome(RequestFraming(), pieces)
    assert _outcome(RequestFraming(_head_of(_GET)), pieces) == expected


@settings(max_examples=300)
@given(
    st.lists(st.tuples(_NAMES, _VALUES), max_size=3),
    _BODIES,
    _BODIES,
    st.integers(0, 120),
    st.sampled_from(["", "\r\n", "X: a\r\n", "\n", " ", "Content-Length: 3\r\n"]),
)
def test_a_generated_head_that_comes_again_or_nearly_is_read_as_if_it_were_the_first(
    headers: list[tuple[str, str]], body: str, other_body: str, at: int, slipped_in: str
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    text = f"POST /a HTTP/1.1\r\nHost: a\r\n{head}\r\n"
    try:
        known = _head_of((text + body).encode("latin-1"))
    except RefusedRequestError:
        return
    again = (text[:at] + slipped_in + text[at:] + other_body).encode("latin-1")
    for pieces in ([again], [again[:at], again[at:]], [bytes([byte]) for byte in again]):
        expected = _outcome(RequestFraming(), pieces)
        assert _outcome(RequestFraming(known), pieces) == expected


def _as_h11_reads(passed: bytes) -> tuple[Any, ...]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(passed)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    path, _, query = request.target.partition(b"?")
    is_complete = isinstance(event, h11.EndOfMessage)
    return path, query, list(request.headers), body, is_complete


def _as_httptools_reads(passed: bytes) -> tuple[Any, ...]:
    reading = _HttptoolsReading()
    httptools.HttpRequestParser(reading).feed_data(passed)
    url = httptools.parse_url(reading.target)
    return url.path, url.query or b"", reading.headers, reading.body, reading.is_complete


class _HttptoolsReading:
    def __init__(self) -> None:
        self.target = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True
