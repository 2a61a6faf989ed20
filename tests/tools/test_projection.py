"""The mechanism of the allow-lists."""

import json
from pathlib import Path

import pytest

from okta_mcp.tools import shapes
from okta_mcp.tools.projection import (
    From,
    Leaf,
    NamesBeyond,
    Shape,
    masked_phone,
    project,
    values,
)


@pytest.mark.parametrize(
    ("source", "shape", "shown"),
    [
        ({"a": 1, "secret": 2}, values("a", "b"), {"a": 1}),
        ({"a": {"secret": 1}}, values("a"), {"a": None}),
        ({"a": ["x", {"secret": 1}, ["y"], 2]}, values("a"), {"a": ["x", 2]}),
        ({"a": None, "b": False}, values("a", "b"), {"a": None, "b": False}),
        ({"a": "not an object"}, {"a": values("b")}, {"a": None}),
        ({"a": [{"b": 1, "c": 2}, {}]}, {"a": values("b")}, {"a": [{"b": 1}, {}]}),
        ({"a": {"b": {"c": 1}}}, {"d": From(("a", "b"), values("c"))}, {"d": {"c": 1}}),
        ({"a": {"b": 7}}, {"d": From(("a", "b", "c"), Leaf.VALUE)}, {}),
        ({"p": 7}, {"p": Leaf.PHONE}, {"p": None}),
        ({"l": {"href": 7}}, {"l": Leaf.ID_OF_LINK}, {"l": None}),
        ({"t": {"_links": 1, "k": [1, {"_links": 1}]}}, {"t": Leaf.TREE}, {"t": {"k": [1, {}]}}),
        ({"b": 1, "a": "x", "c": None, "d": []}, NamesBeyond(frozenset("b")), ["a"]),
        ("text", values("a"), None),
        ([{"a": 1}], values("a"), [{"a": 1}]),
    ],
)
def test_only_what_is_named_passes(source: object, shape: Shape, shown: object) -> None:
    """I-09"""
    assert project(source, shape) == shown


def test_a_tree_is_cut_in_the_depth() -> None:
    """I-08"""
    deep: object = "bottom"
    for _ in range(50):
        deep = {"a": [deep]}
    assert "bottom" not in str(project({"t": deep}, {"t": Leaf.TREE}))


def test_names_in_a_tree_are_cleaned() -> None:
    """I-06"""
    assert project({"t": {"a\u202e": 1}}, {"t": Leaf.TREE}) == {"t": {"a": 1}}


@pytest.mark.parametrize(
    ("number", "shown"), [("+49 151 1234567", "•••67"), ("1234", "•••"), ("", "•••"), ("x", "•••")]
)
def test_a_phone_number_keeps_its_last_digits_at_most(number: str, shown: str) -> None:
    """I-09"""
    assert masked_phone(number) == shown


def names_in(shape: object) -> set[str]:
    if isinstance(shape, From):
        return {*shape.path, *names_in(shape.shape)}
    if isinstance(shape, dict):
        return set(shape) | {name for inner in shape.values() for name in names_in(inner)}
    return set()


def test_no_allow_list_names_a_secret() -> None:
    """I-09"""
    both = [each for each in vars(shapes).values() if isinstance(each, shapes.Shapes)]
    names = {name for each in both for shape in (each.default, each.full)
             for name in names_in(shape)}  # fmt: skip
    assert len(both) > 10
    assert not names & {
        *("credentials", "client_secret", "jwks", "signing", "spCertificate", "x5c", "activation"),
        *("sharedSecret", "answer", "deviceToken", "password", "recovery_question", "verify"),
    }


def test_a_full_profile_holds_oktas_default_user_schema_and_nothing_else() -> None:
    """I-09"""
    description = Path(__file__).parent.parent / "contract" / "okta-openapi.json"
    schemas = json.loads(description.read_text(encoding="utf-8"))["components"]["schemas"]
    documented = set(schemas["UserSchemaBaseProperties"]["properties"])
    assert documented == set(shapes.USER.full["profile"]) == set(shapes.USER_ROW.full["profile"])


def test_full_shows_at_least_what_default_shows() -> None:
    for each in vars(shapes).values():
        if isinstance(each, shapes.Shapes):
            assert set(each.default) <= set(each.full)
