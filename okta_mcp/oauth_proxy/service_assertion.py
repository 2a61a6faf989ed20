"""A service proves itself by a JWT that it signed with its own key (`private_key_jwt`).

RFC 7521 section 4.2 and RFC 7523 section 3, for the services of the policy file alone. Used by the
token and the revocation endpoint, in two steps: `signed` says whose signature it is, and touches no
store; `accept` holds the claims against this server and this moment, and uses the assertion up.
What the header says never chooses the key or the algorithm, and nothing that it names is fetched.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from starlette.requests import Request

from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.parameters import Parameters
from okta_mcp.rbac.public_keys import PublicKey
from okta_mcp.rbac.services import Service
from okta_mcp.serving.rates import Rate
from okta_mcp.stores.records import Mark, Records, digest

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION_SECONDS = 300
# By how much the service's clock may be off.
SKEW_SECONDS = 30
# A playbook that takes a new token for every step stays below it. It also bounds what one service
# can fill of the store.
ASSERTION_RATE = "120/minute"

_LONGEST_ASSERTION = 4096
_LONGEST_JTI = 256
_END_OF_TIMES = 1e11
# All claims are checked here, by this server's one clock.
_SIGNATURE_ALONE: Any = {
    f"verify_{claim}": False for claim in ("aud", "exp", "iat", "iss", "jti", "nbf", "sub")
}


@dataclass(frozen=True, slots=True)
class SignedAssertion:
    """An assertion whose signature is that of `key`, which is one of the service's."""

    service: Service
    key: PublicKey
    claims: Mapping[str, Any]


def has_assertion(form: Parameters) -> bool:
    """Whether the caller wants to prove itself so, rightly or not."""
    return any(form.every(name) for name in ("client_assertion", "client_assertion_type"))


class ServiceAssertions:
    """`audiences` are the names of this server that an assertion may be made out to."""

    def __init__(
        self,
        services: Mapping[str, Service],
        records: Records,
        rate: Rate,
        *,
        audiences: tuple[str, ...],
        now: Callable[[], float],
    ) -> None:
        self._services = services
        self._records = records
        self._rate = rate
        self._audiences = audiences
        self._now = now

    def signed(self, request: Request, form: Parameters) -> SignedAssertion:
        """Whose assertion it is; raises `TokenError` 400 `invalid_request` or 401.

        An unknown service and a wrong key get the same answer.
        """
        if request.headers.getlist("authorization") or form.one("client_secret") is not None:
            raise TokenError("invalid_request", "the client authenticates in two ways at once")
        assertion = form.one("client_assertion")
        if assertion is None or form.one("client_assertion_type") != ASSERTION_TYPE:
            raise TokenError(
                "invalid_request", f"client_assertion needs client_assertion_type={ASSERTION_TYPE}"
            )
        if len(assertion) > _LONGEST_ASSERTION:
            raise _refused("assertion_unknown", f"the assertion is over {_LONGEST_ASSERTION} bytes")
        service = self._services.get(_stated_service(assertion))
        for key in service.keys if service else ():
            claims = _verified(assertion, key)
            if service is not None and claims is not None:
                return SignedAssertion(service, key, claims)
        raise _refused(
            "assertion_unknown", "unknown service, or not signed with a key that it has here"
        )

    async def accept(self, signed: SignedAssertion, form: Parameters) -> None:
        """Raises `TokenError` 401, `TooManyRequestsError`, `StoreFullError`; works once."""
        name, claims, now = signed.service.name, signed.claims, self._now()
        if claims.get("sub") != name:
            raise _refused("assertion_subject", "sub must be the client id, as iss is")
        if form.one("client_id") not in (None, name):
            raise _refused("client_id_differs", "client_id must be that of the assertion")
        self._check_audience(claims.get("aud"))
        _check_times(claims, now)
        jti = claims.get("jti")
        # Half a surrogate pair, which JSON can write, has no digest.
        if not isinstance(jti, str) or not 1 <= len(jti) <= _LONGEST_JTI or not jti.isprintable():
            raise _refused(
                "assertion_jti", f"jti must be a text of 1 to {_LONGEST_JTI} printable characters"
            )
        await self._rate.hit_by(signed.service.user_id)
        # Known for as long as the times above would let the same assertion pass again.
        is_first = await self._records.used_assertions.put(
            digest(f"{name} {jti}"), Mark(now), claims["exp"] + SKEW_SECONDS - now, if_absent=True
        )
        if not is_first:
            raise _refused("assertion_replayed", "jti was used before; sign a new assertion")

    def _check_audience(self, audience: Any) -> None:
        # An assertion that is made out to others as well could be one that they pass on.
        names = audience if isinstance(audience, list) else [audience]
        if len(names) != 1 or names[0] not in self._audiences:
            raise _refused("assertion_audience", f"aud must be {' or '.join(self._audiences)}")


def _stated_service(assertion: str) -> str:
    """The `iss` of an assertion that nobody has verified yet; empty where there is none."""
    try:
        stated = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""
    return stated if isinstance(stated, str) else ""


def _verified(assertion: str, key: PublicKey) -> Mapping[str, Any] | None:
    """The claims, where the signature is of this key in one of its algorithms."""
    try:
        claims: Mapping[str, Any] = jwt.decode(
            assertion, key.key, algorithms=list(key.algorithms), options=_SIGNATURE_ALONE
        )
    except (jwt.PyJWTError, ValueError):
        return None
    return claims


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if any(not _is_time(claims[name]) for name in ("exp", "iat", "nbf") if name in claims):
        raise _refused("assertion_times", "exp, iat and nbf must be seconds since 1970")
    expires_at = claims.get("exp")
    if expires_at is None or expires_at <= now - SKEW_SECONDS:
        raise _refused("assertion_expired", "exp is missing or past; check the service's clock")
    begins_at = max(claims.get("iat", now), claims.get("nbf", now))
    if begins_at > now + SKEW_SECONDS:
        raise _refused("assertion_early", "iat or nbf is to come; check the service's clock")
    longest = LONGEST_ASSERTION_SECONDS
    if expires_at > claims.get("iat", now + SKEW_SECONDS) + longest:
        raise _refused("assertion_too_long", f"exp must be within {longest} seconds of iat and now")


def _is_time(value: Any) -> bool:
    """A number that can be reckoned with: NaN is neither past nor future, 10**400 no float."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < _END_OF_TIMES


def _refused(reason: str, description: str) -> TokenError:
    return TokenError("invalid_client", description, status=401, reason=reason)
