"""`python -m benchmarks.context`: what tools and answers take, in the form that the page has."""

import re

from benchmarks.context import ANSWERS, MOST_BYTES_OF_THE_18, report
from okta_mcp.rbac.policy import SHIPPED_ROLES
from tests.benchmarks.runs import short_run

# Tokens follow where whoever runs this has the package that counts them.
TOLD = re.compile(r"^\| ([^|]+) \| ([\d,]+) \|(?: [\d,]+ \|)?$", re.MULTILINE)
ANSWERED = re.compile(
    r"^\| (\d+ \w+) \| ([\d,]+) \| ([\d,]+) \| ([\d.]+)% \|(?: [\d,]+ \| [\d,]+ \|)?$",
    re.MULTILINE,
)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_a_short_run_shows_what_each_role_is_told_and_what_answers_take() -> None:
    shown = short_run("context")
    assert shown.startswith("| what a client is told about tools | bytes |")
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


def test_tokens_are_those_of_the_very_text_whose_bytes_are_shown() -> None:
    texts: list[str] = []

    def count(text: str) -> int:
        texts.append(text)
        return 1000 + len(texts)

    told, answered = report(
        [("tools", ["ü"])], [("2 rows", {"a": 1}, {"a": 1, "b": 2})], count
    ).below
    assert texts == ['["ü"]', '{"a":1}', '{"a":1,"b":2}']
    assert told.splitlines()[0].endswith("| bytes | tokens |")
    assert told.splitlines()[-1] == "| tools | 6 | 1,001 |"
    assert answered.splitlines()[0].endswith("| share | tokens here | tokens of Okta |")
    assert answered.splitlines()[-1] == "| 2 rows | 7 | 13 | 53.8% | 1,002 | 1,003 |"
