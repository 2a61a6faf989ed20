"""A sandbox organisation in a process of its own: what servers ask instead of Okta."""

import contextlib
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import load, servers

# Rates are there and count, but nothing that is measured reaches them.
_HIGH_RATES = {
    f"RATE_{what}": "100000000/minute"
    for what in ("REGISTER", "AUTHORIZE", "TOKEN_FAILURES", "TOOL_CALLS", "TOOL_CALLS_PER_TOOL")
}


@dataclass(frozen=True, slots=True)
class Organisation:
    """A running sandbox, by what it said when it was ready."""

    ready: dict[str, Any]

    @property
    def port(self) -> int:
        return int(urlsplit(self.ready["org_url"]).port or 0)

    def environment(self, folder: Path) -> dict[str, str]:
        """Of a server that asks it with an API token; the audit trail is in `folder`."""
        names = ("client_id", "client_secret", "api_token")
        groups = self.ready["role_groups"]
        return {
            "OKTA_ORG_URL": self.ready["org_url"],
            **{f"OKTA_{name.upper()}": self.ready[name] for name in names},
            **{f"GROUP_TO_ROLE_{role.upper()}": group for role, group in groups.items()},
            **_HIGH_RATES,
            "SESSION_SECRET_KEY": secrets.token_urlsafe(48),
            "OAUTH_REQUIRE_HTTPS": "false",
            "AUDIT_LOG": str(folder / "audit.jsonl"),
        }

    def control(self, method: str, verb: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call of its control plane, which is in no journal."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port)) as connection:
            headers = {"X-Sandbox-Control": self.ready["control_secret"]}
            connection.request(method, f"/__sandbox/{verb}", json.dumps(body or {}), headers)
            return json.loads(connection.getresponse().read())

    def lift_limits(self) -> None:
        """From now on it answers as often as it is asked."""
        self.control("POST", "settings", {"rate_profile": "off"})

    def asked(self) -> list[str]:
        """The paths of the Management API that were asked so far."""
        paths = (each["path"] for each in self.control("GET", "requests"))
        return [path for path in paths if path.startswith("/api/v1/")]

    def read(self, target: str) -> bytes:
        """A read of the Management API as raw bytes, with the server's own credentials."""
        headers = {
            "authorization": f"SSWS {self.ready['api_token']}",
            "accept": "application/json",
            "content-type": "application/json; okta-response=omitCredentials,omitCredentialsLinks",
        }
        return load.request(target, f"127.0.0.1:{self.port}", headers, method="GET")


@contextlib.contextmanager
def organisation(port: int) -> Iterator[Organisation]:
    """One for a server on `port`, on the caller's core; it ends on leaving."""
    url = f"http://localhost:{port}"
    command = [
        *(sys.executable, "-m", "okta_mcp.sandbox", "--port", "0", "--end-with-stdin"),
        *("--redirect-uri", f"{url}/oauth/callback"),
        *("--post-logout-redirect-uri", f"{url}/oauth/signed-out"),
    ]
    with servers.running(*command, has_pipes=True, is_measured=False) as process:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise servers.NotStartedError
        yield Organisation(json.loads(line))
