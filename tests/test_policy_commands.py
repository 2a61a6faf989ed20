"""`policy check` and `policy explain` as a person runs them: text, streams and exit status."""

import json
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from okta_mcp.__main__ import main
from tests.vocabulary.processes import SandboxProcess, free_port
from tests.vocabulary.service import entry, key_pair, policy_file, private_pem

HANA = "hana.help@northwind.example"
SHIPPED = files("okta_mcp.rbac").joinpath("default_policy.toml").read_text(encoding="utf-8")
OWN = (
    'roles = ["viewer", "help-desk", "security-admin", "super-admin"]\n'
    '[groups]\nhelp-desk = ["Help Desk, EMEA", "00g1emaKYZTWRYYRRTSK"]\n'
    + SHIPPED.replace(
        'list_okta_network_zones = "super-admin"', 'list_okta_network_zones = "nobody"'
    ).replace('list_okta_user_factors = "security-admin"', 'list_okta_user_factors = "help-desk"')
    + "[limits.viewer.get_okta_event_logs]\nwindow_days = 7\nlimit = 100\nq = false\n"
)

SERVICE = entry(scopes=["okta.users.read"], description="Runs the playbooks")

Run = Callable[..., Result]


@pytest.fixture
def own(tmp_path: Path) -> str:
    return str(written(tmp_path, OWN))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `okta-mcp policy`; the environment is the given one and nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("OKTA_", "GROUP_TO_ROLE_", "POLICY_FILE")):
            monkeypatch.delenv(name)

    def run(*words: str, **environment: str) -> Result:
        return CliRunner().invoke(main, ["policy", *words], env=environment)

    return run


def written(folder: Path, text: str, name: str = "own.toml") -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return path


# --- check ---


def test_a_file_with_faults_is_told_line_by_line(run: Run, tmp_path: Path) -> None:
    wrong = OWN.replace("get_okta_user =", "get_okta_usr =").replace("limit = 100", "limit = 9999")
    path = written(tmp_path, wrong)
    result = run("check", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    lines = wrong.splitlines()
    for problem in result.stderr.splitlines():
        name, number, _ = problem.split(":", 2)
        assert name == str(path)
        assert 1 <= int(number) <= len(lines)
    assert "get_okta_usr: no such tool; did you mean get_okta_user?" in result.stderr
    assert "get_okta_user: has no entry" in result.stderr
    assert f"{lines.index('limit = 9999') + 1}: [limits.viewer.get_okta_event_logs] limit" in (
        result.stderr
    )


def test_a_file_that_is_not_there_is_one_line(run: Run) -> None:
    result = run("check", "absent.toml")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("absent.toml: cannot be read: No such file or directory.")


def test_a_file_in_order_is_summed_up(run: Run, own: str) -> None:
    result = run("check", own)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line}
    assert rows["role"][:3] == ["tools", "resources", "prompts"]
    assert int(rows["help-desk"][0]) == int(rows["viewer"][0]) + 1
    assert rows["help-desk"][3:] == ["Help", "Desk,", "EMEA,", "00g1emaKYZTWRYYRRTSK"]
    assert "Nobody may use: list_okta_network_zones" in result.stdout
    assert (
        "viewer, get_okta_event_logs: since may be at most 7 days before until; limit may be at"
        " most 100; q may not be given"
    ) in result.stdout
    assert "[tools] list_okta_network_zones: nobody (shipped: super-admin)" in result.stdout
    assert "[tools] list_okta_user_factors: help-desk (shipped: security-admin)" in result.stdout
    assert "roles: viewer, help-desk, security-admin, super-admin (shipped: " in result.stdout


def test_the_shipped_policy_is_a_file_in_order_without_differences(
    run: Run, tmp_path: Path
) -> None:
    result = run("check", str(written(tmp_path, SHIPPED)))
    assert result.exit_code == 0
    assert "Different from the shipped policy: nothing" in result.stdout


def test_services_are_listed_with_role_scopes_and_keys(run: Run, tmp_path: Path) -> None:
    result = run("check", str(policy_file(tmp_path, SERVICE)))
    assert result.exit_code == 0
    [told] = [line for line in result.stdout.splitlines() if "soar-playbooks" in line]
    assert told.startswith("  soar-playbooks: viewer; okta.users.read; EC P-256 (ES256, sha256 ")
    assert told.endswith("; Runs the playbooks")


