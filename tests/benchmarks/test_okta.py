"""`python -m benchmarks.okta`: that it runs, verifies what it measures and says so in its form."""

import re

from benchmarks.okta import LOCAL, OTHERS, PLAIN
from tests.benchmarks.runs import short_run

CALLS = re.compile(
    r"^\| calls to Okta for each of the 18 tools.+ \| at most 1 \| 1 \|$", re.MULTILINE
)
ADDED = re.compile(
    r"^\| time added to a tool call \(one person\) .+ \| at most 1\.5 ms \| -?[\d.]+ ms \|$",
    re.MULTILINE,
)
TOOL = re.compile(r"^\| `(\w+)` \| (\d+) \|$", re.MULTILINE)


def test_short_run_shows_the_calls_of_every_tool_and_the_time_that_one_adds() -> None:
    shown = short_run("okta")
    assert shown.startswith("| measure | target | measured |\n|---|---|---|\n")
    assert CALLS.search(shown)
    assert ADDED.search(shown)
    calls = {tool: int(number) for tool, number in TOOL.findall(shown)}
    assert calls.keys() == PLAIN.keys() | LOCAL.keys() | OTHERS.keys()
    assert {tool: calls[tool] for tool in LOCAL} == dict.fromkeys(LOCAL, 0)
    assert min(calls[tool] for tool in OTHERS) > 0
    assert "Python" in shown.splitlines()[-1]


def test_every_tool_that_is_offered_is_counted() -> None:
    """`whoami` says who asks, of what is known here already."""
    from okta_mcp.inventory import inventory
    from okta_mcp.tools.cursors import SealedCursors

    offered = {tool.name for tool in inventory(None, SealedCursors(bytes(32)), lambda: 0).tools}
    assert PLAIN.keys() | LOCAL.keys() | OTHERS.keys() == offered - {"whoami"}
    assert len(PLAIN) + len(LOCAL) == 18
