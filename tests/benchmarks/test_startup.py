"""`python -m benchmarks.startup`."""

import re

from tests.benchmarks.runs import short_run


def test_a_short_run_shows_both_ratios_and_what_they_were_measured_with() -> None:
    head, ruler, start, memory, _, took, _, against = short_run("startup").strip().split("\n")
    assert head == "| measure | target | measured |"
    assert ruler == "|---|---|---|"
    assert re.fullmatch(r"\| start to .* \| at most 1\.2 times \| [\d.]+ times \|", start)
    assert re.fullmatch(r"\| resident .* \| at most 1\.25 times \| [\d.]+ times \|", memory)
    seconds = r"\d+\.\d\d s \(\d+\.\d\d s of processor time\) and \d+ MB"
    assert re.search(
        rf"okta_mcp with 34 tools: {seconds}\. FastMCP with one tool: {seconds}\.", took
    )
    assert "fastmcp 4." in against
