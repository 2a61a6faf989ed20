"""Okta's filter and search language (a subset of SCIM) and what each endpoint accepts of it.

Called by the Management API. It shares nothing with the product's own checks on purpose: both could
otherwise be wrong together. Sources: Okta's "Core Okta API, Filter" and the pages of each endpoint.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from okta_mcp.sandbox.errors import OktaError, fixed

Test = Callable[[dict[str, Any]], bool]

_TOKEN = re.compile(r'\s*(?:(?P<paren>[()])|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()"]+))')
_ALL = ("eq", "co", "sw", "pr", "gt", "ge", "lt", "le")
_DATES = frozenset({"eq", "gt", "ge", "lt", "le"})
_EQUAL = frozenset({"eq"})
_WORDS: Final = frozenset({"and", "or", "not"})
_MOST_DEPTH: Final = 50


@dataclass(frozen=True, slots=True)
class Grammar:
    """What an endpoint accepts: `allowed` gives the operators of an attribute, empty for none."""

    operators: tuple[str, ...]
    allowed: Callable[[str], frozenset[str]]
    negation: bool = False


def parse(expression: str, grammar: Grammar) -> Test:
    """A test of one raw row.

    Raises OktaError: E0000053 for what cannot be read, E0000031 for what this endpoint does not
    search.
    """
    try:
        return _Parser(expression, grammar).whole()
    except _UnreadableError as error:
        summary = f"Invalid filter '{expression}': {error}"
        raise OktaError(400, "E0000053", summary) from error


class _UnreadableError(Exception):
    """What is wrong, and where."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    position: int
    quoted: bool = False


class _Parser:
    def __init__(self, expression: str, grammar: Grammar) -> None:
        self._grammar = grammar
        self._end = len(expression)
        self._tokens = list(_tokens(expression))
        self._next = 0
        self._depth = 0

    def whole(self) -> Test:
        test = self._any()
        if self._next < len(self._tokens):
            raise self._unreadable(self._tokens[self._next])
        return test

    def _any(self) -> Test:
        tests = [self._every()]
        while self._keyword("or"):
            tests.append(self._every())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _every(self) -> Test:
        tests = [self._one()]
        while self._keyword("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise _UnreadableError("Too many nested expressions")
        try:
            return self._group() if self._at("(") else self._negated_or_compared()
        finally:
            self._depth -= 1

    def _negated_or_compared(self) -> Test:
        if self._keyword("not"):
            if not self._grammar.negation:
                raise fixed("E0000031")
            inner = self._one()
            return lambda row: not inner(row)
        return self._comparison()

    def _group(self) -> Test:
        self._take()
        inner = self._any()
        closing = self._take()
        if closing.text != ")" or closing.quoted:
            raise self._unreadable(closing)
        return inner

    def _comparison(self) -> Test:
        attribute, compared = self._take(), self._take()
        if attribute.quoted or attribute.text.casefold() in _WORDS | {"(", ")"}:
            raise self._unreadable(attribute)
        name, word = attribute.text, compared.text.casefold()
        if compared.quoted or word not in self._grammar.operators:
            raise _UnreadableError(
                f"Unrecognized attribute operator '{compared.text}' at position"
                f" {compared.position}. Expected: {','.join(self._grammar.operators)}"
            )
        if name == "published" and not self._grammar.allowed(name):
            raise _UnreadableError("'published' is not a filter attribute")
        if word not in self._grammar.allowed(name):
            raise fixed("E0000031")
        if word == "pr":
            return lambda row: any(value not in (None, "") for value in values_at(row, name))
        value = self._value()
        return lambda row: _holds(word, list(values_at(row, name)), value)

    def _value(self) -> object:
        token = self._take()
        if token.quoted:
            return re.sub(r"\\(.)", r"\1", token.text[1:-1])
        if token.text in ("true", "false"):
            return token.text == "true"
        if re.fullmatch(r"-?\d+(\.\d+)?", token.text):
            return float(token.text)
        raise self._unreadable(token)

    def _at(self, text: str) -> bool:
        return self._next < len(self._tokens) and self._tokens[self._next].text == text

    def _keyword(self, word: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next].text.casefold() == word:
            self._next += 1
            return True
        return False

    def _take(self) -> _Token:
        if self._next >= len(self._tokens):
            raise _UnreadableError(f"Unexpected end of expression at position {self._end}")
        self._next += 1
        return self._tokens[self._next - 1]

    def _unreadable(self, token: _Token) -> _UnreadableError:
        return _UnreadableError(f"Unexpected token '{token.text}' at position {token.position}")


def _tokens(expression: str) -> Iterator[_Token]:
    position = 0
    while expression[position:].strip():
        match = _TOKEN.match(expression, position)
        if match is None:
            raise _UnreadableError(f"Unterminated string at position {position}")
        kind = match.lastgroup or ""
        yield _Token(match[kind], match.start(kind), quoted=kind == "text")
        position = match.end()


def values_at(row: Any, path: str) -> Iterator[Any]:
    """Every value at a dotted path; a list on the way stands for each of its entries."""
    if isinstance(row, list):
        for entry in row:
            yield from values_at(entry, path)
    elif not path:
        yield row
    elif isinstance(row, dict):
        head, _, rest = path.partition(".")
        if head in row:
            yield from values_at(row[head], rest)


def _moment(value: object) -> datetime | None:
    # fromisoformat also reads a bare year or number, which Okta compares as text.
    if not isinstance(value, str) or not re.match(r"\d{4}-\d{2}-\d{2}", value):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _holds(word: str, found: list[Any], wanted: object) -> bool:
    if word == "ne":
        return not any(_compare("eq", value, wanted) for value in found)
    return any(_compare(word, value, wanted) for value in found)


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TEXT_COMPARISONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "sw": str.startswith,
    "co": str.__contains__,
    "ew": str.endswith,
}


