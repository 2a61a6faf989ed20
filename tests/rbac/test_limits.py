"""Limits on a parameter whose texts are listed in several parts; the rest: test_policy_file.py."""

import pytest

from okta_mcp.rbac.limits import Limit, checked_limit

SCHEMA = {
    "properties": {
        "type": {
            "anyOf": [
                {"enum": ["PASSWORD", "MFA"], "type": "string"},
                {"const": "ALL", "type": "string"},
            ]
        },
        "mixed": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    }
}


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        (
            "type",
            ["EVERYTHING"],
            "the tool does not take 'EVERYTHING'; it takes PASSWORD, MFA, ALL",
        ),
        ("mixed", ["a"], "the parameter is no text"),
    ],
)
def test_what_the_tool_does_not_take_is_no_limit(
    parameter: str, value: list[str], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        checked_limit(parameter, value, SCHEMA)


@pytest.mark.parametrize("value", [["PASSWORD"], ["ALL"], ["MFA", "ALL"]])
def test_a_text_of_any_part_may_be_chosen(value: list[str]) -> None:
    assert checked_limit("type", value, SCHEMA) == Limit(one_of=tuple(value))
