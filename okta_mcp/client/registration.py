"""Who this client is at an authorization server: registered by itself, or entered by somebody.

Called by `login`. A server with registration (RFC 7591) gets a public native client. One without
it, such as Okta, knows only what somebody entered there: that client is named with `--client-id`,
and its redirect URI is compared as a string. The secret of an entered client belongs to everybody
who uses it, so it is taken from the environment each time and never kept.
"""

from dataclasses import dataclass, field, replace

import httpx2
from mcp.shared.auth import OAuthClientInformationFull
from pydantic import ValidationError

from okta_mcp.client.answers import answer_to
from okta_mcp.client.callback import entered_address
from okta_mcp.client.discovery import GRANT_TYPES
from okta_mcp.client.errors import LoginError, UnreachableError
from okta_mcp.client.store import AuthorizationServer, Registration

CLIENT_NAME = "okta-mcp command line"
SECRET_VARIABLE = "OKTA_MCP_CLIENT_SECRET"  # noqa: S105 - the name of the variable
USABLE_AUTH_METHODS = ("none", "client_secret_post", "client_secret_basic")


@dataclass(frozen=True, slots=True)
class EnteredClient:
    """What the person says about a client entered by hand; empty where it is a registered one.

    Without `client_id` the one of the last log-in counts. `secret` is the environment's.
    """

    client_id: str = ""
    secret: str | None = field(default=None, repr=False)

    def registration(self, issuer: str, redirect_uri: str) -> Registration:
        """The client of that id at `issuer`."""
        known = Registration(issuer, self.client_id, redirect_uri, is_entered=True)
        return self.equipped(replace(known, token_endpoint_auth_method=self._method))

    def equipped(self, registration: Registration) -> Registration:
        """`registration` with the secret that is not kept, if it is one that was entered.

        Raises:
            LoginError: the client has a secret, and the environment does not say it.
        """
        if not registration.is_entered:
            return registration
        if registration.token_endpoint_auth_method != "none" and self.secret is None:  # noqa: S105
            raise LoginError(
                f"The client {registration.client_id} was used with a secret. Put it into"
                f" {SECRET_VARIABLE}, or log out and log in again without it."
            )
        return replace(
            registration, token_endpoint_auth_method=self._method, client_secret=self.secret
        )

    @property
    def _method(self) -> str:
        return "none" if self.secret is None else "client_secret_basic"


def kept(registration: Registration) -> Registration:
    """`registration` as it may be stored: the secret of an entered client stays out."""
    return replace(registration, client_secret=None) if registration.is_entered else registration


def not_registrable(server: AuthorizationServer, callback_port: int) -> LoginError:
    """What to do at a server that registers nobody; `callback_port` 0 is the usual one."""
    redirect_uri = entered_address(callback_port).redirect_uri
    return LoginError(
        f"{server.issuer} does not let clients register themselves, so one must be entered there"
        " once. In Okta: Applications, Create App Integration, OIDC, Native Application; grant"
        " types Authorization Code and Refresh Token; as sign-in redirect URI exactly"
        f" {redirect_uri}\nThen log in with --client-id and the client id that Okta shows. If the"
        f" application has a secret, put it into the environment variable {SECRET_VARIABLE}."
    )


def not_accepted(registration: Registration) -> LoginError:
    """The authorization server shows a dead end for this entered client."""
    return LoginError(
        f"{registration.issuer} does not accept the client {registration.client_id} with the"
        f" redirect URI {registration.redirect_uri}\nCompare both with what is entered there; in"
        " Okta: the application, General, Client ID and Sign-in redirect URIs."
    )


async def register(
    http: httpx2.AsyncClient, server: AuthorizationServer, redirect_uri: str
) -> Registration:
    """Register as a public native client (RFC 7591 section 3).

    Raises:
        LoginError: strangers may not register there, or only in a way that cannot be used.
        UnreachableError: no answer, or one that is no registration.
    """
    endpoint = server.registration_endpoint
    if endpoint is None:
        raise not_registrable(server, 0)
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
        response = await answer_to(http, http.build_request("POST", endpoint, json=metadata))
    except httpx2.HTTPError as error:
        raise UnreachableError(
            f"Cannot reach {endpoint}: {error or type(error).__name__}"
        ) from error
    if response.status_code in (401, 403):
        # Okta lists its endpoint, but takes administrators only.
        raise not_registrable(server, 0)
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
