"""docs/deploy: what a company copies is understood by the programs that read it."""

import os
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import yaml

from okta_mcp.__main__ import main
from okta_mcp.settings import Settings
from tests.oauth_proxy.document_host import Authority
from tests.vocabulary.processes import (
    CHECKOUT,
    SandboxProcess,
    ServerProcess,
    free_port,
    running_server,
)

DEPLOY = CHECKOUT / "docs" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
NGINX_CONF = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
UNIT = (DEPLOY / "okta-mcp.service").read_text(encoding="utf-8")
DROP_IN = (DEPLOY / "gateway.conf").read_text(encoding="utf-8")
SETTINGS = {name.upper() for name in Settings.model_fields}
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")


def options_of_serve() -> set[str]:
    serve = main.get_command(click.Context(main), "serve")
    assert serve is not None
    return {option for parameter in serve.params for option in parameter.opts}


# --- compose ---


def test_every_setting_of_the_compose_file_exists() -> None:
    told = COMPOSE["services"]["server"]["environment"]
    assert set(told) - SETTINGS == set()


def test_the_compose_file_holds_no_secret() -> None:
    text = yaml.safe_dump(COMPOSE)
    assert re.findall(r"(?i)secret|password|token|api_key|requirepass", text) == []


def test_the_command_of_the_compose_file_is_a_command_of_ours() -> None:
    verb, *words = COMPOSE["services"]["server"]["command"]
    assert verb == "serve"
    options = {word for word in words if word.startswith("--")}
    assert {"--host", "--port"} <= options <= options_of_serve()


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_container_runs_without_rights_on_a_read_only_file_system(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    # The server's user stands in its Dockerfile.
    assert name == "server" or service["user"] not in ("root", "0")


def test_nobody_but_nginx_is_reached_from_outside() -> None:
    services = COMPOSE["services"]
    assert [name for name in services if "ports" in services[name]] == ["nginx"]
    assert services["redis"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_the_server_trusts_the_network_that_nginx_is_in_and_uses_its_redis() -> None:
    told = COMPOSE["services"]["server"]["environment"]
    (network,) = COMPOSE["networks"]["outside"]["ipam"]["config"]
    assert told["TRUSTED_PROXIES"] == network["subnet"]
    assert told["STORE_URL"].startswith("redis://redis:")
    assert COMPOSE["services"]["redis"]["command"][1:5] == [
        *("--appendonly", "yes", "--appendfsync", "always")
    ]


def test_every_file_that_the_compose_file_names_is_here_or_in_the_guide() -> None:
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")
    server = COMPOSE["services"]["server"]
    assert (DEPLOY / server["build"] / "Dockerfile").is_file()
    mounted = [volume.split(":")[0] for volume in COMPOSE["services"]["nginx"]["volumes"]]
    for name in [server["env_file"], *mounted]:
        assert (DEPLOY / name).is_file() or f" {name.removeprefix('./')}" in guide


# --- nginx ---


class Place:
    """A copy of nginx.conf with the ports, the names and the certificate of a test."""

    def __init__(self, folder: Path, upstream_port: int) -> None:
        self.port = free_port()
        self.folder = folder
        authority = Authority(folder)
        authority.serving("localhost")
        self.trust: ssl.SSLContext = authority.trusting()
        self.file = folder / "nginx.conf"
        assert "/tmp/" in NGINX_CONF
        changed = NGINX_CONF.replace("/tmp/", f"{folder}/")
        for old, new in {
            "server server:3001 ": f"server 127.0.0.1:{upstream_port} ",
            "listen 8443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/nginx/tls/tls.crt": f"{folder}/localhost.pem",
            "/etc/nginx/tls/tls.key": f"{folder}/localhost.pem",
        }.items():
            assert changed.count(old) == 1
            changed = changed.replace(old, new)
        self.file.write_text(changed)

    def command(self, *options: str) -> list[str]:
        assert NGINX is not None
        return [NGINX, "-p", str(self.folder), "-c", str(self.file), "-e", "stderr", *options]


def need_nginx() -> None:
    if NGINX is None:
        assert not os.environ.get("CI"), "CI installs nginx"
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    need_nginx()
    place = Place(tmp_path, upstream_port=9)
    ended = subprocess.run(place.command("-t"), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "[warn]" not in ended.stderr.replace('the "user" directive', "")


@contextmanager
def served_by_nginx(folder: Path, sandbox: SandboxProcess) -> Iterator[tuple[Place, ServerProcess]]:
    upstream_port = free_port()
    place = Place(folder, upstream_port)
    environment = sandbox.settings_for_server() | {
        "PUBLIC_URL": f"https://localhost:{place.port}",
        "TRUSTED_PROXIES": "127.0.0.1",
        "OAUTH_REQUIRE_HTTPS": "true",
    }
    with (
        running_server(folder / "server", upstream_port, environment) as server,
        subprocess.Popen(place.command("-g", "daemon off;"), stdin=subprocess.DEVNULL) as nginx,
    ):
        try:
            yield place, server
        finally:
            nginx.terminate()
            nginx.wait(timeout=10)


def test_behind_nginx_a_caller_cannot_choose_its_address(
    tmp_path: Path, shared_sandbox: SandboxProcess
) -> None:
    need_nginx()
    with served_by_nginx(tmp_path, shared_sandbox) as (place, server):
        url = f"https://localhost:{place.port}"
        with httpx.Client(verify=place.trust, base_url=url) as http:
            deadline = time.monotonic() + 10
            while True:
                with suppress(httpx.TransportError):
                    if http.get("/health/ready").status_code == 200:
                        break
                assert time.monotonic() < deadline
                time.sleep(0.02)
            metadata = http.get("/.well-known/oauth-authorization-server").json()
            registered = http.post(
                "/oauth/register",
                json={"redirect_uris": ["http://127.0.0.1/callback"]},
                headers={"X-Forwarded-For": "203.0.113.9"},
            )
        assert metadata["issuer"] == url
        assert registered.status_code == 201
        (event,) = server.events("client.registered")
        assert event["ip"] in ("127.0.0.1", "::1")


# --- systemd ---


def unit() -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT)
    return parser


def test_every_setting_of_the_unit_exists() -> None:
    pairs = re.findall(r"^Environment=(.+)$", UNIT, re.MULTILINE)[0].split()
    assert {pair.partition("=")[0] for pair in pairs} - SETTINGS == set()


def test_the_unit_starts_a_command_of_ours_as_a_user_of_its_own() -> None:
    service = unit()["Service"]
    program, verb, *words = service["ExecStart"].split()
    assert (Path(program).name, verb) == ("okta-mcp", "serve")
    assert {word for word in words if word.startswith("--")} <= options_of_serve()
    assert service["User"] == "okta-mcp"
    assert "useradd --system" in (DEPLOY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("drop_in", ["", DROP_IN], ids=["alone", "with the gateway"])
def test_systemd_understands_every_line_of_the_unit_and_finds_it_hardened(
    tmp_path: Path, drop_in: str
) -> None:
    if SYSTEMD_ANALYZE is None:
        assert not os.environ.get("CI"), "CI installs systemd"
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    copy = tmp_path / "okta-mcp.service"
    copy.write_text(UNIT.replace("/opt/okta-mcp/bin/okta-mcp", shutil.which("true") or ""))
    beside = tmp_path / "okta-mcp.service.d"
    beside.mkdir()
    (beside / "gateway.conf").write_text(drop_in)
    verified = subprocess.run(
        [SYSTEMD_ANALYZE, "verify", copy], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        [SYSTEMD_ANALYZE, "security", "--offline=true", "--threshold=20", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout
