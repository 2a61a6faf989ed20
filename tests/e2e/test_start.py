"""How the server starts, and what it says when something around it is wrong."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from benchmarks import servers
from okta_mcp.doctor.checks import IDS
from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import OAuthClient, signed_in
from tests.vocabulary.processes import (
    CHECKOUT,
    SandboxProcess,
    free_port,
    running_sandbox,
    running_server,
)

GOOD = {
    "OKTA_ORG_URL": "http://127.0.0.1:9",
    "OKTA_CLIENT_ID": "0oa1",
    "OKTA_CLIENT_SECRET": "a-client-secret-that-must-not-be-shown",
    "OKTA_API_TOKEN": "an-api-token-that-must-not-be-shown",
    "GROUP_TO_ROLE_VIEWER": "staff",
    "SESSION_SECRET_KEY": "a-session-secret-of-the-tests-0123456789abcdef",
}
REFUSED = [
    ({"OKTA_ORG_URL": ""}, "OKTA_ORG_URL"),
    ({"OKTA_ORG_URL": "https://your-org.okta.com"}, "OKTA_ORG_URL"),
    ({"OKTA_ORG_URL": "http://northwind.okta.com"}, "OKTA_ORG_URL"),
    ({"OKTA_CLIENT_SECRET": "replace-with-the-client-secret"}, "OKTA_CLIENT_SECRET"),
    ({"CONSENT_TTL_SECONDS": "86401"}, "CONSENT_TTL_SECONDS"),
    ({"CODE_TTL_SECONDS": "soon"}, "CODE_TTL_SECONDS"),
    ({"SESSION_SECRET_KEY": "short"}, "SESSION_SECRET_KEY"),
    ({"PUBLIC_URL": "http://mcp.example.com"}, "PUBLIC_URL"),
    ({"OAUTH_REDIRECT_URI": "http://localhost:9999/oauth/callback"}, "OAUTH_REDIRECT_URI"),
    ({"OAUTH_REQUIRE_HTTPS": "true"}, "OAUTH_REQUIRE_HTTPS"),
    ({"STORE_URL": "mysql://x"}, "STORE_URL"),
    ({"STORE_URL": "sqlite:////proc/store.db"}, "STORE_URL"),
    ({"STORE_URL": "redis://127.0.0.1/0?socket_timeout=60"}, "STORE_URL"),
    ({"AUDIT_LOG": "/no/such/folder/audit.jsonl"}, "AUDIT_LOG"),
    ({"GROUP_TO_ROLE_VIEWER": ""}, "GROUP_TO_ROLE_VIEWER"),
    ({"POLICY_FILE": "/no/such/policy.toml"}, "POLICY_FILE"),
    ({"METRICS_LISTEN": "9464"}, "METRICS_LISTEN"),
    ({"METRICS_LISTEN": "192.0.2.1:9464"}, "METRICS_LISTEN"),
]


def started(
    folder: Path, environment: dict[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end at once."""
    command = [sys.executable, "-m", "okta_mcp.oauth_proxy.server", "--port", str(free_port())]
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        [*command, *options],
        env=clean | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize(("change", "variable"), REFUSED)
def test_one_wrong_value_ends_the_start(
    tmp_path: Path, change: dict[str, str], variable: str
) -> None:
    """Exit status 2, a line that names variable and example, one with the check, no secret."""
    ended = started(tmp_path, GOOD | change)
    assert ended.returncode == 2
    *lines, check = ended.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == [variable]
    assert check.removeprefix("Check: okta-mcp doctor --only ") in IDS
    assert lines[0].count("Example: ") == lines[0].count(f"{variable}: ") == 1
    for secret in ("client-secret-that", "api-token-that", "a-session-secret", "short"):
        assert secret not in ended.stderr + ended.stdout


def test_an_env_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """S-05."""
    (tmp_path / ".env").write_text("LOG_LEVEL=INFO\n")
    (tmp_path / ".env").chmod(0o644)
    ended = started(tmp_path, GOOD)
    assert ended.returncode == 2
    assert "chmod 600" in ended.stderr


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = started(tmp_path, GOOD, "--host", "127.0.0.1", "--port", port)
    assert ended.returncode == 2
    assert port in ended.stderr