def test_a_services_private_key_is_a_fault_and_stays_secret(run: Run, tmp_path: Path) -> None:
    wrong = entry(public_key=private_pem(key_pair()))
    result = run("check", str(policy_file(tmp_path, wrong)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "[services.soar-playbooks] public_key: is a private or secret key" in result.stderr
    assert private_pem(key_pair()).splitlines()[1] not in result.stderr


# --- explain, for a service ---


SERVERS = '[servers.time]\nrole = "viewer"\ndeny = ["set_*"]\n[servers.gone]\nroles = ["viewer"]\n'


def servers_of(folder: Path, **entries: str) -> str:
    path = folder / "mcp.json"
    servers = {name: {"url": url, "okta_mcp": {"title": "Time"}} for name, url in entries.items()}
    path.write_text(json.dumps({"mcpServers": servers}))
    path.chmod(0o600)
    return str(path)


def test_servers_that_cannot_be_read_are_faults_of_a_check(run: Run, tmp_path: Path) -> None:
    path = servers_of(tmp_path, time="http://mcp.example.com")
    found = run("check", str(written(tmp_path, OWN + SERVERS)), "--mcp-config", path)
    assert found.exit_code == 1
    assert "mcpServers.time.url: must be https" in found.stderr


def test_a_check_shows_who_gets_which_server_and_what_does_not_fit(
    run: Run, tmp_path: Path
) -> None:
    path = servers_of(tmp_path, time="https://a.example", new="https://b.example")
    found = run("check", str(written(tmp_path, OWN + SERVERS)), "--mcp-config", path)
    assert found.exit_code == 0
    assert "time: viewer and above: everything, but not set_*" in found.stdout
    assert "[servers.gone] of the policy names a server that MCP_CONFIG has not" in found.stdout
    assert "new of MCP_CONFIG has no [servers.new]" in found.stdout


@pytest.mark.parametrize(
    ("tool", "status", "told"),
    [
        ("time_now", 0, "rule      [servers.time] viewer and above"),
        ("time_set_zone", 1, "take it out of deny"),
        ("new_x", 1, "in [servers.new] of POLICY_FILE"),
        ("gone_x", 2, "there is no tool gone_x"),
    ],
)
def test_a_tool_of_a_server_is_explained(
    run: Run, tmp_path: Path, tool: str, status: int, told: str
) -> None:
    path = servers_of(tmp_path, time="https://a.example", new="https://b.example")
    policy = str(written(tmp_path, OWN + SERVERS))
    words = ("explain", HANA, tool, "--groups", "staff", "--policy", policy, "--mcp-config", path)
    found = run(*words, GROUP_TO_ROLE_VIEWER="staff")
    assert found.exit_code == status, found.output
    assert told in found.output


@pytest.mark.parametrize(
    ("tool", "status", "told"),
    [
        ("list_okta_users", 0, "the service soar-playbooks may use list_okta_users."),
        ("list_okta_users", 0, "role      viewer, by [services.soar-playbooks] of the policy file"),
        ("list_okta_users", 0, "service   Runs the playbooks"),
        ("list_okta_groups", 1, "add what the tool needs to scopes in [services.soar-playbooks]"),
        ("list_okta_user_factors", 1, "give it the role security-admin in [services.soar-pla"),
        ("get_okta_usr", 2, "no tool get_okta_usr; did you mean get_okta_user?"),
    ],
)
def test_a_service_is_explained_without_a_question_to_okta(
    run: Run, tmp_path: Path, tool: str, status: int, told: str
) -> None:
    path = str(policy_file(tmp_path, SERVICE))
    result = run("explain", "soar-playbooks", tool, "--policy", path, GROUP_TO_ROLE_VIEWER="staff")
    assert result.exit_code == status
    assert told in result.output


def test_with_groups_the_name_is_a_persons(run: Run, tmp_path: Path) -> None:
    path = str(policy_file(tmp_path, SERVICE))
    words = ["soar-playbooks", "list_okta_groups", "--policy", path, "--groups", "staff"]
    result = run("explain", *words, GROUP_TO_ROLE_VIEWER="staff")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "soar-playbooks")


# --- explain, with given groups ---


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["get_okta_usr", "--groups", "staff"],
            "no tool get_okta_usr; did you mean get_okta_user?",
        ),
        (["get_okta_user", "--groups", "staff", "--policy", "absent.toml"], "cannot be read"),
        (["get_okta_user"], "OKTA_ORG_URL: is required"),
    ],
)
def test_what_cannot_be_told_has_a_status_of_its_own(run: Run, words: list[str], told: str) -> None:
    result = run("explain", "ann", *words, GROUP_TO_ROLE_VIEWER="staff")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_without_any_mapped_group_nothing_can_be_told(run: Run) -> None:
    result = run("explain", "ann", "get_okta_user", "--groups", "staff")
    assert result.exit_code == 2
    assert "no group is mapped to any role" in result.stderr


