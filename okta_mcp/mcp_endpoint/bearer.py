"""The bearer token of a request and the refusals of one, in the words of RFC 6750.

Every way in uses this. Only the `Authorization` header counts; tokens in queries, bodies and
cookies are not looked at.
"""

from starlette.requests import Request

_LONGEST_TOKEN = 8 * 1024


class BearerError(Exception):
    """The request does not get in. `challenge` is the value of `WWW-Authenticate`.

    `code` is RFC 6750's, or `unauthorized` where no token was presented at all.
    """

    def __init__(self, status: int, code: str, reason: str, challenge: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason
        self.challenge = challenge

    @property
    def was_presented(self) -> bool:
        """Tells a token that does not work from no token at all."""
        return self.code != "unauthorized"


class BearerHeader:
    """`metadata_url` is the absolute URL of the protected-resource metadata (RFC 9728)."""

    def __init__(self, metadata_url: str) -> None:
        self._challenge = f'Bearer resource_metadata="{metadata_url}"'

    def token(self, request: Request) -> str:
        """The token that the request presents; raises `BearerError` 400 or 401."""
        headers = [value for name, value in request.scope["headers"] if name == b"authorization"]
        if not headers:
            text = "no access token; give this URL to an MCP client, which logs you in"
            raise BearerError(401, "unauthorized", text, self._challenge)
        if len(headers) > 1:
            raise self._error(400, "invalid_request", "more than one Authorization header")
        scheme, _, token = str(headers[0], "latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise BearerError(401, "unauthorized", "not a bearer token", self._challenge)
        if len(token) > _LONGEST_TOKEN:
            raise self.refused("not a token of this server")
        return token.strip()

    def refused(self, reason: str) -> BearerError:
        """401 `invalid_token`, after which clients refresh or log in again."""
        return self._error(401, "invalid_token", reason)

    def insufficient_scope(self, required: tuple[str, ...]) -> BearerError:
        """403 `insufficient_scope`: the token is good and lacks what `required` names."""
        scope = " ".join(required)
        error = self._error(403, "insufficient_scope", f"the token needs the scope {scope}")
        error.challenge += f', scope="{scope}"'
        return error

    def _error(self, status: int, code: str, reason: str) -> BearerError:
        challenge = f'{self._challenge}, error="{code}", error_description="{reason}"'
        return BearerError(status, code, reason, challenge)
