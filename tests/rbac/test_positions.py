"""The line of every key, also where a value takes several lines, and what is no TOML or JSON."""

import pytest

from okta_mcp.rbac.positions import UnreadableTextError, json_document, toml_document

TOML = '''# a comment = "no key"
roles = [
  "viewer",   # [tools]
  "desk",
]

[groups]
"Help, \\"desk\\"" = ["a"]

[tools]
look = """
dig = 1
"""
dig.deep = 2

[limits.viewer."user://me"]
q = false
inline = { limit = 3, fields = ["x"] }
'''
LINES = {
    ("roles",): 2,
    ("groups",): 7,
    ("groups", 'Help, "desk"'): 8,
    ("tools",): 10,
    ("tools", "look"): 11,
    ("tools", "dig"): 14,
    ("tools", "dig", "deep"): 14,
    ("limits",): 16,
    ("limits", "viewer"): 16,
    ("limits", "viewer", "user://me"): 16,
    ("limits", "viewer", "user://me", "q"): 17,
    ("limits", "viewer", "user://me", "inline"): 18,
    ("limits", "viewer", "user://me", "inline", "limit"): 18,
    ("limits", "viewer", "user://me", "inline", "fields"): 18,
}
JSON = """{
  "roles": ["viewer",
    {"roles": 1}],
  "tools": {"look": "viewer", "di\\"g": {
      "limit": 3, "empty": {}}
  },
  "after": [[], {}], "last":
    null
}"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_toml_keys_stand_where_their_statement_begins(newline: str) -> None:
    assert toml_document(TOML.replace("\n", newline)).lines == LINES


def test_json_keys_stand_where_they_are_written() -> None:
    document = json_document(JSON)
    assert document.lines == {
        ("roles",): 2,
        ("tools",): 4,
        ("tools", "look"): 4,
        ("tools", 'di"g'): 4,
        ("tools", 'di"g', "limit"): 5,
        ("tools", 'di"g', "empty"): 5,
        ("after",): 7,
        ("last",): 7,
    }
    assert document.content["tools"]['di"g'] == {"limit": 3, "empty": {}}


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("a = 1\nb = ?\n", "Invalid value", 2),
        ("[t]\na = 1\na = 2\n", "this key or table was given before", 3),
        ("[t]\n[u]\n[t]\n", "this key or table was given before", 3),
        ("t = {a = 1}\n[t]\n", "this key or table was given before", 2),
        ('a = "', "Unterminated string", None),
    ],
)
def test_what_is_no_toml_is_refused_with_its_line(text: str, reason: str, line: int | None) -> None:
    with pytest.raises(UnreadableTextError) as caught:
        toml_document(text)
    assert (caught.value.reason, caught.value.line) == (reason, line)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ('{"a": 1,\n "b": }', "Expecting value", 2),
        ('{"a": 1,\n "a": 2}', "this key was given before", 2),
        ('{"t": {"a": 1,\n\n "\\u0061": 2}}', "this key was given before", 3),
        ("", "Expecting value", 1),
        ("[" * 100_000, "it is nested too deeply", None),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(text: str, reason: str, line: int | None) -> None:
    with pytest.raises(UnreadableTextError) as caught:
        json_document(text)
    assert (caught.value.reason, caught.value.line) == (reason, line)
