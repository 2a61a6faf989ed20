"""`POST /oauth/register`: dynamic client registration (RFC 7591).

Anybody may register; what a client says of itself is a claim and is shown as one. Nothing in the
metadata is ever fetched, nothing unknown is kept, and the answer says what was stored.
"""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.client_metadata import checked_metadata, json_object
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.suspicion import Suspicion
from okta_mcp.oauth_proxy.tokens import CLIENT_SECRET, new_client_id, new_secret
from okta_mcp.serving.body import BodyTooLargeError, bounded_body
from okta_mcp.serving.rates import Rate
from okta_mcp.serving.trace import trace
from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.records import Client, Records, digest

LARGEST_REGISTRATION = 64 * 1024
AUTH_METHODS = ("none", "client_secret_post", "client_secret_basic")
# A registration that nobody ever authorised is forgotten after a day, a used one after a season.
UNUSED_CLIENT_SECONDS = 24 * 3600
USED_CLIENT_SECONDS = 90 * 24 * 3600

_EVICTABLE_SECONDS = 3600
_EVICTION_INTERVAL_SECONDS = 10

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
        checked = checked_metadata(
            metadata, redirect_schemes=self._redirect_schemes, redirect_hosts=self._redirect_hosts
        )
        auth_method = checked.auth_method or "client_secret_basic"
        if auth_method not in AUTH_METHODS:
            raise TokenError(
                "invalid_client_metadata",
                f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}",
            )
        secret = None if auth_method == "none" else new_secret(CLIENT_SECRET)
        client = Client(
            client_id=new_client_id(),
            name=checked.name,
            redirect_uris=checked.redirect_uris,
            grant_types=checked.grant_types,
            auth_method=auth_method,
            secret_digest=digest(secret) if secret else None,
            scope=checked.scope,
            created_at=self._now(),
        )
        return client, secret


async def _metadata(request: Request) -> dict[str, Any]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise TokenError("invalid_client_metadata", "the body must be application/json", status=415)
    try:
        return json_object(await bounded_body(request, LARGEST_REGISTRATION))
    except BodyTooLargeError as error:
        raise TokenError("invalid_client_metadata", error.reason, status=413) from None


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
