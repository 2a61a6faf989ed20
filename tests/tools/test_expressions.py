"""The check of search and filter expressions: what it refuses and says, and that it is Okta's.

The sandbox has a parser of its own that shares nothing with the product's; the two are held
against each other here. Where Okta's documents say nothing the product lets an expression pass,
and the sandbox may refuse it: those are listed as tolerated.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okta_mcp.sandbox import filters
from okta_mcp.sandbox.errors import OktaError
from okta_mcp.tools.expressions import OPERATORS, ExpressionError, Grammar, check
from okta_mcp.tools.grammars import (
    APPS_FILTER,
    DEVICES_SEARCH,
    GROUPS_FILTER,
    GROUPS_SEARCH,
    HELP,
    LOGS_FILTER,
    USERS_FILTER,
    USERS_SEARCH,
    ZONES_FILTER,
)
from tests.vocabulary.size import how_many

PAIRS = [
    ("users search", USERS_SEARCH, filters.USERS_SEARCH),
    ("users filter", USERS_FILTER, filters.USERS_FILTER),
    ("groups search", GROUPS_SEARCH, filters.GROUPS_SEARCH),
    ("groups filter", GROUPS_FILTER, filters.GROUPS_FILTER),
    ("apps filter", APPS_FILTER, filters.APPS_FILTER),
    ("zones filter", ZONES_FILTER, filters.ZONES_FILTER),
    ("logs filter", LOGS_FILTER, filters.LOGS_FILTER),
    ("devices search", DEVICES_SEARCH, filters.DEVICES_SEARCH),
]
each_pair = pytest.mark.parametrize(
    ("grammar", "oktas"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS]
)

REFUSED = [
    (USERS_SEARCH, "", 1, "write a condition"),
    (USERS_SEARCH, "   ", 1, "write a condition"),
    (USERS_SEARCH, 'status ne "ACTIVE"', 8, 'lt "value" or attribute gt "value"'),
    (USERS_SEARCH, 'lastLogin gt "2026-01-01T00:00:00.000Z"', 1, "inactive_users_report"),
    (USERS_SEARCH, 'LASTLOGIN gt "2026-01-01T00:00:00.000Z"', 1, "inactive_users_report"),
    (USERS_SEARCH, 'profile.department co "Sales"', 20, "email and login only"),
    (USERS_SEARCH, 'status co "ACT"', 8, "email and login only"),
    (USERS_SEARCH, 'groups eq "Admins"', 1, "list_okta_group_users"),
    (USERS_SEARCH, "status eq ACTIVE", 11, 'write "ACTIVE"'),
    (USERS_SEARCH, "status eq 'ACTIVE'", 11, 'in "…"'),
    (USERS_SEARCH, "status eq “ACTIVE”", 11, 'in "…"'),
    (USERS_SEARCH, "profile.login eq ann@example.com", 18, 'write "ann@example.com"'),
    (USERS_SEARCH, "ann@example.com", 16, "or use q"),
    (USERS_SEARCH, 'status == "ACTIVE"', 8, "write eq"),
    (USERS_SEARCH, 'status = "ACTIVE"', 8, "write eq"),
    (USERS_SEARCH, 'status="ACTIVE"', 7, "between spaces: eq"),
    (USERS_SEARCH, 'status!="ACTIVE"', 7, "between spaces: ne"),
    (USERS_SEARCH, 'created >= "2026-01-01T00:00:00.000Z"', 9, "write ge"),
    (USERS_SEARCH, 'profile.lastName like "K"', 18, "write co"),
    (USERS_SEARCH, 'status in ("A", "B")', 8, 'eq "a" or attribute eq "b"'),
    (USERS_SEARCH, 'status frob "A"', 8, "the operators are eq"),
    (USERS_SEARCH, 'status "A"', 8, "write eq between"),
    (USERS_SEARCH, "status", 7, 'attribute, operator, "value"'),
    (USERS_SEARCH, "status eq", 10, 'attribute, operator, "value"'),
    (USERS_SEARCH, "status eq and", 11, 'in "…"'),
    (USERS_SEARCH, 'status eq "ACTIVE', 11, "close it"),
    (USERS_SEARCH, '(status eq "ACTIVE"', 1, "close it with )"),
    (USERS_SEARCH, 'status eq "ACTIVE")', 19, "open it with ("),
    (USERS_SEARCH, "()", 2, "quotes"),
    (USERS_SEARCH, 'status eq "A" && id pr', 15, "write and"),
    (USERS_SEARCH, 'status eq "A", id pr', 14, "write and"),
    (USERS_SEARCH, 'status eq "A" || id pr', 15, "write or"),
    (USERS_SEARCH, 'status eq "A" id pr', 15, "join conditions"),
    (USERS_SEARCH, 'status eq "A" or', 17, "attribute, operator"),
    (USERS_SEARCH, 'and status eq "A"', 1, "only the value has quotes"),
    (USERS_SEARCH, '"status" eq "A"', 1, "only the value has quotes"),
    (USERS_SEARCH, 'Status eq "A"', 1, "did you mean status?"),
    (USERS_SEARCH, 'email eq "ann@example.com"', 1, "did you mean profile.email?"),
    (USERS_SEARCH, 'user.profile.email eq "a"', 1, "did you mean profile.email?"),
    (USERS_SEARCH, 'shoeSize eq "46"', 1, "it takes status, id"),
    (USERS_SEARCH, 'created gt "yesterday"', 12, "parse_relative_time"),
    (USERS_SEARCH, 'created gt "2026-02-30T00:00:00Z"', 12, "write a time in UTC"),
    (USERS_SEARCH, 'created gt "01/02/2026"', 12, "write a time in UTC"),
    (USERS_SEARCH, "created gt 2026", 12, "write a time in UTC"),
    (USERS_SEARCH, "(" * 60 + 'id eq "1"' + ")" * 60, 51, "flatter"),
    (USERS_FILTER, 'not (status eq "A")', 1, "has no not"),
    (USERS_FILTER, 'profile.login sw "a"', 15, "use search"),
    (USERS_FILTER, 'profile.department eq "Sales"', 1, "use search"),
    (USERS_FILTER, 'created gt "2026-01-01T00:00:00.000Z"', 1, "use search"),
    (GROUPS_SEARCH, 'name sw "sso"', 1, "did you mean profile.name?"),
    (GROUPS_SEARCH, 'profile.name gt "a"', 14, "it takes eq, sw, co"),
    (GROUPS_FILTER, 'profile.name eq "a"', 1, "or q"),
    (APPS_FILTER, 'label eq "CRM"', 1, "with q"),
    (APPS_FILTER, 'status ne "ACTIVE"', 8, "eq only"),
    (ZONES_FILTER, 'type eq "IP"', 1, "use the parameter type"),
    (ZONES_FILTER, 'status eq "ACTIVE"', 1, "use the parameter status"),
    (LOGS_FILTER, 'published gt "2026-01-01T00:00:00.000Z"', 1, "since and until"),
    (LOGS_FILTER, 'debugContext.debugData.url co "x"', 28, "or q for a word"),
    (LOGS_FILTER, "outcome.result eq FAILURE", 19, 'write "FAILURE"'),
]

ACCEPTED = [
    (USERS_SEARCH, 'STATUS EQ "x"'.replace("STATUS", "status")),
    (USERS_SEARCH, 'status eq "A" AND (profile.city sw "O" Or id pr)'),
    (USERS_SEARCH, 'status eq"ACTIVE"'),
    (USERS_SEARCH, r'profile.lastName eq "O\"Brien"'),
    (USERS_SEARCH, 'profile.riskTier eq "high"'),
    (USERS_SEARCH, "profile.badge gt 7 and profile.isOnCall eq true"),
    (USERS_SEARCH, "profile.weight le -7.5"),
    (USERS_SEARCH, 'created gt "2026-01-01T00:00:00+02:00"'),
    (USERS_FILTER, 'lastUpdated ge "2026-01-01T00:00:00.000Z"'),
    (GROUPS_SEARCH, 'profile.description co "admin"'),
    (APPS_FILTER, "settings.slo.enabled eq true"),
    (LOGS_FILTER, 'not (actor.id eq "x") and debugContext.debugData.somethingNew ew "y"'),
    (LOGS_FILTER, 'outcome.result ne "SUCCESS"'),
]

# What Okta's documents neither allow nor forbid passes here, and Okta decides.
TOLERATED = [
    (USERS_SEARCH, 'not (status eq "ACTIVE")'),
    (USERS_SEARCH, "profile.manager eq null"),
    (USERS_SEARCH, 'profile.address.street eq "x"'),
    (USERS_SEARCH, 'created gt "2026-01-01"'),
    (GROUPS_SEARCH, 'profile.samAccountName eq "x"'),
    (DEVICES_SEARCH, 'profile.displayName co "laptop"'),
    (DEVICES_SEARCH, 'status sw "ACT"'),
]


@pytest.mark.parametrize(("grammar", "expression", "column", "fix"), REFUSED)
def test_a_wrong_expression_is_refused_with_its_place_and_the_fix(
    grammar: Grammar, expression: str, column: int, fix: str
) -> None:
    """I-02"""
    with pytest.raises(ExpressionError) as caught:
        check(expression, "search", grammar)
    error = caught.value
    assert (error.column, fix in error.fix) == (column, True), error.fix
    assert error.message.startswith(f"search, column {column}: ")
    assert expression[column - 1 :].startswith(error.fragment)
    assert error.fix.endswith(f"a correct example: {grammar.example}")


def test_what_an_error_repeats_of_an_expression_is_cleaned_and_short() -> None:
    """I-06"""
    with pytest.raises(ExpressionError) as caught:
        check("status eq \u202e" + "x" * 900, "search", USERS_SEARCH)
    assert "\u202e" not in caught.value.message + caught.value.fix + caught.value.fragment
    assert len(caught.value.message + caught.value.fix + caught.value.fragment) < 500


@pytest.mark.parametrize(("grammar", "expression"), [*ACCEPTED, *TOLERATED])
def test_what_okta_may_accept_is_not_refused(grammar: Grammar, expression: str) -> None:
    assert check(expression, "search", grammar) == ()


@pytest.mark.parametrize(
    ("grammar", "expression", "note"),
    [
        (USERS_SEARCH, 'profile.firstname eq "Ann"', "spelled profile.firstName"),
        (USERS_SEARCH, 'profile.lastLogin gt "2026"', "inactive_users_report"),
        (LOGS_FILTER, 'eventtype eq "user.session.start"', "spelled eventType"),
        (LOGS_FILTER, 'ip eq "192.0.2.7"', "the address is client.ipAddress"),
        (LOGS_FILTER, 'actor.login eq "ann@example.com"', "by login actor.alternateId"),
        (LOGS_FILTER, 'target.app eq "CRM"', "by name target.displayName"),
        (LOGS_FILTER, 'Published gt "2026"', "since and until"),
    ],
)
def test_what_is_only_doubtful_passes_with_a_note(
    grammar: Grammar, expression: str, note: str
) -> None:
    (told,) = check(expression, "search", grammar)
    assert note in told


@each_pair
def test_every_example_is_correct_here_and_for_okta(
    grammar: Grammar, oktas: filters.Grammar
) -> None:
    tolerated = {expression for _, expression in TOLERATED}
    assert grammar.examples
    for expression, finds in grammar.examples.items():
        assert finds
        assert check(expression, "search", grammar) == ()
        if expression not in tolerated and not is_tolerated(grammar, expression):
            filters.parse(expression, oktas)


def test_the_help_has_a_page_for_each_list_with_a_language() -> None:
    assert set(HELP) == {"users", "groups", "apps", "logs", "zones", "devices"}
    for page in HELP.values():
        told = [page[name] for name in ("search", "filter") if name in page]
        assert told
        assert all(each["examples"] and each["attributes"] for each in told)


def is_tolerated(grammar: Grammar, expression: str) -> bool:
    return grammar is DEVICES_SEARCH and (" co " in expression or " eq true" in expression)


def accepted_by_okta(expression: str, grammar: filters.Grammar) -> bool:
    try:
        filters.parse(expression, grammar)
    except OktaError:
        return False
    return True


def accepted_here(expression: str, grammar: Grammar) -> bool:
    try:
        check(expression, "search", grammar)
    except ExpressionError:
        return False
    return True


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: f'"{moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds")}"'
)
TEXTS = st.text(max_size=8).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
NUMBERS = st.one_of(st.integers(-99, 99).map(str), st.sampled_from(["true", "false", "-1.5"]))
BARE = st.sampled_from(["ACTIVE", "'x'", "True", "1e3", "a@b.example", "--1", "(", ")", ""])
JOINTS = st.sampled_from([" and ", " or ", " AND ", " Or ", " ", " && ", ") and (", ""])
# Attributes of every list, and some of none: what one list has, another must refuse.
NAMES = sorted({name for _, grammar, _ in PAIRS for entry in grammar.table for name in entry.names})
STRANGERS = ["lastLogin", "label", "Status", "published", "x", "and", '"status"', "not"]
DATES = {
    name for _, grammar, _ in PAIRS for entry in grammar.table if entry.is_date
    for name in entry.names
}  # fmt: skip


def is_documented(grammar: Grammar, name: str) -> bool:
    """Whether Okta's documents say what holds for the attribute in this list."""
    if grammar is DEVICES_SEARCH:
        return name in ("lastUpdated", "lastLogin", "label", "x", "created")
    if grammar is GROUPS_SEARCH:
        return not name.startswith("profile.") or name.endswith((".name", ".description"))
    return True


