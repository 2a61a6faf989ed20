"""docs/errors.md and the table that assistants read say the same of every code that exists."""

import re
from pathlib import Path

import okta_mcp
from okta_mcp.doctor.checks import IDS
from okta_mcp.okta.errors import OKTA_CODES
from okta_mcp.tools.answers import TOOL_CODES
from okta_mcp.tools.error_codes import ERROR_CODES

PAGE = Path(okta_mcp.__file__).parents[1] / "docs" / "errors.md"


def test_every_code_that_exists_is_explained_and_no_other() -> None:
    assert sorted(ERROR_CODES) == sorted([*OKTA_CODES, *TOOL_CODES])


def test_the_page_says_what_the_table_says() -> None:
    row = r"^\| `(\w+)` \| (.+) \| (.+) \| (?:`([\w.]+)`|none) \|$"
    rows = re.findall(row, PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [
        (code, each.happened, each.to_do, each.check) for code, each in ERROR_CODES.items()
    ]


def test_every_check_of_the_table_exists() -> None:
    assert {each.check for each in ERROR_CODES.values() if each.check} <= set(IDS)
