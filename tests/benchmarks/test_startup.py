"""`python -m benchmarks.startup`."""

import re
import subprocess
import sys

from tests.vocabulary.processes import CHECKOUT


def test_a_short_run_shows_both_ratios_and_what_they_were_measured_with() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.startup", "--short"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    head, ruler, start, memory, _, against = ended.stdout.strip().split("\n")
    assert head == "| measure | target | measured |"
    assert ruler == "|---|---|---|"
    assert re.fullmatch(r"\| start to .* \| at most 1\.2 times \| \d+\.\d\d times \|", start)
    assert re.fullmatch(r"\| resident .* \| at most 1\.25 times \| \d+\.\d\d times \|", memory)
    seconds = r"\d+\.\d\d s \(\d+\.\d\d s of processor time\) and \d+ MB"
    assert re.search(
        rf"okta_mcp with 34 tools: {seconds}\. FastMCP with one tool: {seconds}\.", against
    )
    assert "fastmcp 4." in against
