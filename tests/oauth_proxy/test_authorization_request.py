"""The checks of an authorization request, each by a request that fails it alone."""

import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from okta_mcp.oauth_proxy.authorization_request import (
    LONGEST_STATE,
    checked_request,
    is_resource,
)
from okta_mcp.oauth_proxy.errors import PageError, RedirectedError
from okta_mcp.oauth_proxy.parameters import Parameters
from okta_mcp.rbac.families import SUPPORTED_SCOPES
from okta_mcp.stores.records import CheckedRequest, Records
from tests.oauth_proxy.conftest import OURS, REDIRECT_URI, RESOURCE_URL, client_of

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
STATE = "a state+/=&?#%é\u202e <b>"
REMOVED = object()
GOOD: dict[str, Any] = {
    "client_id": OURS.client_id,
    "redirect_uri": REDIRECT_URI,
    "response_type": "code",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "state": STATE,
    "scope": "okta.users.read offline_access",
}
# RFC 6749 section 4.1.2.1: what an error_description may hold.
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")


def query_of(*more: tuple[str, str], **changes: Any) -> str:
    """A good request with changes, and further pairs at its end."""
    pairs = [(name, value) for name, value in (GOOD | changes).items() if value is not REMOVED]
    return urlencode([*pairs, *more])


@pytest.fixture
async def registered(records: Records) -> Records:
    several = client_of("several", redirect_uris=(REDIRECT_URI, "vscode://x/cb"))
    web = client_of("web", redirect_uris=("https://client.example/cb",))
    for client in (OURS, several, web):
        await records.clients.put(client.client_id, client, 3600)
    return records


async def checked(registered: Records, query: str) -> CheckedRequest:
    request, client = await checked_request(
        Parameters(query),
        registered.clients.get,
        resource_url=RESOURCE_URL,
        fetch_site="cross-site",
    )
    assert client.client_id == request.client_id
    return request


LOCAL: list[tuple[str, str, str]] = [
    ("A-01 client_id missing", query_of(client_id=REMOVED), "unknown_client"),
    ("A-01 client_id empty", query_of(client_id=""), "unknown_client"),
    ("A-01 client_id unknown", query_of(client_id="nobody"), "unknown_client"),
    ("A-01 client_id in capitals", query_of(client_id=OURS.client_id.upper()), "unknown_client"),
    ("A-22 Okta's own client id", query_of(client_id="0oaclient00000000000"), "unknown_client"),
    ("X-07 a URL", query_of(client_id="https://client.example/meta"), "unknown_client"),
    ("A-12 client_id repeated", query_of(("client_id", OURS.client_id)), "invalid_request"),
    ("A-12 redirect_uri repeated", query_of(("redirect_uri", REDIRECT_URI)), "invalid_request"),
    (
        "A-12 another redirect_uri behind",
        query_of(("redirect_uri", "https://evil.example/")),
        "invalid_request",
    ),
    (
        "A-02 another URI",
        query_of(redirect_uri="https://evil.example/cb"),
        "redirect_uri_mismatch",
    ),
    ("A-02 one slash more", query_of(redirect_uri=f"{REDIRECT_URI}/"), "redirect_uri_mismatch"),
    (
        "A-02 a query more",
        query_of(redirect_uri=f"{REDIRECT_URI}?a=1"),
        "redirect_uri_mismatch",
    ),
    (
        "A-03 another loopback name",
        query_of(redirect_uri=REDIRECT_URI.replace("127.0.0.1", "localhost")),
        "redirect_uri_mismatch",
    ),
    (
        "A-04 port of a web URI",
        query_of(client_id="web", redirect_uri="https://client.example:8443/cb"),
        "redirect_uri_mismatch",
    ),
    (
        "A-05 omitted, several registered",
        query_of(client_id="several", redirect_uri=REMOVED),
        "redirect_uri_mismatch",
    ),
    (
        "A-05 empty, several registered",
        query_of(client_id="several", redirect_uri=""),
        "redirect_uri_mismatch",
    ),
    (
        "the URI of another client",
        query_of(client_id="web", redirect_uri=REDIRECT_URI),
        "redirect_uri_mismatch",
    ),
]


@pytest.mark.parametrize(
    ("query", "reason"), [pytest.param(query, reason, id=name) for name, query, reason in LOCAL]
)
async def test_before_client_and_uri_are_valid_nothing_is_redirected(
    registered: Records, query: str, reason: str
) -> None:
    with pytest.raises(PageError) as caught:
        await checked(registered, query)
    assert (caught.value.status, caught.value.reason) == (400, reason)
    assert caught.value.finishes is None


