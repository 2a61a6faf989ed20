"""The page about the client says what the client does."""

import re
from pathlib import Path

import pytest

import okta_mcp
from okta_mcp.client.callback import entered_address
from okta_mcp.client.connect import connect
from okta_mcp.client.errors import EXIT_STATUSES
from okta_mcp.client.login_verbs import login, logout, status
from okta_mcp.client.registration import SECRET_VARIABLE
from okta_mcp.client.server_verbs import call, prompts, resources, tools

PAGE = (Path(okta_mcp.__file__).parents[1] / "docs" / "client.md").read_text(encoding="utf-8")
VERBS = (login, tools, call, resources, prompts, status, connect, logout)


def test_the_page_has_the_exit_statuses() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE))
    assert rows == {str(number): meaning for number, meaning in EXIT_STATUSES.items()}


def test_the_page_has_each_verb_once() -> None:
    assert re.findall(r"^\| `(\w+) URL", PAGE, re.MULTILINE) == [verb.name for verb in VERBS]


@pytest.mark.parametrize(
    "word",
    [
        *sorted(
            {
                option
                for verb in VERBS
                for parameter in verb.params
                for option in parameter.opts
                if option.startswith("--") and not getattr(parameter, "hidden", False)
            }
        ),
        entered_address().redirect_uri,
        SECRET_VARIABLE,
    ],
)
def test_the_page_names(word: str) -> None:
    assert f"`{word}" in PAGE or f" {word} " in PAGE