def _compare(word: str, value: object, wanted: object) -> bool:
    left, right = _comparable(value, wanted)
    if type(left) is not type(right):
        return False
    if word in _TEXT_COMPARISONS:
        both_texts = isinstance(left, str) and isinstance(right, str)
        return both_texts and _TEXT_COMPARISONS[word](str(left), str(right))
    return _COMPARISONS[word](left, right)


def _comparable(value: object, wanted: object) -> tuple[object, object]:
    dates = _moment(value), _moment(wanted)
    if None not in dates:
        return dates
    if isinstance(value, str) and isinstance(wanted, str):
        return value.casefold(), wanted.casefold()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), wanted
    return value, wanted


def _table(**rows: tuple[frozenset[str], str]) -> Callable[[str], frozenset[str]]:
    """From `name=(operators, "attribute attribute")` rows."""
    by_attribute = {name: operators for operators, names in rows.values() for name in names.split()}
    return lambda attribute: by_attribute.get(attribute, frozenset())


def _user_search(attribute: str) -> frozenset[str]:
    if attribute.startswith("profile.") and attribute.count(".") == 1:
        contains = attribute.removeprefix("profile.") in {"firstName", "lastName", "email", "login"}
        return frozenset(_ALL) if contains else frozenset(_ALL) - {"co"}
    if attribute in {"created", "activated", "statusChanged", "lastUpdated", "passwordChanged"}:
        return _DATES | {"pr"}
    return frozenset(_ALL) - {"co"} if attribute in {"id", "status", "type.id"} else frozenset()


def _device_search(attribute: str) -> frozenset[str]:
    if attribute.startswith("profile.") and attribute.count(".") == 1:
        return frozenset(_ALL)
    text = frozenset(_ALL) - {"co"}
    return {"id": text, "status": text, "lastUpdated": _DATES | {"pr"}}.get(attribute, frozenset())


def _log_filter(attribute: str) -> frozenset[str]:
    if attribute == "published":
        return frozenset()
    everything = frozenset((*_ALL, "ne", "ew"))
    unsearched = {"debugContext.debugData.url", "debugContext.debugData.requestUri"}
    return everything - {"co"} if attribute in unsearched else everything


USERS_SEARCH = Grammar(_ALL, _user_search)
USERS_FILTER = Grammar(
    _ALL,
    _table(
        text=(_EQUAL, "status id profile.login profile.email profile.firstName profile.lastName"),
        dates=(_DATES, "lastUpdated"),
    ),
)
_GROUP_DATES = "created lastUpdated lastMembershipUpdated"
GROUPS_SEARCH = Grammar(
    _ALL,
    _table(
        text=(frozenset({"eq", "sw", "co", "pr"}), "profile.name profile.description"),
        exact=(frozenset({"eq", "sw"}), "id type source.id"),
        dates=(_DATES, _GROUP_DATES),
    ),
)
GROUPS_FILTER = Grammar(
    _ALL, _table(exact=(_EQUAL, "id type"), dates=(_DATES, "lastUpdated lastMembershipUpdated"))
)
APPS_FILTER = Grammar(
    _ALL,
    _table(
        exact=(
            _EQUAL,
            "id status name credentials.signing.kid settings.slo.enabled user.id group.id",
        )
    ),
)
ZONES_FILTER = Grammar(_ALL, _table(exact=(_EQUAL, "id usage system")))
DEVICES_SEARCH = Grammar(_ALL, _device_search)
LOGS_FILTER = Grammar((*_ALL, "ne", "ew"), _log_filter, negation=True)
