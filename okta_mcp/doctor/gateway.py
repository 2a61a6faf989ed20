"""The servers behind the gateway: whether the file can be used, and whether each of them answers.

Each server is started as the gateway would start it, asked for its lists, and ended again. One that
keeps a state of its own may notice; the running server's processes are not touched.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok, warning
from okta_mcp.inventory import policy_for
from okta_mcp.okta.text import clean_text
from okta_mcp.serving.gateway_configuration import (
    McpConfigError,
    behind_of,
    configured_servers,
    mismatches,
)

if TYPE_CHECKING:
    from okta_mcp.gateway.servers import Server

# A check has 20 seconds in all; the gateway itself waits as long as the file says.
_PATIENCE_SECONDS = 15.0
_LONGEST_REASON = 300


async def gateway(subject: Subject) -> list[Verdict]:
    """The file, what the policy says of it, and the state of each server."""
    if subject.settings.mcp_config is None:
        return [ok("MCP_CONFIG is not set: no other server stands behind this one")]
    try:
        servers = configured_servers(subject.settings, subject.offered)
    except McpConfigError as error:
        return [failed(problem, "correct it; see docs/gateway.md") for problem in error.problems]
    policy = policy_for(subject.offered, subject.settings.policy_file)
    policy.behind.replace(behind_of(servers))
    notes = [
        warning(line, "correct [servers] in POLICY_FILE, or MCP_CONFIG")
        for line in mismatches(policy)
    ]
    return [*await _started(subject, servers), *notes]


async def _started(subject: Subject, servers: "tuple[Server, ...]") -> list[Verdict]:
    from okta_mcp.gateway.assertions import Assertions
    from okta_mcp.gateway.gateway import Gateway

    settings = subject.settings
    secrets = settings.session_secrets or (bytes(32),)
    gateway = Gateway(servers, settings.variables(), Assertions(settings.url, secrets, subject.now))
    async with gateway.running():
        starting = [upstream.ready() for upstream in gateway.upstreams.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await asyncio.gather(*starting)
        verdicts = []
        for name, upstream in gateway.upstreams.items():
            state, reason = upstream.state, clean_text(upstream.state.reason, _LONGEST_REASON)
            if state.name == "up":
                verdicts.append(ok(f"{name}: up, {len(upstream.names('tools') or ())} tools"))
            elif state.name == "starting":
                text = f"{name}: has not answered within {_PATIENCE_SECONDS:g} seconds"
                verdicts.append(warning(text, "look at its own log; raise start_seconds if slow"))
            else:
                fix = "start it by hand as mcp.json says; the others are not affected"
                verdicts.append(warning(f"{name}: down: {reason}", fix))
    return verdicts or [ok("every server of the file is disabled")]
