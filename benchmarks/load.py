"""A load generator: requests over raw sockets, each answer looked at, on a core of its own.

One thread sends the same bytes again as soon as an answer is in, over a fixed number of kept
connections; an HTTP library would cost more than what is measured. A `Stream` says what it sends
and what each answer must be: one wrong answer ends the measurement.
"""

import selectors
import socket
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import click

_READ = 256 * 1024
_LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`head` is the status line and the headers as they came, `body` what followed."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head[9:12])


@dataclass(slots=True)
class Stream:
    """Connections that send `request` again and again; `is_right` is asked about every answer."""

    request: bytes
    is_right: Callable[[Answer], bool]
    connections: int = 16
    seconds_taken: list[float] = field(default_factory=list)

    def milliseconds(self, share: float) -> float:
        """The time of an answer that so many (of 1) stay below."""
        ordered = sorted(self.seconds_taken)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    @property
    def median_milliseconds(self) -> float:
        return statistics.median(self.seconds_taken) * 1000


def request(
    path: str, host: str, headers: Mapping[str, str], body: bytes = b"", method: str = "POST"
) -> bytes:
    """One HTTP/1.1 request as its bytes."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchanged(port: int, sent: bytes) -> Answer:
    """One answer, on a connection of its own."""
    connection = _Connection(port, Stream(sent, lambda _: True))
    with connection.socket:
        connection.send()
        while (answer := connection.received()) is None:
            pass
        return answer


def loaded(port: int, streams: Sequence[Stream], seconds: float) -> float:
    """Requests a second that the first stream was answered, all running at once.

    Nothing is on its way when it returns. Raises `ClickException` for an answer that is not right.
    """
    connections = _opened(port, streams)
    with selectors.DefaultSelector() as selector:
        try:
            for each in connections:
                selector.register(each.socket, selectors.EVENT_READ, each)
                each.send()
            began_at = time.perf_counter()
            until, waiting, first = began_at + seconds, len(connections), 0
            ended_at = began_at
            while waiting:
                ready = selector.select(_LONGEST_WAIT_SECONDS)
                if not ready:
                    raise click.ClickException("no answer in 30 seconds")
                for key, _ in ready:
                    connection: _Connection = key.data
                    answer = connection.received()
                    if answer is None:
                        continue
                    now = time.perf_counter()
                    stream = connection.stream
                    stream.seconds_taken.append(now - connection.sent_at)
                    if not stream.is_right(answer):
                        shown = (answer.head[:200] + b"\n" + answer.body[:600]).decode()
                        raise click.ClickException(f"a wrong answer: {shown}")
                    first += stream is streams[0]
                    ended_at = now
                    if now < until:
                        connection.send()
                    else:
                        waiting -= 1
            return first / (ended_at - began_at)
        finally:
            for each in connections:
                each.socket.close()


class _Connection:
    def __init__(self, port: int, stream: Stream) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = stream
        self.sent_at = 0.0
        self._held = b""
        self._needed = 0

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.stream.request)

    def received(self) -> Answer | None:
        """Reads once; the answer where that was the rest of it."""
        piece = self.socket.recv(_READ)
        if not piece:
            raise click.ClickException(f"the server closed a connection: {self._held[:300]!r}")
        self._held += piece
        if not self._needed:
            end = self._held.find(b"\r\n\r\n") + 4
            if end < 4:
                return None
            self._needed = end + _length(self._held[:end])
        if len(self._held) < self._needed:
            return None
        end = self._held.find(b"\r\n\r\n") + 4
        answer = Answer(self._held[:end], self._held[end:])
        self._held, self._needed = b"", 0
        return answer


def _length(head: bytes) -> int:
    """The length of the body; every server that is measured here says it."""
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        if head[9:12] in (b"204", b"304") or head[9:10] == b"1":
            return 0
        raise click.ClickException(f"an answer without Content-Length: {head[:300]!r}")
    return int(lowered[at + 17 : lowered.find(b"\r\n", at + 17)])


def _opened(port: int, streams: Sequence[Stream]) -> list[_Connection]:
    return [_Connection(port, stream) for stream in streams for _ in range(stream.connections)]
