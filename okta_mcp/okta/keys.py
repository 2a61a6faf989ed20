"""Okta's signing keys, and the verification of tokens with them (OIDC Core 3.1.3.7, RFC 8725).

The key id of a token is only a dictionary key: nothing that a token names is ever fetched. The
algorithm is fixed here, not read from the token.
"""

import asyncio
import base64
import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import jwt

from okta_mcp.okta.authorization_server import LoginUnavailableError

_ALGORITHMS = ["RS256"]
_LEEWAY_SECONDS = 60
_OLDEST_ID_TOKEN_SECONDS = 600
_COOL_DOWN_SECONDS = 30.0
_RETRY_SECONDS = 5.0
_KEYS_LIVE_SECONDS = 3600.0
_MOST_KEYS = 20


class UntrustedTokenError(Exception):
    """The token cannot be trusted; the text says which check failed and is for the log only."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The document with an issuer's keys, and when it was asked for in epoch seconds."""

    document: dict[str, Any]
    asked_at: float


# A key set that was asked for at that time or later: another process's, or what the call gives.
Share = Callable[[float, Callable[[], Awaitable[KeySet]]], Awaitable[KeySet]]


class SigningKeys:
    """The keys of one issuer, fetched when they are first needed and at most hourly.

    A key id that is not known makes one more fetch, shared by all who wait, and then none for
    30 seconds: a flood of bad logins makes no flood of fetches, and a rotation is picked up
    within a minute. With `share` all that holds of several processes together.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[dict[str, Any]]],
        now: Callable[[], float],
        share: Share | None = None,
    ) -> None:
        self._fetch = fetch
        self._share = share
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._next_fetch_at = self._stale_at = float("-inf")
        self._has_failed = False
        self._lock = asyncio.Lock()

    async def ready(self) -> None:
        """Before something is used up whose answer needs a key: raises where none can be had.

        That is what `fetch` raises, or `LoginUnavailableError` while it is not asked again.
        """
        if self._now() >= self._stale_at:
            await self._asked_for(_KEYS_LIVE_SECONDS)
        if not self._keys and self._has_failed:
            raise LoginUnavailableError("okta_unreachable")

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key of that id; raises `UntrustedTokenError`, and as `ready` does."""
        if self._now() >= self._stale_at:
            await self._asked_for(_KEYS_LIVE_SECONDS)
        if key_id not in self._keys:
            await self._asked_for(_COOL_DOWN_SECONDS)
        try:
            return self._keys[key_id]
        except KeyError:
            if self._has_failed:
                # The issuer may well publish it: nobody can tell whether the token is good.
                raise LoginUnavailableError("okta_unreachable") from None
            raise UntrustedTokenError(
                "signed with a key that the issuer does not publish"
            ) from None

    async def _asked_for(self, oldest_seconds: float) -> None:
        async with self._lock:
            if self._now() >= self._next_fetch_at:
                await self._refresh(oldest_seconds)

    async def _refresh(self, oldest_seconds: float) -> None:
        # Also a failed fetch counts, so that an issuer in trouble is not asked by every login.
        self._next_fetch_at = self._now() + _RETRY_SECONDS
        self._has_failed = True
        try:
            if self._share is None:
                found = await self._fetched()
            else:
                found = await self._share(self._now() - oldest_seconds, self._fetched)
        except Exception:
            if not self._keys:
                raise
            # What is known still verifies; the next login after the pause asks again.
            return
        self._has_failed = False
        self._keys = usable_keys(found.document)
        # By the clock of whoever asked; one that is ahead prolongs nothing.
        asked_at = min(found.asked_at, self._now())
        self._next_fetch_at = asked_at + _COOL_DOWN_SECONDS
        self._stale_at = asked_at + _KEYS_LIVE_SECONDS

    async def _fetched(self) -> KeySet:
        asked_at = self._now()
        return KeySet(await self._fetch(), asked_at)


