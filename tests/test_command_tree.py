"""The command tree as a whole: what each verb does is tested beside it."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from okta_mcp.__main__ import main


@pytest.mark.parametrize(
    ("typed", "said"),
    [("servee", "Did you mean serve?"), ("dance", "doctor"), ("tool", "Did you mean tools?")],
)
def test_an_unknown_verb_is_answered_with_the_closest(typed: str, said: str) -> None:
    answer = CliRunner().invoke(main, [typed])
    assert answer.exit_code == 64
    assert f"There is no verb {typed}." in answer.stderr
    assert said in answer.stderr


def test_help_loads_neither_a_web_server_nor_the_sdk() -> None:
    code = (
        "import sys; from okta_mcp.__main__ import main;"
        "main(['--help'], standalone_mode=False);"
        "print(sorted({'mcp', 'fastmcp', 'starlette', 'uvicorn'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.decode().splitlines()[-1] == "[]"


def test_every_verb_is_in_the_list_and_has_help() -> None:
    listed = CliRunner().invoke(main, ["--help"]).stdout
    for verb in main.list_commands(click.Context(main)):
        assert f"\n  {verb} " in listed
        assert CliRunner().invoke(main, [verb, "--help"]).exit_code == 0
