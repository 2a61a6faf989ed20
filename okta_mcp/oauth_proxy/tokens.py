"""Secrets of this server's own making: 256 random bits behind a prefix that tells their type.

The prefixes let people, secret scanners and our own endpoints tell the types apart; a token of one
type is never looked up as another.
"""

import secrets

ACCESS_TOKEN = "omcp_at_"  # noqa: S105 - a prefix, not a token
REFRESH_TOKEN = "omcp_rt_"  # noqa: S105
CODE = "omcp_code_"
CLIENT_ID = "omcp_client_"
CLIENT_SECRET = "omcp_cs_"  # noqa: S105

_ENTROPY_BYTES = 32
_CLIENT_ID_BYTES = 16


def new_secret(prefix: str) -> str:
    """A fresh access token, refresh token, code or client secret."""
    return prefix + secrets.token_urlsafe(_ENTROPY_BYTES)


def new_client_id() -> str:
    """A fresh client id: not a secret, but not to be guessed either."""
    return CLIENT_ID + secrets.token_urlsafe(_CLIENT_ID_BYTES)
