"""What no input may do: raise an error that is not ours, or widen what was asked for.

The number of examples is that of `TEST_SIZE`.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.forms import Form, Forms
from okta_mcp.oauth_proxy.legs import Legs
from okta_mcp.oauth_proxy.redirect_uris import (
    RedirectUriError,
    check_redirect_uri,
    matches_registered,
    redirect_target,
)
from okta_mcp.oauth_proxy.scopes import (
    NoScopeLeftError,
    cut_with_role,
    requested_scopes,
    still_existing,
)
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.okta.oidc import new_verifier, s256
from okta_mcp.okta.paging import next_target, path_of, same_list
from okta_mcp.rbac.families import FAMILY_SCOPES, OFFLINE_ACCESS, SUPPORTED_SCOPES
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Client, Leg, Records
from okta_mcp.stores.sealing import Sealer
from tests.vocabulary.clock import Clock
from tests.vocabulary.requests import request_of
from tests.vocabulary.size import how_many

sized = settings(
    deadline=None,
    max_examples=how_many(person=100, full=20_000),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

SCHEMES = ("vscode", "cursor", "claude")
SECRET = b"a secret of at least 32 bytes, made for tests"


def pieced(pieces: str, most: int = 14) -> st.SearchStrategy[str]:
    """Texts put together from the pieces that matter to a parser."""
    chosen = st.sampled_from([*pieces.split(" "), " ", "", "\t", "\r\n", "\x00", "é"])
    return st.lists(chosen, max_size=most).map("".join)


URIS = st.one_of(
    st.text(max_size=80),
    pieced(
        "https http HTTPS javascript vscode com.example : // / \\ @ # ? & = % %2e %2f %00 . .. *"
        " localhost 127.0.0.1 [::1] [ ] evil.example client.example xn--e1a 0 80 65535 65536 cb"
    ),
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["https", "http", "vscode", "com.example.app", "HTTPS"]),
        pieced("localhost 127.0.0.1 [::1] client.example @ : 80 0 . - evil.example", 5),
        st.sampled_from(["", "/", "/cb", "/cb/"]),
        pieced("? & = x code %63ode # * .. / %2e", 4),
    ),
)


# --- redirect URIs ---


@sized
@given(URIS)
@example("https://client.example:80:80/")
@example("http://[::1]:0x50/")
def test_two_parsers_agree_on_every_uri_that_may_be_registered(uri: str) -> None:
    """R-02 to R-11: a host that one reads and another does not is how a code goes astray."""
    try:
        check_redirect_uri(uri, SCHEMES)
    except RedirectUriError:
        return
    parts = urlsplit(uri)
    assert parts.scheme in ("https", "http", *SCHEMES) or "." in parts.scheme
    if parts.scheme in ("https", "http"):
        other = httpx.URL(uri)
        assert parts.scheme == other.scheme
        assert parts.hostname == other.host
        assert parts.port in (other.port, {"https": 443, "http": 80}[parts.scheme])
    if parts.scheme == "http":
        assert parts.hostname in ("127.0.0.1", "::1", "localhost")
    assert (parts.username, parts.password) == (None, None)
    assert not set(uri) & set("#*\\ \r\n\t\x00")
    assert redirect_target(uri).host


@sized
@given(URIS, URIS)
def test_what_matches_is_equal_but_for_the_port_of_a_loopback_uri(one: str, other: str) -> None:
    """A-02, A-03, A-04: and matching goes both ways."""
    does_match = matches_registered(one, (other,))
    assert does_match is matches_registered(other, (one,))
    if one == other:
        assert does_match
    elif does_match:
        left, right = urlsplit(one), urlsplit(other)
        assert left.scheme == right.scheme == "http"
        assert left.hostname == right.hostname
        assert left._replace(netloc="") == right._replace(netloc="")


@sized
@given(URIS, st.text(max_size=80))
def test_an_answer_leaves_the_registered_uri_as_it_is(uri: str, state: str) -> None:
    """A-10, A-17, A-20: what is added is read back exactly, and what was there stays."""
    try:
        check_redirect_uri(uri, SCHEMES)
        answer = urlencode({"code": "c", "state": state})
    except (RedirectUriError, UnicodeEncodeError):
        assume(False)
    location = f"{uri}{'&' if '?' in uri else '?'}{answer}"
    assert location.startswith(uri)
    assert location.isascii()
    assert location.isprintable()
    pairs = parse_qsl(urlsplit(location).query, keep_blank_values=True)
    assert pairs[-2:] == [("code", "c"), ("state", state)]
    assert [name for name, _ in pairs].count("state") == 1


# --- scopes ---

SCOPE = pieced(
    " ".join(SUPPORTED_SCOPES) + " openid okta.users.manage okta.users * , okta.users.read.x", 10
)
SCOPES = st.lists(st.sampled_from([*SUPPORTED_SCOPES, "openid", "okta.users.manage"])).map(" ".join)


def client_with(scope: str | None, grant_types: tuple[str, ...]) -> Client:
    return Client(
        client_id="omcp_client_x",
        name="",
        redirect_uris=("http://127.0.0.1/",),
        grant_types=grant_types,
        auth_method="none",
        secret_digest=None,
        scope=scope,
        created_at=0,
    )


GRANT_TYPES = st.sampled_from([("authorization_code",), ("authorization_code", "refresh_token")])


@sized
@given(
    st.none() | SCOPES | SCOPE | st.text(max_size=40),
    st.none() | SCOPES,
    GRANT_TYPES,
    st.lists(st.sampled_from(FAMILY_SCOPES), unique=True).map(tuple),
)
def test_a_grant_is_requested_and_registered_and_allowed(
    asked: str | None,
    registered: str | None,
    grant_types: tuple[str, ...],
    families: tuple[str, ...],
) -> None:
    """A-15, R-21, T-01: never a scope that one of the three does not name."""
    try:
        wanted = requested_scopes(asked, client_with(registered, grant_types))
        granted = cut_with_role(wanted, families)
    except NoScopeLeftError:
        return
    assert granted
    assert set(granted) <= set(SUPPORTED_SCOPES)
    assert asked is None or set(granted) <= set(asked.split())
    assert registered is None or set(granted) <= set(registered.split())
    assert set(granted) - {OFFLINE_ACCESS} <= set(families)
    assert asked is not None or OFFLINE_ACCESS not in granted or "refresh_token" in grant_types
    assert cut_with_role(granted, families) == granted


@sized
@given(SCOPES, st.randoms())
def test_order_and_repetition_of_scopes_mean_nothing(scope: str, random: object) -> None:
    """A-15."""
    kept = still_existing(scope.split(), SUPPORTED_SCOPES)
    names = scope.split()
    random.shuffle(names)  # type: ignore[attr-defined]
    assert still_existing(names + names, SUPPORTED_SCOPES) == kept
    assert still_existing(kept, SUPPORTED_SCOPES) == kept


# --- PKCE ---

VERIFIERS = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=43, max_size=128
)


@sized
@given(VERIFIERS, VERIFIERS)
def test_a_challenge_belongs_to_one_verifier(one: str, other: str) -> None:
    """A-08, K-07: and is 43 characters of the URL-safe alphabet."""
    assert (s256(one) == s256(other)) is (one == other)
    assert len(s256(one)) == 43
    assert not set(s256(one)) & set("+/=")


def test_our_own_verifiers_are_long_and_never_the_same() -> None:
    """U-04: 64 random bytes, within what RFC 7636 allows."""
    made = {new_verifier() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(verifier) for verifier in made} == {86}


# --- cookies ---

COOKIES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=200),
    pieced(
        "okta_mcp_session okta_mcp_leg okta_mcp_form_ okta_mcp_form_x __Host-okta_mcp_session = ; ,"
        ' "" " a.b.c . AAAA ==== \\" \\054 Path=/ $Version=1',
        20,
    ),
)


class Browserland:
    """Everything that reads a cookie."""

    def __init__(self, *, is_https: bool) -> None:
        cookies, clock = Cookies(is_https=is_https), Clock()
        records, sealer = Records(MemoryStore(clock)), Sealer((SECRET,), "kept")
        self.sessions = Sessions(records, sealer, cookies, ttl_seconds=60, now=clock)
        self.forms = Forms(sealer, SECRET, cookies, origin="http://localhost:3001")
        self.legs = Legs(records, sealer, SECRET, cookies)


LAND = Browserland(is_https=False)
LEG = Leg(request=None, nonce="", verifier_sealed="", binding_digest="")


@sized
@given(COOKIES)
async def test_no_cookie_is_somebody(header: str) -> None:
    """C-26, C-29, W-07: a session, a trip to Okta and a form are refused in our own words."""
    request = request_of(headers=[("cookie", header), ("sec-fetch-site", "same-origin")])
    assert await LAND.sessions.of(request) is None
    assert not LAND.legs.is_bound(request, LEG)
    form = Form(id="x")
    sealed, _ = LAND.forms.issued("purpose", form)
    with pytest.raises(PageError, match="form_foreign"):
        LAND.forms.read(request, "purpose", sealed)


@sized
@given(COOKIES)
async def test_any_cookies_can_be_kept_beside_ours(header: str) -> None:
    """C-08, C-29: a browser full of odd cookies still gets its form, and keeps few of them."""
    request, response = request_of(headers=[("cookie", header)]), Response()
    form = Form(id="x")
    _, cookie = LAND.forms.issued("purpose", form)
    LAND.forms.keep(request, response, form, cookie)
    assert any(cookie in value for value in response.headers.getlist("set-cookie"))


@sized
@given(st.text(max_size=200))
async def test_no_text_opens_as_a_form(text: str) -> None:
    """C-06."""
    request = request_of(headers=[("sec-fetch-site", "same-origin")])
    with pytest.raises(PageError, match="form_expired"):
        LAND.forms.read(request, "purpose", text)


# --- Link headers ---

LINKS = st.one_of(
    st.text(max_size=200),
    pieced(
        '< > ; , rel= rel="next" rel=next rel="self" rel="next last" https://acme.okta.com'
        " https://evil.example //evil.example /api/v1/users /api/v1/groups ?after=x &limit=2 .."
        ' %2e%2e # @ title="a, b; c" "',
        16,
    ),
    st.builds(
        '<https://acme.okta.com{}>; rel="next"'.format,
        pieced("/api/v1/users /api/v1/ .. . % %2e%2e ?after= x # ; \\ // users", 8),
    ),
)


@sized
@given(st.lists(LINKS, max_size=4))
@example(["<https://[>; rel=next"])
def test_a_next_link_leads_on_in_the_same_list_or_is_refused(lines: list[str]) -> None:
    """I-04: whatever Okta, or somebody in between, answers."""
    try:
        target = next_target(lines, "/api/v1/users")
    except ValueError:
        return
    if target is not None:
        assert same_list("/api/v1/users", path_of(target))
        assert target.partition("?")[0] == "/api/v1/users"
