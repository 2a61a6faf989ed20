"""One log-in through the browser: authorization code with PKCE for a native app.

Called by `session` when a server answers 401 and nothing stored helps. Order: discover, open the
loopback callback, register (or use the stored registration if the server still knows it), send
the browser, judge its answer, redeem the code. RFC 8252, RFC 7636, RFC 7591, RFC 8707, RFC 9207.
The first wrong answer ends the log-in; a code is never redeemed before `state` and `iss` are right.
"""

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import anyio
import httpx2
from mcp.shared.auth import OAuthClientInformationFull
from pydantic import ValidationError

from okta_mcp.client.callback import Callback, open_callback
from okta_mcp.client.discovery import GRANT_TYPES, discover
from okta_mcp.client.errors import ClientError, LoginError, UnreachableError
from okta_mcp.client.store import AuthorizationServer, Login, Registration
from okta_mcp.client.tokens import redeem_code

CLIENT_NAME = "okta-mcp command line"
# As long as a server of ours keeps a sign-in that has begun.
BROWSER_WAIT_SECONDS = 600
USABLE_AUTH_METHODS = ("none", "client_secret_post", "client_secret_basic")


@dataclass(frozen=True, slots=True)
class Browser:
    """How the person gets to the log-in page.

    `announce` shows the URL at the terminal; `open` starts a browser on it, or is None when the
    person opens it. `callback_port` is 0 for any free port.
    """

    announce: Callable[[str], None]
    open: Callable[[str], object] | None
    callback_port: int = 0


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One authorization request: what the answer is compared with."""

    server: AuthorizationServer
    registration: Registration
    redirect_uri: str
    state: str
    code_verifier: str

    @property
    def url(self) -> str:
        """The authorization request (RFC 6749 section 4.1.1)."""
        digest = hashlib.sha256(self.code_verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.registration.client_id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "resource": self.server.resource,
        }
        if self.server.scope:
            query["scope"] = self.server.scope
            if "offline_access" in self.server.scope.split():
                # OpenID Connect Core section 11: without it a provider ignores offline_access.
                query["prompt"] = "consent"
        separator = "&" if urlsplit(self.server.authorization_endpoint).query else "?"
        return f"{self.server.authorization_endpoint}{separator}{urlencode(query)}"


async def log_in(
    http: httpx2.AsyncClient,
    server_url: str,
    challenge: Mapping[str, str],
    stored: Login | None,
    browser: Browser,
    now: Callable[[], float],
) -> Login:
    """Log the person in and give back what is to be stored; `challenge` is the 401's headers.

    Raises:
        LoginError: refused, denied, timed out, or an answer that is not to be trusted.
        UnreachableError: the authorization server could not be used.
    """
    server = await discover(http, server_url, challenge)
    known = stored.registration if stored and stored.registration.issuer == server.issuer else None
    async with AsyncExitStack() as stack:
        callback = await _listen(stack, browser.callback_port, known)
        attempt = await _begin(http, server, known, callback.redirect_uri)
        browser.announce(attempt.url)
        if browser.open is not None:
            # A text browser blocks until it is closed, and must not keep the process alive.
            threading.Thread(target=browser.open, args=(attempt.url,), daemon=True).start()
        with anyio.move_on_after(BROWSER_WAIT_SECONDS):
            answer = await callback.answer()
            try:
                tokens = await redeem_code(
                    http,
                    server,
                    attempt.registration,
                    code=_code(answer.parameters, attempt),
                    code_verifier=attempt.code_verifier,
                    redirect_uri=attempt.redirect_uri,
                    now=now,
                )
            except ClientError as error:
                answer.fail(str(error))
                raise
            answer.succeed()
            return Login(server_url, server, attempt.registration, tokens)
    raise LoginError(f"Nobody logged in within {BROWSER_WAIT_SECONDS // 60} minutes.")


async def _listen(stack: AsyncExitStack, port: int, known: Registration | None) -> Callback:
    """Listen on the port asked for, else on the one registered last time, else on any.

    RFC 8252 section 7.3 lets the port differ from the registered one, but not every server does.
    """
    if port == 0 and known is not None:
        try:
            registered = urlsplit(known.redirect_uri).port or 0
            return await stack.enter_async_context(open_callback(registered))
        except LoginError:
            return await stack.enter_async_context(open_callback(0))
    return await stack.enter_async_context(open_callback(port))


async def _begin(
    http: httpx2.AsyncClient,
    server: AuthorizationServer,
    known: Registration | None,
    redirect_uri: str,
) -> _Attempt:
    if known is not None:
        attempt = _attempt(server, known, redirect_uri)
        if await _is_accepted(http, attempt):
            return attempt
    return _attempt(server, await _register(http, server, redirect_uri), redirect_uri)


def _attempt(
    server: AuthorizationServer, registration: Registration, redirect_uri: str
) -> _Attempt:
    return _Attempt(
        server=server,
        registration=registration,
        redirect_uri=redirect_uri,
        state=secrets.token_urlsafe(32),
        code_verifier=secrets.token_urlsafe(64),
    )


async def _is_accepted(http: httpx2.AsyncClient, attempt: _Attempt) -> bool:
    """Whether the server still knows the client: if not, it shows the person a dead end."""
    try:
        response = await http.get(attempt.url)
    except httpx2.HTTPError as error:
        raise _unreachable(attempt.server.authorization_endpoint, error) from error
    return response.status_code not in (400, 401, 403, 404)


async def _register(
    http: httpx2.AsyncClient, server: AuthorizationServer, redirect_uri: str
) -> Registration:
    """Register as a public native client (RFC 7591 section 3)."""
    endpoint = server.registration_endpoint
    if endpoint is None:
        raise LoginError(f"{server.issuer} does not let clients register themselves.")
    metadata = {
        "client_name": CLIENT_NAME,
        "redirect_uris": [redirect_uri],
        "grant_types": list(GRANT_TYPES),
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    }
    if server.scope:
        metadata["scope"] = server.scope
    try:
        response = await http.post(endpoint, json=metadata)
    except httpx2.HTTPError as error:
        raise _unreachable(endpoint, error) from error
    if response.status_code not in (200, 201):
        raise UnreachableError(f"{endpoint} refused to register: HTTP {response.status_code}.")
    try:
        answer = OAuthClientInformationFull.model_validate_json(response.content)
    except ValidationError:
        # Without its cause: pydantic quotes the values, and one is a secret.
        raise UnreachableError(f"{endpoint} answered something that is no registration.") from None
    method = answer.token_endpoint_auth_method or "none"
    if method not in USABLE_AUTH_METHODS or (method != "none" and not answer.client_secret):
        raise LoginError(f"{endpoint} wants the authentication {method}, which cannot be done.")
    return Registration(
        issuer=server.issuer,
        client_id=answer.client_id,
        redirect_uri=redirect_uri,
        token_endpoint_auth_method=method,
        client_secret=answer.client_secret,
    )


def _code(parameters: Mapping[str, list[str]], attempt: _Attempt) -> str:
    """The authorization code, if the answer belongs to this attempt and is one.

    An error may come without `state`, since a server that lost the request has none to give back.

    Raises:
        LoginError: RFC 6749 sections 3.1 and 4.1.2.1, RFC 9207 section 2.4.
    """
    if any(len(values) > 1 for values in parameters.values()):
        raise LoginError("The browser's answer names a parameter twice; it was not used.")
    answer = {name: values[0] for name, values in parameters.items()}
    state, iss, error = answer.get("state"), answer.get("iss"), answer.get("error")
    if not (state is None and error) and not secrets.compare_digest(
        (state or "").encode(), attempt.state.encode()
    ):
        raise LoginError("The browser's answer belongs to another log-in (wrong state).")
    if iss is not None and iss != attempt.server.issuer:
        raise LoginError(f"The answer comes from {iss}, not from {attempt.server.issuer}.")
    if error:
        raise LoginError(_refusal(error, answer.get("error_description")))
    if iss is None and attempt.server.iss_required:
        raise LoginError("The browser's answer does not say which server it is from (no iss).")
    code = answer.get("code")
    if not code:
        raise LoginError("The browser's answer holds no code.")
    return code


def _refusal(error: str, description: str | None) -> str:
    what = "Access was denied" if error == "access_denied" else "The server refused the log-in"
    return f"{what}: {error}" + (f" ({description})" if description else "")


def _unreachable(url: str, error: httpx2.HTTPError) -> UnreachableError:
    return UnreachableError(f"Cannot reach {url}: {error or type(error).__name__}")
