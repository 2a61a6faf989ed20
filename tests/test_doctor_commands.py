"""`okta-mcp doctor` as it is typed: its lines, JSON, exit status, and its page of the docs."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from okta_mcp.__main__ import main
from okta_mcp.audit.trail import AuditFileError, BrokenChainError
from okta_mcp.doctor.checks import IDS
from okta_mcp.rbac.policy_file import PolicyError
from okta_mcp.serving.start_errors import lines_of
from okta_mcp.settings import SettingsError
from okta_mcp.stores.interface import StoreUnavailableError
from tests.vocabulary.processes import SandboxProcess

PAGE = Path(__file__).parents[1] / "docs" / "doctor.md"
LINE = re.compile(r"(ok|warning|failed|skipped) +([a-z_.]+) +(.+?)(?:  -> (.+))?")

Run = Callable[..., Result]


@pytest.fixture
def run(
    sandbox: SandboxProcess, server_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Runs the command with the settings of a good server, changed."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("OKTA_", "GROUP_TO_ROLE_", "POLICY_FILE")):
            monkeypatch.delenv(name)

    def run(*words: str, **changes: str) -> Result:
        environment = sandbox.settings_for_server() | changes
        return CliRunner().invoke(
            main, ["doctor", "--port", str(server_port), *words], env=environment
        )

    return run


def test_a_check_that_there_is_not_is_refused(run: Run) -> None:
    assert run("--only", "okta.nothing").exit_code == 2


def test_unusable_settings_have_a_status_of_their_own(run: Run) -> None:
    result = run(LOG_LEVEL="LOUD")
    assert result.exit_code == 2
    first, last = result.stdout.splitlines()
    assert LINE.fullmatch(first)
    assert last == f"The other {len(IDS) - 1} checks wait until these are right."


def test_an_env_file_that_is_not_there_is_named(run: Run) -> None:
    result = run("--env-file", "production.env")
    assert result.exit_code == 2
    assert "no such file: production.env" in result.stdout


def test_one_failure_is_exit_status_1(run: Run) -> None:
    assert run("--only", "okta.client", OKTA_CLIENT_SECRET="not-the-secret").exit_code == 1


def test_a_warning_is_exit_status_0(run: Run, sandbox: SandboxProcess) -> None:
    sandbox.control("settings", {"api_token_role": "READ_ONLY_ADMIN"})
    result = run("--only", "okta.api_rights")
    assert (result.exit_code, result.stdout[:7]) == (0, "warning")


def test_there_is_a_line_for_each_check_in_their_order(run: Run) -> None:
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    found = [LINE.fullmatch(line) for line in result.stdout.splitlines()]
    assert [line[2] for line in found if line] == list(IDS)


def test_json_says_the_same_to_scripts(run: Run) -> None:
    told = json.loads(run("--json", "--only", "okta.client", "--only", "clock").stdout)
    assert [each["id"] for each in told] == ["clock", "okta.client"]
    assert {frozenset(each) for each in told} == {frozenset({"id", "status", "seen", "fix"})}


@pytest.mark.parametrize(
    ("error", "check"),
    [
        (SettingsError(["LOG_LEVEL: must be INFO."]), "settings"),
        (SettingsError(["--env-file: no such file: x"]), "settings"),
        (PolicyError(["/x.toml: cannot be read"]), "policy"),
        (PolicyError(["GROUP_TO_ROLE_VIEWER: no group is mapped"]), "policy"),
        (AuditFileError("cannot write /x"), "audit"),
        (BrokenChainError(1, "x"), "audit"),
        (StoreUnavailableError("cannot write /x"), "store"),
    ],
    ids=str,
)
def test_every_error_of_a_start_names_its_check(error: Exception, check: str) -> None:
    assert check in IDS
    assert lines_of(error)[-1] == f"Check: okta-mcp doctor --only {check}"


@pytest.mark.parametrize("line", ["--port: in use", "--workers: no", "--sandbox: no"])
def test_what_only_the_command_line_says_is_for_no_check(line: str) -> None:
    assert lines_of(SettingsError([line])) == [line]


def test_the_page_holds_exactly_the_checks_in_their_order() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## The checks")[2]
    listed = re.findall(r"^\| `([a-z_.]+)` \|", table, re.MULTILINE)
    assert listed == list(IDS)
