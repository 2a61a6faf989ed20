"""A policy file as text: its content, and the line on which each key stands.

Python's readers of TOML and JSON give values without positions. TOML is read a second time,
statement by statement, each by the same reader; JSON by a walk over its tokens, which also finds a
key that is given twice (Python would silently take the last).
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]

_TOML_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class UnreadableTextError(Exception):
    """The text is not what its name says; `line` is where, None for its end."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """`content` is what the reader gave; `lines` holds the line (from 1) of each path of keys."""

    content: Any
    lines: Mapping[Path, int]


def toml_document(text: str) -> Document:
    """Raises `UnreadableTextError`."""
    text = text.replace("\r\n", "\n")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.fullmatch(str(error))
        reason, line = (place[1], place[2]) if place else (str(error), None)
        if reason.startswith(("Cannot overwrite", "Cannot declare")):
            reason = "this key or table was given before"
        raise UnreadableTextError(reason, int(line) if line else None) from None
    except RecursionError:
        raise UnreadableTextError("it is nested too deeply") from None
    return Document(content, _toml_lines(text))


def json_document(text: str) -> Document:
    """Raises `UnreadableTextError`."""
    try:
        content = json.loads(text)
        lines: dict[Path, int] = {}
        _walk(_json_tokens(text), (), lines)
    except json.JSONDecodeError as error:
        raise UnreadableTextError(error.msg, error.lineno) from None
    except RecursionError:
        raise UnreadableTextError("it is nested too deeply") from None
    return Document(content, lines)


def _toml_lines(text: str) -> dict[Path, int]:
    """Of a text that is known to be TOML: a statement ends where what was read so far is TOML."""
    lines: dict[Path, int] = {}
    table: Path = ()
    statement: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        statement.append(line)
        try:
            parsed = tomllib.loads("\n".join(statement))
        except tomllib.TOMLDecodeError:
            continue
        begin = number - len(statement) + 1
        is_table = statement[0].lstrip().startswith("[")
        statement = []
        paths = list(_paths(parsed))
        if is_table:
            table = paths[-1]
        for path in paths:
            lines.setdefault(path if is_table else (*table, *path), begin)
    return lines


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (key,)
            for path in _paths(inner):
                yield (key, *path)


def _json_tokens(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.split("\n"), start=1):
        for token in _JSON_TOKEN.finditer(line):
            yield token[0], number


def _walk(tokens: Iterator[tuple[str, int]], at: Path, lines: dict[Path, int]) -> None:
    """One value of a text that is known to be JSON."""
    opening, _ = next(tokens)
    if opening == "[":
        # Nothing of a policy has keys inside a list.
        depth = 1
        while depth:
            token, _ = next(tokens)
            depth += {"[": 1, "]": -1}.get(token, 0)
    elif opening == "{":
        token, number = next(tokens)
        while token != "}":  # noqa: S105 - a brace
            if token != ",":  # noqa: S105 - a comma
                path = (*at, json.loads(token))
                if path in lines:
                    raise UnreadableTextError("this key was given before", number)
                lines[path] = number
                next(tokens)
                _walk(tokens, path, lines)
            token, number = next(tokens)
