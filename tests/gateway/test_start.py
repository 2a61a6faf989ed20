"""`--mcp-config` at the start: faults end it, and without it nothing of the gateway loads."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from okta_mcp.inventory import named_only
from okta_mcp.serving.gateway_configuration import configured_servers
from okta_mcp.settings import GatewaySettings
from tests.vocabulary.behind import eventually
from tests.vocabulary.processes import CHECKOUT, free_port

SECRET = "a-secret-of-a-server-behind"
GOOD = {
    "OKTA_ORG_URL": "http://127.0.0.1:9",
    "OKTA_CLIENT_ID": "0oa1",
    "OKTA_CLIENT_SECRET": "a-client-secret-that-must-not-be-shown",
    "GROUP_TO_ROLE_VIEWER": "staff",
    "SESSION_SECRET_KEY": "a-session-secret-of-the-tests-0123456789abcdef",
}
PROGRAM = {"command": sys.executable}


def run(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        [sys.executable, *words],
        env=clean | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def started(folder: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end at once."""
    port = str(free_port())
    words = ("-m", "okta_mcp", "serve", "--port", port, *options)
    return run(*words, folder=folder, **GOOD, **more)


def written(folder: Path, **servers: Any) -> str:
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    path.chmod(0o600)
    return str(path)


def test_a_file_with_faults_ends_the_start_with_all_of_them(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        Time={"command": "no-such-program-x"},
        web={"url": "http://mcp.example.com", "headers": {"Host": "${TOKEN}"}},
    )
    ended = started(tmp_path, "--mcp-config", path, TOKEN=SECRET)
    assert ended.returncode == 2
    for place in ("Time: ", "Time.command: ", "web.url: ", "web.headers.Host: "):
        assert f"MCP_CONFIG: {path}: mcpServers.{place}" in ended.stderr
    assert "Check: okta-mcp doctor --only gateway" in ended.stderr
    assert SECRET not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_variable_names_the_file_too(tmp_path: Path) -> None:
    ended = started(tmp_path, MCP_CONFIG=str(tmp_path / "none.json"))
    assert ended.returncode == 2
    assert "MCP_CONFIG: " in ended.stderr


def test_variables_come_from_the_env_file_too(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("FOUND=1\nEMPTY=\n")
    env_file.chmod(0o600)
    path = written(tmp_path, one={**PROGRAM, "args": ["${FOUND}", "${EMPTY}", "${GONE}"]})
    ended = started(tmp_path, "--mcp-config", path)
    places = [line for line in ended.stderr.splitlines() if "is not set" in line]
    assert ["args[1]" in places[0], "args[2]" in places[1], len(places)] == [True, True, 2]


async def test_a_reload_during_the_start_does_not_end_it(tmp_path: Path) -> None:
    path = written(tmp_path, one=PROGRAM)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **GOOD}
    words = ("-m", "okta_mcp", "serve", "--port", str(free_port()), "--mcp-config", path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words), env=environment, cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert process.stderr is not None

    def is_ignored() -> bool:
        status = Path(f"/proc/{process.pid}/status").read_text()
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        return bool(ignored >> (signal.SIGHUP - 1) & 1)

    try:
        await eventually(is_ignored)
        process.send_signal(signal.SIGHUP)
        # The address is said when it serves.
        async with asyncio.timeout(30):
            while b"http://localhost" not in (line := await process.stderr.readline()):
                assert line, "it has ended"
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("own", [{}, {"per_person": True}])
def test_several_workers_with_a_program_that_keeps_state_are_refused(
    tmp_path: Path, own: dict[str, Any]
) -> None:
    path = written(tmp_path, one={**PROGRAM, "okta_mcp": own})
    store = f"sqlite:///{tmp_path / 'store.db'}"
    ended = started(tmp_path, "--mcp-config", path, "--workers", "2", STORE_URL=store)
    assert ended.returncode == 2
    assert "mcpServers.one: each of the 2 workers" in ended.stderr
    assert '{"shared": true}' in ended.stderr


def test_several_workers_may_each_run_a_program_that_is_shared(tmp_path: Path) -> None:
    path = Path(written(tmp_path, one={**PROGRAM, "okta_mcp": {"shared": True}}))
    (server,) = configured_servers(GatewaySettings(mcp_config=path), named_only(), workers=2)
    assert server.name == "one"


@pytest.mark.parametrize("module", ["oauth_proxy", "resource_server"])
def test_without_a_file_nothing_of_the_gateway_is_loaded(tmp_path: Path, module: str) -> None:
    program = (
        f"import sys, okta_mcp.{module}.app, okta_mcp.serving.run;"
        "print([name for name in sys.modules if name.startswith('okta_mcp.gateway')])"
    )
    assert run("-c", program, folder=tmp_path).stdout.strip() == "[]"
