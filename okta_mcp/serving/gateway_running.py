"""The running gateway as a part of the application: made, started, read again on SIGHUP, ended.

A part of the composition root. Without `MCP_CONFIG` nothing of `okta_mcp.gateway` is imported.
A file that cannot be used at a reload changes nothing: its problems stand in the log.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from fastmcp.server.providers import Provider
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.inventory import Inventory
from okta_mcp.rbac.behind import Component
from okta_mcp.rbac.policy import Policy
from okta_mcp.serving.core import Core
from okta_mcp.serving.gateway_configuration import (
    McpConfigError,
    behind_of,
    configured_servers,
    mismatches,
)

if TYPE_CHECKING:
    from okta_mcp.gateway.gateway import Gateway
    from okta_mcp.gateway.provider import GatewayProvider
    from okta_mcp.gateway.servers import Server

log = logging.getLogger("okta_mcp")


class RunningGateway:
    """`provider` and `complete` are what the MCP server asks, `call` is the endpoint's shorter way
    to a tool where it is not `is_mirrored`, `routes` is served beside it."""

    def __init__(
        self,
        core: Core,
        offered: Inventory,
        policy: Policy,
        gateway: "Gateway",
        provider: "GatewayProvider",
        workers: int,
    ) -> None:
        self._core = core
        self._offered = offered
        self._policy = policy
        self._gateway = gateway
        self._workers = workers
        self._reloads: set[asyncio.Task[None]] = set()
        self.provider: Provider = provider
        self.complete = provider.complete
        self.call = provider.call
        self.is_mirrored = provider.is_mirrored

    @property
    def routes(self) -> list[Route]:
        """The public keys of the assertions."""
        from okta_mcp.gateway.assertions import JWKS_PATH

        return [Route(JWKS_PATH, self._keys, methods=["GET"])]

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Servers run, and SIGHUP reads the file again."""
        loop = asyncio.get_running_loop()
        async with self._gateway.running():
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                # Only the main thread of a Unix process can; others are told to reload directly.
                loop.add_signal_handler(signal.SIGHUP, self._begin_reload)
            try:
                yield
            finally:
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.remove_signal_handler(signal.SIGHUP)
                for task in self._reloads:
                    task.cancel()
                await asyncio.gather(*self._reloads, return_exceptions=True)

    async def reload(self) -> None:
        """Read `MCP_CONFIG` again; only what changed in it is started, ended or begun anew."""
        try:
            servers = configured_servers(self._core.settings, self._offered, workers=self._workers)
        except McpConfigError as error:
            log.error("MCP_CONFIG was not read again: %s", "; ".join(error.problems))  # noqa: TRY400 - no fault of ours
            return
        self._policy.behind.replace(behind_of(servers))
        for line in mismatches(self._policy):
            log.warning("%s", line)
        log.info("MCP_CONFIG was read again: %d servers", len(servers))
        await self._gateway.reload(servers)

    def _begin_reload(self) -> None:
        task = asyncio.create_task(self.reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _keys(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint
        if not self._gateway.wants_assertions:
            raise HTTPException(404)
        return JSONResponse(self._gateway.jwks, headers={"Cache-Control": "public, max-age=300"})


class _States:
    """What rights and pages ask of the gateway (`rbac.behind.Running`)."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway

    def states(self) -> Mapping[str, tuple[str, str]]:
        """By name: `up`, `starting` or `down`, and the reason."""
        upstreams = self._gateway.upstreams
        return {name: (each.state.name, each.state.reason) for name, each in upstreams.items()}

    def names(self, server: str, component: Component) -> tuple[str, ...] | None:
        """The server's own names as it listed them last; None where it has not listed yet."""
        upstream = self._gateway.upstreams.get(server)
        return upstream.names(component) if upstream is not None else None

    def listed(self) -> tuple[object, ...]:
        """The servers and what each has listed."""
        upstreams = self._gateway.upstreams.values()
        return tuple(thing for each in upstreams for thing in (each.server, each.catalogue))


def running_gateway(
    core: Core,
    offered: Inventory,
    policy: Policy,
    servers: "tuple[Server, ...]",
    *,
    workers: int = 1,
) -> RunningGateway | None:
    """The gateway over the servers of the start; None without `MCP_CONFIG`."""
    if core.settings.mcp_config is None:
        return None
    from okta_mcp.gateway.assertions import Assertions
    from okta_mcp.gateway.gateway import Gateway
    from okta_mcp.gateway.provider import GatewayProvider

    gateway = Gateway(
        servers,
        core.settings.variables(),
        Assertions(core.settings.url, core.secrets, core.now),
    )
    policy.behind.attach(_States(gateway))
    return RunningGateway(core, offered, policy, gateway, GatewayProvider(gateway), workers)
