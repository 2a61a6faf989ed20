"""The checks of an authorization request, in their order (RFC 6749 section 4.1.1, RFC 9700).

First the client and its redirect URI: until both are valid, whatever is wrong is a page for the
person and nothing is redirected. After that every error goes to the client with `state` and `iss`.
Nothing is stored: the outcome is a `CheckedRequest` that travels sealed in the page's form.
"""

import re
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from okta_mcp.oauth_proxy.errors import PageError, RedirectedError
from okta_mcp.oauth_proxy.parameters import Parameters, ParametersError, RepeatedParameterError
from okta_mcp.oauth_proxy.redirect_uris import matches_registered
from okta_mcp.oauth_proxy.scopes import LONGEST_SCOPE, NoScopeLeftError, requested_scopes
from okta_mcp.rbac.families import SUPPORTED_SCOPES
from okta_mcp.stores.records import CheckedRequest, Client

LONGEST_STATE = 2048
_CODE_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})

FindClient = Callable[[str], Awaitable[Client | None]]


async def checked_request(
    parameters: Parameters,
    find_client: FindClient,
    *,
    resource_url: str,
    fetch_site: str | None,
    existing_scopes: tuple[str, ...] = SUPPORTED_SCOPES,
) -> tuple[CheckedRequest, Client]:
    """The request and its client; raises `PageError` or `RedirectedError`.

    `find_client` gives the client of a client_id, or None. `resource_url` is the public URL of
    /mcp, the only resource that tokens are for. `existing_scopes` are those that there are now.
    """
    try:
        client = await _known_client(parameters, find_client)
        redirect_uri = _registered_redirect_uri(parameters, client)
    except RepeatedParameterError:
        raise PageError("invalid_request") from None

    def refuse(code: str, description: str) -> RedirectedError:
        return RedirectedError(redirect_uri, _echoed_state(parameters), code, description)

    try:
        parameters.check_no_repetition(besides=frozenset({"resource"}))
    except ParametersError as error:
        raise refuse("invalid_request", str(error)) from None
    state = _bounded_state(parameters, refuse)
    _check_response_type(parameters, refuse)
    _check_no_request_object(parameters, refuse)
    code_challenge = _s256_challenge(parameters, refuse)
    request = CheckedRequest(
        id=secrets.token_urlsafe(16),
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        scopes=_scopes(parameters, client, existing_scopes, refuse),
        code_challenge=code_challenge,
        state=state,
        resource=_resource(parameters, resource_url, refuse),
        prompt=_prompt(parameters, refuse),
        fetch_site=fetch_site,
    )
    return request, client


_Refuse = Callable[[str, str], RedirectedError]


async def _known_client(parameters: Parameters, find_client: FindClient) -> Client:
    client_id = parameters.one("client_id")
    client = await find_client(client_id) if client_id else None
    if client is None:
        raise PageError("unknown_client")
    return client


def _registered_redirect_uri(parameters: Parameters, client: Client) -> str:
    redirect_uri = parameters.one("redirect_uri")
    if redirect_uri is None and len(client.redirect_uris) == 1:
        return client.redirect_uris[0]
    if redirect_uri is None or not matches_registered(redirect_uri, client.redirect_uris):
        raise PageError("redirect_uri_mismatch")
    return redirect_uri


def _echoed_state(parameters: Parameters) -> str | None:
    """The state to send back with an error: none where it is repeated or too long to echo."""
    states = parameters.every("state")
    return states[0] if len(states) == 1 and len(states[0]) <= LONGEST_STATE else None


def _bounded_state(parameters: Parameters, refuse: _Refuse) -> str | None:
    state = parameters.one("state")
    if state is not None and len(state) > LONGEST_STATE:
        raise refuse("invalid_request", f"state is longer than {LONGEST_STATE} characters")
    return state


def _check_response_type(parameters: Parameters, refuse: _Refuse) -> None:
    response_type = parameters.one("response_type")
    if response_type is None:
        raise refuse("invalid_request", "response_type is missing; it must be code")
    if response_type != "code":
        raise refuse("unsupported_response_type", "response_type must be code")
    if parameters.one("response_mode") not in (None, "query"):
        raise refuse("invalid_request", "response_mode must be query")


def _check_no_request_object(parameters: Parameters, refuse: _Refuse) -> None:
    for name in ("request", "request_uri"):
        if parameters.one(name) is not None:
            raise refuse(f"{name}_not_supported", "request objects are not supported")


def _s256_challenge(parameters: Parameters, refuse: _Refuse) -> str:
    challenge = parameters.one("code_challenge")
    if challenge is None:
        raise refuse("invalid_request", "code_challenge is missing; PKCE is required")
    if parameters.one("code_challenge_method") != "S256":
        raise refuse("invalid_request", "code_challenge_method must be S256")
    if not _CODE_CHALLENGE.fullmatch(challenge):
        raise refuse("invalid_request", "code_challenge is not an S256 challenge")
    return challenge


def _scopes(
    parameters: Parameters, client: Client, existing: tuple[str, ...], refuse: _Refuse
) -> tuple[str, ...]:
    scope = parameters.one("scope")
    if scope is not None and len(scope) > LONGEST_SCOPE:
        raise refuse("invalid_scope", f"scope is longer than {LONGEST_SCOPE} characters")
    try:
        return requested_scopes(scope, client, existing)
    except NoScopeLeftError as error:
        raise refuse("invalid_scope", str(error)) from None


def _resource(parameters: Parameters, resource_url: str, refuse: _Refuse) -> str | None:
    resources = parameters.every("resource")
    if not all(is_resource(resource, resource_url) for resource in resources):
        raise refuse("invalid_target", f"tokens of this server are for {resource_url} only")
    return resource_url if resources else None


def is_resource(resource: str, resource_url: str) -> bool:
    """Whether `resource` (RFC 8707) names `resource_url`.

    Only the case of scheme and host and one slash at the end may differ.
    """
    try:
        parts = urlsplit(resource)
    except ValueError:
        return False
    path = resource[len(parts.scheme) + 3 + len(parts.netloc) :]
    canonical = f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"
    return canonical.removesuffix("/") == resource_url


def _prompt(parameters: Parameters, refuse: _Refuse) -> tuple[str, ...]:
    prompt = tuple((parameters.one("prompt") or "").split())
    if not _PROMPTS.issuperset(prompt):
        raise refuse("invalid_request", "prompt must be none, login, consent or select_account")
    if "none" in prompt and len(prompt) > 1:
        raise refuse("invalid_request", "prompt=none stands alone")
    return prompt
