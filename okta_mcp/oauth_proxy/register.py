"""`POST /oauth/register`: dynamic client registration (RFC 7591).

Anybody may register; what a client says of itself is a claim and is shown as one. Nothing in the
metadata is ever fetched, nothing unknown is kept, and the answer says what was stored.
"""

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.parameters import ParametersError, bounded_body
from okta_mcp.oauth_proxy.rates import Rate
from okta_mcp.oauth_proxy.redirect_uris import (
    LONGEST_URI,
    MOST_REDIRECT_URIS,
    RedirectUriError,
    check_redirect_uri,
)
from okta_mcp.oauth_proxy.scopes import LONGEST_SCOPE, supported
from okta_mcp.oauth_proxy.suspicion import Suspicion
from okta_mcp.oauth_proxy.tokens import CLIENT_SECRET, new_client_id, new_secret
from okta_mcp.oauth_proxy.trace import trace
from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.records import Client, Records, digest

LARGEST_REGISTRATION = 64 * 1024
LONGEST_NAME = 128
AUTH_METHODS = ("none", "client_secret_post", "client_secret_basic")
GRANT_TYPES = ("authorization_code", "refresh_token")
# A registration that nobody ever authorised is forgotten after a day, a used one after a season.
UNUSED_CLIENT_SECONDS = 24 * 3600
USED_CLIENT_SECONDS = 90 * 24 * 3600

_EVICTABLE_SECONDS = 3600
_EVICTION_INTERVAL_SECONDS = 10

_WEB_URIS = ("logo_uri", "client_uri", "tos_uri", "policy_uri", "jwks_uri")
_MOST_CONTACTS = 10
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class RegistrationEndpoint:
    """Checks a registration, stores it, and tells the client its id (and secret, once)."""

    def __init__(
        self,
        records: Records,
        audit: Audit,
        rate: Rate,
        suspicion: Suspicion,
        *,
        redirect_schemes: tuple[str, ...],
        redirect_hosts: tuple[str, ...],
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._audit = audit
        self._rate = rate
        self._suspicion = suspicion
        self._redirect_schemes = redirect_schemes
        self._redirect_hosts = redirect_hosts
        self._now = now
        self._next_eviction_at = 0.0

    async def post(self, request: Request) -> Response:
        """201 with the stored metadata; 400, 413, 415, 429 or 503 in RFC 7591's form."""
        metadata: dict[str, Any] = {}
        try:
            await self._rate.hit(request)
            metadata = await _metadata(request)
            client, secret = self._checked(metadata)
            await self._stored(client)
        except StoreFullError:
            error = TokenError(
                "temporarily_unavailable",
                "too many clients are registered; try again later",
                status=503,
                headers={"Retry-After": "60"},
            )
            self._refused(request, error)
            raise error from None
        except TokenError as error:
            await self._suspicion.remember_refused(
                metadata.get("client_name"), metadata.get("redirect_uris")
            )
            self._refused(request, error)
            raise
        await self._flag(request, client)
        self._audit.write(
            "client.registered",
            client_id=client.client_id,
            client_name=client.name,
            redirect_uris=client.redirect_uris,
            auth_method=client.auth_method,
            **trace(request),
        )
        return JSONResponse(_answer(client, secret), status_code=201, headers=_NO_STORE)

    async def _stored(self, client: Client) -> None:
        """Store it; when the store is full, registrations that nobody used make room."""
        try:
            await self._records.clients.put(client.client_id, client, UNUSED_CLIENT_SECONDS)
        except StoreFullError:
            if not await self._evicted():
                raise
            await self._records.clients.put(client.client_id, client, UNUSED_CLIENT_SECONDS)

    async def _evicted(self) -> int:
        """Forget clients that no person authorised within an hour; how many.

        A client that somebody authorised is never evicted. Looking through all of them costs, so
        it happens at most every ten seconds.
        """
        now = self._now()
        if now < self._next_eviction_at:
            return 0
        self._next_eviction_at = now + _EVICTION_INTERVAL_SECONDS
        unused = [
            key
            async for key, client in self._records.clients.scan()
            if not client.authorized and client.created_at < now - _EVICTABLE_SECONDS
        ]
        for key in unused:
            await self._records.clients.delete(key)
        return len(unused)

    async def _flag(self, request: Request, client: Client) -> None:
        reasons = await self._suspicion.reasons(request, client.name, client.redirect_uris)
        if reasons:
            self._audit.write(
                "client.registration.suspicious",
                reason=", ".join(reasons),
                client_id=client.client_id,
                client_name=client.name,
                redirect_uris=client.redirect_uris,
                **trace(request),
            )

    def _refused(self, request: Request, error: TokenError) -> None:
        self._audit.write(
            "client.registration.refused", "refused", reason=error.description, **trace(request)
        )

    def _checked(self, metadata: dict[str, Any]) -> tuple[Client, str | None]:
        name = _text(metadata, "client_name", LONGEST_NAME) or ""
        redirect_uris = self._redirect_uris(metadata)
        _check_web_uris(metadata)
        _check_contacts(metadata)
        _check_response_types(metadata)
        if metadata.get("software_statement") is not None:
            raise TokenError("invalid_software_statement", "software statements are not accepted")
        auth_method = _text(metadata, "token_endpoint_auth_method", 64) or "client_secret_basic"
        if auth_method not in AUTH_METHODS:
            raise _bad(f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}")
        secret = None if auth_method == "none" else new_secret(CLIENT_SECRET)
        scope = _text(metadata, "scope", LONGEST_SCOPE)
        client = Client(
            client_id=new_client_id(),
            name=name,
            redirect_uris=redirect_uris,
            grant_types=_grant_types(metadata),
            auth_method=auth_method,
            secret_digest=digest(secret) if secret else None,
            scope=" ".join(supported(scope)) or None if scope else None,
            created_at=self._now(),
        )
        return client, secret

    def _redirect_uris(self, metadata: dict[str, Any]) -> tuple[str, ...]:
        uris = metadata.get("redirect_uris")
        if not isinstance(uris, list) or not 1 <= len(uris) <= MOST_REDIRECT_URIS:
            raise _bad_redirect(f"redirect_uris must be a list of 1 to {MOST_REDIRECT_URIS} URIs")
        for uri in uris:
            if not isinstance(uri, str):
                raise _bad_redirect("redirect_uris must hold strings")
            try:
                check_redirect_uri(uri, self._redirect_schemes, self._redirect_hosts)
            except RedirectUriError as error:
                raise _bad_redirect(f"a redirect URI {error}") from None
        return tuple(dict.fromkeys(uris))


async def _metadata(request: Request) -> dict[str, Any]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise TokenError("invalid_client_metadata", "the body must be application/json", status=415)
    try:
        metadata = json.loads(await bounded_body(request, LARGEST_REGISTRATION))
        # Half a surrogate pair passes as JSON, but can be neither stored nor answered.
        json.dumps(metadata, ensure_ascii=False).encode()
    except ParametersError as error:
        raise TokenError("invalid_client_metadata", error.reason, status=error.status) from None
    except (ValueError, RecursionError):
        raise _bad("the body must be JSON") from None
    if not isinstance(metadata, dict):
        raise _bad("the body must be a JSON object")
    return metadata


def _answer(client: Client, secret: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grant_types),
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth_method,
    }
    if client.scope is not None:
        answer["scope"] = client.scope
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return answer


