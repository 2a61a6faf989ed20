"""Reads an expression of Okta's filter language (a subset of SCIM, RFC 7644 section 3.4.2.2).

Called by the reader before a list is asked for. `check` refuses what the endpoint's `Grammar` rules
out and says where, why and how to write it; it must never refuse what Okta accepts, so what is only
doubtful passes and becomes a note. It knows no endpoint: the tables are in `grammars`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from okta_mcp.okta.ids import InvalidArgumentError
from okta_mcp.okta.text import clean_text

OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr")

_TOKEN = re.compile(r'\s*(?:(?P<paren>[()])|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()"]+))')
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_WORDS = ("and", "or", "not")
_GLUED = re.compile(r"[^=!<>~]+(==|=~|=|!=|<>|>=|>|<=|<|~)")
# Deeper than anybody writes; Python's own stack bounds what can be read.
_MOST_DEPTH = 50
_FRAGMENT_CHARS = 40
_OTHER_QUOTES = "'`‘’“”„«»"

# What people write who think of another language, and what it is called here.
_FOREIGN = {
    "==": "eq",
    "=": "eq",
    "is": "eq",
    "equals": "eq",
    "!=": "ne",
    "<>": "ne",
    ">": "gt",
    ">=": "ge",
    "<": "lt",
    "<=": "le",
    "=~": "co",
    "~": "co",
    "like": "co",
    "contains": "co",
    "startswith": "sw",
    "endswith": "ew",
    "exists": "pr",
    "&&": "and",
    "&": "and",
    ",": "and",
    "||": "or",
    "|": "or",
    "!": "not",
}


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes that take the same operators. `is_date` asks for a date as the value."""

    names: tuple[str, ...]
    operators: tuple[str, ...]
    is_date: bool = False


@dataclass(frozen=True, slots=True)
class Grammar:
    """What one parameter of one list accepts.

    `open_names` are beginnings under which only the organisation knows the names, with the
    operators there ("" is every name). `hints` say what to do instead of an attribute or an
    operator that people expect and Okta does not have. `examples` are correct expressions, each
    with what it finds; the first is shown with every error.
    """

    tool: str
    examples: Mapping[str, str]
    table: tuple[Attributes, ...]
    open_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_not: bool = False
    hints: Mapping[str, str] = field(default_factory=dict)
    impossible: frozenset[str] = frozenset()

    @property
    def example(self) -> str:
        """The expression that errors show."""
        return next(iter(self.examples))

    def attributes(self, name: str) -> Attributes | None:
        """The entry of exactly this name, or the one for names of the organisation."""
        for entry in self.table:
            if name in entry.names:
                return entry
        if name not in self.impossible:
            for beginning, operators in self.open_names.items():
                if name.startswith(beginning) and name != beginning:
                    return Attributes((name,), operators)
        return None

    def hint(self, name: str) -> str | None:
        """What to do instead of asking the attribute or operator of this name, if that is known."""
        folded = {expected.casefold(): hint for expected, hint in self.hints.items()}
        return folded.get(name.casefold()) or folded.get(name.casefold().rpartition(".")[2])

    def meant(self, name: str) -> str | None:
        """A name of the table that somebody may have meant by `name`, if not exactly that one."""
        known = {each.casefold(): each for entry in self.table for each in entry.names}
        folded = name.casefold()
        short = folded.removeprefix("user.")
        for guess in (folded, f"profile.{folded}", short, f"profile.{short}"):
            if guess in known and known[guess] != name:
                return known[guess]
        return None


class ExpressionError(InvalidArgumentError):
    """An expression that this server does not send. `column` counts from 1, `fragment` is there."""

    def __init__(self, parameter: str, problem: str, fix: str, column: int, fragment: str) -> None:
        super().__init__(parameter, f"{parameter}, column {column}: {problem}", fix)
        self.column = column
        self.fragment = fragment


