"""One authorization request, and whether what the browser brings is its answer.

Made and asked by `login`. RFC 6749 section 4.1, RFC 7636, RFC 8707, RFC 9207. A code is never given
out before `state` and `iss` are right.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

from okta_mcp.client.errors import DeniedError, ForeignAnswerError
from okta_mcp.client.output import clean
from okta_mcp.client.store import AuthorizationServer, Registration

MAX_DESCRIPTION_CHARS = 300
# What a code of RFC 6749 section 4.1.2.1, or of OpenID Connect, means to the person.
_DENIALS: Mapping[str, str] = MappingProxyType(
    {
        "access_denied": "The log-in was turned down: you said no, or you have no access here.",
        "invalid_scope": "The server does not give what this client asks for.",
        "unauthorized_client": "The server does not let this client log people in.",
        "invalid_request": "The server did not understand the log-in.",
        "login_required": "The server asks you to sign in there first.",
        "consent_required": "The server asks for a consent that was not given.",
        "server_error": "The server could not finish the log-in. Try again.",
        "temporarily_unavailable": "The server cannot log people in now. Try again later.",
    }
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One authorization request: what the answer is compared with."""

    server: AuthorizationServer
    registration: Registration
    redirect_uri: str
    state: str
    code_verifier: str

    @property
    def url(self) -> str:
        """The authorization request (RFC 6749 section 4.1.1)."""
        digest = hashlib.sha256(self.code_verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.registration.client_id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "resource": self.server.resource,
        }
        if self.server.scope:
            query["scope"] = self.server.scope
            if "offline_access" in self.server.scope.split():
                # OpenID Connect Core section 11: without it a provider ignores offline_access.
                query["prompt"] = "consent"
        separator = "&" if urlsplit(self.server.authorization_endpoint).query else "?"
        return f"{self.server.authorization_endpoint}{separator}{urlencode(query)}"


def begun(server: AuthorizationServer, registration: Registration, redirect_uri: str) -> Attempt:
    """A request with a state and a verifier of its own."""
    return Attempt(
        server=server,
        registration=registration,
        redirect_uri=redirect_uri,
        state=secrets.token_urlsafe(32),
        code_verifier=secrets.token_urlsafe(64),
    )


def code_of(parameters: Mapping[str, list[str]], attempt: Attempt) -> str:
    """The authorization code, if the answer belongs to this attempt and is one.

    An error may come without `state`, since a server that lost the request has none to give back.

    Raises:
        ForeignAnswerError, DeniedError: RFC 6749 sections 3.1 and 4.1.2.1, RFC 9207 section 2.4.
    """
    if any(len(values) > 1 for values in parameters.values()):
        raise ForeignAnswerError("The browser's answer names a parameter twice; it was not used.")
    answer = {name: values[0] for name, values in parameters.items()}
    state, iss, error = answer.get("state"), answer.get("iss"), answer.get("error")
    if not (state is None and error) and not secrets.compare_digest(
        (state or "").encode(), attempt.state.encode()
    ):
        raise ForeignAnswerError("The browser's answer belongs to another log-in (wrong state).")
    if iss is not None and iss != attempt.server.issuer:
        named = clean(iss, keep_lines=False)[:MAX_DESCRIPTION_CHARS]
        raise ForeignAnswerError(
            f"The answer comes from {named}, not from {attempt.server.issuer}."
        )
    if error:
        raise DeniedError(_denial(error, answer.get("error_description")))
    if iss is None and attempt.server.iss_required:
        raise ForeignAnswerError(
            "The browser's answer does not say which server it is from (no iss)."
        )
    code = answer.get("code")
    if not code:
        raise ForeignAnswerError("The browser's answer holds no code.")
    return code


def _denial(error: str, description: str | None) -> str:
    """What the code means, then the server's own words, which may be anybody's text."""
    meaning = _DENIALS.get(error, "The server refused the log-in.")
    words = clean(description or "", keep_lines=False).strip()[:MAX_DESCRIPTION_CHARS]
    code = clean(error, keep_lines=False)[:MAX_DESCRIPTION_CHARS]
    return f"{meaning} It said: {words} ({code})" if words else f"{meaning} ({code})"