def usable_keys(document: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    """RSA signing keys by id; whatever else the document holds is passed over."""
    keys: dict[str, jwt.PyJWK] = {}
    listed = document.get("keys")
    for entry in listed[:_MOST_KEYS] if isinstance(listed, list) else []:
        if (
            isinstance(entry, dict)
            and entry.get("kty") == "RSA"
            and entry.get("use", "sig") == "sig"
            and isinstance(entry.get("kid"), str)
        ):
            try:
                keys[entry["kid"]] = jwt.PyJWK(entry, algorithm="RS256")
            except (jwt.PyJWKError, jwt.InvalidKeyError, ValueError):
                continue
    return keys


async def verified_id_token(
    id_token: str,
    keys: SigningKeys,
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    access_token: str,
    now: float,
) -> dict[str, Any]:
    """The claims of a token that passed every check; raises `UntrustedTokenError`.

    `nonce` is None only after a refresh, where OIDC sends none.
    """
    claims = await signed_claims(id_token, keys, client_id, ("exp", "iat", "iss", "aud", "sub"))
    check_issuer(claims, issuer)
    _check_audiences(claims, client_id)
    _check_times(claims, now)
    if not isinstance(claims["sub"], str) or not claims["sub"].strip():
        raise UntrustedTokenError("no subject")
    if nonce is not None and not _equal(claims.get("nonce"), nonce):
        raise UntrustedTokenError("made for another sign-in (nonce)")
    if "at_hash" in claims and not _equal(claims["at_hash"], _half_hash(access_token)):
        raise UntrustedTokenError("made for another access token (at_hash)")
    return claims


async def signed_claims(
    token: str,
    keys: SigningKeys,
    audience: str,
    required: tuple[str, ...],
    *,
    types: tuple[str | None, ...] | None = None,
) -> dict[str, Any]:
    """The claims of a token with a good signature that is for `audience` and has all of `required`.

    Issuer and times are for the caller to check. `types` are what the header may say as `typ`.
    Raises `UntrustedTokenError`, and as `SigningKeys.ready` does.
    """
    key = await keys.key(_key_id(token, types))
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            audience=audience,
            options={
                "require": list(required),
                # Times are checked by the caller, against this server's one clock.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_iss": False,
            },
        )
    except jwt.PyJWTError as error:
        raise UntrustedTokenError(type(error).__name__) from None
    return claims


def _key_id(token: str, types: tuple[str | None, ...] | None) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise UntrustedTokenError("not a JWT") from None
    if types is not None and header.get("typ") not in types:
        raise UntrustedTokenError("a token of another type")
    if header.get("alg") not in _ALGORITHMS:
        raise UntrustedTokenError("signed with an algorithm that is not allowed")
    if not isinstance(header.get("kid"), str):
        raise UntrustedTokenError("names no key")
    return str(header["kid"])


def check_issuer(claims: dict[str, Any], issuer: str) -> None:
    """Raises `UntrustedTokenError`."""
    # Okta writes its issuer without a slash; one that is configured with a slash is the same.
    if not isinstance(claims["iss"], str) or claims["iss"].rstrip("/") != issuer:
        raise UntrustedTokenError("from another issuer")


def _check_audiences(claims: dict[str, Any], client_id: str) -> None:
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise UntrustedTokenError("authorized for another application (azp)")


def check_beginning(claims: dict[str, Any], now: float) -> None:
    """That all times are times, and none that should have passed lies ahead; raises the same."""
    for name in ("exp", "iat", "nbf"):
        if name in claims and not _is_time(claims[name]):
            raise UntrustedTokenError(f"{name} is not a time")
    if max(claims["iat"], claims.get("nbf", 0)) > now + _LEEWAY_SECONDS:
        raise UntrustedTokenError("from the future")


def _check_times(claims: dict[str, Any], now: float) -> None:
    check_beginning(claims, now)
    if claims["exp"] <= now - _LEEWAY_SECONDS:
        raise UntrustedTokenError("expired")
    if claims["iat"] < now - _OLDEST_ID_TOKEN_SECONDS:
        raise UntrustedTokenError("too old")


def _is_time(value: Any) -> bool:
    """A finite number: NaN would compare as neither past nor future."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _half_hash(access_token: str) -> str:
    """OIDC Core 3.1.3.6: the left half of the SHA-256, for RS256."""
    left = hashlib.sha256(access_token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(left).rstrip(b"=").decode()


def _equal(found: Any, expected: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode(), expected.encode())
