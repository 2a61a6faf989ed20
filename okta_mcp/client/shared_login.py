"""The log-in of everything that one bridge has under way: at most one at a time.

Called by `transport` before each request and after each refusal. Requests that are refused together
wait for the same log-in; one that another program of this person makes meanwhile (`okta-mcp login`,
a second bridge) ends the waiting too. It never opens a second browser page while one is open.
"""

import asyncio
from collections.abc import Callable, Mapping

from okta_mcp.client.errors import LoginError
from okta_mcp.client.session import Session
from okta_mcp.client.store import Tokens


class SharedLogin:
    """The log-in of `session` at `url`; `say` is for people.

    `watch_seconds` is how often a log-in that others made meanwhile is looked for.
    """

    def __init__(
        self,
        session: Session,
        url: str,
        say: Callable[[str], None],
        watch_seconds: float = 1.0,
    ) -> None:
        self._session = session
        self._url = url
        self._say = say
        self._watch_seconds = watch_seconds
        self._running: asyncio.Task[Tokens] | None = None

    async def tokens(self) -> Tokens | None:
        """The tokens to send now; None if nobody is logged in.

        Raises:
            LoginError, UnreachableError: there are some and they cannot be used.
        """
        return await self._session.usable_tokens()

    def can_widen(self, refused: Tokens | None, challenge: Mapping[str, str]) -> bool:
        """Whether `after_refusal` can help where `refused` was answered with 403."""
        return refused is not None and self._session.can_widen(refused, challenge)

    async def after_refusal(
        self,
        refused: Tokens | None,
        challenge: Mapping[str, str],
        *,
        may_refresh: bool,
        may_log_in: bool,
    ) -> Tokens:
        """Other tokens than `refused`, which the server answered with 401 or 403 and `challenge`.

        Raises:
            LoginError, UnreachableError: there are none.
        """
        stored = await self._others(refused)
        if stored is None and may_refresh and refused is not None:
            stored = await self._session.tokens_after_refusal(refused)
        if stored is not None:
            return stored
        if not may_log_in:
            raise LoginError("The server asks for a log-in.")
        if self._running is None:
            self._running = asyncio.create_task(self._made(refused, challenge))
            self._running.add_done_callback(self._ended)
        # Whoever gives up waiting leaves it to the others, and to the person in the browser.
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """End a log-in that is under way."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    def _ended(self, task: "asyncio.Task[Tokens]") -> None:
        self._running = None
        if not task.cancelled():
            task.exception()

    async def _others(self, refused: Tokens | None) -> Tokens | None:
        tokens = await self._session.usable_tokens()
        same = tokens and refused and tokens.access_token == refused.access_token
        return None if same else tokens

    async def _made(self, refused: Tokens | None, challenge: Mapping[str, str]) -> Tokens:
        self._say(
            f"{self._url} asks for a log-in; every request waits for it. If your application gives "
            f"up before, end it, run `okta-mcp login {self._url}` once, and start it again."
        )
        ours = asyncio.create_task(self._session.log_in(challenge))
        try:
            while not ours.done():
                await asyncio.wait({ours}, timeout=self._watch_seconds)
                if not ours.done() and (tokens := await self._others(refused)) is not None:
                    self._say("Another program of yours has logged in; that is used.")
                    return tokens
            await ours
        finally:
            ours.cancel()
            await asyncio.gather(ours, return_exceptions=True)
        made = await self._others(refused)
        if made is None:
            raise LoginError("The log-in brought no token that can be used.")
        self._say("You are logged in.")
        return made
