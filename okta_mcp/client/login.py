"""One log-in through the browser: authorization code with PKCE for a native app.

Called by `session` when a server answers 401 and nothing stored helps. Order: discover, open the
loopback callback, register (or use the registration that is stored or was entered), send the
browser, judge its answer (`attempt`), redeem the code. RFC 8252, RFC 8707. The first wrong answer
ends the log-in.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import anyio
import httpx2

from okta_mcp.client import callback_page
from okta_mcp.client.attempt import Attempt, begun, code_of
from okta_mcp.client.callback import (
    Callback,
    CallbackAnswer,
    entered_address,
    open_callback,
    own_address,
)
from okta_mcp.client.discovery import discover, wants_more_scope
from okta_mcp.client.errors import (
    ClientError,
    DeniedError,
    ForeignAnswerError,
    LoginError,
    UnreachableError,
)
from okta_mcp.client.output import clean
from okta_mcp.client.registration import (
    EnteredClient,
    kept,
    not_accepted,
    not_registrable,
    register,
)
from okta_mcp.client.store import AuthorizationServer, Login, Registration
from okta_mcp.client.tokens import redeem_code

# As long as a server of ours keeps a sign-in that has begun.
BROWSER_WAIT_SECONDS = 600
_REGISTERED = EnteredClient()


@dataclass(frozen=True, slots=True)
class Browser:
    """How the person gets to the log-in page.

    `announce` shows the URL at the terminal; `open` starts a browser on it, or is None when the
    person opens it. `unopened` says what to do when `open` answered that it could not.
    `callback_port` is 0 for any free port, or the usual one of a client entered by hand.
    """

    announce: Callable[[str], None]
    open: Callable[[str], object] | None
    callback_port: int = 0
    unopened: Callable[[str], None] = lambda _url: None

    def show(self, url: str) -> None:
        """Get the person to `url`."""
        self.announce(url)
        if self.open is not None:
            # A text browser blocks until it is closed, and must not keep the process alive.
            threading.Thread(target=self._open, args=(url,), daemon=True).start()

    def _open(self, url: str) -> None:
        if self.open is not None and not self.open(url):
            self.unopened(url)


async def log_in(
    http: httpx2.AsyncClient,
    server_url: str,
    challenge: Mapping[str, str],
    stored: Login | None,
    browser: Browser,
    now: Callable[[], float],
    client: EnteredClient = _REGISTERED,
) -> Login:
    """Log the person in and give back what is to be stored; `challenge` is the 401's headers.

    Raises:
        LoginError: refused, denied, timed out, or an answer that is not to be trusted.
        UnreachableError: the authorization server could not be used.
    """
    server = await discover(http, server_url, challenge)
    if wants_more_scope(challenge):
        server = _widened(server, stored)
    _check_entered(stored, server, client)
    known = _known(stored, server, client)
    if known is None and not client.client_id and server.registration_endpoint is None:
        raise not_registrable(server, browser.callback_port)
    async with AsyncExitStack() as stack:
        callback = await _listen(stack, browser.callback_port, known, client)
        attempt = await _begin(http, server, known, client, callback.redirect_uri)
        browser.show(attempt.url)
        with anyio.move_on_after(BROWSER_WAIT_SECONDS):
            return await _finished(http, server_url, attempt, await callback.answer(), now)
    raise LoginError(f"Nobody logged in within {BROWSER_WAIT_SECONDS // 60} minutes.")


def _widened(server: AuthorizationServer, stored: Login | None) -> AuthorizationServer:
    """Asks for what the challenge names and for what the token had already, not for less."""
    had: str | None = None
    if stored is not None and stored.tokens is not None:
        # An answer without a scope gives what was asked for (RFC 6749 section 5.1).
        had = stored.tokens.scope or stored.server.scope
    scope = dict.fromkeys([*(had or "").split(), *(server.scope or "").split()])
    return replace(server, scope=" ".join(scope) or None)


async def _finished(
    http: httpx2.AsyncClient,
    server_url: str,
    attempt: Attempt,
    answer: CallbackAnswer,
    now: Callable[[], float],
) -> Login:
    """Judge the browser's answer, redeem its code, and tell the browser how it ended."""
    try:
        tokens = await redeem_code(
            http,
            attempt.server,
            attempt.registration,
            code=code_of(answer.parameters, attempt),
            code_verifier=attempt.code_verifier,
            redirect_uri=attempt.redirect_uri,
            now=now,
        )
    except ClientError as error:
        answer.show(_verdict(error))
        raise
    answer.show(callback_page.succeeded(server_url))
    return Login(server_url, attempt.server, kept(attempt.registration), tokens)


