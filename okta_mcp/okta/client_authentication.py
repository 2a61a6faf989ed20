"""How an application of this server shows who it is at one of Okta's endpoints.

Exactly one form of credentials goes into a request; Okta refuses two (okta-facts 1.3).
"""

import base64
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from okta_mcp.okta.client_key import ClientKey

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientAuthentication(Protocol):
    """One way. `url` is the endpoint that is about to be called."""

    def fields(self, url: str) -> dict[str, str]:
        """What goes into the form."""

    def headers(self) -> dict[str, str]:
        """What goes into the header."""


class SecretInHeader:
    """`client_secret_basic`."""

    def __init__(self, client_id: str, secret: str) -> None:
        # RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
        self._authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"

    def fields(self, url: str) -> dict[str, str]:  # noqa: ARG002
        return {}

    def headers(self) -> dict[str, str]:
        return {"Authorization": self._authorization}


class SecretInForm:
    """`client_secret_post`."""

    def __init__(self, client_id: str, secret: str) -> None:
        self._fields = {"client_id": client_id, "client_secret": secret}

    def fields(self, url: str) -> dict[str, str]:  # noqa: ARG002
        return dict(self._fields)

    def headers(self) -> dict[str, str]:
        return {}


class SignedAssertion:
    """`private_key_jwt`: a new assertion for every request, because each works once.

    `now` is Okta's time in epoch seconds, as far as it is known.
    """

    def __init__(self, client_id: str, key: ClientKey, now: Callable[[], float]) -> None:
        self._client_id = client_id
        self._key = key
        self._now = now

    def fields(self, url: str) -> dict[str, str]:
        return {
            "client_assertion_type": _JWT_BEARER,
            "client_assertion": self._key.assertion(self._client_id, url, self._now()),
        }

    def headers(self) -> dict[str, str]:
        return {}
