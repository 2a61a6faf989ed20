"""ID tokens: every check by a token that fails it alone, with real RSA keys."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from okta_mcp.okta.authorization_server import LoginUnavailableError
from okta_mcp.okta.keys import SigningKeys, UntrustedTokenError, verified_id_token
from tests.okta.conftest import ORG, START, FakeTime
from tests.okta.issuer import (
    ACCESS_TOKEN,
    CLIENT_ID,
    NONCE,
    REMOVED,
    claims,
    encoded,
    half_hash,
    id_token,
    jwk,
    jwks,
    private_key,
    public_pem,
)


class Published:
    """The issuer's key document; counts how often it is fetched."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = jwks("one")
        self.error: Exception | None = None
        self.fetches = 0

    async def fetch(self) -> dict[str, Any]:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return self.document


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def keys(published: Published, clock: FakeTime) -> SigningKeys:
    return SigningKeys(published.fetch, clock.now)


async def verified(token: str, keys: SigningKeys, **changes: Any) -> dict[str, Any]:
    expected: dict[str, Any] = {
        "issuer": ORG,
        "client_id": CLIENT_ID,
        "nonce": NONCE,
        "access_token": ACCESS_TOKEN,
        "now": START,
    }
    return await verified_id_token(token, keys, **(expected | changes))


def hmac_signed(secret: bytes) -> str:
    signed = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{encoded(claims())}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_signature_of(token: str, other: str) -> str:
    return f"{token.rpartition('.')[0]}.{other.rpartition('.')[2]}"


