"""Client authentication: only the registered method works, and no answer tells more."""

import base64
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from okta_mcp.oauth_proxy.client_authentication import authenticated_client
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.parameters import Parameters
from okta_mcp.stores.records import Client, Records
from tests.oauth_proxy.conftest import OURS
from tests.vocabulary.requests import request_of

BASIC_SECRET = "s3&cret:+%é"


def basic(client_id: str, secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def raw_basic(text: bytes) -> str:
    return f"Basic {base64.b64encode(text).decode()}"


async def client_of_request(records: Records, form: dict[str, str], *authorizations: str) -> Client:
    headers = [("authorization", value) for value in authorizations]
    return await authenticated_client(
        request_of(headers=headers), Parameters(urlencode(form)), records
    )


UNKNOWN: list[tuple[dict[str, str], list[str]]] = [
    ({}, []),
    ({"client_id": "nobody"}, []),
    ({"client_id": ""}, []),
    ({"client_id": OURS.client_id.upper()}, []),
    ({"client_id": f"{OURS.client_id} "}, []),
    ({"client_id": OURS.client_id, "client_secret": "any"}, []),
    ({}, [basic(OURS.client_id, "")]),
    ({}, [basic(OURS.client_id, "any")]),
    ({"client_id": "post"}, []),
    ({"client_id": "post", "client_secret": ""}, []),
    ({"client_id": "post", "client_secret": "wrong"}, []),
    ({"client_id": "post", "client_secret": "s3cret "}, []),
    ({"client_id": "post", "client_secret": "S3CRET"}, []),
    ({}, [basic("post", "s3cret")]),
    ({"client_id": "basic"}, []),
    ({"client_id": "basic", "client_secret": BASIC_SECRET}, []),
    ({}, [basic("basic", "wrong")]),
    ({}, [basic("basic", "")]),
    ({}, [basic("nobody", BASIC_SECRET)]),
    ({}, [raw_basic(b"basic")]),
    ({}, [raw_basic(b"")]),
    ({}, [raw_basic(b"\xff:\xff")]),
    ({}, ["Basic"]),
    ({}, ["Basic not base64!"]),
    ({}, ["Basic é"]),
    ({"client_id": OURS.client_id}, ["Bearer abc"]),
    ({"client_id": OURS.client_id}, ["Digest username=x"]),
    ({}, [basic("basic", BASIC_SECRET), basic("basic", BASIC_SECRET)]),
]


@pytest.mark.parametrize(("form", "authorizations"), UNKNOWN, ids=str)
async def test_a_client_that_cannot_be_known_is_refused_in_the_same_words(
    known_clients: Records, form: dict[str, str], authorizations: list[str]
) -> None:
    """K-13, K-14: the challenge comes where Basic or another scheme was tried."""
    with pytest.raises(TokenError) as caught:
        await client_of_request(known_clients, form, *authorizations)
    error = caught.value
    assert (error.status, error.code) == (401, "invalid_client")
    assert error.description == "unknown client or wrong credentials; register again"
    assert ("WWW-Authenticate" in error.headers) is bool(authorizations)


@pytest.mark.parametrize(
    "form",
    [
        {"client_secret": BASIC_SECRET},
        {"client_id": "basic", "client_secret": BASIC_SECRET},
        {"client_id": OURS.client_id},
        {"client_id": "post", "client_secret": "s3cret"},
    ],
    ids=str,
)
async def test_two_ways_at_once_are_refused(known_clients: Records, form: dict[str, str]) -> None:
    """K-14."""
    with pytest.raises(TokenError) as caught:
        await client_of_request(known_clients, form, basic("basic", BASIC_SECRET))
    assert (caught.value.status, caught.value.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("form", "authorizations", "client_id"),
    [
        ({"client_id": OURS.client_id}, [], OURS.client_id),
        ({"client_id": OURS.client_id, "client_secret": ""}, [], OURS.client_id),
        ({"client_id": "post", "client_secret": "s3cret"}, [], "post"),
        ({}, [basic("basic", BASIC_SECRET)], "basic"),
        ({"client_id": "basic"}, [basic("basic", BASIC_SECRET)], "basic"),
        ({}, [basic("basic", BASIC_SECRET).replace("Basic", "bAsIc")], "basic"),
    ],
    ids=str,
)
async def test_the_registered_way_works(
    known_clients: Records, form: dict[str, str], authorizations: list[str], client_id: str
) -> None:
    """K-13: id and secret of Basic are form-encoded."""
    client = await client_of_request(known_clients, form, *authorizations)
    assert client.client_id == client_id


@given(st.text(st.characters(max_codepoint=255), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_header_raises_anything_but_a_token_error(
    known_clients: Records, value: str
) -> None:
    """K-16."""
    for header in (value, f"Basic {value}"):
        with pytest.raises(TokenError) as caught:
            await client_of_request(known_clients, {}, header)
        assert caught.value.status == 401