def _text(metadata: dict[str, Any], name: str, longest: int) -> str | None:
    value = metadata.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise _bad(f"{name} must be text of at most {longest} characters")
    return value


def _check_web_uris(metadata: dict[str, Any]) -> None:
    for name in _WEB_URIS:
        uri = _text(metadata, name, LONGEST_URI)
        if uri and not uri.startswith("https://"):
            raise _bad(f"{name} must be https")


def _check_contacts(metadata: dict[str, Any]) -> None:
    contacts = metadata.get("contacts")
    if contacts is not None and (not isinstance(contacts, list) or len(contacts) > _MOST_CONTACTS):
        raise _bad(f"contacts must be a list of at most {_MOST_CONTACTS} entries")


def _check_response_types(metadata: dict[str, Any]) -> None:
    response_types = metadata.get("response_types", ["code"])
    if not isinstance(response_types, list) or "code" not in response_types:
        raise _bad("response_types must hold code, the only one supported")


def _grant_types(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Those of ours that were asked for; RFC 7591's default is `authorization_code` alone."""
    asked = metadata.get("grant_types")
    if asked is None:
        return ("authorization_code",)
    if not isinstance(asked, list) or "authorization_code" not in asked:
        raise _bad("grant_types must hold authorization_code")
    return tuple(name for name in GRANT_TYPES if name in asked)


def _bad(description: str) -> TokenError:
    return TokenError("invalid_client_metadata", description)


def _bad_redirect(description: str) -> TokenError:
    return TokenError("invalid_redirect_uri", description)