def modulus() -> bytes:
    return base64.urlsafe_b64decode(jwk("one")["n"] + "==")


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "U-01 alg none": lambda: f"{encoded({'alg': 'none', 'kid': 'one'})}.{encoded(claims())}.",
    "U-01 alg nOnE": lambda: f"{encoded({'alg': 'nOnE', 'kid': 'one'})}.{encoded(claims())}.",
    "U-01 alg missing": lambda: id_token(headers={"alg": REMOVED}),
    "U-01 alg a list": lambda: id_token(headers={"alg": ["RS256"]}),
    "U-02 HS256 with the public key": lambda: hmac_signed(public_pem("one")),
    "U-02 HS256 with the public key, stripped": lambda: hmac_signed(public_pem("one").strip()),
    "U-03 HS256 with the modulus": lambda: hmac_signed(modulus()),
    "U-03 HS256 with the modulus as text": lambda: hmac_signed(jwk("one")["n"].encode()),
    "U-04 signed by another key": lambda: id_token("two", headers={"kid": "one"}),
    "U-04 RS512 instead": lambda: jwt.encode(
        claims(), private_key("one"), "RS512", headers={"kid": "one"}
    ),
    "U-04 PS256 instead": lambda: jwt.encode(
        claims(), private_key("one"), "PS256", headers={"kid": "one"}
    ),
    "U-04 RS256 in the header of a PS256 signature": lambda: with_signature_of(
        id_token(), jwt.encode(claims(), private_key("one"), "PS256", headers={"kid": "one"})
    ),
    "U-04 without signature": lambda: id_token().rpartition(".")[0] + ".",
    "U-04 signature of other claims": lambda: with_signature_of(
        id_token(sub="00uother"), id_token()
    ),
    "U-05 unknown kid": lambda: id_token("two"),
    "U-05 kid missing": lambda: id_token(headers={"kid": REMOVED}),
    "U-06 kid a number": lambda: id_token(headers={"kid": 1}),
    "U-06 kid a path": lambda: id_token(headers={"kid": "../../one"}),
    "U-06 kid empty": lambda: id_token(headers={"kid": ""}),
    "U-07 own key in the header": lambda: id_token(
        "two", headers={"kid": "one", "jwk": jwk("two")}
    ),
    "U-07 jku": lambda: id_token("two", headers={"jku": "https://evil.example/keys"}),
    "U-08 x5u": lambda: id_token("two", headers={"x5u": "https://evil.example/cert"}),
    "unknown crit": lambda: id_token(headers={"crit": ["exp"], "exp": 1}),
    "U-09 iss of another": lambda: id_token(iss="https://evil.example"),
    "U-09 iss as a prefix": lambda: id_token(iss=f"{ORG}.evil.example"),
    "U-09 iss with a path": lambda: id_token(iss=f"{ORG}/oauth2/default"),
    "U-09 iss in capitals": lambda: id_token(iss=ORG.upper()),
    "U-09 iss missing": lambda: id_token(iss=REMOVED),
    "U-09 iss a list": lambda: id_token(iss=[ORG]),
    "U-09 iss null": lambda: id_token(iss=None),
    "U-10 aud of another": lambda: id_token(aud="0oaother"),
    "U-10 aud as a prefix": lambda: id_token(aud=f"{CLIENT_ID}x"),
    "U-10 aud in capitals": lambda: id_token(aud=CLIENT_ID.upper()),
    "U-10 aud missing": lambda: id_token(aud=REMOVED),
    "U-10 aud an empty list": lambda: id_token(aud=[]),
    "U-10 aud an object": lambda: id_token(aud={"is": CLIENT_ID}),
    "U-10 aud with a number": lambda: id_token(aud=[CLIENT_ID, 7]),
    "U-11 several aud without azp": lambda: id_token(aud=[CLIENT_ID, "0oaother"]),
    "U-11 several aud with another azp": lambda: id_token(
        aud=[CLIENT_ID, "0oaother"], azp="0oaother"
    ),
    "U-11 one aud with another azp": lambda: id_token(azp="0oaother"),
    "U-11 azp null": lambda: id_token(azp=None),
    "U-12 exp missing": lambda: id_token(exp=REMOVED),
    "U-12 exp as text": lambda: id_token(exp=str(START + 3600)),
    "U-12 exp true": lambda: id_token(exp=True),
    "U-12 exp null": lambda: id_token(exp=None),
    "U-12 expired beyond the leeway": lambda: id_token(exp=START - 60),
    "U-12 expired long ago": lambda: id_token(exp=0),
    "U-13 iat missing": lambda: id_token(iat=REMOVED),
    "U-13 iat as text": lambda: id_token(iat=str(START)),
    "U-13 iat in the future": lambda: id_token(iat=START + 61),
    "U-13 nbf in the future": lambda: id_token(nbf=START + 61),
    "U-13 nbf as text": lambda: id_token(nbf="now"),
    "U-14 iat too old": lambda: id_token(iat=START - 601),
    "U-15 nonce missing": lambda: id_token(nonce=REMOVED),
    "U-16 nonce of another sign-in": lambda: id_token(nonce="another"),
    "U-16 nonce in capitals": lambda: id_token(nonce=NONCE.upper()),
    "U-16 nonce empty": lambda: id_token(nonce=""),
    "U-16 nonce null": lambda: id_token(nonce=None),
    "U-16 nonce a list": lambda: id_token(nonce=[NONCE]),
    "U-17 at_hash of another token": lambda: id_token(at_hash=half_hash("another")),
    "U-17 at_hash by another hash": lambda: id_token(at_hash=half_hash(ACCESS_TOKEN, "sha512")),
    "U-17 at_hash whole": lambda: id_token(at_hash=hashlib.sha256(b"okta").hexdigest()),
    "U-17 at_hash null": lambda: id_token(at_hash=None),
    "U-17 at_hash empty": lambda: id_token(at_hash=""),
    "U-18 sub missing": lambda: id_token(sub=REMOVED),
    "U-18 sub empty": lambda: id_token(sub=""),
    "U-18 sub blank": lambda: id_token(sub=" "),
    "U-18 sub a number": lambda: id_token(sub=7),
    "U-18 sub null": lambda: id_token(sub=None),
    "no token": lambda: "",
    "one part": lambda: "abc",
    "two parts": lambda: id_token().rpartition(".")[0],
    "four parts": lambda: id_token() + ".abc",
    "encrypted": lambda: "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d",
    "header no object": lambda: "W10." + id_token().partition(".")[2],
}


@pytest.mark.parametrize("case", BAD_TOKENS)
async def test_a_token_that_fails_one_check_is_refused(case: str, keys: SigningKeys) -> None:
    with pytest.raises(UntrustedTokenError):
        await verified(BAD_TOKENS[case](), keys)


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
async def test_a_time_that_is_no_finite_number_is_refused(
    name: str, value: str, keys: SigningKeys
) -> None:
    """U-12, U-13: NaN is neither before nor after any time."""
    with pytest.raises(UntrustedTokenError):
        await verified(id_token(**{name: float(value)}), keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": START - 59.9},
        {"iat": START + 60},
        {"iat": START - 600},
        {"nbf": START + 60},
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "0oaother"], "azp": CLIENT_ID},
        {"azp": CLIENT_ID},
        {"iss": f"{ORG}/"},
        {"at_hash": REMOVED},
        {"groups": ["staff"], "amr": ["pwd", "mfa"]},
    ],
    ids=repr,
)
async def test_a_token_at_the_edge_of_the_allowed_is_accepted(
    changes: dict[str, Any], keys: SigningKeys
) -> None:
    assert await verified(id_token(**changes), keys) == claims(**changes)


async def test_after_a_refresh_there_is_no_nonce_to_compare(keys: SigningKeys) -> None:
    assert (await verified(id_token(nonce=REMOVED), keys, nonce=None))["sub"]


