"""One person at one MCP server: the access token for each request, and what to do about a 401.

Called by the verbs and the bridge. Every MCP request of a verb passes `BearerAuth`, which refreshes
a token before it ends and once after a 401. Only when that does not help does `Session.run` send
the person to the browser, and then the whole piece of work runs again, which a 401 has not begun.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import Implementation
from pydantic import ValidationError

from okta_mcp import __version__
from okta_mcp.client.discovery import named_scopes, wants_more_scope
from okta_mcp.client.errors import ClientError, LoginError, LoginRequiredError, UnreachableError
from okta_mcp.client.login import Browser, log_in
from okta_mcp.client.registration import CLIENT_NAME, EnteredClient
from okta_mcp.client.store import LoginStore, Tokens
from okta_mcp.client.tokens import ClientForgottenError, GrantRefusedError, refresh, revoke

# A token that ends within this time is refreshed first, so that it outlives its request.
REFRESH_MARGIN_SECONDS = 60
OAUTH_TIMEOUT_SECONDS = 30
MCP_READ_TIMEOUT_SECONDS = 300
# A server may want more scopes than before, or name another authorization server, but not for ever.
MOST_LOGINS = 2
REFUSED_AT_ONCE = "The server refuses the token that it has just issued."

Result = TypeVar("Result")


class Session:
    """The log-in at `server_url`, kept in `store`; `now` is the time in epoch seconds.

    `client` is what the person says about a client entered at the authorization server by hand.
    """

    def __init__(
        self,
        server_url: str,
        store: LoginStore,
        browser: Browser,
        now: Callable[[], float],
        client: EnteredClient | None = None,
    ) -> None:
        self._server_url = server_url
        self._store = store
        self._browser = browser
        self._now = now
        self._client = client or EnteredClient()

    async def run(self, work: Callable[[Client], Awaitable[Result]]) -> Result:
        """Do `work` with a connected MCP client, logging in first if the server asks for it.

        Raises:
            ClientError: any of its kinds; `work`'s own MCPError is the work's affair.
        """
        logins = 0
        while True:
            try:
                return await self.attempt(work)
            except LoginRequiredError as refusal:
                if logins == MOST_LOGINS or (logins and not refusal.was_admitted):
                    raise LoginError(REFUSED_AT_ONCE) from None
                challenge = refusal.challenge
            await self.log_in(challenge)
            logins += 1

    async def log_in(self, challenge: Mapping[str, str]) -> None:
        """Send the person to the browser and keep what comes of it.

        `challenge` are the headers of the 401, or nothing: then the server's documents are asked.
        """
        stored = self._store.load(self._server_url)
        async with _oauth_client() as http:
            login = await log_in(
                http, self._server_url, challenge, stored, self._browser, self._now, self._client
            )
        self._store.save(login)

    async def log_out(self) -> str:
        """Revoke and forget the stored log-in; the text says what happened.

        Raises:
            UnreachableError: forgotten here, but the server did not confirm the revocation.
        """
        async with self._store.locked(self._server_url):
            login = self._store.load(self._server_url)
            self._store.delete(self._server_url)
        if login is None:
            return "You were not logged in."
        if login.tokens is None:
            return "Logged out; there was no token left to revoke."
        try:
            async with _oauth_client() as http:
                revoked = await revoke(
                    http, login.server, self._client.equipped(login.registration), login.tokens
                )
        except (LoginError, UnreachableError) as error:
            raise type(error)(
                f"The tokens are deleted here, but may live on at the server: {error}"
            ) from error
        if revoked:
            return "Logged out; the tokens are revoked and deleted."
        return "Logged out; the tokens are deleted here, and the server offers no revocation."

    async def usable_tokens(self) -> Tokens | None:
        """The tokens to send now, refreshed if they are about to end; None if there are none."""
        login = self._store.load(self._server_url)
        if login is None or login.tokens is None:
            return None
        if self._client.client_id not in ("", login.registration.client_id):
            # The person names another client than the one that these tokens were given to.
            return None
        if not self._is_due(login.tokens):
            return login.tokens
        try:
            return await self._refreshed(login.tokens) or self._still_valid(login.tokens)
        except UnreachableError:
            # The token endpoint is away for a moment; the token has some of its time left.
            if self._still_valid(login.tokens) is None:
                raise
            return login.tokens

    async def tokens_after_refusal(self, refused: Tokens) -> Tokens | None:
        """Other tokens than `refused`, which the server answered with 401; None if none."""
        return await self._refreshed(refused)

    def can_widen(self, refused: Tokens, challenge: Mapping[str, str]) -> bool:
        """Whether other tokens than `refused`, answered with 403 and `challenge`, may do.

        Scopes that the stored log-in asked for already would not be given the next time either.
        """
        login = self._store.load(self._server_url)
        if login is None or not wants_more_scope(challenge):
            return False
        asked = (login.server.scope or "").split()
        is_old = login.tokens is None or login.tokens.access_token != refused.access_token
        return is_old or not set(asked).issuperset(named_scopes(challenge))

    def _is_due(self, tokens: Tokens) -> bool:
        return (
            tokens.expires_at is not None
            and tokens.expires_at - self._now() <= REFRESH_MARGIN_SECONDS
        )

    def _still_valid(self, tokens: Tokens) -> Tokens | None:
        ended = tokens.expires_at is not None and tokens.expires_at <= self._now()
        return None if ended else tokens

    async def _refreshed(self, stale: Tokens) -> Tokens | None:
        async with self._store.locked(self._server_url):
            login = self._store.load(self._server_url)
            if login is None or login.tokens is None:
                return None
            if login.tokens.access_token != stale.access_token:
                # Somebody else refreshed while we waited; doing it again would spend their token.
                return login.tokens
            if login.tokens.refresh_token is None:
                return None
            try:
                async with _oauth_client() as http:
                    fresh = await refresh(
                        http,
                        login.server,
                        self._client.equipped(login.registration),
                        login.tokens,
                        self._now,
                    )
            except GrantRefusedError:
                self._store.save(replace(login, tokens=None))
                return None
            except ClientForgottenError:
                if login.registration.is_entered:
                    # Registering again is not for us to do; the text is the server's reason.
                    raise
                self._store.delete(self._server_url)
                return None
            self._store.save(replace(login, tokens=fresh))
            return fresh

    async def attempt(self, work: Callable[[Client], Awaitable[Result]]) -> Result:
        """Do `work` like `run`, without ever sending the person to the browser.

        Raises:
            LoginRequiredError: the server asks for a log-in; and what `run` raises.
        """
        auth = BearerAuth(self)
        timeout = httpx2.Timeout(OAUTH_TIMEOUT_SECONDS, read=MCP_READ_TIMEOUT_SECONDS)
        async with httpx2.AsyncClient(auth=auth, timeout=timeout) as http:
            try:
                client = Client(
                    streamable_http_client(self._server_url, http_client=http),
                    client_info=Implementation(name=CLIENT_NAME, version=__version__),
                )
                async with client:
                    return await work(client)
            except (MCPError, ExceptionGroup) as error:
                raise _cause(error, self._server_url, auth.last_error_status) from error


class BearerAuth(httpx2.Auth):
    """Puts the access token on each MCP request (RFC 6750 section 2.1), one retry after a 401."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._was_admitted = False
        self.last_error_status: int | None = None

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Called by httpx2 for each request.

        Raises:
            LoginRequiredError: the server answered 401 and no stored token helps, or 403 because
                the token has too few scopes (RFC 6750 section 3.1).
        """
        tokens = await self._session.usable_tokens()
        response = yield _authorized(request, tokens)
        if response.status_code == 401 and tokens is not None:
            tokens = await self._session.tokens_after_refusal(tokens)
            if tokens is not None:
                response = yield _authorized(request, tokens)
        if response.status_code == 401:
            raise LoginRequiredError(response.headers, was_admitted=self._was_admitted)
        if response.status_code == 403 and wants_more_scope(response.headers):
            raise LoginRequiredError(response.headers, was_admitted=True)
        if response.status_code >= 400:
            self.last_error_status = response.status_code
        elif tokens is not None:
            self._was_admitted = True


def _authorized(request: httpx2.Request, tokens: Tokens | None) -> httpx2.Request:
    if tokens is not None:
        request.headers["Authorization"] = f"Bearer {tokens.access_token}"
    return request


@asynccontextmanager
async def _oauth_client() -> AsyncIterator[httpx2.AsyncClient]:
    # Redirects stay off: a token request must not be carried to another place.
    async with httpx2.AsyncClient(timeout=OAUTH_TIMEOUT_SECONDS) as http:
        yield http


def _cause(error: Exception, server_url: str, http_status: int | None) -> Exception:
    """The one exception that a person cares about, out of the transport's task groups."""
    leaves = _leaves(error)
    for leaf in leaves:
        if isinstance(leaf, ClientError):
            return leaf
    for leaf in leaves:
        if isinstance(leaf, MCPError):
            status = f" (HTTP {http_status})" if http_status else ""
            hint = (
                ". Is the path right? It mostly ends in /mcp" if http_status in (404, 405) else ""
            )
            return UnreachableError(
                f"{server_url} does not answer as an MCP server: {leaf}{status}{hint}"
            )
        if isinstance(leaf, ValidationError):
            # Without its own words, which quote what the server sent.
            return UnreachableError(f"{server_url} answered something that is not MCP.")
        if isinstance(leaf, httpx2.HTTPError):
            return _unreachable(server_url, leaf)
    return error


def _unreachable(server_url: str, error: httpx2.HTTPError) -> UnreachableError:
    reason = str(error) or type(error).__name__
    hint = ""
    if "WRONG_VERSION_NUMBER" in reason:
        # What OpenSSL says to an answer in clear.
        hint = f". The server speaks http there: type http:{server_url.partition(':')[2]}"
    elif isinstance(error, httpx2.ConnectError) and "SSL" not in reason:
        hint = ". Does the server run, and are its name and port right?"
    return UnreachableError(f"Cannot reach {server_url}: {reason}{hint}")


def _leaves(error: Exception) -> list[Exception]:
    if not isinstance(error, ExceptionGroup):
        return [error]
    return [leaf for member in error.exceptions for leaf in _leaves(member)]
