"""Who calls the token or revocation endpoint: client authentication (RFC 6749 section 2.3).

The method that the client registered is the only one that works for it. A wrong secret and an
unknown client get the same answer, and clients of the field register again when they get it.
"""

import base64
import hmac
from urllib.parse import unquote_plus

from starlette.requests import Request

from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.parameters import Parameters
from okta_mcp.stores.records import Client, Records, digest


async def authenticated_client(request: Request, form: Parameters, records: Records) -> Client:
    """The client; raises `TokenError` 400 `invalid_request` or 401 `invalid_client`."""
    headers = request.headers.getlist("authorization")
    basic = _basic_credentials(headers)
    form_id, form_secret = form.one("client_id"), form.one("client_secret")
    if basic is not None and (form_secret is not None or form_id not in (None, basic[0])):
        raise TokenError("invalid_request", "the client authenticates in two ways at once")
    if basic is not None:
        method, client_id, secret = "client_secret_basic", basic[0], basic[1]
    elif form_id is None:
        raise _unknown_client(headers)
    elif form_secret is not None:
        method, client_id, secret = "client_secret_post", form_id, form_secret
    else:
        method, client_id, secret = "none", form_id, ""
    client = await records.clients.get(client_id)
    if client is None or client.auth_method != method:
        raise _unknown_client(headers)
    if client.secret_digest is not None and not hmac.compare_digest(
        client.secret_digest, digest(secret)
    ):
        raise _unknown_client(headers)
    return client


def _basic_credentials(headers: list[str]) -> tuple[str, str] | None:
    """Id and secret of a Basic header, both form-decoded; None without a header."""
    if not headers:
        return None
    scheme, _, value = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "basic":
        raise _unknown_client(headers)
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except ValueError:
        raise _unknown_client(headers) from None
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise _unknown_client(headers)
    return unquote_plus(client_id), unquote_plus(secret)


def _unknown_client(headers: list[str]) -> TokenError:
    return TokenError(
        "invalid_client",
        "unknown client or wrong credentials; register again",
        status=401,
        headers={"WWW-Authenticate": 'Basic realm="okta_mcp"'} if headers else {},
    )
