"""The three things said to the authorization server about tokens: redeem, refresh, revoke.

RFC 6749 sections 4.1.3 and 6, RFC 7636, RFC 8707, RFC 7009. Called by `login` and `session`.
Nothing of a body is ever quoted but `error` and `error_description`: the rest may be a token.
"""

import base64
from collections.abc import Callable, Mapping
from urllib.parse import quote

import httpx2
from mcp.shared.auth import OAuthToken
from pydantic import BaseModel, ValidationError

from okta_mcp.client.answers import Answer, answer_to
from okta_mcp.client.errors import LoginError, UnreachableError
from okta_mcp.client.store import AuthorizationServer, Registration, Tokens

# A longer one has no end that could be written as a date.
_LONGEST_LIFETIME_SECONDS = 10 * 365 * 86_400


class GrantRefusedError(LoginError):
    """`invalid_grant` and its kin: this code or refresh token is worth nothing any more."""


class ClientForgottenError(LoginError):
    """`invalid_client` or `unauthorized_client`: the registration is worth nothing any more."""


class _OAuthError(BaseModel):
    error: str
    error_description: str = ""


async def redeem_code(
    http: httpx2.AsyncClient,
    server: AuthorizationServer,
    registration: Registration,
    *,
    code: str,
    code_verifier: str,
    redirect_uri: str,
    now: Callable[[], float],
) -> Tokens:
    """Exchange an authorization code for tokens.

    Raises:
        GrantRefusedError, ClientForgottenError, LoginError: the server's OAuth error.
        UnreachableError: no answer, or one that is not OAuth's.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": code_verifier,
        "redirect_uri": redirect_uri,
        "resource": server.resource,
    }
    return await _token_request(http, server, registration, form, now)


async def refresh(
    http: httpx2.AsyncClient,
    server: AuthorizationServer,
    registration: Registration,
    tokens: Tokens,
    now: Callable[[], float],
) -> Tokens:
    """New tokens for `tokens.refresh_token`; what the answer leaves out stays as it was."""
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens.refresh_token or "",
        "resource": server.resource,
    }
    fresh = await _token_request(http, server, registration, form, now)
    return Tokens(
        access_token=fresh.access_token,
        refresh_token=fresh.refresh_token or tokens.refresh_token,
        expires_at=fresh.expires_at,
        scope=fresh.scope or tokens.scope,
    )


async def revoke(
    http: httpx2.AsyncClient,
    server: AuthorizationServer,
    registration: Registration,
    tokens: Tokens,
) -> bool:
    """Revoke both tokens, the refresh token first; False if the server offers no revocation.

    Raises:
        UnreachableError: the server did not confirm.
    """
    if server.revocation_endpoint is None:
        return False
    hints = (("refresh_token", tokens.refresh_token), ("access_token", tokens.access_token))
    for hint, token in hints:
        if token is None:
            continue
        form = {"token": token, "token_type_hint": hint}
        response = await _post(http, server.revocation_endpoint, registration, form)
        if response.status_code != 200:
            raise UnreachableError(
                f"{server.revocation_endpoint} answered HTTP {response.status_code}."
            )
    return True


async def _token_request(
    http: httpx2.AsyncClient,
    server: AuthorizationServer,
    registration: Registration,
    form: Mapping[str, str],
    now: Callable[[], float],
) -> Tokens:
    asked_at = now()
    response = await _post(http, server.token_endpoint, registration, form)
    if response.status_code not in (200, 201):
        raise _refusal(server.token_endpoint, response)
    try:
        answer = OAuthToken.model_validate_json(response.content)
    except ValidationError:
        # Without its cause: pydantic quotes the values, and those are tokens.
        raise UnreachableError(
            f"{server.token_endpoint} answered something that is not a token."
        ) from None
    lifetime = answer.expires_in
    if lifetime is not None:
        lifetime = max(0, min(lifetime, _LONGEST_LIFETIME_SECONDS))
    return Tokens(
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=None if lifetime is None else asked_at + lifetime,
        scope=answer.scope,
    )


async def _post(
    http: httpx2.AsyncClient, url: str, registration: Registration, form: Mapping[str, str]
) -> Answer:
    authentication, headers = _client_authentication(registration)
    fields = {**form, **authentication}
    request = http.build_request("POST", url, data=fields, headers=headers)
    try:
        return await answer_to(http, request)
    except httpx2.HTTPError as error:
        raise UnreachableError(f"Cannot reach {url}: {error or type(error).__name__}") from error


def _client_authentication(registration: Registration) -> tuple[dict[str, str], dict[str, str]]:
    """RFC 6749 section 2.3.1: what goes into the form, and what into the headers."""
    secret = registration.client_secret or ""
    if registration.token_endpoint_auth_method == "client_secret_basic":  # noqa: S105
        pair = f"{quote(registration.client_id, safe='')}:{quote(secret, safe='')}"
        return {}, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if registration.token_endpoint_auth_method == "client_secret_post":  # noqa: S105
        return {"client_id": registration.client_id, "client_secret": secret}, {}
    return {"client_id": registration.client_id}, {}


def _refusal(url: str, response: Answer) -> LoginError | UnreachableError:
    try:
        problem = _OAuthError.model_validate_json(response.content)
    except ValidationError:
        return UnreachableError(f"{url} answered HTTP {response.status_code}.")
    text = f"The server refused: {problem.error}" + (
        f" ({problem.error_description})" if problem.error_description else ""
    )
    if response.status_code == 429 or response.status_code >= 500:
        return UnreachableError(text)
    if problem.error in ("invalid_client", "unauthorized_client"):
        return ClientForgottenError(text)
    if problem.error == "invalid_grant":
        return GrantRefusedError(text)
    return LoginError(text)