def _verdict(error: ClientError) -> callback_page.Verdict:
    reason = clean(str(error))
    if isinstance(error, DeniedError):
        return callback_page.denied(reason)
    if isinstance(error, ForeignAnswerError):
        return callback_page.not_ours(reason)
    return callback_page.failed(reason)


def _check_entered(
    stored: Login | None, server: AuthorizationServer, client: EnteredClient
) -> None:
    """A client is entered at one authorization server: no other may get its id and its secret.

    Raises:
        LoginError: the MCP server names another one than at the last log-in.
    """
    if stored is None or not stored.registration.is_entered:
        return
    entered = stored.registration
    if entered.client_id == client.client_id and entered.issuer != server.issuer:
        raise LoginError(
            f"The server now sends log-ins to {server.issuer}; the client {entered.client_id} is"
            f" one of {entered.issuer}. If whoever runs the server says that this is right, log out"
            " and log in again."
        )


def _known(
    stored: Login | None, server: AuthorizationServer, client: EnteredClient
) -> Registration | None:
    """The registration of the last log-in, if it is for this server and this client."""
    if stored is None or stored.registration.issuer != server.issuer:
        return None
    known = stored.registration
    if client.client_id and not (known.is_entered and known.client_id == client.client_id):
        return None
    return known


async def _listen(
    stack: AsyncExitStack, port: int, known: Registration | None, client: EnteredClient
) -> Callback:
    """Listen on the port asked for, else on the one registered last time, else on any.

    RFC 8252 section 7.3 lets the port differ from the registered one, but not every server does;
    for a client entered by hand the port is never another.
    """
    last = urlsplit(known.redirect_uri).port or 0 if known else 0
    if client.client_id or (known is not None and known.is_entered):
        return await stack.enter_async_context(open_callback(entered_address(port or last)))
    if port == 0 and last:
        try:
            return await stack.enter_async_context(open_callback(own_address(last)))
        except LoginError:
            return await stack.enter_async_context(open_callback(own_address()))
    return await stack.enter_async_context(open_callback(own_address(port)))


async def _begin(
    http: httpx2.AsyncClient,
    server: AuthorizationServer,
    known: Registration | None,
    client: EnteredClient,
    redirect_uri: str,
) -> Attempt:
    entered_id = client.client_id or (known.client_id if known and known.is_entered else "")
    if entered_id:
        entered = EnteredClient(entered_id, client.secret)
        registration = entered.registration(server.issuer, redirect_uri)
        attempt = begun(server, registration, redirect_uri)
        if not await _is_accepted(http, attempt):
            raise not_accepted(registration)
        return attempt
    if known is not None:
        attempt = begun(server, known, redirect_uri)
        if await _is_accepted(http, attempt):
            return attempt
    return begun(server, await register(http, server, redirect_uri), redirect_uri)


async def _is_accepted(http: httpx2.AsyncClient, attempt: Attempt) -> bool:
    """Whether the server still knows the client: if not, it shows the person a dead end."""
    try:
        # The status says it; the page, however long, is for the browser.
        async with http.stream("GET", attempt.url) as response:
            return response.status_code not in (400, 401, 403, 404)
    except httpx2.HTTPError as error:
        raise _unreachable(attempt.server.authorization_endpoint, error) from error


def _unreachable(url: str, error: httpx2.HTTPError) -> UnreachableError:
    return UnreachableError(f"Cannot reach {url}: {error or type(error).__name__}")
