"""`python -m okta_mcp doctor` as a process beside a running server."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.doctor.conftest import resource_server_of
from tests.vocabulary.processes import (
    CHECKOUT,
    SandboxProcess,
    ServerProcess,
    free_port,
    running_server,
)


def asked(
    folder: Path, environment: dict[str, str], *words: str
) -> tuple[int, dict[str, dict[str, str]], str]:
    """Exit status, the findings by id, and everything that was printed."""
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    ended = subprocess.run(
        [sys.executable, "-m", "okta_mcp", "doctor", "--json", *words],
        env=clean | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = {finding["id"]: finding for finding in json.loads(ended.stdout)}
    return ended.returncode, found, ended.stdout + ended.stderr


def port_of(server: ServerProcess) -> str:
    return server.url.rpartition(":")[2]


def test_beside_a_running_server_everything_is_in_order(
    server: ServerProcess, tmp_path: Path
) -> None:
    status, found, _ = asked(tmp_path, server.environment, "--port", port_of(server))
    assert status == 0
    assert {each: finding["status"] for each, finding in found.items()} == dict.fromkeys(
        found, "ok"
    ) | {"okta.groups_claim": "skipped"}
    assert found["public_url.metadata"]["seen"] == f"this server answers at {server.url}"


def test_a_server_that_calls_itself_otherwise_is_told_apart(
    server: ServerProcess, tmp_path: Path
) -> None:
    """Its settings are right for another address of it than the one that it was started with."""
    other = f"http://127.0.0.1:{port_of(server)}"
    status, found, _ = asked(
        tmp_path, server.environment | {"PUBLIC_URL": other}, "--only", "public_url.metadata"
    )
    assert status == 1
    assert f"calls itself {server.url}" in found["public_url.metadata"]["seen"]


def test_without_a_server_that_is_skipped_and_no_failure(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    status, found, _ = asked(
        tmp_path,
        sandbox.settings_for_server(),
        *("--port", str(free_port()), "--only", "public_url.metadata"),
    )
    assert status == 0
    assert found["public_url.metadata"]["status"] == "skipped"
    assert "not running" in found["public_url.metadata"]["seen"]


def test_beside_a_resource_server_everything_is_in_order(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    port = free_port()
    with running_server(tmp_path / "server", port, resource_server_of(sandbox)) as server:
        status, found, _ = asked(tmp_path, server.environment, "--port", str(port))
    assert status == 0
    assert found["public_url.metadata"]["seen"] == f"this server answers at {server.url}"
    assert {finding["status"] for finding in found.values()} == {"ok", "skipped"}


def test_no_secret_of_the_settings_is_printed(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """S-07: also where each of them is refused."""
    wrong = {
        "OKTA_CLIENT_SECRET": "a-client-secret-that-is-wrong",
        "OKTA_API_TOKEN": "00an-api-token-that-is-wrong",
        "STORE_URL": "redis://user:a-password-of-redis@127.0.0.1:9/0",
    }
    environment = sandbox.settings_for_server() | wrong
    status, found, printed = asked(tmp_path, environment)
    assert status == 1
    failed = {each for each, finding in found.items() if finding["status"] == "failed"}
    assert failed == {"store", "okta.client", "okta.api_token"}
    secrets = [*wrong.values(), environment["SESSION_SECRET_KEY"], "a-password-of-redis"]
    assert [secret for secret in secrets if secret in printed] == []
