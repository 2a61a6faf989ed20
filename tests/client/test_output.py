"""Tables and JSON, with other people's text in them."""

import json

import pytest
from mcp_types import CallToolResult, TextContent, Tool

from okta_mcp.client import output


@pytest.mark.parametrize(
    "character", ["\x1b", "\x07", "\x9b", "\u202e", "\u200b", "\u2028", "\r", "\x00"]
)
def test_nothing_that_steers_a_terminal_gets_through(character: str) -> None:
    text = f"a{character}b"
    result = CallToolResult(content=[], structured_content={"items": [{text: text}], text: text})
    tool = Tool(name=text, title=text, input_schema={})
    shown = [
        output.clean(text),
        output.as_json({text: text}),
        output.result_text(result),
        output.tools_table([tool]),
        output.identity_lines({"person": {"name": text}, "role": text, "groups": [text]}),
    ]
    assert [character in one for one in shown] == [False] * len(shown)


def test_json_keeps_its_meaning_when_characters_are_escaped() -> None:
    value = {"a": "Zoë \x1b \x9b \u202e \U000e0001 \ud800 \n\t"}
    text = output.as_json(value)
    assert json.loads(text) == value
    assert "Zoë" in text


def _shown(structured: dict[str, object]) -> str:
    return output.result_text(CallToolResult(content=[], structured_content=structured))


def test_items_are_rows_and_the_rest_stands_below() -> None:
    shown = _shown(
        {
            "items": [
                {"created": "2026", "id": "1", "profile": {"login": "ann"}, "empty": None},
                {"id": "22", "created": None, "tags": ["a", "b"], "links": [{"x": 1}]},
            ],
            "count": 2,
        }
    )
    assert shown.splitlines() == [
        "id  created  profile.login  tags",
        "--  -------  -------------  ----",
        "1   2026     ann",
        "22                          a, b",
        "",
        "count  2",
    ]


def test_columns_and_cells_are_bounded() -> None:
    head, _, row = _shown({"items": [{f"c{n}": "x" * 200 for n in range(20)}]}).splitlines()
    assert len(head.split()) == output.MAX_COLUMNS
    assert row.split()[0] == "x" * (output.MAX_CELL_WIDTH - 1) + "…"


def test_wide_characters_keep_the_columns_aligned() -> None:
    assert output.table(["a", "b"], [["日本", "x"], ["abcd", "y"]]).splitlines()[2:] == [
        "日本  x",
        "abcd  y",
    ]


def test_an_empty_list_says_so() -> None:
    assert _shown({"items": []}) == "Nothing found."


def test_an_object_is_shown_by_fields() -> None:
    assert _shown({"id": "1", "profile": {"login": "ann"}, "on": True, "deep": [[1]]}) == (
        "id             1\nprofile.login  ann\non             true\ndeep           [[1]]"
    )


def test_an_answer_without_structure_is_its_text() -> None:
    result = CallToolResult(content=[TextContent(type="text", text="one\ntwo")])
    assert output.result_text(result) == "one\ntwo"


def test_a_tool_is_told_by_its_title_or_first_sentence() -> None:
    tools = [
        Tool(name="a", title="Title", description="Other.", input_schema={}),
        Tool(
            name="longer", title="Longer", description="First\n  sentence. Second.", input_schema={}
        ),
        Tool(name="b", input_schema={}),
    ]
    assert output.tools_table(tools).splitlines() == [
        "Tool    What it does",
        "------  ------------",
        "a       Title",
        "longer  First sentence",
        "b",
        "",
        "3 tools",
    ]
    assert output.tools_table([]) == "No tools."


def test_tools_of_servers_behind_stand_apart_with_their_state() -> None:
    tools = [Tool(name=name, input_schema={}) for name in ("whoami", "time_now", "timer_x")]
    servers = [
        {"name": "time", "title": "Time", "state": "up"},
        {"name": "files", "title": "Case\x1b[31m files", "state": "down", "reason": "it ended"},
    ]
    own, _, behind = output.tools_table(tools, servers).partition("Time (up)")
    of_time, _, of_files = behind.partition("files (down: ")
    assert "whoami" in own
    assert "timer_x" in own
    assert "time_now" not in own
    assert "time_now" in of_time
    assert of_files == "it ended)\n\nNo tools."


def test_a_name_that_is_the_login_is_said_once() -> None:
    person = {"name": "ann@example.com", "login": "ann@example.com"}
    assert output.identity_lines({"person": person}).startswith("Person  ann@example.com\n")