REDIRECTED: list[tuple[str, str, str]] = [
    ("A-06 no challenge", query_of(code_challenge=REMOVED), "invalid_request"),
    (
        "A-06 no PKCE at all",
        query_of(code_challenge=REMOVED, code_challenge_method=REMOVED),
        "invalid_request",
    ),
    ("A-06 empty challenge", query_of(code_challenge=""), "invalid_request"),
    ("A-07 no method", query_of(code_challenge_method=REMOVED), "invalid_request"),
    ("A-07 plain", query_of(code_challenge_method="plain"), "invalid_request"),
    ("A-07 s256", query_of(code_challenge_method="s256"), "invalid_request"),
    ("A-07 S256 and a space", query_of(code_challenge_method="S256 "), "invalid_request"),
    ("A-08 42 characters", query_of(code_challenge=CHALLENGE[:-1]), "invalid_request"),
    ("A-08 44 characters", query_of(code_challenge=f"{CHALLENGE}M"), "invalid_request"),
    ("A-08 padded", query_of(code_challenge=f"{CHALLENGE}="), "invalid_request"),
    ("A-08 plain base 64", query_of(code_challenge=f"+/{CHALLENGE[2:]}"), "invalid_request"),
    ("A-08 a line end", query_of(code_challenge=f"{CHALLENGE}\n"), "invalid_request"),
    ("A-08 letters of other scripts", query_of(code_challenge="é" * 43), "invalid_request"),
    ("A-09 response_type missing", query_of(response_type=REMOVED), "invalid_request"),
    ("A-09 token", query_of(response_type="token"), "unsupported_response_type"),
    ("A-09 code token", query_of(response_type="code token"), "unsupported_response_type"),
    ("A-09 id_token", query_of(response_type="id_token"), "unsupported_response_type"),
    ("A-09 CODE", query_of(response_type="CODE"), "unsupported_response_type"),
    ("A-09 fragment", query_of(("response_mode", "fragment")), "invalid_request"),
    ("A-09 form_post", query_of(("response_mode", "form_post")), "invalid_request"),
    ("A-12 state repeated", query_of(("state", "x")), "invalid_request"),
    ("A-12 scope repeated", query_of(("scope", "okta.logs.read")), "invalid_request"),
    ("A-12 challenge repeated", query_of(("code_challenge", CHALLENGE)), "invalid_request"),
    ("A-12 response_type repeated", query_of(("response_type", "code")), "invalid_request"),
    ("A-12 an unknown one repeated", query_of(("x", "1"), ("x", "2")), "invalid_request"),
    ("A-13 request", query_of(("request", "eyJ.e30.")), "request_not_supported"),
    (
        "A-13 request_uri",
        query_of(("request_uri", "https://evil.example/r")),
        "request_uri_not_supported",
    ),
    ("A-14 another server", query_of(("resource", "https://evil.example/mcp")), "invalid_target"),
    (
        "A-14 one right, one wrong",
        query_of(("resource", RESOURCE_URL), ("resource", "https://evil.example/mcp")),
        "invalid_target",
    ),
    ("A-15 none of ours", query_of(scope="openid profile"), "invalid_scope"),
    ("A-15 to write", query_of(scope="okta.users.manage"), "invalid_scope"),
    ("A-15 too long", query_of(scope="okta.users.read " * 300), "invalid_scope"),
    ("A-16 none and login", query_of(("prompt", "none login")), "invalid_request"),
    ("A-16 an unknown prompt", query_of(("prompt", "create")), "invalid_request"),
]


@pytest.mark.parametrize(
    ("name", "query", "code"),
    [pytest.param(*row, id=row[0]) for row in REDIRECTED],
)
async def test_after_that_an_error_goes_to_the_client(
    registered: Records, name: str, query: str, code: str
) -> None:
    with pytest.raises(RedirectedError) as caught:
        await checked(registered, query)
    error = caught.value
    assert (error.redirect_uri, error.code) == (REDIRECT_URI, code)
    assert error.state == (None if name == "A-12 state repeated" else STATE)
    assert DESCRIPTION.fullmatch(error.description)


@pytest.mark.parametrize("name", ["x\ny", "Okta is down, call 0900", 'x"y', "é", "<b>x</b>"])
async def test_the_name_of_a_repeated_parameter_is_not_told_back(
    registered: Records, name: str
) -> None:
    """K-16: a text of the caller's would stand on the client's error page as ours."""
    with pytest.raises(RedirectedError) as caught:
        await checked(registered, query_of((name, "1"), (name, "2")))
    assert name not in caught.value.description
    assert DESCRIPTION.fullmatch(caught.value.description)


async def test_a_state_that_is_too_long_is_refused_and_not_echoed(registered: Records) -> None:
    """A-11."""
    with pytest.raises(RedirectedError) as caught:
        await checked(registered, query_of(state="s" * (LONGEST_STATE + 1)))
    assert (caught.value.code, caught.value.state) == ("invalid_request", None)


async def test_without_state_an_error_carries_none(registered: Records) -> None:
    """A-10, C-12."""
    with pytest.raises(RedirectedError) as caught:
        await checked(registered, query_of(state=REMOVED, response_type="token"))
    assert caught.value.state is None


