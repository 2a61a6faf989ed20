"""What is shipped: the two lists of dependencies, the version, the commands, the image."""

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

import okta_mcp

ROOT = Path(okta_mcp.__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def instructions(name: str) -> list[str]:
    """The arguments of every instruction of this name, continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.+)$", joined, re.MULTILINE)


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


def test_the_image_runs_without_rights() -> None:
    """S-04."""
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    users = re.findall(r"^USER\s+(\S+)$", last_stage, re.MULTILINE)
    assert users
    assert all(int(part) > 0 for part in users[-1].split(":"))


def test_every_stage_has_the_same_slim_base() -> None:
    assert {base.split()[0] for base in instructions("FROM")} == {"python:3.11-slim"}


@pytest.mark.parametrize("argument", [*instructions("COPY"), *instructions("ADD")])
def test_the_image_copies_no_settings_and_no_history(argument: str) -> None:
    """S-04."""
    words = [word for word in argument.split() if not word.startswith("--")]
    for source in words[:-1]:
        assert source not in (".", "./", "*")
        assert ".env" not in source
        assert ".git" not in source


def test_the_image_holds_no_secret() -> None:
    """S-04."""
    told = " ".join([*instructions("ENV"), *instructions("ARG"), *instructions("RUN")])
    assert re.findall(r"SECRET|TOKEN|PASSWORD|OKTA_[A-Z]+", told) == []


def test_the_build_context_is_a_list_of_what_is_wanted() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {word for argument in instructions("COPY") for word in argument.split()[:-1]}
    wanted = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert {word for word in copied if not word.startswith(("--", "/"))} == wanted
    assert "**/.env*" in rules


def test_the_image_needs_no_shell_to_start_or_to_be_checked() -> None:
    (start,) = [command for command in instructions("CMD") if command.startswith("[")]
    assert json.loads(start)[:3] == ["python", "-m", "okta_mcp.oauth_proxy.server"]
    assert json.loads(start)[3:5] == ["--host", "0.0.0.0"]
    (check,) = instructions("HEALTHCHECK")
    program = json.loads(check.partition(" CMD ")[2])
    assert program[:2] == ["python", "-c"]
    compile(program[2], "HEALTHCHECK", "exec")
    assert "/health" in program[2]


def test_the_settings_of_a_person_are_never_committed() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
