"""The commands of docs/gateway.md as somebody types them, with a browser that signs in."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.vocabulary.client_environments import Environments, needs_npm
from tests.vocabulary.pinned_clients import NPM_SERVERS, SERVERS
from tests.vocabulary.processes import CHECKOUT, START_SECONDS, free_port, running_sandbox
from tests.vocabulary.real_servers import SCRIPT_OF_FILES, SECURITY_ADMIN, VIEWER

pytestmark = needs_npm

GUIDE = (CHECKOUT / "docs" / "gateway.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^<!-- run(?:: ([\w-]+))? -->\n```sh\n(.*?)^```$", GUIDE)
PEOPLE = {"viewer": VIEWER, "security-admin": SECURITY_ADMIN}
BROWSER = """import asyncio, sys
from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import signs_in
asyncio.run(signs_in(Browser(), sys.argv[2], sys.argv[1]))
"""


@dataclass
class Terminal:
    """A shell in `folder`, which is like the checkout; `url` stands for the guide's."""

    folder: Path
    programs: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def typed(self, block: str, person: str = "") -> str:
        """What the commands print; every one of them ends well."""
        ran = subprocess.run(
            ["sh", "-e", "-c", self._here(block)],
            cwd=self.folder,
            env=self._environment(person),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, (block, ran.stdout, ran.stderr)
        return ran.stdout

    @contextlib.contextmanager
    def serving(self, block: str) -> Iterator[None]:
        """While the command runs that starts the server."""
        log_file = self.folder.parent / "server.log"
        with (
            log_file.open("w") as log,
            subprocess.Popen(
                ["sh", "-c", f"{self._here(block).rstrip()} --port {self.port}"],
                cwd=self.folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            try:
                self._wait_for_health(process, log_file)
                yield
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=30)

    def _wait_for_health(self, process: subprocess.Popen[bytes], log_file: Path) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert process.poll() is None, log_file.read_text()
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health", timeout=5).is_success:
                    return
            time.sleep(0.05)
        raise AssertionError(log_file.read_text())

    def _here(self, block: str) -> str:
        return block.replace("http://localhost:3001", self.url)

    def _environment(self, person: str = "") -> dict[str, str]:
        browser = self.programs / "browser"
        words = [sys.executable, "-c", BROWSER, person]
        # It comes back at once, as a desktop's does.
        browser.write_text(f'#!/bin/sh\n{shlex.join(words)} "$1" >/dev/null 2>&1 &\n')
        browser.chmod(0o755)
        python = str(Path(sys.executable).parent)
        return {
            "PATH": os.pathsep.join([str(self.programs), python, os.defpath]),
            "HOME": str(self.folder.parent),
            "PYTHONPATH": str(CHECKOUT),
            "BROWSER": str(browser),
        }


@pytest.fixture
def terminal(environments: Environments, tmp_path: Path) -> Terminal:
    """In a folder with what the guide uses of the checkout; its two servers are installed."""
    folder, programs = tmp_path / "okta-mcp", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    (folder / "okta_mcp").symlink_to(CHECKOUT / "okta_mcp")
    shutil.copytree(CHECKOUT / "docs", folder / "docs")
    commands = {
        "mcp-server-time": environments.server("mcp-server-time"),
        "mcp-server-filesystem": environments.server(SCRIPT_OF_FILES),
    }
    for name, words in commands.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (programs / name).chmod(0o755)
    return Terminal(folder, programs, free_port())


def test_the_guide_installs_servers_that_are_tried() -> None:
    names = re.findall(r"`(?:pip|npm) install (?:--global )?([^`]+)`", GUIDE)
    assert len(names) == 2
    assert set(names) <= {*SERVERS, *NPM_SERVERS}


def test_every_command_of_the_five_minutes_works(terminal: Terminal) -> None:
    kinds = [kind for kind, _ in BLOCKS]
    assert kinds == ["", "", "server", "viewer", "security-admin", "okta", "server", ""]
    configuration, policy, trial, viewer, admin, okta, server, assistants = (
        block for _, block in BLOCKS
    )
    terminal.typed(configuration)
    assert "time" in terminal.typed(policy)
    with terminal.serving(trial):
        shown = terminal.typed(viewer, PEOPLE["viewer"])
        assert "time_get_current_time" in shown
        assert "+09:00" in shown
        assert "files_" not in shown
        assert "gateway.md" in terminal.typed(admin, PEOPLE["security-admin"])
    with running_sandbox(terminal.url) as sandbox:
        settings = sandbox.settings_for_server().items()
        env_file = terminal.folder / ".env"
        env_file.write_text("".join(f"{name}={value}\n" for name, value in settings))
        env_file.chmod(0o600)
        assert "gateway" in terminal.typed(okta)
        with terminal.serving(server):
            assert terminal.url in terminal.typed(assistants)
            assert "time_" in terminal.typed(viewer, PEOPLE["viewer"])


def test_an_env_file_for_each_environment_fills_in_one_mcp_json(terminal: Terminal) -> None:
    [block] = re.findall(
        r"^```sh\n(python -m okta_mcp doctor.* --env-file staging.env)$", GUIDE, re.MULTILINE
    )
    terminal.typed(BLOCKS[0][1] + BLOCKS[1][1])
    mcp_json = terminal.folder / "mcp.json"
    mcp_json.write_text(mcp_json.read_text().replace('"docs"', '"${CASES}"'))
    with running_sandbox(terminal.url) as sandbox:
        settings = sandbox.settings_for_server() | {"MCP_CONFIG": "mcp.json"}
        for name in ("staging", "production"):
            env_file = terminal.folder / f"{name}.env"
            lines = (settings | {"CASES": f"docs/{name}"}).items()
            env_file.write_text("".join(f"{key}={value}\n" for key, value in lines))
            env_file.chmod(0o600)
        (terminal.folder / "docs" / "staging").mkdir()
        assert "files: up" in terminal.typed(block)
        assert "files: down" in terminal.typed(block.replace("staging", "production"))
