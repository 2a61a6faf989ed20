"""Request parameters as RFC 6749 section 3 means them: bounded, form-encoded, never repeated."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from okta_mcp.serving.body import BodyTooLargeError, bounded_body

LARGEST_QUERY = 16 * 1024
LARGEST_FORM = 16 * 1024
MOST_PARAMETERS = 100

_KNOWN = frozenset(
    "client_assertion client_assertion_type client_id client_secret code code_challenge"
    " code_challenge_method code_verifier decision form"
    " grant_type prompt redirect_uri refresh_token request request_uri response_mode response_type"
    " scope state token token_type_hint".split()
)


class ParametersError(Exception):
    """The parameters cannot be read; `status` is the HTTP status that says so."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class RepeatedParameterError(ParametersError):
    """A parameter stands there more than once; which one is meant must not be guessed.

    The text names it only if we know it: what a caller wrote is not sent back.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"{name if name in _KNOWN else 'a parameter'} is repeated")


class Parameters:
    """Names and values in the order they came. A parameter without a value counts as absent."""

    def __init__(self, encoded: str) -> None:
        try:
            self._pairs = parse_qsl(
                encoded, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict"
            )
        except ValueError:
            raise ParametersError("not form-encoded, or too many parameters") from None

    def one(self, name: str) -> str | None:
        """The value, or None; raises `RepeatedParameterError`."""
        values = self.every(name)
        if len(values) > 1:
            raise RepeatedParameterError(name)
        return values[0] if values else None

    def every(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated (`resource`, RFC 8707)."""
        return [value for key, value in self._pairs if key == name and value]

    def check_no_repetition(self, *, besides: frozenset[str] = frozenset()) -> None:
        """Raises `RepeatedParameterError` for any name that stands there twice."""
        seen: set[str] = set()
        for name, _ in self._pairs:
            if name in seen and name not in besides:
                raise RepeatedParameterError(name)
            seen.add(name)


def query_parameters(request: Request) -> Parameters:
    """The parameters of the URL; raises `ParametersError`."""
    query = request.scope["query_string"]
    if len(query) > LARGEST_QUERY:
        raise ParametersError("the query is too long", 414)
    return Parameters(query.decode("latin-1"))


async def form_parameters(request: Request) -> Parameters:
    """The parameters of a form-encoded body; raises `ParametersError`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise ParametersError("the body must be application/x-www-form-urlencoded", 415)
    try:
        body = await bounded_body(request, LARGEST_FORM)
    except BodyTooLargeError as error:
        raise ParametersError(error.reason, 413) from None
    try:
        return Parameters(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise ParametersError("not form-encoded") from None