@pytest.mark.parametrize(
    "resource",
    [
        "http://localhost:3001",
        "http://localhost:3001/",
        "http://localhost:3001/mcp2",
        "http://localhost:3001/mcp/x",
        "http://localhost:3001/MCP",
        "http://localhost:3001/mcp//",
        "http://localhost:3001//mcp",
        "http://localhost:3001/mcp?x=1",
        "http://localhost:3001/mcp?",
        "http://localhost:3001/mcp#",
        "http://localhost:3001/mcp#x",
        "http://localhost:3001/%6dcp",
        "http://localhost:3001/x/../mcp",
        "http://localhost/mcp",
        "https://localhost:3001/mcp",
        "http://localhost:3001@evil.example/mcp",
        "http://localhost:3001.evil.example/mcp",
        "http://ann@localhost:3001/mcp",
        "http://127.0.0.1:3001/mcp",
        " http://localhost:3001/mcp",
        "http://localhost:3001/mcp ",
        "http://local\thost:3001/mcp",
        "http://localhost:3001/mc\np",
        "http:localhost:3001/mcp",
        "//localhost:3001/mcp",
        "localhost:3001/mcp",
        "/mcp",
        "http://[",
        "urn:mcp",
    ],
)
def test_another_resource_is_not_ours(resource: str) -> None:
    """A-14: nothing but case and one slash may differ."""
    assert not is_resource(resource, RESOURCE_URL)


@pytest.mark.parametrize(
    "resource",
    [
        "http://localhost:3001/mcp",
        "http://localhost:3001/mcp/",
        "HTTP://LOCALHOST:3001/mcp",
        "Http://LocalHost:3001/mcp/",
    ],
)
def test_our_resource_is_known_by_any_case_of_its_host(resource: str) -> None:
    """A-14."""
    assert is_resource(resource, RESOURCE_URL)


@given(st.text(max_size=60))
def test_what_is_our_resource_is_its_text_but_for_case_and_a_slash(resource: str) -> None:
    for text in (resource, RESOURCE_URL + resource, resource + RESOURCE_URL):
        if is_resource(text, RESOURCE_URL):
            assert text.removesuffix("/").lower() == RESOURCE_URL


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (query_of(), {"state": STATE, "resource": None, "prompt": ()}),
        (query_of(state=REMOVED), {"state": None}),
        (query_of(state=""), {"state": None}),
        (query_of(state="s" * LONGEST_STATE), {"state": "s" * LONGEST_STATE}),
        (query_of(redirect_uri=REMOVED), {"redirect_uri": REDIRECT_URI}),
        (
            query_of(redirect_uri="http://127.0.0.1:50000/cb"),
            {"redirect_uri": "http://127.0.0.1:50000/cb"},
        ),
        (
            query_of(client_id="several", redirect_uri="vscode://x/cb"),
            {"redirect_uri": "vscode://x/cb"},
        ),
        (query_of(("resource", RESOURCE_URL)), {"resource": RESOURCE_URL}),
        (
            query_of(("resource", f"{RESOURCE_URL}/"), ("resource", RESOURCE_URL)),
            {"resource": RESOURCE_URL},
        ),
        (query_of(), {"scopes": ("okta.users.read", "offline_access")}),
        (query_of(scope=REMOVED), {"scopes": SUPPORTED_SCOPES}),
        (query_of(scope="openid okta.logs.read"), {"scopes": ("okta.logs.read",)}),
        (query_of(("prompt", "none")), {"prompt": ("none",)}),
        (query_of(("prompt", "login consent")), {"prompt": ("login", "consent")}),
        (query_of(("prompt", "select_account")), {"prompt": ("select_account",)}),
        (query_of(("response_mode", "query")), {"state": STATE}),
        (query_of(("nonce", "x"), ("idp", "y"), ("sessionToken", "z")), {"state": STATE}),
    ],
)
async def test_a_good_request_is_taken_as_it_was_meant(
    registered: Records, query: str, expected: dict[str, Any]
) -> None:
    """A-02, A-03, A-05, A-10, A-14, A-15, A-18."""
    request = await checked(registered, query)
    assert {name: getattr(request, name) for name in expected} == expected
    assert (request.code_challenge, request.fetch_site) == (CHALLENGE, "cross-site")


async def test_every_request_has_an_id_of_its_own_that_is_not_the_clients_state(
    registered: Records,
) -> None:
    """C-21."""
    ids = {(await checked(registered, query_of(state="s"))).id for _ in range(20)}
    assert len(ids) == 20
    assert all(len(each) >= 22 for each in ids)


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "resource", "prompt", "response_mode", "request", "x"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    )
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=200,
)
async def test_no_request_raises_anything_but_the_two_errors(
    registered: Records, changes: dict[str, str]
) -> None:
    query = "&".join(f"{name}={quote(value)}" for name, value in (GOOD | changes).items())
    try:
        request = await checked(registered, query)
    except (RedirectedError, PageError):
        return
    assert request.redirect_uri == REDIRECT_URI
    assert set(request.scopes) <= set(SUPPORTED_SCOPES)
