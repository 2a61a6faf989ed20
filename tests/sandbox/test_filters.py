"""Okta's filter language: what each endpoint refuses, and what an expression means."""

import pytest

from okta_mcp.sandbox.errors import OktaError
from okta_mcp.sandbox.filters import (
    APPS_FILTER,
    DEVICES_SEARCH,
    GROUPS_FILTER,
    GROUPS_SEARCH,
    LOGS_FILTER,
    USERS_FILTER,
    USERS_SEARCH,
    ZONES_FILTER,
    Grammar,
    parse,
)

ROW = {
    "id": "00u1",
    "status": "ACTIVE",
    "created": "2026-01-15T10:00:00.000Z",
    "eventType": "user.session.start",
    "count": 3,
    "system": True,
    "profile": {"firstName": "Zoë", "lastName": "O'Connor", "login": 'z"o@x', "empty": ""},
    "target": [{"id": "a", "type": "User"}, {"id": "b", "type": "App"}],
}


@pytest.mark.parametrize(
    ("grammar", "expression", "code"),
    [
        (USERS_SEARCH, "", "E0000053"),
        (USERS_SEARCH, "status", "E0000053"),
        (USERS_SEARCH, "status eq", "E0000053"),
        (USERS_SEARCH, "status eq ACTIVE", "E0000053"),
        (USERS_SEARCH, 'status eq "ACTIVE', "E0000053"),
        (USERS_SEARCH, '(status eq "ACTIVE"', "E0000053"),
        (USERS_SEARCH, 'status eq "ACTIVE")', "E0000053"),
        (USERS_SEARCH, 'status eq "A" and', "E0000053"),
        (USERS_SEARCH, 'status eq "A" status eq "B"', "E0000053"),
        (USERS_SEARCH, "(" * 60 + 'id eq "1"' + ")" * 60, "E0000053"),
        (USERS_SEARCH, 'status ne "A"', "E0000053"),
        (USERS_SEARCH, 'not (status eq "A")', "E0000031"),
        (USERS_SEARCH, 'profile.department co "x"', "E0000031"),
        (USERS_SEARCH, 'lastLogin gt "2026-01-01T00:00:00.000Z"', "E0000031"),
        (USERS_SEARCH, 'credentials.provider.type eq "OKTA"', "E0000031"),
        (USERS_FILTER, 'profile.login sw "a"', "E0000031"),
        (USERS_FILTER, 'profile.city eq "Oslo"', "E0000031"),
        (GROUPS_SEARCH, 'profile.name gt "a"', "E0000031"),
        (GROUPS_FILTER, 'profile.name eq "a"', "E0000031"),
        (APPS_FILTER, 'label eq "a"', "E0000031"),
        (ZONES_FILTER, 'name eq "a"', "E0000031"),
        (DEVICES_SEARCH, 'created gt "2026-01-01T00:00:00.000Z"', "E0000031"),
        (DEVICES_SEARCH, 'status co "a"', "E0000031"),
        (DEVICES_SEARCH, 'status ne "ACTIVE"', "E0000053"),
        (LOGS_FILTER, 'published gt "2026-01-01T00:00:00.000Z"', "E0000053"),
    ],
)
def test_an_expression_is_refused(grammar: Grammar, expression: str, code: str) -> None:
    with pytest.raises(OktaError) as refusal:
        parse(expression, grammar)
    assert refusal.value.code == code


def test_an_unknown_operator_is_named_with_its_position() -> None:
    with pytest.raises(OktaError) as refusal:
        parse('profile.division eqq "x"', USERS_SEARCH)
    assert refusal.value.summary == (
        "Invalid filter 'profile.division eqq \"x\"': Unrecognized attribute operator 'eqq' at"
        " position 17. Expected: eq,co,sw,pr,gt,ge,lt,le"
    )


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ('status eq "ACTIVE"', True),
        ('status EQ "active"', True),
        ('Status eq "ACTIVE"', False),
        ('status ne "ACTIVE"', False),
        ('created gt "2026-01-15T09:00:00Z"', True),
        ('created gt "2026-01-15T11:30:00+01:00"', False),
        ('created lt "2026-01-15"', False),
        ("count ge 3", True),
        ("count gt 3", False),
        ("count gt true", False),
        ("system eq true", True),
        ('system eq "true"', False),
        ('eventType sw "user.session"', True),
        ('eventType ew ".start"', True),
        ('eventType co "SESSION"', True),
        ("profile.empty pr", False),
        ("profile.missing pr", False),
        ("profile.firstName pr", True),
        ('profile.lastName eq "O\'Connor"', True),
        (r'profile.login eq "z\"o@x"', True),
        ('target.id eq "a" and target.id eq "b"', True),
        ('target.id eq "a" and target.id eq "c"', False),
        ('target.id ne "a"', False),
        ('not (target.id eq "c")', True),
        ('status eq "X" and status eq "Y" or id eq "00u1"', True),
        ('status eq "X" and (status eq "Y" or id eq "00u1")', False),
    ],
)
def test_an_expression_means(expression: str, holds: bool) -> None:
    assert parse(expression, LOGS_FILTER)(ROW) is holds
