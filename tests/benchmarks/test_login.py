"""`python -m benchmarks.login`: that it runs, verifies what it measures and says so in its form."""

import re
import subprocess
import sys

from benchmarks import servers

ROW = re.compile(r"^\| whole logins .+ \| at least 3 times \| \d+\.\d\d times \|$", re.MULTILINE)
FIGURES = re.compile(
    r"^(okta_mcp|OIDCProxy): \d+\.\d logins a second, \d+\.\d ms of its processor each,"
    r" which was busy \d+% of the time\.$",
    re.MULTILINE,
)


def test_short_run_shows_both_ratios_and_what_they_are_of() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.login", "--short"],
        cwd=servers.ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("| measure | target | measured |\n|---|---|---|\n")
    assert len(ROW.findall(run.stdout)) == 2
    assert FIGURES.findall(run.stdout) == ["okta_mcp", "OIDCProxy"]
    assert "Python" in run.stdout.splitlines()[-1]
