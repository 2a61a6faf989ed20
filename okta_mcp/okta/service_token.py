"""Asks Okta for a token of the service application: `client_credentials` with `private_key_jwt`.

Used by `service_application` alone. The token endpoint is that of the organisation's own
authorization server (okta-facts 1.9, 1.10). A proof of possession is always sent; whether the token
is bound to it is Okta's decision and stands in `token_type`. Every attempt is signed anew, because
an assertion and a proof work once.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx

from okta_mcp.okta.authorization_server import (
    AuthorizationServer,
    LoginUnavailableError,
    json_object,
    lifetime,
)
from okta_mcp.okta.client_authentication import SignedAssertion
from okta_mcp.okta.client_key import ClientKey
from okta_mcp.okta.dpop import DpopKey
from okta_mcp.okta.errors import (
    OktaError,
    OktaRateLimitedError,
    OktaRefusedError,
    OktaUnavailableError,
)

_TOLERATED_CLOCK_SECONDS = 30.0
_RATE_WINDOW_SECONDS = 60
_LONGEST_NONCE = 1024
# How Okta refuses a proof or an assertion whose time it does not believe.
_MAY_BE_TIME = frozenset({"invalid_dpop_proof", "invalid_client"})
_SCOPES_REFUSED = frozenset({"invalid_scope", "consent_required"})

log = logging.getLogger("okta_mcp")


class OktaClock:
    """Okta's time: this machine's (`now`, epoch seconds), until Okta has shown another."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ahead_seconds = 0.0

    def __call__(self) -> float:
        return self._now() + self._ahead_seconds

    def learned(self, headers: httpx.Headers) -> bool:
        """Whether the `Date` of an answer is another time than was thought; it counts from now."""
        try:
            theirs = parsedate_to_datetime(headers.get("date", "")).timestamp()
        except (ValueError, OverflowError):
            return False
        if not math.isfinite(theirs) or abs(theirs - self()) < _TOLERATED_CLOCK_SECONDS:
            return False
        self._ahead_seconds = theirs - self._now()
        return True


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """`is_bound`: only of use with proofs by the key that asked for it.

    `scopes` are those that were granted of those that were asked for.
    """

    value: str = field(repr=False)
    is_bound: bool
    lives_seconds: int
    scopes: frozenset[str]


class ServiceTokens:
    """The application that `server` names by its client id. `scopes` are asked together."""

    def __init__(
        self,
        server: AuthorizationServer,
        key: ClientKey,
        dpop: DpopKey,
        clock: OktaClock,
        *,
        scopes: tuple[str, ...],
    ) -> None:
        self._server = server
        self._authentication = SignedAssertion(server.client_id, key, clock)
        self._dpop = dpop
        self._clock = clock
        self._scopes = scopes
        self._nonce: str | None = None
        self._said = ""

    async def asked(self) -> ServiceToken:
        """A new token; raises `OktaError`, and says it in the log for people, once."""
        try:
            return await self._asked()
        except OktaError as error:
            self._say(
                f"no token for the service application: {error.message}; {error.details['fix']}"
            )
            raise

    async def _asked(self) -> ServiceToken:
        try:
            answer = await self._answer((await self._server.endpoints()).token)
        except LoginUnavailableError as reason:
            raise _unavailable() from reason
        body = json_object(answer)
        if answer.status_code != 200 or body is None:
            raise self._refusal(answer)
        value, seconds = body.get("access_token"), body.get("expires_in")
        kind = str(body.get("token_type")).lower()
        if not isinstance(value, str) or kind not in ("bearer", "dpop"):
            raise _unavailable()
        granted = body.get("scope")
        # An answer that names none has granted all (RFC 6749 section 5.1).
        scopes = frozenset(granted.split() if isinstance(granted, str) else self._scopes)
        self._warn_of(set(self._scopes) - scopes)
        return ServiceToken(value, kind == "dpop", lifetime(seconds), scopes)

    async def _answer(self, endpoint: str) -> httpx.Response:
        """The answer of the token endpoint, after at most one nonce and one correction of time.

        Every attempt is signed anew, because an assertion and a proof work once.
        """
        follows_nonce = follows_time = True
        while True:
            form = {"grant_type": "client_credentials", "scope": " ".join(self._scopes)}
            proof = self._dpop.proof("POST", endpoint, now=self._clock(), nonce=self._nonce)
            answer = await self._server.post(
                endpoint, form | self._authentication.fields(endpoint), {"DPoP": proof}
            )
            nonce = nonce_of(answer.headers)
            self._nonce = nonce or self._nonce
            error = _error_in(answer)
            if error == "use_dpop_nonce" and nonce and follows_nonce:
                follows_nonce = False
            elif error in _MAY_BE_TIME and follows_time and self._clock.learned(answer.headers):
                follows_time = False
            else:
                return answer

    def _refusal(self, answer: httpx.Response) -> OktaError:
        error, status = _error_in(answer), answer.status_code
        if status == 429:
            return OktaRateLimitedError(
                _RATE_WINDOW_SECONDS,
                "Okta's rate limit for tokens of the service application is used up",
            )
        if error is None or status >= 500:
            return _unavailable()
        if error in _SCOPES_REFUSED:
            code = "okta_forbidden"
            message = "Okta has not granted the service application the scopes of this server"
            fix = (
                "an administrator grants the application of OKTA_API_CLIENT_ID, under Okta API"
                f" Scopes: {' '.join(self._scopes)}"
            )
        elif error == "invalid_dpop_proof":
            code = "okta_unauthorized"
            message = "Okta does not accept this server's proof of possession (DPoP)"
            fix = "an administrator checks the clock of this server, and what stands between"
        else:
            code = "okta_unauthorized"
            message = "Okta does not accept the service application of this server"
            fix = (
                "an administrator checks that OKTA_API_CLIENT_ID is an active API Services"
                " application with the method Public key / Private key, and that the public key of"
                " OKTA_API_PRIVATE_KEY_FILE is active there"
            )
        return OktaRefusedError(code, message, status=status, details={"fix": fix})

    def _warn_of(self, missing: set[str]) -> None:
        if missing:
            self._say(
                "the service application lacks scopes, tools that need them will be refused; grant"
                f" them in Okta under Okta API Scopes: {' '.join(sorted(missing))}"
            )
        else:
            self._said = ""

    def _say(self, line: str) -> None:
        """A line for the people who run the server, once until it changes."""
        if line != self._said:
            log.warning("%s", line)
            self._said = line


def _error_in(answer: httpx.Response) -> str | None:
    """The `error` of an error answer, or None."""
    body = json_object(answer) if answer.status_code != 200 else None
    error = body.get("error") if body else None
    return error if isinstance(error, str) else None


def nonce_of(headers: httpx.Headers) -> str | None:
    """The nonce that Okta wants in the next proof, if it names one."""
    nonce = headers.get("dpop-nonce")
    return nonce if nonce and len(nonce) <= _LONGEST_NONCE else None


def _unavailable() -> OktaUnavailableError:
    return OktaUnavailableError(
        "okta_unavailable",
        "Okta gave no token for the service application",
        details={"fix": "ask again later; an administrator checks OKTA_ORG_URL"},
    )
