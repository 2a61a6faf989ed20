"""The gateway while it runs: an upstream for each server of `mcp.json`, and what a reload does.

Made by the composition root where `MCP_CONFIG` is set; `provider.py` reaches the servers through
it, the pages and the doctor read `status`. It runs inside the lifespan of the application and
waits for no server: one that is missing, slow or broken shows as such and concerns nobody else.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from okta_mcp.gateway.assertions import Assertions
from okta_mcp.gateway.catalogue import Catalogue
from okta_mcp.gateway.http_link import HttpLink, shared_client
from okta_mcp.gateway.link import Link
from okta_mcp.gateway.people import PersonalUpstreams
from okta_mcp.gateway.servers import HttpServer, Server, StdioServer
from okta_mcp.gateway.session import OnProgress
from okta_mcp.gateway.stdio_process import StdioLink
from okta_mcp.gateway.upstream import State, Upstream
from okta_mcp.rbac.principal import Principal

_SWEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Status:
    """A server as people see it; `processes` counts those of people who do not share one."""

    server: Server
    state: State
    catalogue: Catalogue
    processes: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a server is reached; without `people` everybody shares `upstream`."""

    upstream: Upstream
    people: PersonalUpstreams | None = None

    def start(self) -> None:
        self.upstream.start()

    async def stop(self) -> None:
        stopping = [self.upstream.stop(), *([self.people.stop()] if self.people else [])]
        await asyncio.gather(*stopping)


class Gateway:
    """All servers. `variables` are those of this process, `assertions` sign for who wants it.

    `now` is seconds of any beginning, for idle times.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        variables: Mapping[str, str],
        assertions: Assertions,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = tuple(servers)
        self._variables = variables
        self._assertions = assertions
        self._now = now
        self._http: httpx.AsyncClient | None = None
        self._places: dict[str, _Place] = {}
        self._reloading = asyncio.Lock()

    @property
    def upstreams(self) -> Mapping[str, Upstream]:
        """By server: the shared upstream, or the template that only lists."""
        return {name: place.upstream for name, place in self._places.items()}

    @property
    def wants_assertions(self) -> bool:
        """Whether some server wants to know who asks, so that the keys are to be published."""
        return any(isinstance(each, HttpServer) and each.assertion for each in self._servers)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys of the assertions."""
        return self._assertions.jwks

    def status(self) -> tuple[Status, ...]:
        """Every server, in the order of the file."""
        return tuple(
            Status(
                server,
                place.upstream.state,
                place.upstream.catalogue,
                place.people.count if place.people else 0,
            )
            for server in self._servers
            if (place := self._places.get(server.name))
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Every server is started on entering, without waiting, and ended on leaving."""
        await self.reload(self._servers)
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.gather(*(place.stop() for place in self._places.values()))
            self._places.clear()
            if self._http is not None:
                await self._http.aclose()

    async def reload(self, servers: Sequence[Server]) -> None:
        """Have exactly `servers`; one whose entry has not changed does not notice."""
        async with self._reloading:
            before, self._servers = self._places, tuple(servers)
            kept = {
                name: place
                for name, place in before.items()
                if any(server == place.upstream.server for server in servers)
            }
            new = {
                server.name: self._place(server) for server in servers if server.name not in kept
            }
            # What is gone answers nobody from now on; its end may take seconds.
            self._places = kept | new
            gone = [place.stop() for name, place in before.items() if name not in kept]
            for place in new.values():
                place.start()
            await asyncio.gather(*gone)

    async def request(
        self,
        name: str,
        principal: Principal,
        method: str,
        params: Mapping[str, Any],
        on_progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """The result of the server `name` for `principal`.

        Raises `ServerError`, and `KeyError` where no server has the name.
        """
        place = self._places[name]
        server = place.upstream.server
        if place.people is not None:
            async with place.people.of(principal.user_id) as own:
                return await own.request(method, params, on_progress=on_progress)
        headers: dict[str, str] = {}
        if isinstance(server, HttpServer) and server.assertion:
            headers = self._assertions.header(server, principal)
        return await place.upstream.request(
            method, params, on_progress=on_progress, headers=headers
        )

    def end_idle(self) -> None:
        """End the processes of people who have not used them for long."""
        for place in self._places.values():
            if place.people is not None:
                place.people.end_idle()

    def _place(self, server: Server) -> _Place:
        def made() -> Upstream:
            return Upstream(server, lambda: self._link(server))

        if isinstance(server, StdioServer) and server.per_person:
            return _Place(made(), PersonalUpstreams(server, made, self._now))
        return _Place(made())

    def _link(self, server: Server) -> Link:
        if isinstance(server, StdioServer):
            return StdioLink(server, self._variables)
        if self._http is None:
            self._http = shared_client()
        return HttpLink(server, self._http)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.end_idle()