def test_the_sandbox_refuses_anything_but_loopback(tmp_path: Path) -> None:
    ended = started(tmp_path, {}, "--sandbox", "--host", "0.0.0.0")
    assert ended.returncode == 2
    assert "loopback" in ended.stderr


def test_unreachable_okta_is_a_warning_and_degraded_health(tmp_path: Path) -> None:
    with running_server(tmp_path, free_port(), GOOD) as server:
        deadline = time.monotonic() + 60
        while httpx.get(f"{server.url}/health").json() != {"status": "degraded"}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "Okta cannot be reached" in server.log_file.read_text()


async def test_logins_while_okta_is_away_answer_a_page(tmp_path: Path, browser: Browser) -> None:
    with running_server(tmp_path, free_port(), GOOD) as server:
        client = OAuthClient(server.url)
        await client.register()
        await browser.open(client.authorization_url())
        await browser.press("Sign in with Okta")
        assert browser.status == 502
        assert "Okta" in browser.page.text
        await browser.press("Back to the application")
        assert browser.answer["error"] == "server_error"
        await client.close()


@pytest.mark.parametrize(
    ("change", "settings", "words"),
    [
        ({"OKTA_CLIENT_SECRET": "a-wrong-one"}, {}, "okta_client_secret"),
        ({}, {"assigned": False}, "assign"),
    ],
)
async def test_what_okta_refuses_has_its_own_text(
    tmp_path: Path,
    browser: Browser,
    change: dict[str, str],
    settings: dict[str, bool],
    words: str,
) -> None:
    port = free_port()
    with (
        running_sandbox(f"http://localhost:{port}") as sandbox,
        running_server(tmp_path, port, sandbox.settings_for_server() | change) as server,
    ):
        if settings:
            sandbox.control("settings", settings)
        client = OAuthClient(server.url)
        await client.register()
        await signed_in(browser, client, "Hana Novak")
        assert browser.status in (403, 502)
        assert words in browser.page.text.lower()
        await client.close()


def test_a_redirect_uri_that_okta_does_not_know_is_warned_about(
    tmp_path: Path, shared_sandbox: SandboxProcess
) -> None:
    """The shared organisation knows another port only."""
    with running_server(tmp_path, free_port(), shared_sandbox.settings_for_server()) as server:
        deadline = time.monotonic() + 60
        while "Sign-in redirect URIs" not in server.log_file.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_start_is_quick_and_small(tmp_path: Path, shared_sandbox: SandboxProcess) -> None:
    """At most 1.4 times the start of FastMCP with one tool, and less than 110 MB;
    `benchmarks.startup` says it more exactly.

    Counted in processor time up to the first answer, which a busy machine hardly stretches, and
    both alike; the best of three.
    """
    seconds, of_fastmcp, megabytes = [], [], []
    for attempt in range(3):
        with servers.peer("one_tool", free_port()) as peer:
            of_fastmcp.append(peer.cpu_seconds)
        folder = tmp_path / str(attempt)
        environment = shared_sandbox.settings_for_server()
        with running_server(folder, free_port(), environment) as server:
            fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            seconds.append(ticks / os.sysconf("SC_CLK_TCK"))
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            megabytes.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
    assert min(seconds) < 1.4 * min(of_fastmcp), (seconds, of_fastmcp)
    assert max(megabytes) < 110, megabytes


def test_the_first_lines_with_the_sandbox_tell_a_newcomer_everything(tmp_path: Path) -> None:
    with running_server(tmp_path, free_port(), {}, "--sandbox") as server:
        first = server.log_file.read_text()
        assert first.lstrip().startswith(f"MCP URL         {server.mcp_url}")
        for words in ("Sandbox login", "nora.super", "super-admin", "viewer", "okta_mcp.client"):
            assert words in first


def test_the_sandbox_ends_with_the_server_even_when_it_is_killed(tmp_path: Path) -> None:
    with running_server(tmp_path, free_port(), {}, "--sandbox") as server:
        line = next(
            line for line in server.log_file.read_text().splitlines() if "Sandbox login" in line
        )
        url = line.split()[2]
        assert httpx.get(f"{url}/oauth2/v1/keys").status_code == 200
        server.process.kill()
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{url}/oauth2/v1/keys", timeout=1)
            except httpx.TransportError:
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
