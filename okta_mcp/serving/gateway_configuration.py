"""`MCP_CONFIG`, read at the start and at every reload; without it the gateway is not imported.

A part of the composition root, also used by the doctor and the `policy` commands, so that all of
them refuse the same file for the same reasons.
"""

from typing import TYPE_CHECKING

from okta_mcp.inventory import Inventory
from okta_mcp.rbac.behind import BehindServer
from okta_mcp.rbac.policy import Policy
from okta_mcp.settings import GatewaySettings

if TYPE_CHECKING:
    from okta_mcp.gateway.servers import Server


class McpConfigError(Exception):
    """The file cannot be used; `problems` holds a printable line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def configured_servers(
    settings: GatewaySettings, offered: Inventory, *, workers: int = 1
) -> tuple["Server", ...]:
    """The servers of the file, none where no file is named; raises `McpConfigError`."""
    if settings.mcp_config is None:
        return ()
    from okta_mcp.gateway.configuration import ConfigurationError, StdioServer, servers_of

    try:
        servers = servers_of(settings.mcp_config, settings.variables(), offered.first_words)
    except ConfigurationError as error:
        raise McpConfigError(error.problems) from None
    alone = [each for each in servers if isinstance(each, StdioServer) and not each.shared]
    if workers > 1 and alone:
        raise McpConfigError(
            [
                f"{settings.mcp_config}: mcpServers.{server.name}: each of the {workers} workers"
                " would run a process of it, with a state of its own; if it keeps no state, say"
                ' "okta_mcp": {"shared": true}, otherwise leave --workers out'
                for server in alone
            ]
        )
    return servers


def behind_of(servers: tuple["Server", ...]) -> tuple[BehindServer, ...]:
    """What rights and pages know of the servers."""
    return tuple(BehindServer(each.name, each.title, each.purpose, each.calls) for each in servers)


def mismatches(policy: Policy) -> list[str]:
    """What is odd, and no error, between the servers that there are and those of the policy."""
    configured = {server.name for server in policy.behind.servers}
    return [
        *(
            f"[servers.{name}] of the policy names a server that MCP_CONFIG has not; nobody gets"
            " anything by it"
            for name in policy.servers
            if name not in configured
        ),
        *(
            f"{name} of MCP_CONFIG has no [servers.{name}] in the policy, so nobody may use it"
            for name in sorted(configured)
            if name not in policy.servers
        ),
    ]
