"""One server behind the gateway, kept alive: connected, listed, called, connected again.

`gateway.py` holds one for each server (and, where people share none, one for each person). Its life
is a task of its own: open the link, shake hands, read the lists, stay until the link is over, wait
longer after each failure, begin again. Callers never wait for a start: what is not up says so.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from okta_mcp.gateway.catalogue import Catalogue, read_catalogue
from okta_mcp.gateway.errors import (
    ServerError,
    ServerRefusedError,
    ServerTimeoutError,
    ServerUnavailableError,
)
from okta_mcp.gateway.link import Link, LinkError
from okta_mcp.gateway.servers import Server
from okta_mcp.gateway.session import OnProgress, Session
from okta_mcp.rbac.behind import Component

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
# Who stayed up for so long begins again with the first pause.
_STEADY_SECONDS = 60.0
# Servers say that a list has changed once for each thing; who never stops is read ever less often.
_SETTLING_SECONDS = 0.2
_PING_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """Whether the server can be used; `reason` says why it is down, in words for people."""

    name: Literal["up", "starting", "down"]
    reason: str = ""


class Upstream:
    """The server `server` over links that `link` makes; `sleep` waits between two lives."""

    def __init__(
        self,
        server: Server,
        link: Callable[[], Link],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.server = server
        self.state = State("starting")
        self.catalogue = Catalogue()
        self.has_listed = False
        self._make_link = link
        self._sleep = sleep
        self._session: Session | None = None
        self._life: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._hangs = asyncio.Event()
        self._news = asyncio.Event()
        self._noted: set[str] = set()

    def names(self, component: Component) -> tuple[str, ...] | None:
        """The server's own names as it listed them last (of resources: URIs and templates)."""
        if not self.has_listed:
            return None
        if component == "resources":
            templates = (each["uriTemplate"] for each in self.catalogue.templates)
            return (*(each["uri"] for each in self.catalogue.resources), *templates)
        things = self.catalogue.tools if component == "tools" else self.catalogue.prompts
        return tuple(each["name"] for each in things)

    def start(self) -> None:
        """Begin to live; returns at once."""
        self._life = asyncio.create_task(self._live(), name=f"server {self.server.name}")

    async def stop(self) -> None:
        """End the server and everything started for it."""
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        # Who waits for its start must not wait for ever.
        self._set(State("down", "was stopped"))

    async def ready(self) -> None:
        """Wait until it is up or down; for those who have just started it."""
        while self.state.name == "starting":
            self._news.clear()
            await self._news.wait()

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        on_progress: OnProgress | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The server's result; raises `ServerError`."""
        session = self._session
        if session is None:
            reason = self.state.reason or "is starting"
            raise ServerUnavailableError(self.server.name, reason)
        heard = session.heard
        try:
            return await session.request(
                method,
                params,
                seconds=self.server.call_seconds,
                on_progress=on_progress,
                headers=headers,
            )
        except ServerTimeoutError:
            if session is self._session and session.heard == heard:
                self._hangs.set()
            raise

    async def _live(self) -> None:
        failures = 0
        while True:
            reason, up_seconds = await self._one_life()
            failures = 0 if up_seconds >= _STEADY_SECONDS else failures + 1
            pause = min(FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 10), LONGEST_PAUSE_SECONDS)
            pause = max(pause, FIRST_PAUSE_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            # A server that never starts fills no log.
            level = (
                logging.WARNING if failures <= 1 or reason != self.state.reason else logging.DEBUG
            )
            _log.log(level, "server %s %s; trying again", self.server.name, reason)
            self._set(State("down", reason))
            await self._sleep(pause)

    async def _one_life(self) -> tuple[str, float]:
        """From the opening of a link to its end: why it ended, and for how long it was up."""
        name, up_at = self.server.name, None
        reason = "was stopped"
        session: Session | None = None
        link = self._make_link()
        try:
            session = Session(self.server, link, self._changed.set)
            await self._begin(link, session)
            self._session, up_at = session, time.monotonic()
            _log.info("server %s is up with %d tools", name, len(self.catalogue.tools))
            self._set(State("up"))
            reason = await self._until_ended(link, session)
        except (ServerError, LinkError) as error:
            reason = error.message if isinstance(error, ServerError) else str(error)
            reason = reason.removeprefix(f"the server {name} cannot be reached: it ")
            reason = reason.removeprefix(f"the server {name} ")
        except TimeoutError:
            reason = f"did not start within {self.server.start_seconds:g} seconds"
        except Exception as error:  # noqa: BLE001
            # The outermost layer of this server's life: what nobody foresaw must not end it for
            # good. The kind alone, because the text could hold what the server sent.
            _log.error("server %s: unexpected %s", name, type(error).__name__)
            reason = "answered in a way that this server did not expect"
        finally:
            self._session = None
            if session is not None:
                session.fail(reason)
            await link.close()
        return reason, time.monotonic() - up_at if up_at is not None else 0.0

    async def _begin(self, link: Link, session: Session) -> None:
        async with asyncio.timeout(self.server.start_seconds):
            self._changed.clear()
            self._hangs.clear()
            await link.open(session)
            opening = asyncio.create_task(self._shaken(session))
            ended = asyncio.create_task(link.ended())
            try:
                await asyncio.wait({opening, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not opening.done():
                    raise LinkError(ended.result())
                opening.result()
            finally:
                opening.cancel()
                ended.cancel()
                await asyncio.gather(opening, ended, return_exceptions=True)

    async def _shaken(self, session: Session) -> None:
        await session.begin()
        await self._list(session)

    async def _list(self, session: Session) -> None:
        listed = await read_catalogue(session, seconds=self.server.start_seconds)
        if listed != self.catalogue:
            # The same object otherwise: what was made from it is known by it, and need not be
            # compared thing by thing at each use.
            self.catalogue = listed
        self.has_listed = True
        for each in sorted(self.catalogue.left_out - self._noted):
            _log.warning("server %s: left out %s", self.server.name, each)
        self._noted |= self.catalogue.left_out

    async def _until_ended(self, link: Link, session: Session) -> str:
        """Why the link is over, or is to be ended."""
        ended = asyncio.create_task(link.ended())
        settling, listed_at, is_settling = 0.0, time.monotonic(), False
        try:
            while True:
                # A change is heard of once; how long it settles, only an end cuts short.
                events = [self._hangs] if is_settling else [self._hangs, self._changed]
                waits = [asyncio.create_task(each.wait()) for each in events]
                try:
                    await asyncio.wait(
                        {ended, *waits},
                        timeout=settling if is_settling else link.refresh_seconds,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                finally:
                    for each in waits:
                        each.cancel()
                if ended.done():
                    return ended.result()
                if self._hangs.is_set():
                    self._hangs.clear()
                    await self._check_alive(session)
                elif self._changed.is_set() and not is_settling:
                    is_settling = True
                    is_steady = time.monotonic() - listed_at >= _STEADY_SECONDS
                    longer = min(2 * settling, LONGEST_PAUSE_SECONDS)
                    settling = _SETTLING_SECONDS if is_steady else max(longer, _SETTLING_SECONDS)
                else:
                    self._changed.clear()
                    async with asyncio.timeout(self.server.start_seconds):
                        await self._list(session)
                    listed_at, is_settling = time.monotonic(), False
        finally:
            ended.cancel()

    async def _check_alive(self, session: Session) -> None:
        """After a call without any answer; one that does not even answer a ping hangs."""
        seconds = min(_PING_SECONDS, self.server.call_seconds)
        try:
            await session.request("ping", {}, seconds=seconds)
        except ServerRefusedError:
            return
        except ServerTimeoutError:
            raise LinkError("hangs: it does not answer a ping") from None

    def _set(self, state: State) -> None:
        self.state = state
        self._news.set()
