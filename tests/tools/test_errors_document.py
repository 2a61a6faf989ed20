"""docs/errors.md names every code that a tool can answer."""

import re
from pathlib import Path

import okta_mcp
from okta_mcp.okta.errors import OKTA_CODES
from okta_mcp.tools.answers import TOOL_CODES

PAGE = Path(okta_mcp.__file__).parents[1] / "docs" / "errors.md"


def test_the_page_lists_exactly_the_codes_that_exist() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted([*OKTA_CODES, *TOOL_CODES])