@given(st.text(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_text_raises_anything_but_an_id_token_error(keys: SigningKeys, text: str) -> None:
    for token in (text, f"{encoded({'alg': 'RS256', 'kid': 'one'})}.{text}", f"{text}.e30.AA"):
        with pytest.raises(UntrustedTokenError):
            await verified(token, keys)


@pytest.mark.parametrize(
    "entry",
    [
        jwk("one", kty="oct", k="c2VjcmV0"),
        jwk("one", use="enc"),
        jwk("one", kid=REMOVED),
        jwk("one", kid=1),
        jwk("one", n="", e=""),
        jwk("one", n=5),
        {"kty": "RSA", "kid": "one"},
        {"kty": "EC", "kid": "one", "crv": "P-256", "x": "AA", "y": "AA"},
        "one",
        None,
    ],
    ids=str,
)
async def test_an_entry_that_is_no_rsa_signing_key_is_passed_over(
    entry: Any, keys: SigningKeys, published: Published
) -> None:
    if isinstance(entry, dict):
        entry = {name: value for name, value in entry.items() if value is not REMOVED}
    published.document = {"keys": [entry, jwk("two")]}
    with pytest.raises(UntrustedTokenError):
        await verified(id_token(), keys)
    assert (await verified(id_token("two"), keys))["sub"]


@pytest.mark.parametrize(
    "document", [{}, {"keys": None}, {"keys": {}}, {"keys": "one"}, {"keys": []}]
)
async def test_a_document_without_keys_verifies_nothing(
    document: dict[str, Any], keys: SigningKeys, published: Published
) -> None:
    published.document = document
    with pytest.raises(UntrustedTokenError):
        await verified(id_token(), keys)


async def test_ten_bad_logins_make_at_most_three_fetches(
    keys: SigningKeys, published: Published, clock: FakeTime
) -> None:
    """U-05, U-22."""
    for n in range(10):
        with pytest.raises(UntrustedTokenError):
            await verified(id_token("two", headers={"kid": f"unknown {n}"}), keys)
        clock.seconds += 1
    assert published.fetches <= 3


async def test_an_unknown_key_is_looked_for_once_in_thirty_seconds(
    keys: SigningKeys, published: Published, clock: FakeTime
) -> None:
    """U-05."""
    await keys.key("one")
    for seconds, fetches in ((0, 1), (29.9, 1), (0.1, 2), (29.9, 2), (0.1, 3)):
        clock.seconds += seconds
        with pytest.raises(UntrustedTokenError):
            await keys.key("two")
        assert published.fetches == fetches


async def test_fifty_at_once_share_one_fetch(keys: SigningKeys, published: Published) -> None:
    """U-22."""
    await asyncio.gather(*(keys.key("one") for _ in range(50)))
    assert published.fetches == 1


async def test_a_rotation_is_picked_up_within_a_minute(
    keys: SigningKeys, published: Published, clock: FakeTime
) -> None:
    """U-23."""
    await keys.key("one")
    published.document = jwks("two")
    clock.seconds += 30
    assert (await verified(id_token("two"), keys, now=START))["sub"]
    with pytest.raises(UntrustedTokenError):
        await verified(id_token("one"), keys)


async def test_a_known_key_is_not_fetched_again_for_an_hour(
    keys: SigningKeys, published: Published, clock: FakeTime
) -> None:
    await keys.key("one")
    clock.seconds += 3599
    await keys.key("one")
    assert published.fetches == 1
    clock.seconds += 1
    await keys.key("one")
    assert published.fetches == 2


async def test_a_key_that_was_withdrawn_stops_working_after_an_hour(
    keys: SigningKeys, published: Published, clock: FakeTime
) -> None:
    await keys.key("one")
    published.document = jwks("two")
    clock.seconds += 3600
    with pytest.raises(UntrustedTokenError):
        await keys.key("one")


async def test_an_outage_of_the_issuer_is_tried_again_after_five_seconds(
    keys: SigningKeys, published: Published, clock: FakeTime
) -> None:
    """U-24: recovers."""
    published.error = ConnectionError("away")
    with pytest.raises(ConnectionError):
        await keys.key("one")
    for asked_for in (keys.key("one"), keys.ready()):
        with pytest.raises(LoginUnavailableError):
            await asked_for
    assert published.fetches == 1
    published.error = None
    clock.seconds += 5
    assert await keys.key("one")


async def test_a_new_key_that_cannot_be_asked_for_is_an_outage_and_no_bad_token(
    keys: SigningKeys, published: Published, clock: FakeTime
) -> None:
    await keys.key("one")
    published.error = ConnectionError("away")
    clock.seconds += 30
    with pytest.raises(LoginUnavailableError):
        await verified(id_token("two"), keys)
    assert (await verified(id_token(), keys))["sub"]
