"""What the authorization server says about a person: claims of the ID token and of userinfo.

Source: okta-facts 1.1 and 1.6. A thin ID token says who signed in and nothing else; userinfo always
says what the scopes allow.
"""

import base64
import hashlib
import re
import secrets
from typing import Any, Final

from okta_mcp.sandbox.directory import Row, full_name
from okta_mcp.sandbox.state import ACR_VALUES, TOKEN_SECONDS, Login, SandboxState, Token

MOST_GROUPS: Final = 100
# The filter of the application's groups claim, and one that an administrator left too wide.
_FILTERS: Final = {"on": re.compile("sso-"), "too_many": re.compile("")}


def id_token_claims(
    state: SandboxState, user: Row, token: Token, access_token: str, login: Login
) -> dict[str, Any]:
    """Everything but the nonce; `token` is the access token beside it."""
    now = int(state.now())
    claims: dict[str, Any] = {
        "sub": user["id"],
        "ver": 1,
        "iss": state.server(token.server).issuer,
        "aud": token.client_id,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "jti": f"ID.{secrets.token_urlsafe(16)}",
        "amr": ACR_VALUES[login.acr or "urn:okta:loa:2fa:any"],
        "idp": "00osandboxnorthwind0",
        "auth_time": login.auth_time,
        "at_hash": _left_half(access_token),
    }
    if login.acr is not None:
        claims["acr"] = login.acr
    if state.settings["id_token_style"] == "fat":  # noqa: S105 - a style
        claims |= personal_claims(state, user, token.scopes)
    return claims


def personal_claims(state: SandboxState, user: Row, scopes: tuple[str, ...]) -> dict[str, Any]:
    """Name, email and groups, each only by its scope."""
    profile, claims = user["profile"], dict[str, Any]()
    if "profile" in scopes:
        claims |= {"name": full_name(user), "preferred_username": profile["login"]}
    if "email" in scopes:
        claims |= {"email": profile["email"], "email_verified": True}
    # No claim at all where nothing matches.
    if "groups" in scopes and (names := group_names(state, user)):
        claims["groups"] = names
    return claims


def group_names(state: SandboxState, user: Row) -> list[str]:
    """The names that pass the claim's filter; of Okta's own groups only, as Okta's filter does."""
    wanted = _FILTERS.get(state.settings["groups_claim"])
    return [
        group["profile"]["name"]
        for group in state.organisation.groups_of(user["id"])
        if wanted is not None
        and group["type"] == "OKTA_GROUP"
        and wanted.match(group["profile"]["name"])
    ]


def _left_half(access_token: str) -> str:
    digest = hashlib.sha256(access_token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
