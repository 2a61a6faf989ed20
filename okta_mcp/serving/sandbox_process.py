"""Starts the sandbox organisation beside the server, as a process of its own.

The server then reaches it over HTTP like the real Okta. It runs on 127.0.0.1 while the server is
`localhost`, so that a browser sees two sites. It ends when its standard input does: however this
process ends, the sandbox does not outlive it.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from okta_mcp.settings import AuthMode, Settings, SettingsError

_HOST = "127.0.0.1"
# What a person may have set for a real organisation and what the sandbox sets itself.
SET_HERE = (
    "okta_org_url",
    "okta_issuer",
    "okta_client_id",
    "okta_client_secret",
    "okta_token_endpoint_auth_method",
    "okta_api_token",
    "okta_api_auth",
    "okta_api_client_id",
    "okta_api_private_key_file",
    "okta_oauth_audience",
    "okta_acr_values",
    "oauth_redirect_uri",
    "public_url",
    "session_secret_key",
    "oauth_require_https",
    "tls_cert_file",
    "tls_key_file",
    "group_to_role_super_admin",
    "group_to_role_security_admin",
    "group_to_role_viewer",
)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: the settings that lead to it, and who may log in.

    `native_client_id` is the application that stands in Okta for our command-line client.
    """

    org_url: str
    personas: list[dict[str, Any]]
    settings: dict[str, Any]
    set_aside: list[str]
    native_client_id: str


@contextlib.contextmanager
def running_sandbox(
    host: str, port: int, env_file: Path, auth_mode: AuthMode = "proxy"
) -> Iterator[Sandbox]:
    """A sandbox for the server on `host` and `port`; raises `SettingsError`."""
    shown_host = f"[{host}]" if ":" in host else host
    server_url = f"http://{shown_host}:{port}"
    command = [
        *(sys.executable, "-m", "okta_mcp.sandbox"),
        *("--host", _HOST, "--port", str(_port_beside(port))),
        *("--redirect-uri", f"{server_url}/oauth/callback"),
        *("--post-logout-redirect-uri", f"{server_url}/oauth/signed-out"),
        "--end-with-stdin",
    ]
    with subprocess.Popen(  # noqa: S603 - our own module, no shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise SettingsError(["--sandbox: the sandbox cannot be reached; start again"])
        try:
            line = process.stdout.readline()
            if not line:
                raise SettingsError(["--sandbox: the sandbox did not start; its reason is above"])
            yield _described(json.loads(line), env_file, auth_mode)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


def _described(ready: dict[str, Any], env_file: Path, auth_mode: AuthMode) -> Sandbox:
    groups = ready["role_groups"]
    # The default counts, whatever the environment says.
    unset = {name: Settings.model_fields[name].get_default() for name in SET_HERE}
    settings: dict[str, Any] = unset | {
        "okta_org_url": ready["org_url"],
        "okta_client_id": ready["client_id"],
        "okta_client_secret": ready["client_secret"],
        "okta_api_token": ready["api_token"],
        "okta_token_endpoint_auth_method": "client_secret_basic",
        "oauth_require_https": False,
        "session_secret_key": secrets.token_urlsafe(48),
        "group_to_role_super_admin": groups["super_admin"],
        "group_to_role_security_admin": groups["security_admin"],
        "group_to_role_viewer": groups["viewer"],
    }
    custom = ready["custom"]
    if auth_mode == "resource-server":
        settings |= {
            "okta_issuer": custom["issuer"],
            "okta_oauth_audience": custom["audience"],
            "okta_client_id": custom["client_id"],
            "okta_client_secret": custom["client_secret"],
        }
    return Sandbox(
        ready["org_url"],
        ready["personas"],
        settings,
        _set_aside(env_file),
        custom["native_client_id"],
    )


def _set_aside(env_file: Path) -> list[str]:
    """The variables that somebody set and that do not count now: names, never values."""
    given = {**dotenv_values(env_file), **os.environ}
    return [name.upper() for name in SET_HERE if given.get(name.upper())]


def _port_beside(port: int) -> int:
    """The port above the server's, so that it stays the same from start to start; else any."""
    with contextlib.suppress(OSError, OverflowError), socket.socket() as probe:
        # As a listener does: the last one's closed connections may linger on the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((_HOST, port + 1))
        return port + 1
    return 0