@pytest.mark.parametrize(
    ("groups", "tool", "facts"),
    [
        ("other", "get_okta_user", ["none: no group of the person is mapped", '"staff"']),
        ("", "get_okta_user", ["groups    none"]),
        ("Staff", "get_okta_user", ["no group of the person is mapped"]),
        (
            "staff",
            "list_okta_user_factors",
            [
                'role      viewer, by "staff" in GROUP_TO_ROLE_VIEWER',
                '[tools] list_okta_user_factors = "help-desk"',
                'into one of these groups in Okta: "Help Desk, EMEA", "00g1emaKYZTWRYYRRTSK"',
            ],
        ),
        ("staff", "list_okta_network_zones", ["nobody may use this tool"]),
        ("staff", "list_okta_application_users", ["map a group to security-admin (no group is)"]),
    ],
)
def test_a_no_says_which_step_said_it_and_what_would_change_it(
    run: Run, own: str, groups: str, tool: str, facts: list[str]
) -> None:
    result = run(
        *("explain", "ann", tool, "--groups", groups, "--policy", own), GROUP_TO_ROLE_VIEWER="staff"
    )
    assert result.exit_code == 1
    assert result.stdout.startswith(f"ann may not use {tool}.")
    assert "To change it: " in result.stdout
    for fact in facts:
        assert fact in result.stdout


@pytest.mark.parametrize(
    ("groups", "tool", "fact"),
    [
        (
            '"Help Desk, EMEA", other',
            "list_okta_user_factors",
            'role      help-desk, by "Help Desk, EMEA" in [groups] of the policy file',
        ),
        ("00g1emaKYZTWRYYRRTSK", "list_okta_user_factors", "role      help-desk, by"),
        (
            "staff",
            "get_okta_event_logs",
            "limits    since may be at most 7 days before until; limit",
        ),
        ("staff", "get_okta_user", "scopes    okta.users.read"),
        ("staff", "get_current_time", "scopes    none: the tool reads nothing of Okta"),
    ],
)
def test_a_yes_says_by_what(run: Run, own: str, groups: str, tool: str, fact: str) -> None:
    result = run(
        *("explain", "ann", tool, "--groups", groups),
        GROUP_TO_ROLE_VIEWER="staff",
        POLICY_FILE=own,
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"ann may use {tool}.")
    assert fact in result.stdout
    assert f"policy    {own}" in result.stdout


# --- explain, with what Okta says ---


@pytest.fixture
def env_file(tmp_path: Path, sandbox: SandboxProcess) -> Path:
    settings = sandbox.settings_for_server()
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    return written(tmp_path, lines, ".env")


@pytest.mark.parametrize(
    ("person", "status", "told"),
    [
        (HANA, 1, 'viewer, by "sso-viewers" in GROUP_TO_ROLE_VIEWER'),
        ("nora.super@northwind.example", 0, "super-admin, by "),
        ("cole.contractor@northwind.example", 1, "is of type APP_GROUP"),
        ("lena.leaver@northwind.example", 1, "SUSPENDED: the account may not act"),
        ("nobody@northwind.example", 2, "Okta knows nobody as nobody@northwind.example"),
        ("../groups", 2, "neither an Okta id nor a login"),
        ("me", 2, "me is not a person here"),
    ],
)
@pytest.mark.usefixtures("env_file")
def test_okta_is_asked_about_the_person(run: Run, person: str, status: int, told: str) -> None:
    result = run("explain", person, "list_okta_network_zones")
    assert result.exit_code == status, result.output
    assert told in result.output


@pytest.mark.usefixtures("env_file")
def test_okta_that_refuses_the_credentials_is_no_answer(run: Run) -> None:
    result = run("explain", HANA, "get_okta_user", OKTA_API_TOKEN="00notthetoken")
    assert result.exit_code == 2
    assert "okta_unauthorized" in result.stderr
    assert "--groups" in result.stderr
    assert "00notthetoken" not in result.output


@pytest.mark.usefixtures("env_file")
def test_a_server_that_asks_only_by_peoples_own_sign_ins_is_no_answer(run: Run) -> None:
    result = run("explain", HANA, "get_okta_user", OKTA_API_AUTH="claims")
    assert result.exit_code == 2
    assert "or give the person's groups with --groups" in result.stderr


@pytest.mark.usefixtures("env_file")
def test_okta_that_is_away_is_no_answer(run: Run) -> None:
    result = run("explain", HANA, "get_okta_user", OKTA_ORG_URL=f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 2
    assert "cannot be reached" in result.stderr
