"""`name=value` against input schemas."""

from typing import Any

import pytest

from okta_mcp.client.arguments import parse_arguments
from okta_mcp.client.errors import WrongUsageError

SCHEMA: dict[str, Any] = {
    "properties": {
        "q": {"type": "string"},
        "limit": {"type": "integer"},
        "ratio": {"type": "number"},
        "active": {"type": "boolean"},
        "ids": {"type": "array"},
        "where": {"type": "object"},
        "after": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "id": {"type": ["integer", "string"]},
        "status": {"$ref": "#/$defs/Status"},
        "count": {"$ref": "#/$defs/Count"},
        "anything": {},
    },
    "$defs": {"Status": {"enum": ["A", "B"], "type": "string"}, "Count": {"type": "integer"}},
}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ann", "'ann' is not name=value"),
        ("=ann", "not name=value"),
        ("user=ann", "no argument user. Its arguments: q, limit"),
        ("limit=ten", "limit must be an integer, not 'ten'"),
        ("limit=1.5", "limit must be an integer"),
        ("ratio=x", "ratio must be a number"),
        ("active=maybe", "active must be a boolean"),
        ("ids=a,b", "ids must be an array in JSON"),
        ("ids={}", "ids must be an array in JSON"),
        ("where=[]", "where must be an object in JSON"),
        ("after=x", "after must be an integer"),
        ("limit=null", "limit must be an integer"),
    ],
)
def test_what_does_not_fit_the_schema_is_wrong_usage(text: str, reason: str) -> None:
    with pytest.raises(WrongUsageError) as raised:
        parse_arguments([text], SCHEMA)
    assert reason in str(raised.value)


def test_a_name_given_twice_is_wrong_usage() -> None:
    with pytest.raises(WrongUsageError, match="q is given twice"):
        parse_arguments(["q=a", "q=b"], SCHEMA)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("q=", ""),
        ("q=10", "10"),
        ('q=profile.login eq "a=b"', 'profile.login eq "a=b"'),
        ("limit=10", 10),
        ("ratio=0.5", 0.5),
        ("active=TRUE", True),
        ("active=no", False),
        ('ids=["a", 1]', ["a", 1]),
        ('where={"a": null}', {"a": None}),
        ("after=3", 3),
        ("after=null", None),
        ("id=7", 7),
        ("id=00u7x", "00u7x"),
        ("status=A", "A"),
        ("count=2", 2),
        ("anything=1", "1"),
    ],
)
def test_a_value_is_read_as_the_schema_declares_it(text: str, value: object) -> None:
    name = text.partition("=")[0]
    found = parse_arguments([text], SCHEMA)
    assert found == {name: value}
    assert type(found[name]) is type(value)


def test_a_free_form_tool_takes_any_name_as_text() -> None:
    assert parse_arguments(["x=1"], {"additionalProperties": True}) == {"x": "1"}
