"""What an access token of a custom authorization server says, once it may be believed.

Two checks give it: `SignatureCheck` here, with the server's public keys, and `introspection.py`, by
asking (RFC 7662). The rules are the same for both: issuer, audience, time, application, person. The
person is `uid`: `sub` is a login, which may change hands. Sources: okta-facts 1.1 and 1.8.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from okta_mcp.okta.authorization_server import AuthorizationServer, OktaLoginError
from okta_mcp.okta.ids import is_okta_id
from okta_mcp.okta.keys import (
    Share,
    SigningKeys,
    UntrustedTokenError,
    check_beginning,
    check_issuer,
    signed_claims,
)

# Okta gives the access tokens of its custom servers no type; those of the organisation's own server
# have one of their own.
_TYPES = (None, "JWT", "at+jwt")
_REQUIRED = ("exp", "iat", "iss", "aud")
_LONGEST_LOGIN = 256

BeforeAsking: TypeAlias = Callable[[], Awaitable[None]]


class AccessTokenError(Exception):
    """The token opens nothing here. `reason` is safe to show and to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CheckUnavailableError(Exception):
    """Nobody can tell now what the token is worth; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Access:
    """`groups` is None where the token says nothing of groups; `expires_at` is epoch seconds."""

    user_id: str
    login: str
    client_id: str
    scopes: frozenset[str]
    groups: tuple[str, ...] | None
    expires_at: float


class TokenCheck(Protocol):
    """One way to check tokens."""

    async def access(self, token: str, before_asking: BeforeAsking) -> Access:
        """What the token says; `before_asking` is awaited where a stranger could make us ask Okta.

        Raises `AccessTokenError`, `CheckUnavailableError` and what `before_asking` raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """For whom and by whom a token must be made; `now` gives epoch seconds."""

    issuer: str
    audience: str
    now: Callable[[], float]

    def access(self, claims: dict[str, Any]) -> Access:
        """The claims under Okta's names for them, after every rule; raises `AccessTokenError`."""
        if any(name not in claims for name in _REQUIRED):
            raise AccessTokenError("the token lacks a claim that every token has")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if self.audience not in audiences:
            raise AccessTokenError("the token is for another audience")
        try:
            check_issuer(claims, self.issuer)
            check_beginning(claims, self.now())
        except UntrustedTokenError as error:
            raise AccessTokenError(f"the token is not good: {error}") from None
        if claims["exp"] <= self.now():
            raise AccessTokenError("the token has expired")
        client_id, user_id, scopes = claims.get("cid"), claims.get("uid"), claims.get("scp")
        if not isinstance(client_id, str) or not client_id:
            raise AccessTokenError("the token names no application (cid)")
        if not isinstance(user_id, str) or not is_okta_id(user_id):
            raise AccessTokenError("no person stands behind the token (uid)")
        if not isinstance(scopes, list) or not all(isinstance(each, str) for each in scopes):
            raise AccessTokenError("the token names no scopes (scp)")
        login = claims.get("sub")
        return Access(
            user_id=user_id,
            login=login[:_LONGEST_LOGIN] if isinstance(login, str) and login else user_id,
            client_id=client_id,
            scopes=frozenset(scopes),
            groups=_groups(claims),
            expires_at=float(claims["exp"]),
        )


class SignatureCheck:
    """Verifies with the keys that the authorization server publishes; Okta hears of no token.

    A token that was revoked stays good until it expires. With `share` other processes read the
    same keys.
    """

    def __init__(
        self, server: AuthorizationServer, expected: Expected, share: Share | None = None
    ) -> None:
        self._expected = expected
        # However many keys are made up, the key set is fetched twice a minute at most.
        self._keys = SigningKeys(server.key_set, expected.now, share)

    async def access(self, token: str, before_asking: BeforeAsking) -> Access:  # noqa: ARG002
        try:
            claims = await signed_claims(
                token, self._keys, self._expected.audience, _REQUIRED, types=_TYPES
            )
        except UntrustedTokenError as error:
            raise AccessTokenError(_REASONS.get(str(error), "not a token of the issuer")) from None
        except OktaLoginError as error:
            raise CheckUnavailableError("the signing keys cannot be read") from error
        return self._expected.access(claims)


# What the library calls what callers can do something about.
_REASONS = {
    "InvalidAudienceError": "the token is for another audience",
    "MissingRequiredClaimError": "the token lacks a claim that every token has",
    "a token of another type": "a token of another type",
}


def _groups(claims: dict[str, Any]) -> tuple[str, ...] | None:
    """Absent is not empty; anything but a list of names is no group at all."""
    if "groups" not in claims:
        return None
    listed = claims["groups"]
    if not isinstance(listed, list):
        return ()
    return tuple(name for name in listed if isinstance(name, str))
