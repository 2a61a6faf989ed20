"""How an application shows who it is at the token and revocation endpoints.

Called by `tokens`. One form of credentials and no more: a secret in the header or in the form, or
an assertion signed by a registered key (`private_key_jwt`). Sources: okta-facts 1.3 and 1.9; Okta's
"Client authentication methods" and its support articles for the texts.
"""

import base64
import hmac
import json
from typing import Any, Final
from urllib.parse import unquote_plus

import jwt
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.sandbox.state import SandboxState, field_of

_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS: Final = 3600
ONLY_KEYS_AT_ORG: Final = (
    "Client Credentials requests to the Org Authorization Server must use the private_key_jwt"
    " token_endpoint_auth_method."
)
_UNKNOWN: Final = "Invalid value for 'client_id' parameter."


class TokenError(Exception):
    """An error in the form of RFC 6749, section 5.2."""

    def __init__(
        self,
        error: str,
        description: str,
        status: int = 400,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status
        self.headers = headers

    def response(self) -> Response:
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, status_code=self.status, headers=self.headers)


def authenticated(state: SandboxState, request: Request, form: FormData) -> str:
    """The client id of the application that calls. Raises TokenError."""
    header = request.headers.get("authorization", "")
    if bool(header) + ("client_secret" in form) + ("client_assertion" in form) > 1:
        raise TokenError(
            "invalid_request",
            "Cannot supply multiple client credentials. Use one of the following: credentials in"
            " the Authorization header, credentials in the post body, or a client_assertion in the"
            " post body.",
        )
    if "client_assertion" in form:
        return _by_assertion(state, form, f"{state.base_url}{request.scope['path']}")
    client_id, secret = field_of(form, "client_id"), field_of(form, "client_secret")
    if header:
        client_id, secret = _basic(header)
    if _keys_of(state, client_id):
        if field_of(form, "grant_type") == "client_credentials":
            raise _unproved(ONLY_KEYS_AT_ORG)
        raise _unproved("The client authentication method is not that of the application.")
    application = state.application(client_id)
    known = application.client_secret if application else ""
    if not hmac.compare_digest(secret.encode(), known.encode()):
        raise _unproved("The client secret supplied for a confidential client is invalid.")
    return client_id


def public_keys(document: str) -> tuple[jwt.PyJWK, ...]:
    """The keys of a JSON Web Key Set. Raises ValueError where one is not a public RSA or EC key."""
    try:
        found = json.loads(document)["keys"]
        keys = tuple(jwt.PyJWK(entry) for entry in found)
    except (ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError) as reason:
        raise ValueError("is not a JSON Web Key Set of RSA or EC keys") from reason
    if not keys or any(entry.get("kty") not in ("RSA", "EC") or "d" in entry for entry in found):
        raise ValueError("holds no keys, or keys that are not public ones")
    return keys


def _by_assertion(state: SandboxState, form: FormData, endpoint: str) -> str:
    assertion, now = field_of(form, "client_assertion"), state.now()
    if field_of(form, "client_assertion_type") != _JWT_BEARER:
        raise _unproved("The client_assertion_type is invalid.")
    try:
        header = jwt.get_unverified_header(assertion)
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError as reason:
        raise _unproved("The client_assertion is not a valid JWT.") from reason
    client_id = str(claims.get("iss"))
    keys = _keys_of(state, client_id)
    if claims.get("sub") != client_id or field_of(form, "client_id") not in ("", client_id):
        raise _unproved("The subject and the issuer of client_assertion must be the client_id.")
    _check_signature(assertion, keys, header.get("kid"))
    if claims.get("aud") not in (endpoint, [endpoint]):
        raise _unproved(
            "The audience claim for client_assertion must be the endpoint invoked for the request."
        )
    ends = claims.get("exp")
    if not isinstance(ends, int | float) or ends <= now:
        raise _unproved("The client_assertion token is expired.")
    if ends - now > _ASSERTION_SECONDS:
        raise _unproved("The client_assertion token has an expiration too far into the future.")
    # Okta asks for no jti; an assertion that has one works once, whatever comes of the request.
    if "jti" in claims:
        used = (client_id, str(claims["jti"]))
        if used in state.used_assertions:
            raise _unproved("The client_assertion token has already been used.")
        state.used_assertions.add(used)
    return client_id


def _check_signature(assertion: str, keys: tuple[jwt.PyJWK, ...], key_id: str | None) -> None:
    """Without a key id only the key of an application that has no other is tried."""
    fitting = [key for key in keys if key.key_id == key_id] if key_id else list(keys)
    if len(fitting) != 1:
        raise _unproved("The client_assertion JWT kid is invalid.")
    try:
        jwt.PyJWS().decode(assertion, fitting[0], algorithms=[fitting[0].algorithm_name])
    except jwt.PyJWTError as reason:
        raise _unproved("The client_assertion signature is invalid.") from reason


def _keys_of(state: SandboxState, client_id: str) -> tuple[jwt.PyJWK, ...]:
    """None for an application that has a secret. Raises TokenError for one that is not there."""
    application = state.application(client_id)
    if application is not None:
        return application.keys
    if state.service is not None and client_id == state.service.client_id:
        return state.service.keys
    raise _unproved(_UNKNOWN)


def _unproved(description: str) -> TokenError:
    return TokenError("invalid_client", description, 401)


def _basic(header: str) -> tuple[str, str]:
    """Client id and secret of RFC 6749, section 2.3.1; empty where they cannot be read."""
    try:
        pair = base64.b64decode(header.removeprefix("Basic "), validate=True).decode()
    except ValueError:
        return "", ""
    client_id, _, secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
