"""What is shipped: the two lists of dependencies, the version, the commands."""

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import okta_mcp

ROOT = Path(okta_mcp.__file__).parents[1]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_requirements_are_those_of_the_project() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    assert required == pyproject()["project"]["dependencies"]


def test_the_version_stands_in_one_place_and_in_the_changelog() -> None:
    project = pyproject()
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "okta_mcp.__version__"}
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## (\S+),", changes, re.MULTILINE)[0]
    assert newest == okta_mcp.__version__


def test_the_console_script_is_a_command() -> None:
    module, _, name = pyproject()["project"]["scripts"]["okta-mcp"].partition(":")
    assert isinstance(getattr(import_module(module), name), click.Command)


def test_every_file_that_is_not_python_is_packaged() -> None:
    """A template that is missing from the wheel is missed only once it is installed."""
    package = Path(okta_mcp.__file__).parent
    patterns = pyproject()["tool"]["setuptools"]["package-data"]["okta_mcp"]
    packaged = {path for pattern in patterns for path in package.glob(pattern)}
    found = {
        path
        for path in package.rglob("*")
        if path.is_file()
        and path.suffix not in (".py", ".pyc")
        and not any(part.startswith((".", "__pycache__")) for part in path.parts)
    }
    assert found - packaged == set()


def test_the_settings_of_a_person_are_never_committed() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
