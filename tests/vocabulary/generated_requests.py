"""Requests that are nearly valid: a valid one with one to three things wrong.

A request that is all noise is refused at the door; one that was valid a moment ago gets as far as
the code that thought it had checked everything.
"""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_from_bytes

Pairs = list[tuple[str, str]]

_FORM = "application/x-www-form-urlencoded"
_METHODS = "GET POST PUT PATCH DELETE OPTIONS HEAD TRACE PROPFIND get".split()
_TEXTS = [
    "",
    " ",
    "\x00",
    "\r\nX-Injected: yes",
    "é",
    "🙂" * 20,
    "\u202e\u200b\ufeff",
    "../../../etc/passwd",
    "..%2f..%2f",
    "%",
    "%ff",
    "'\"><script>alert(1)</script>",
    "{{7*7}}${7*7}",
    "' OR 1=1 --",
    "-1",
    "99999999999999999999999",
    "1e999",
    "null",
    "[",
    "http://[",
    "//[::1",
    "http://localhost:99999/",
    "a:b:c",
    "=",
    "A" * 300,
    "A" * 3000,
    "okta.users.read",
    "none login",
    "Bearer x",
    "Basic Og==",
    "Basic 4pyT",
]
_VALUES: list[Any] = [
    *_TEXTS,
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    [None] * 20,
    {"": {"": {"": []}}},
    "\ud800",
    {"\udfff": "\ud800"},
]
_HEADERS = (
    "accept accept-encoding accept-language authorization cache-control content-encoding"
    " content-type cookie expect-ct forwarded if-none-match last-event-id mcp-method mcp-name"
    " mcp-protocol-version mcp-session-id origin range referer sec-fetch-site sec-fetch-mode"
    " user-agent x-forwarded-for x-forwarded-host x-forwarded-proto host"
).split()


@dataclass
class Draft:
    """A request before it is encoded. `form` or `body` (JSON), or neither."""

    method: str
    path: str
    query: Pairs = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    form: Pairs | None = None
    body: Any = None


@dataclass(frozen=True)
class Encoded:
    """A request as it goes out; `target` is path and query."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    content: bytes


def generated(valid: list[Draft], chance: random.Random) -> Encoded:
    """One of the valid requests with something wrong."""
    draft = copy.deepcopy(chance.choice(valid))
    for _ in range(chance.randint(1, 3)):
        chance.choices(_CHANGES, _WEIGHTS)[0](draft, chance)
    encoded = _encoded(draft, chance)
    return encoded if chance.random() < 0.9 else _with_bad_bytes(encoded, chance)


def _change_method(draft: Draft, chance: random.Random) -> None:
    draft.method = chance.choice(_METHODS)


def _change_path(draft: Draft, chance: random.Random) -> None:
    at = chance.randrange(len(draft.path) + 1)
    piece = chance.choice(["/", "//", "..", "%2e", "%00", "%", ";x", "é", "x", "%ff", ""])
    draft.path = draft.path[:at] + piece + draft.path[at + chance.randrange(2) :]


def _change_pairs(pairs: Pairs, chance: random.Random) -> None:
    at = chance.randrange(len(pairs) + 1)
    names = [name for name, _ in pairs] + ["state", "scope", "resource", "prompt", "form"]
    match chance.choice(["drop", "repeat", "add", "replace", "replace", "replace"]):
        case "drop":
            del pairs[at : at + 1]
        case "repeat":
            pairs.extend(pairs[at : at + 1])
        case "add":
            pairs.append((chance.choice([*names, *_TEXTS]), chance.choice(_TEXTS)))
        case _:
            pairs[at : at + 1] = [(chance.choice(names), chance.choice(_TEXTS))]


def _change_query(draft: Draft, chance: random.Random) -> None:
    _change_pairs(draft.query, chance)


def _change_header(draft: Draft, chance: random.Random) -> None:
    name = chance.choice([*draft.headers, *_HEADERS])
    if chance.random() < 0.2:
        draft.headers.pop(name, None)
    elif chance.random() < 0.3 and name in draft.headers:
        value = draft.headers[name]
        at = chance.randrange(len(value) + 1)
        draft.headers[name] = value[:at] + chance.choice(_TEXTS) + value[at + 1 :]
    else:
        draft.headers[name] = chance.choice(_TEXTS)


def _change_body(draft: Draft, chance: random.Random) -> None:
    if draft.form is not None:
        _change_pairs(draft.form, chance)
    elif draft.body is not None:
        draft.body = _changed_value(draft.body, chance)
    else:
        draft.form = [("x", chance.choice(_TEXTS))]


def _changed_value(value: Any, chance: random.Random) -> Any:
    """Somewhere in a JSON value, something else."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        if chance.random() < 0.15:
            return {key: each for key, each in value.items() if key != name}
        return value | {name: _changed_value(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.6:
        at = chance.randrange(len(value))
        return [*value[:at], _changed_value(value[at], chance), *value[at + 1 :]]
    # Half a surrogate pair is what JSON can carry and nothing else can.
    return "x\ud800" if chance.random() < 0.1 else chance.choice(_VALUES)


_Change = Callable[[Draft, random.Random], None]
_CHANGES: list[_Change] = [
    _change_method,
    _change_path,
    _change_query,
    _change_header,
    _change_body,
]
_WEIGHTS = [1, 1, 3, 3, 5]


def _encoded(draft: Draft, chance: random.Random) -> Encoded:
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in draft.query)
    target = (quote(draft.path, safe="/%;") or "/") + (f"?{query}" if query else "")
    headers, content = dict(draft.headers), b""
    if draft.form is not None:
        headers.setdefault("content-type", _FORM)
        pairs = (f"{quote(name)}={quote(value)}" for name, value in draft.form)
        content = "&".join(pairs).encode()
    elif draft.body is not None:
        headers.setdefault("content-type", "application/json")
        content = json.dumps(draft.body).encode()
    if chance.random() < 0.03:
        headers["content-type"] = chance.choice(["text/plain", "", "application/json; charset=x"])
    return Encoded(draft.method, target.encode(), _header_lines(headers), content)


def _header_lines(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Only what HTTP can carry: framing is tests/ops/test_http_protocol.py's."""
    lines = []
    for name, value in headers.items():
        sent = "".join(sign for sign in value if " " <= sign <= "~" or sign > "\x9f")
        lines.append((name.encode(), sent.encode("utf-8").strip()))
    return lines


def _with_bad_bytes(encoded: Encoded, chance: random.Random) -> Encoded:
    """The same, with some bytes of the body or the query replaced."""
    noise = chance.randbytes(chance.randint(1, 8))
    if encoded.content and chance.random() < 0.7:
        at = chance.randrange(len(encoded.content))
        content = encoded.content[:at] + noise + encoded.content[at + len(noise) :]
        return Encoded(encoded.method, encoded.target, encoded.headers, content)
    joint = b"&" if b"?" in encoded.target else b"?"
    target = encoded.target + joint + quote_from_bytes(noise, safe=b"&=+").encode()
    return Encoded(encoded.method, target, encoded.headers, encoded.content)
