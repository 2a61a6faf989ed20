"""MCP clients as raw bytes, of people who have signed in, and the audit trail of what they did."""

import contextlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from benchmarks import load
from benchmarks.visitor import Visitor
from okta_mcp.audit.writer import verified_lines
from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN

VERSION = "2025-06-18"
UNKNOWN_TOKEN = f"{ACCESS_TOKEN}{'x' * 43}"
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
_META = "io.modelcontextprotocol"
_LIST: dict[str, Any] = {}


@dataclass(slots=True)
class Client:
    """It asks the server on `port`, with an access token if it has one; `called` counts calls."""

    port: int
    token: str | None = None
    called: int = 0

    def request(
        self, method: str, params: Mapping[str, Any] = _LIST, version: str = VERSION
    ) -> bytes:
        """One JSON-RPC request in the form of a revision."""
        headers = {**HEADERS, "mcp-protocol-version": version}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        given = dict(params)
        if version in MODERN_PROTOCOL_VERSIONS:
            headers["mcp-method"] = method
            if "name" in params:
                headers["mcp-name"] = str(params["name"])
            given["_meta"] = {
                f"{_META}/protocolVersion": version,
                f"{_META}/clientInfo": {"name": "benchmark", "version": "1"},
                f"{_META}/clientCapabilities": {},
            }
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given}
        host = f"localhost:{self.port}"
        return load.request("/mcp", host, headers, json.dumps(message).encode())

    def asked(self, method: str, params: Mapping[str, Any] = _LIST) -> load.Answer:
        """The answer, whatever it is."""
        return load.exchanged(self.port, self.request(method, params))

    def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The structured answer; raises `ClickException` for any other."""
        answer = self.asked("tools/call", {"name": tool, "arguments": arguments})
        self.called += 1
        found = structured(answer)
        if found is None:
            raise click.ClickException(f"{tool} failed: {answer.body[:300].decode()}")
        return found


def structured(answer: load.Answer) -> dict[str, Any] | None:
    """What a successful call answered; None for a refusal or an error."""
    result = json.loads(answer.body).get("result") if answer.status == 200 else None
    if not result or result.get("isError"):
        return None
    return dict(result["structuredContent"])


def signed_in(port: int, name: str) -> Client:
    """The client of a persona of the sandbox, after a whole login."""
    with contextlib.closing(Visitor(f"http://localhost:{port}")) as visitor:
        tokens = visitor.log_in(["Sign in with Okta", name, "Allow"])
    return Client(port, tokens["access_token"])


def check_refused(port: int) -> None:
    """Nobody gets in with a token that nobody has. Raises `ClickException`."""
    status = Client(port, UNKNOWN_TOKEN).asked("tools/list").status
    if status != 401:
        raise click.ClickException(f"an unknown token was answered {status}")


def check_trail(path: Path, expected: Mapping[str, int]) -> Counter[tuple[str, str]]:
    """How often each event of each login is in an unbroken trail.

    Raises `ClickException` where an event is not there as often as expected.
    """
    with path.open(encoding="utf-8") as lines:
        found = Counter((line["event"], str(line.get("login"))) for line in verified_lines(lines))
    events: Counter[str] = Counter()
    for (event, _), count in found.items():
        events[event] += count
    wrong = {event: (events[event], count) for event, count in expected.items()}
    wrong = {event: pair for event, pair in wrong.items() if pair[0] != pair[1]}
    if wrong:
        raise click.ClickException(f"lines of the audit trail, and what was done: {wrong}")
    return found
