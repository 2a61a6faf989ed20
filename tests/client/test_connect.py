"""What `connect` prints and writes, for each assistant; a person's file is never made worse."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from okta_mcp.client.assistants import ASSISTANTS, Machine
from okta_mcp.client.connect import connect

URL = "https://mcp.acme.example/mcp"
PYTHON = ("/venv/bin/python", "-m", "okta_mcp")
HTTP = {"type": "http", "url": URL}

# Each assistant, its file under home, settings or folder, and what stands there.
FORMS: list[tuple[str, str, dict[str, Any]]] = [
    ("vscode", "settings/Code/User/mcp.json", {"servers": {"okta": HTTP}}),
    ("cursor", "home/.cursor/mcp.json", {"mcpServers": {"okta": {"url": URL}}}),
    (
        "claude-desktop",
        "settings/Claude/claude_desktop_config.json",
        {
            "mcpServers": {
                "okta": {"command": PYTHON[0], "args": [*PYTHON[1:], "bridge", URL]},
            }
        },
    ),
    ("claude-code", "folder/.mcp.json", {"mcpServers": {"okta": HTTP}}),
    (
        "windsurf",
        "home/.codeium/windsurf/mcp_config.json",
        {"mcpServers": {"okta": {"serverUrl": URL}}},
    ),
]


def run(folder: Path, *words: str, url: str = URL, checkout: Path | None = None) -> Result:
    machine = Machine(
        folder / "home", folder / "settings", folder / "folder", PYTHON, checkout=checkout
    )
    return CliRunner().invoke(connect, [url, *words], obj=machine)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--client"),
        (["--client", "emacs"], "emacs"),
        (["--client", "cursor", "--write", "--file", "there"], "cannot be written"),
    ],
)
def test_wrong_usage_is_said_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").symlink_to(tmp_path / "there")
    answer = run(tmp_path, *words)
    assert answer.exit_code == 64
    assert said in answer.stderr
    assert files(tmp_path) == []


@pytest.mark.parametrize("url", ["ftp://mcp.acme.example/mcp", "http://mcp.acme.example/mcp", "x"])
def test_a_url_that_no_assistant_could_use_is_refused(tmp_path: Path, url: str) -> None:
    assert run(tmp_path, "--client", "cursor", "--write", url=url).exit_code == 64
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        b'{\n  // mine\n  "mcpServers": {}\n}\n',
        b'{"mcpServers": {"a": {},}}',
        b'{"mcpServers": {"a": {"url": "1"}, "a": {"url": "2"}}}',
        b'{"mcpServers": []}',
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_file_that_could_not_be_written_again_is_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "mcp.json"
    file.write_bytes(content)
    answer = run(tmp_path, "--client", "cursor", "--write", "--file", str(file))
    assert answer.exit_code == 64
    assert "by hand" in answer.stderr
    assert (file.read_bytes(), files(tmp_path)) == (content, [file])


def test_another_entry_of_the_name_is_replaced_only_when_told(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{"mcpServers": {"okta": {"url": "https://other.example/mcp"}}}')
    words = ("--client", "cursor", "--write", "--file", str(file))
    refused = run(tmp_path, *words)
    assert refused.exit_code == 64
    assert "--replace" in refused.stderr
    assert "other.example" in file.read_text()
    assert run(tmp_path, *words, "--replace").exit_code == 0
    assert json.loads(file.read_text()) == {"mcpServers": {"okta": {"url": URL}}}


@pytest.mark.parametrize(("client", "place", "content"), FORMS)
def test_the_configuration_is_printed_and_nothing_written(
    tmp_path: Path, client: str, place: str, content: dict[str, Any]
) -> None:
    answer = run(tmp_path, "--client", client)
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == content
    assert str(tmp_path / place) in answer.stderr
    assert files(tmp_path) == []


@pytest.mark.parametrize(("client", "place", "content"), FORMS)
def test_the_configuration_is_written_once(
    tmp_path: Path, client: str, place: str, content: dict[str, Any]
) -> None:
    assert run(tmp_path, "--client", client, "--write").exit_code == 0
    file = tmp_path / place
    assert json.loads(file.read_text()) == content
    assert file.stat().st_mode & 0o777 == 0o600
    again = run(tmp_path, "--client", client, "--write")
    assert "has it already" in again.stdout
    assert files(tmp_path) == [file]


def test_every_assistant_has_its_line() -> None:
    assert [client for client, _, _ in FORMS] == list(ASSISTANTS)


def test_everything_else_in_the_file_stays(tmp_path: Path) -> None:
    """The old file stays beside it, each time; order, indentation, rights and a link too."""
    kept = tmp_path / "dotfiles" / "mcp.json"
    kept.parent.mkdir()
    before = {"inputs": [{"id": "ключ"}], "servers": {"mine": {"command": "x", "env": {"A": "b"}}}}
    old = json.dumps(before, indent=4, ensure_ascii=False)
    kept.write_text(old)
    kept.chmod(0o640)
    link = tmp_path / "mcp.json"
    link.symlink_to(kept)
    words = ("--client", "vscode", "--write", "--file", str(link))
    assert run(tmp_path, *words).exit_code == 0
    assert run(tmp_path, *words, "--name", "second").exit_code == 0
    assert link.is_symlink()
    after = kept.read_text()
    assert json.loads(after)["servers"] == before["servers"] | {"okta": HTTP, "second": HTTP}
    assert after.startswith('{\n    "inputs": [')
    assert "ключ" in after
    assert kept.stat().st_mode & 0o777 == 0o640
    backups = sorted(kept.parent.glob("mcp.json.backup*"))
    assert [backup.name for backup in backups] == ["mcp.json.backup1", "mcp.json.backup2"]
    assert backups[0].read_text() == old
    assert backups[0].stat().st_mode & 0o777 == 0o640


def test_a_bridge_from_a_checkout_finds_its_code(tmp_path: Path) -> None:
    printed = run(tmp_path, "--client", "claude-desktop", checkout=tmp_path).stdout
    assert json.loads(printed)["mcpServers"]["okta"]["env"] == {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize(
    ("client", "other_way"),
    [
        ("vscode", "vscode:mcp/install?%7B%22name%22%3A%22okta%22%2C%22type%22%3A%22http%22"),
        ("claude-code", f"claude mcp add --transport http okta {URL}"),
        ("claude-desktop", "Add custom connector"),
    ],
)
def test_a_way_without_a_file_is_named(tmp_path: Path, client: str, other_way: str) -> None:
    assert other_way in run(tmp_path, "--client", client).stderr


def test_a_command_to_paste_is_one_command(tmp_path: Path) -> None:
    url, name = f"{URL}?a=1&b=$(id);'", "my okta"
    printed = run(tmp_path, "--client", "claude-code", "--name", name, url=url).stderr
    line = printed.partition("for all folders: ")[2].partition("\n")[0]
    assert shlex.split(line) == ["claude", "mcp", "add", "--transport", "http", name, url]


def test_a_local_url_gets_no_connector_of_the_web(tmp_path: Path) -> None:
    printed = run(tmp_path, "--client", "claude-desktop", url="http://localhost:3001/mcp")
    assert "custom connector" not in printed.stderr


def test_a_url_without_a_path_is_told_where_servers_mostly_are(tmp_path: Path) -> None:
    answer = run(tmp_path, "--client", "cursor", url="https://mcp.acme.example")
    assert "are at https://mcp.acme.example/mcp." in answer.stderr
    assert "are at" not in run(tmp_path, "--client", "cursor").stderr