@st.composite
def comparisons(draw: st.DrawFn, grammar: Grammar) -> str:
    own = [name for entry in grammar.table for name in entry.names]
    name = draw(st.one_of(st.sampled_from(own), st.sampled_from([*NAMES, *STRANGERS])))
    if not is_documented(grammar, name):
        name = own[0] if grammar is not DEVICES_SEARCH else "lastUpdated"
    operator = draw(st.sampled_from([*OPERATORS, "EQ", "Pr", "eqq", "=="]))
    if operator.casefold() == "pr" and grammar is DEVICES_SEARCH:
        operator = "eq"
    if operator.casefold() == "pr":
        return f"{name} {operator}"
    value = draw(MOMENTS if name in DATES else st.one_of(TEXTS, NUMBERS, BARE))
    return f"{name} {operator} {value}"


@st.composite
def expressions(draw: st.DrawFn, grammar: Grammar) -> str:
    text = draw(comparisons(grammar))
    for _ in range(draw(st.integers(0, 3))):
        shape = draw(st.sampled_from(["{0}{1}{2}", "({0}){1}{2}", "{0}{1}({2})", "({0}{1}{2}"]))
        text = shape.format(text, draw(JOINTS), draw(comparisons(grammar)))
    if grammar is LOGS_FILTER or not grammar.has_not:
        text = draw(st.sampled_from(["{}", "not ({})", "not {}", "NOT ({})"])).format(text)
    return text


@each_pair
@settings(max_examples=how_many(person=60, full=5000), deadline=None)
@given(data=st.data())
def test_what_is_accepted_here_okta_accepts_and_the_reverse(
    grammar: Grammar, oktas: filters.Grammar, data: st.DataObject
) -> None:
    """I-02"""
    expression = data.draw(expressions(grammar))
    assert accepted_here(expression, grammar) == accepted_by_okta(expression, oktas), expression


@each_pair
@settings(max_examples=how_many(person=60, full=5000), deadline=None)
@given(text=st.text(alphabet=st.sampled_from("abc.\"\\() \t\n\u202eeqandornot=<>!'")))
def test_no_text_is_anything_but_accepted_or_refused(
    grammar: Grammar, oktas: filters.Grammar, text: str
) -> None:
    """I-07"""
    if accepted_by_okta(text, oktas):
        assert accepted_here(text, grammar)
    else:
        assert not accepted_here(text, grammar) or grammar.open_names