def check(expression: str, parameter: str, grammar: Grammar) -> tuple[str, ...]:
    """Notes about what may not mean what was meant; empty for most. Raises `ExpressionError`."""
    return _Parser(expression, parameter, grammar).notes()


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    at: int
    is_quoted: bool = False

    @property
    def word(self) -> str:
        """The text as a keyword, or nothing for a quoted text."""
        return "" if self.is_quoted else self.text.casefold()


class _Parser:
    def __init__(self, expression: str, parameter: str, grammar: Grammar) -> None:
        self._expression = expression
        self._parameter = parameter
        self._grammar = grammar
        self._tokens = list(self._read())
        self._next = 0
        self._depth = 0
        self._notes: dict[str, None] = {}

    def notes(self) -> tuple[str, ...]:
        if not self._tokens:
            raise self._error(0, "there is no condition", "write a condition")
        self._alternatives()
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            raise self._error(token.at, *self._surplus(token))
        return tuple(self._notes)

    def _read(self) -> Iterator[_Token]:
        position = 0
        while self._expression[position:].strip():
            match = _TOKEN.match(self._expression, position)
            if match is None:
                at = self._expression.index('"', position)
                raise self._error(
                    at, "the text that begins here has no end", 'close it with "; write \\" inside'
                )
            kind = match.lastgroup or ""
            yield _Token(match[kind], match.start(kind), kind == "text")
            position = match.end()

    def _alternatives(self) -> None:
        self._conditions()
        while self._is("or"):
            self._conditions()

    def _conditions(self) -> None:
        self._condition()
        while self._is("and"):
            self._condition()

    def _condition(self) -> None:
        token = self._take("a condition is missing here")
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self._error(token.at, "too many parentheses in one another", "write it flatter")
        if token.word == "(":
            self._alternatives()
            if not self._is(")"):
                self._closing(token)
        elif token.word == "not":
            if not self._grammar.has_not:
                raise self._error(
                    token.at,
                    "not is no operator here",
                    self._grammar.hint("not") or "say what you want instead of what you do not",
                )
            self._condition()
        else:
            self._comparison(token)
        self._depth -= 1

    def _closing(self, opening: _Token) -> None:
        if self._next == len(self._tokens):
            raise self._error(opening.at, "this parenthesis is never closed", "close it with )")
        token = self._tokens[self._next]
        raise self._error(token.at, *self._surplus(token))

    def _comparison(self, attribute: _Token) -> None:
        if attribute.is_quoted or attribute.word in (*_WORDS, ")"):
            raise self._error(
                attribute.at,
                "an attribute must stand here",
                'write attribute, operator, "value"; only the value has quotes',
            )
        glued = _GLUED.match(attribute.text)
        if glued:
            raise self._error(
                attribute.at + glued.start(1),
                f"{glued[1]} is no operator",
                f"write the operator as a word between spaces: {_FOREIGN[glued[1]]}",
            )
        compared = self._take(
            f"after {_shown(attribute.text)} an operator is missing", attribute.text
        )
        operator = compared.word
        if operator not in OPERATORS:
            raise self._error(compared.at, *self._no_operator(compared))
        entry = self._entry(attribute)
        if operator not in entry.operators:
            raise self._error(
                compared.at,
                f"{operator} does not work on {_shown(attribute.text)} here",
                self._grammar.hint(operator) or f"it takes {', '.join(entry.operators)}",
            )
        if operator == "pr":
            return
        value = self._take(f"after {operator} a value is missing")
        if not value.is_quoted:
            self._bare_value(value)
        if entry.is_date and not (value.is_quoted and _is_date(value.text[1:-1])):
            raise self._error(
                value.at,
                f"{_shown(attribute.text)} is a time, and this is none",
                'write a time in UTC such as "2026-01-31T00:00:00.000Z";'
                " parse_relative_time turns words into one",
            )

    def _entry(self, attribute: _Token) -> Attributes:
        name, grammar = attribute.text, self._grammar
        entry, meant = grammar.attributes(name), grammar.meant(name)
        if entry is None:
            fix = f"did you mean {meant}?" if meant else f"it takes {_some_names(grammar)}"
            raise self._error(
                attribute.at,
                f"{_shown(name)} is no attribute that can be asked here",
                grammar.hint(name) or fix,
            )
        if not any(name in each.names for each in grammar.table):
            note = f"{_shown(name)} is spelled {meant} by Okta" if meant else grammar.hint(name)
            if note:
                self._notes[note] = None
        return entry

    def _no_operator(self, compared: _Token) -> tuple[str, str]:
        meant = _FOREIGN.get(compared.word)
        if compared.word == "in":
            return "in is no operator", 'write attribute eq "a" or attribute eq "b"'
        if compared.is_quoted:
            return "an operator must stand before the value", "write eq between the two"
        return (
            f"{_shown(compared.text)} is no operator",
            f"write {meant}" if meant else f"the operators are {', '.join(self._operators())}",
        )

    def _operators(self) -> list[str]:
        entries = [entry.operators for entry in self._grammar.table]
        used = {each for row in (*entries, *self._grammar.open_names.values()) for each in row}
        return [each for each in OPERATORS if each in used]

    def _bare_value(self, value: _Token) -> None:
        if value.text in ("true", "false", "null") or _NUMBER.fullmatch(value.text):
            return
        if value.text[0] in _OTHER_QUOTES:
            problem, fix = "these quotes are not those of the language", 'write the value in "…"'
        elif value.word in (*_WORDS, "(", ")"):
            problem, fix = "a value must stand here", 'write the value in "…"'
        else:
            problem = f"the value {_shown(value.text)} has no quotes"
            fix = f'write "{_shown(value.text)}"; only numbers, true and false go without'
        raise self._error(value.at, problem, fix)

    def _surplus(self, token: _Token) -> tuple[str, str]:
        if token.word == ")":
            return "this parenthesis was never opened", "take it away, or open it with ("
        if token.word in _FOREIGN:
            return f"{_shown(token.text)} joins nothing", f"write {_FOREIGN[token.word]}"
        return (
            "a condition ended before this",
            'join conditions with and or or; a value with spaces or quotes stands in "…"',
        )

    def _is(self, word: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next].word == word:
            self._next += 1
            return True
        return False

    def _take(self, missing: str, attribute: str | None = None) -> _Token:
        if self._next >= len(self._tokens):
            fix = 'write attribute, operator, "value"'
            if attribute and "@" in attribute:
                fix = 'a login is a value: write profile.login eq "ann@example.com", or use q'
            raise self._error(len(self._expression.rstrip()), missing, fix)
        self._next += 1
        return self._tokens[self._next - 1]

    def _error(self, at: int, problem: str, fix: str) -> ExpressionError:
        fragment = clean_text(self._expression[at : at + _FRAGMENT_CHARS], _FRAGMENT_CHARS)
        example = f"a correct example: {self._grammar.example}"
        return ExpressionError(self._parameter, problem, f"{fix}; {example}", at + 1, fragment)


def _shown(text: str) -> str:
    return clean_text(text, 60)


def _some_names(grammar: Grammar) -> str:
    names = [name for entry in grammar.table for name in entry.names]
    shown = names[:12]
    opened = [f"{beginning}…" for beginning in grammar.open_names if beginning]
    return ", ".join([*shown, *opened, *(["and others"] if len(names) > len(shown) else [])])


def _is_date(text: str) -> bool:
    """Whether Okta may read it: generous with the form, strict with days that do not exist."""
    for read in (datetime.fromisoformat, date.fromisoformat):
        try:
            read(text.strip().upper())
        except ValueError:
            continue
        return bool(re.match(r"\d{4}-\d{2}", text.strip(), re.ASCII))
    return False
