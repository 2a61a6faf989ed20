"""`python -m benchmarks.mcp`: every revision, every target, and what was measured besides."""

import re

from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from tests.benchmarks.runs import short_run

TARGET = re.compile(
    r"^\| (.+) \| (at least [\d.]+ times|at most 20 ms) \| [\d.]+ (?:times|ms) \|$", re.MULTILINE
)
REVISION = re.compile(r"^\| (20\d\d-\d\d-\d\d)((?: \| [\d,]+){4}) \|$", re.MULTILINE)
BESIDES = re.compile(
    r"^A bare Starlette endpoint answered [\d,]+ requests a second; unknown tokens were refused"
    r" [\d,]+ times, a viewer's calls of a tool of others [\d,]+ times a second\."
    r" Every answer was looked at, and every list, call and refusal had its line",
    re.MULTILINE,
)
MEMORY = re.compile(r"^Resident memory: \d+\.\d MB before .+, \d+\.\d MB after .+\.$", re.MULTILINE)


def test_a_short_run_shows_the_four_targets_and_all_revisions() -> None:
    shown = short_run("mcp")
    assert shown.startswith("| measure | target | measured |\n|---|---|---|\n")
    targets = [(measure.split()[0], target) for measure, target in TARGET.findall(shown)]
    assert targets == [
        ("`tools/list`", "at least 20 times"),
        ("call", "at least 1.5 times"),
        ("401", "at least 0.5 times"),
        ("p99", "at most 20 ms"),
    ]
    rows = REVISION.findall(shown)
    assert [revision for revision, _ in rows] == list(reversed(KNOWN_PROTOCOL_VERSIONS))
    for _, figures in rows:
        assert all(int(each.replace(",", "")) > 0 for each in figures.split(" | ")[1:])
    assert len(BESIDES.findall(shown)) == 1
    assert len(MEMORY.findall(shown)) == 1
    assert "fastmcp 4." in shown.splitlines()[-1]
