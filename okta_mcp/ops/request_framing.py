"""Where a request ends: RFC 9112 read strictly, before any HTTP parser sees a byte.

http_protocol asks this for every connection. A parser that is lenient where a proxy in front of
it is not (or the other way round) lets one request hide in another (request smuggling), and
uvicorn's two parsers are lenient in different places. So each of them gets only what has one
reading, and what it would read in its own way is refused here. Knows nothing of sockets and time.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

LARGEST_HEAD = 64 * 1024
MOST_HEADERS = 100
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# Of the four forms of a target only the path: in an absolute URL the host would be named twice,
# and one parser drops it (and a fragment) where the other keeps it.
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") /[!-\"$-~]* HTTP/1\.([01])")
# No control character, so no bare CR, and no folded line, which would begin with a space.
_HEADER = re.compile(rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,15}")
# Without chunk extensions: nobody sends them, and servers disagree on where their line ends.
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_LONGEST_CHUNK_LINE = 10


@dataclass(frozen=True, slots=True)
class Head:
    """A head that was read: as it came, as it was passed on, and what it says of the body."""

    raw: bytes
    passed: bytes
    length: int
    is_chunked: bool


@dataclass
class RefusedRequestError(Exception):
    """The connection has no readable request any more: answer `status` with `reason`, and close."""

    status: int
    reason: str


class RequestFraming:
    """One request as it arrives. `has_head` once its head is complete, `is_complete` at its end.

    `before` is the `head` of the connection's last request: clients repeat theirs byte for byte,
    and what was read once need not be read again. `head` is this request's, None until it is read.
    """

    def __init__(self, before: Head | None = None) -> None:
        self._before = before
        self.head: Head | None = None
        self.has_head = False
        self.is_complete = False
        self._lines: list[bytes] = []
        self._raw_lines: list[bytes] = []
        self._head_size = 0
        self._header_count = 0
        self._is_http_1_0 = False
        self._headers: dict[bytes, list[bytes]] = {}
        # Bytes of the body that may pass before the next decision.
        self._due = 0
        self._is_chunked = False
        self._chunk_is_open = False
        self._chunk_is_last = False

    @property
    def has_begun(self) -> bool:
        return self._head_size > 0

    def take(self, held: bytearray) -> bytes:
        """Move from `held` what a parser may have now: the head as a whole, then the body as it
        comes; what follows the request stays in `held`.

        Raises RefusedRequestError.
        """
        passed = bytearray()
        before = self._before
        if before is not None and not self._head_size and held.startswith(before.raw):
            del held[: len(before.raw)]
            passed += before.passed
            self._head_size = len(before.raw)
            self._expect(before)
        while held and not self.is_complete:
            if self._due:
                piece = held[: self._due]
                del held[: len(piece)]
                passed += piece
                self._due -= len(piece)
                self.is_complete = not (self._due or self._is_chunked)
            elif (line := self._line(held)) is None:
                break
            elif self.has_head:
                self._read_chunk_line(line)
                passed += line + b"\r\n"
            elif line:
                self._read_head_line(line)
            else:
                head = self._ended_head()
                passed += head.passed
                self._expect(head)
        return bytes(passed)

    def _line(self, held: bytearray) -> bytes | None:
        if not self.has_begun and held[0] <= 0x20:
            # Not HTTP, mostly a TLS hello on a plain port: no reason to wait for its end.
            _refuse("the request line is malformed")
        size = held.find(b"\n") + 1
        room = _LONGEST_CHUNK_LINE if self.has_head else LARGEST_HEAD - self._head_size
        if (size or len(held)) > room:
            if self.has_head:
                _refuse("the chunked body is malformed")
            _refuse(f"the head is larger than {LARGEST_HEAD} bytes", 431)
        if not size:
            return None
        line = bytes(held[:size])
        del held[:size]
        if not self.has_head:
            self._head_size += size
        if not line.endswith(b"\r\n"):
            _refuse("a line ends without CR")
        return line[:-2]

    def _read_head_line(self, line: bytes) -> None:
        self._raw_lines.append(line)
        if not self._lines:
            if (parts := _REQUEST_LINE.fullmatch(line)) is None:
                _refuse("the request line is malformed")
            if parts[1].decode() not in METHODS:
                _refuse("the method is not allowed", 405)
            self._is_http_1_0 = parts[2] == b"0"
        else:
            if (parts := _HEADER.fullmatch(line)) is None:
                _refuse("a header is malformed")
            name, value = parts[1].lower(), parts[2].strip(b" \t")
            self._headers.setdefault(name, []).append(value)
            self._header_count += 1
            if self._header_count > MOST_HEADERS:
                _refuse(f"more than {MOST_HEADERS} headers", 431)
            if name == b"upgrade":
                # Not offered, and RFC 9110 section 7.8 lets a server ignore it. The parsers must
                # not see it: one drops the body after it, and Java's client sends `h2c` always.
                return
            # Written anew: one parser keeps a tab at the end of a value.
            line = parts[1] + b": " + value
        self._lines.append(line)

    def _ended_head(self) -> Head:
        if len(self._headers.get(b"host", [])) != 1:
            _refuse("exactly one Host is needed")
        lengths = self._headers.get(b"content-length", [])
        codings = self._headers.get(b"transfer-encoding", [])
        if len(lengths) + len(codings) > 1:
            _refuse("the length of the body is given twice")
        if codings and (codings != [b"chunked"] or self._is_http_1_0):
            _refuse("the Transfer-Encoding is not chunked")
        if lengths and not _LENGTH.fullmatch(lengths[0]):
            _refuse("the Content-Length is malformed")
        head = Head(
            b"\r\n".join([*self._raw_lines, b"", b""]),
            b"\r\n".join([*self._lines, b"", b""]),
            int(lengths[0]) if lengths else 0,
            bool(codings),
        )
        # The answer may take long, and nobody reads them again.
        self._raw_lines, self._lines, self._headers = [], [], {}
        return head

    def _expect(self, head: Head) -> None:
        """The body that the head announces."""
        self.head, self.has_head = head, True
        self._due, self._is_chunked = head.length, head.is_chunked
        self.is_complete = not (self._due or self._is_chunked)

    def _read_chunk_line(self, line: bytes) -> None:
        if self._chunk_is_open:
            # After the last chunk this refuses trailers too: one parser would add them to the
            # headers of a request that is already being answered.
            if line:
                _refuse("the chunked body is malformed")
            self._chunk_is_open = False
            self.is_complete = self._chunk_is_last
            return
        if not _CHUNK_SIZE.fullmatch(line):
            _refuse("the chunked body is malformed")
        self._due = int(line, 16)
        self._chunk_is_open = True
        self._chunk_is_last = self._due == 0


def _refuse(reason: str, status: int = 400) -> NoReturn:
    raise RefusedRequestError(status, reason)
