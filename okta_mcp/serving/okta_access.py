"""How this server reaches Okta: the sign-in, and the API in the way that `OKTA_API_AUTH` names.

A part of the composition root, called by `parts.py` and `routes.py`. Nothing is asked of Okta here;
a private key that cannot be used ends the start.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.authorization_server import AuthorizationServer
from okta_mcp.okta.client_authentication import (
    ClientAuthentication,
    SecretInForm,
    SecretInHeader,
    SignedAssertion,
)
from okta_mcp.okta.client_key import ClientKey, ClientKeyError, client_key
from okta_mcp.okta.credentials import ApiToken, Credentials
from okta_mcp.okta.delegated import PersonalTokens
from okta_mcp.okta.directory import ClaimsDirectory, Directory, ManagementDirectory
from okta_mcp.okta.keys import Share
from okta_mcp.okta.oidc import OktaLogin
from okta_mcp.okta.service_application import ServiceApplication
from okta_mcp.okta.sharing import Counts
from okta_mcp.okta.sign_ins import SignIns
from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.settings import Settings, SettingsError

log = logging.getLogger("okta_mcp")


@dataclass(frozen=True, slots=True)
class OktaAccess:
    """`api` is None where Okta's API is not called."""

    api: OktaApi | None
    directory: Directory


def private_key(settings: Settings) -> ClientKey | None:
    """The key of `OKTA_API_PRIVATE_KEY_FILE`, where there is one; raises `SettingsError`."""
    path = settings.okta_api_private_key_file
    if path is None:
        return None
    try:
        return client_key(path)
    except ClientKeyError as error:
        raise SettingsError(
            [
                f"OKTA_API_PRIVATE_KEY_FILE: {error}; make one with: openssl genpkey -algorithm RSA"
                " -pkeyopt rsa_keygen_bits:2048 -out okta-api.key. Example:"
                " OKTA_API_PRIVATE_KEY_FILE=/etc/okta-mcp/okta-api.key"
            ]
        ) from None


def okta_login(
    settings: Settings,
    http: httpx.AsyncClient,
    key: ClientKey | None,
    now: Callable[[], float],
    share: Share | None = None,
) -> OktaLogin:
    """The application that people sign in through."""
    server = AuthorizationServer(
        http, issuer=settings.issuer, client_id=settings.okta_client_id, now=now
    )
    return OktaLogin(
        server,
        authentication(settings, key, now),
        redirect_uri=settings.redirect_uri,
        now=now,
        acr_values=settings.okta_acr_values,
        share=share,
    )


def okta_access(
    settings: Settings,
    http: httpx.AsyncClient,
    key: ClientKey | None,
    login: OktaLogin,
    sign_ins: SignIns,
    now: Callable[[], float],
    *,
    sleep: Callable[[float], Awaitable[None]],
    counts: Counts | None,
) -> OktaAccess:
    """The API's client and the source of groups; `counts` where other processes use the same."""
    credentials = _credentials(settings, http, key, sign_ins, now)
    api = _api(settings, http, credentials, now, sleep, counts) if credentials else None
    if api is None or settings.keeps_sign_ins:
        return OktaAccess(api, ClaimsDirectory(login, sign_ins.refreshed))
    return OktaAccess(api, ManagementDirectory(api))


def own_api(
    settings: Settings,
    http: httpx.AsyncClient,
    now: Callable[[], float],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    counts: Counts | None = None,
) -> OktaApi | None:
    """The API's client in this server's own name, where it has one.

    Used where nobody signs in here: by commands and by the resource server. Raises `SettingsError`.
    """
    if settings.keeps_sign_ins:
        return None
    credentials = _credentials(settings, http, private_key(settings), None, now)
    return _api(settings, http, credentials, now, sleep, counts) if credentials else None


def okta_scopes(settings: Settings) -> tuple[str, ...]:
    """What is asked of Okta at a sign-in: no more than roles and calls depend on."""
    profile = ("openid", "profile", "email")
    if not settings.keeps_sign_ins:
        return profile
    own = FAMILY_SCOPES if settings.api_auth == "delegated" else ()
    return (*profile, "groups", "offline_access", *own)


def authentication(
    settings: Settings, key: ClientKey | None, now: Callable[[], float]
) -> ClientAuthentication:
    """How the application of OKTA_CLIENT_ID shows who it is."""
    client_id = settings.okta_client_id
    if settings.signs_in_with_key and key is not None:
        return SignedAssertion(client_id, key, now)
    secret = settings.okta_client_secret or SecretStr("")
    if settings.okta_token_endpoint_auth_method == "client_secret_post":  # noqa: S105 - a method
        return SecretInForm(client_id, secret.get_secret_value())
    return SecretInHeader(client_id, secret.get_secret_value())


def _credentials(
    settings: Settings,
    http: httpx.AsyncClient,
    key: ClientKey | None,
    sign_ins: SignIns | None,
    now: Callable[[], float],
) -> Credentials | None:
    match settings.api_auth:
        case "service" if key is not None:
            # Scopes for the API are the organisation's own server's, whoever signs people in.
            server = AuthorizationServer(
                http,
                issuer=settings.okta_org_url,
                client_id=settings.okta_api_client_id or "",
                now=now,
            )
            return ServiceApplication(server, key, scopes=FAMILY_SCOPES, now=now)
        case "delegated" if sign_ins is not None:
            return PersonalTokens(sign_ins)
        case "ssws" if settings.okta_api_token is not None:
            return ApiToken(settings.okta_api_token.get_secret_value())
    log.warning(
        "no credentials for the Okta API: logins work, and roles come from the groups claim, but"
        " tools that ask Okta will say what is missing. Set OKTA_API_TOKEN or a service application"
        " (docs/okta-setup.md)."
    )
    return None


def _api(
    settings: Settings,
    http: httpx.AsyncClient,
    credentials: Credentials,
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    counts: Counts | None,
) -> OktaApi:
    return OktaApi(
        http,
        settings.okta_org_url,
        credentials,
        concurrency=settings.okta_concurrent_limit,
        now=now,
        sleep=sleep,
        counts=counts,
    )
