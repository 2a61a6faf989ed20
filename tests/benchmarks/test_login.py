"""`python -m benchmarks.login`: that it runs, verifies what it measures and says so in its form."""

import re

from tests.benchmarks.runs import short_run

ROW = re.compile(r"^\| whole logins .+ \| at least 3 times \| [\d.]+ times \|$", re.MULTILINE)
FIGURES = re.compile(
    r"^(okta_mcp|OIDCProxy): \d+\.\d logins a second, \d+\.\d ms of its processor each,"
    r" which was busy \d+% of the time\.$",
    re.MULTILINE,
)


def test_short_run_shows_both_ratios_and_what_they_are_of() -> None:
    shown = short_run("login")
    assert shown.startswith("| measure | target | measured |\n|---|---|---|\n")
    assert len(ROW.findall(shown)) == 2
    assert FIGURES.findall(shown) == ["okta_mcp", "OIDCProxy"]
    assert "Python" in shown.splitlines()[-1]
