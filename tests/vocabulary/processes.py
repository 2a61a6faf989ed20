"""The sandbox and the server as processes of their own, on loopback ports that are free."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

CHECKOUT = Path(__file__).parent.parent.parent
START_SECONDS = 90.0
SECRET_KEY = "a-session-secret-of-the-tests-0123456789abcdef"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class SandboxProcess:
    """The running organisation and its control plane."""

    ready: dict[str, Any]
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return str(self.ready["org_url"])

    def control(self, verb: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """One call of the control plane."""
        answer = httpx.request(
            method,
            f"{self.url}/__sandbox/{verb}",
            json=body or {},
            headers={"X-Sandbox-Control": self.ready["control_secret"]},
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()

    def requests(self) -> list[dict[str, Any]]:
        """The journal: what the organisation was asked."""
        return list(self.control("requests", method="GET"))

    def settings_for_server(self) -> dict[str, str]:
        """The environment of a server that uses this organisation with an API token."""
        groups = self.ready["role_groups"]
        return {
            "OKTA_ORG_URL": self.url,
            "OKTA_CLIENT_ID": self.ready["client_id"],
            "OKTA_CLIENT_SECRET": self.ready["client_secret"],
            "OKTA_API_TOKEN": self.ready["api_token"],
            "GROUP_TO_ROLE_SUPER_ADMIN": groups["super_admin"],
            "GROUP_TO_ROLE_SECURITY_ADMIN": groups["security_admin"],
            "GROUP_TO_ROLE_VIEWER": groups["viewer"],
            "SESSION_SECRET_KEY": SECRET_KEY,
        }


@contextlib.contextmanager
def running_sandbox(
    server_url: str, *options: str, service: tuple[str, Path] | None = None
) -> Iterator[SandboxProcess]:
    """A sandbox whose application has `server_url`'s callback.

    `service` is the client id of an API Services application and the file of its public keys.
    """
    if service is not None:
        options += ("--service-client-id", service[0], "--service-jwks", str(service[1]))
    command = [
        *(sys.executable, "-m", "okta_mcp.sandbox", "--port", "0", "--end-with-stdin"),
        *("--redirect-uri", f"{server_url}/oauth/callback"),
        *("--post-logout-redirect-uri", f"{server_url}/oauth/signed-out"),
        *options,
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield SandboxProcess(json.loads(process.stdout.readline()), process)
        finally:
            process.stdin.close()
            process.wait(timeout=60)


@dataclass
class ServerProcess:
    """The running server; `audit_file` is where its trail goes, `log_file` its people's log."""

    url: str
    process: subprocess.Popen[str]
    audit_file: Path
    log_file: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def mcp_url(self) -> str:
        return f"{self.url}/mcp"

    @property
    def resident_megabytes(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def written(self) -> str:
        """All that is in its trail and its log."""
        return self.audit_file.read_text() + self.log_file.read_text()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """The audit trail so far, or the events of one name."""
        lines = [json.loads(line) for line in self.audit_file.read_text().splitlines()]
        return [line for line in lines if name is None or line["event"] == name]


@contextlib.contextmanager
def running_server(
    folder: Path,
    port: int,
    environment: dict[str, str],
    *options: str,
    trust: ssl.SSLContext | None = None,
    module: str = "okta_mcp.oauth_proxy.server",
) -> Iterator[ServerProcess]:
    """A server on localhost that has answered /health. `folder` takes its files.

    `trust` is for one that speaks https itself: whom its callers trust. `module` is the door.
    """
    folder.mkdir(parents=True, exist_ok=True)
    audit_file, log_file = folder / "audit.jsonl", folder / "server.log"
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "default"}
    url = f"{'https' if trust else 'http'}://localhost:{port}"
    with (
        log_file.open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", module, "--port", str(port), *options],
            env=clean | {"AUDIT_LOG": str(audit_file)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
            cwd=folder,
        ) as process,
    ):
        server = ServerProcess(url, process, audit_file, log_file, environment=environment)
        try:
            _wait_for_health(server, trust or False)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait_for_health(server: ServerProcess, verify: ssl.SSLContext | Literal[False]) -> None:
    started = time.monotonic()
    while time.monotonic() - started < START_SECONDS:
        assert server.process.poll() is None, server.log_file.read_text()
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"{server.url}/health", timeout=30, verify=verify)
            if answer.status_code == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"no answer to /health: {server.log_file.read_text()}")
