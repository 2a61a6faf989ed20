"""Who asks, signed: one server, one minute, the same key wherever and whenever."""

from dataclasses import replace

import jwt
import pytest

from okta_mcp.gateway.assertions import HEADER, Assertions
from okta_mcp.gateway.servers import HttpServer
from tests.vocabulary.behind import person
from tests.vocabulary.clock import START, Clock

CURRENT, EARLIER = b"c" * 32, b"e" * 32
ISSUER = "https://mcp.acme.example"
SERVER = HttpServer(name="web", title="web", url="https://web.acme.example/mcp", assertion=True)
OTHER = HttpServer(name="other", title="other", url="https://other.acme.example/mcp")


def claims(token: str, assertions: Assertions, audience: str = SERVER.url) -> dict[str, object]:
    """As a server behind would check it, by what is published, at the time of the clock."""
    assert jwt.get_unverified_header(token)["typ"] == "okta-mcp-assertion+jwt"
    named = jwt.get_unverified_header(token)["kid"]
    keys = {key["kid"]: jwt.PyJWK(key) for key in assertions.jwks["keys"]}
    return dict(
        jwt.decode(
            token,
            keys[named],
            algorithms=["ES256"],
            audience=audience,
            issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "jti"]},
        )
    )


def signed(assertions: Assertions) -> str:
    return assertions.header(SERVER, person("00uhana", "viewer"))[HEADER]


def test_it_is_for_no_other_server() -> None:
    assertions = Assertions(ISSUER, (CURRENT,), Clock())
    with pytest.raises(jwt.InvalidAudienceError):
        claims(signed(assertions), assertions, OTHER.url)


def test_it_says_who_asks_for_a_minute() -> None:
    assertions = Assertions(ISSUER, (CURRENT,), Clock())
    told = claims(signed(assertions), assertions)
    assert told.pop("jti")
    assert told == {
        "iss": ISSUER,
        "aud": SERVER.url,
        "sub": "00uhana",
        "login": "00uhana@northwind.example",
        "role": "viewer",
        "groups": ["MCP viewers"],
        "iat": START,
        "exp": START + 60,
    }


def test_of_a_service_it_says_the_name() -> None:
    assertions = Assertions(ISSUER, (CURRENT,), Clock())
    service = replace(person("service:soar"), login="", service="soar")
    told = claims(assertions.header(SERVER, service)[HEADER], assertions)
    assert (told["sub"], told["login"]) == ("service:soar", "soar")


def test_no_two_are_the_same() -> None:
    assertions = Assertions(ISSUER, (CURRENT,), Clock())
    assert signed(assertions) != signed(assertions)


def test_another_process_with_the_same_secret_signs_alike() -> None:
    here, there = (Assertions(ISSUER, (CURRENT,), Clock()) for _ in range(2))
    assert here.jwks == there.jwks
    assert claims(signed(here), there)


def test_keys_of_the_whole_ring_are_published_and_none_that_is_private() -> None:
    before, after = (Assertions(ISSUER, ring, Clock()) for ring in ((EARLIER,), (CURRENT, EARLIER)))
    assert claims(signed(before), after)
    assert jwt.get_unverified_header(signed(after))["kid"] == after.jwks["keys"][0]["kid"]
    assert len({key["kid"] for key in after.jwks["keys"]}) == 2
    for key in after.jwks["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
