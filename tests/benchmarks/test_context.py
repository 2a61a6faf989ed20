"""`python -m benchmarks.context`: what tools and answers take, in the form that the page has."""

import re

from benchmarks.context import ANSWERS, MOST_BYTES_OF_THE_18
from okta_mcp.rbac.policy import SHIPPED_ROLES
from tests.benchmarks.runs import short_run

TOLD = re.compile(r"^\| ([^|]+) \| ([\d,]+) \|$", re.MULTILINE)
ANSWERED = re.compile(r"^\| (\d+ \w+) \| ([\d,]+) \| ([\d,]+) \| ([\d.]+)% \|$", re.MULTILINE)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_a_short_run_shows_what_each_role_is_told_and_what_answers_take() -> None:
    shown = short_run("context")
    assert shown.startswith("| what a client is told about tools | bytes |\n|---|---|\n")
    told = {what: number(size) for what, size in TOLD.findall(shown)}
    the_18, everything = [size for what, size in told.items() if "tools" in what.split(",")[0]][:2]
    assert 0 < the_18 <= MOST_BYTES_OF_THE_18
    assert the_18 < everything
    for role in SHIPPED_ROLES:
        assert any(what.startswith(f"tools/list of {role},") for what in told)
    answers = ANSWERED.findall(shown)
    assert len(answers) == len(ANSWERS)
    for rows, ours, okta, share in answers:
        assert int(rows.split()[0]) > 0
        assert float(share) == round(number(ours) / number(okta) * 100, 1) < 100
