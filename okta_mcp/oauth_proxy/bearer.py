"""The guard of /mcp: which grant a request's access token stands for (RFC 6750).

Only the `Authorization` header counts; tokens in queries, bodies and cookies are not looked at, and
a browser session opens nothing here. An unknown token costs two reads of the store at most and
never a call to Okta.
"""

from starlette.requests import Request

from okta_mcp.oauth_proxy.grants import Bearer, Grants

_LONGEST_HEADER = 8 * 1024


class BearerError(Exception):
    """The request does not get in. `challenge` is the value of `WWW-Authenticate`.

    `was_presented` tells a token that does not work from no token at all.
    """

    def __init__(self, status: int, reason: str, challenge: str, *, was_presented: bool) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.challenge = challenge
        self.was_presented = was_presented


class BearerGuard:
    """`metadata_url` is the absolute URL of the protected-resource metadata."""

    def __init__(self, grants: Grants, *, metadata_url: str) -> None:
        self._grants = grants
        self._challenge = f'Bearer resource_metadata="{metadata_url}"'

    async def admitted(self, request: Request) -> Bearer:
        """The grant and scopes behind the token; raises `BearerError` 400 or 401."""
        headers = request.headers.getlist("authorization")
        if not headers:
            raise BearerError(401, "no credentials", self._challenge, was_presented=False)
        if len(headers) > 1:
            raise self._error(400, "invalid_request", "more than one Authorization header")
        scheme, _, token = headers[0].partition(" ")
        if scheme.lower() != "bearer":
            raise BearerError(401, "not a bearer token", self._challenge, was_presented=False)
        if len(token) > _LONGEST_HEADER:
            raise self.refused("not a token of this server")
        bearer = await self._grants.by_access_token(token.strip())
        if bearer is None:
            raise self.refused("unknown, expired or revoked")
        return bearer

    def refused(self, reason: str) -> BearerError:
        """401 `invalid_token`, after which clients refresh or log in again."""
        return self._error(401, "invalid_token", reason)

    def _error(self, status: int, code: str, reason: str) -> BearerError:
        challenge = f'{self._challenge}, error="{code}", error_description="{reason}"'
        return BearerError(status, reason, challenge, was_presented=True)
