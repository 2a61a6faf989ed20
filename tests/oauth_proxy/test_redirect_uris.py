"""Redirect URIs: what may be registered, and when a requested one is a registered one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from okta_mcp.oauth_proxy.redirect_uris import (
    LONGEST_URI,
    RedirectTarget,
    RedirectUriError,
    check_redirect_uri,
    matches_registered,
    redirect_target,
)

SCHEMES = ("vscode", "vscode-insiders", "cursor", "windsurf", "claude")

REFUSED: dict[str, list[str]] = {
    "R-02": [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "javascript://localhost/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "about:blank",
        "blob:https://client.example/1",
        "view-source:https://client.example/",
        "ws://localhost/cb",
        "wss://client.example/cb",
        "ftp://client.example/cb",
        "intent://x#Intent;end",
        "intent:x",
        "chrome://settings",
        "chrome-extension://abc/cb",
        "mailto:ann@example.com",
        "tel:123",
        "ms-settings:privacy",
        "ms-word.x:ofe",
        "search-ms:query=x",
        "jar:file:x",
        "unlisted://cb",
        "vscodium://cb",
        "VSCodium://cb",
        "a.:x",
        ".a:x",
        "1com.example:/cb",
        "vscode:",
        "com.example.app:",
    ],
    "R-03": [
        "https://client.example/cb#",
        "https://client.example/cb#part",
        "http://127.0.0.1/cb#",
        "vscode://x/cb#",
        "#",
    ],
    "R-04": [
        "https://*.client.example/cb",
        "https://client.example/*",
        "https://client.example/cb?x=*",
        "http://127.0.0.1:*/cb",
        "vscode://*",
        "*",
    ],
    "R-05": [
        "http://client.example/cb",
        "http://10.0.0.1/cb",
        "http://172.16.0.1/cb",
        "http://192.168.0.1/cb",
        "http://169.254.169.254/cb",
        "http://0.0.0.0/cb",
        "http://[fd00::1]/cb",
        "http:/localhost/cb",
        "http:localhost/cb",
        "http:///cb",
    ],
    "R-06": [
        "https://ann@client.example/cb",
        "https://ann:pw@client.example/cb",
        "https://@client.example/cb",
        "http://localhost@evil.example/cb",
        "http://localhost:3000@evil.example/cb",
        "http://ann@localhost/cb",
        "vscode://ann@x/cb",
        "https://client.example@evil.example",
    ],
    "R-08": [
        "",
        "cb",
        "/cb",
        "//client.example/cb",
        "?x=1",
        "https:",
        "https://",
        "https:///cb",
        "https:/client.example/cb",
        "https:client.example",
        "https://?x",
        "https://:443/cb",
        "https://client.example:/cb",
        "https://client.example:0/cb",
        "https://client.example:65536/cb",
        "https://client.example:080/cb",
        "https://client.example:4a/cb",
        "https://client.example:-1/cb",
        "https://client.example:443:443/cb",
        "https://-client.example/cb",
        "https://client..example/cb",
        "https://.example/cb",
        "https://client_host.example/cb",
        "https://cl%69ent.example/cb",
        "https://[::1/cb",
        "https://::1]/cb",
        "https://[v1.x]/cb",
        "https://client.example" + "/x" * 1024,
    ],
    "R-09": [
        " https://client.example/cb",
        "https://client.example/cb ",
        "https://client.example/c b",
        "https://client.example/cb\n",
        "https://client.example/cb\r\nSet-Cookie: a=b",
        "https://client.example/\tcb",
        "https://client.example/\x00cb",
        "https://client.example/\x7fcb",
        "https://client.example\\@evil.example/cb",
        "https:\\\\client.example/cb",
        "https://client.example/\\..\\cb",
        "https://клиент.example/cb",
        "https://client.example/é",
        "https://client\u3002example/cb",
        "java\nscript:alert(1)",
        "https://client.example/../cb",
        "https://client.example/a/..",
        "https://client.example/a/../?x=1",
        "https://client.example/./cb",
        "https://client.example/.",
        "https://client.example/%2e%2e/cb",
        "https://client.example/%2E./cb",
        "https://client.example/.%2e",
        "http://localhost/../cb",
        "vscode://x/../cb",
        "com.example.app:../cb",
    ],
    "R-10": [
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.2/cb",
        "http://127.1/cb",
        "http://127.0.1/cb",
        "http://2130706433/cb",
        "http://0x7f000001/cb",
        "http://0177.0.0.1/cb",
        "http://localhost./cb",
        "http://LOCALHOST/cb",
        "HTTP://localhost/cb",
        "http://lоcalhost/cb",
        "http://ⓛocalhost/cb",
        "http://１２７.0.0.1/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://[0:0:0:0:0:0:0:1]/cb",
        "http://[::1%25lo]/cb",
        "http://::1/cb",
        "http://localhost:0/cb",
        "http://localhost:65536/cb",
        "http://localhost:080/cb",
        "http://localhost:/cb",
        "http://localhost:٨٠/cb",
        "http://localhost:+80/cb",
        "http://localhostcb",
        "http://localhost;x/cb",
    ],
    "R-11": [
        "https://client.example/cb?code=x",
        "https://client.example/cb?state=x",
        "https://client.example/cb?iss=x",
        "https://client.example/cb?error=x",
        "https://client.example/cb?error_description=x",
        "https://client.example/cb?access_token=x",
        "https://client.example/cb?a=1&code=x",
        "https://client.example/cb?code",
        "https://client.example/cb?code=",
        "https://client.example/cb?%63ode=x",
        "http://127.0.0.1/cb?code=x",
        "vscode://x/cb?state=x",
        "com.example.app:/cb?iss=x",
    ],
}


@pytest.mark.parametrize(
    ("requirement", "uri"),
    [
        pytest.param(requirement, uri, id=f"{requirement} {uri[:60]!r}")
        for requirement, uris in REFUSED.items()
        for uri in uris
    ],
)
def test_a_uri_that_could_lead_elsewhere_is_refused(requirement: str, uri: str) -> None:
    with pytest.raises(RedirectUriError):
        check_redirect_uri(uri, SCHEMES)


@pytest.mark.parametrize("scheme", ["javascript", "data", "file", "http", "ms-settings", "blob"])
def test_a_dangerous_scheme_is_refused_even_when_it_is_listed(scheme: str) -> None:
    """R-02: a mistake in the setting opens nothing."""
    with pytest.raises(RedirectUriError):
        check_redirect_uri(f"{scheme}://evil.example/cb", (*SCHEMES, scheme))


def test_without_listed_schemes_only_reverse_domain_names_are_left() -> None:
    with pytest.raises(RedirectUriError, match="REDIRECT_SCHEMES"):
        check_redirect_uri("vscode://x/cb", ())
    check_redirect_uri("com.example.app:/cb", ())


ACCEPTED = [
    "vscode://ms-vscode.mcp/callback",
    "vscode-insiders://x/cb",
    "cursor://anysphere.cursor-retrieval/oauth/user-okta/callback",
    "com.example.app:/oauth2redirect",
    "com.example.app://cb",
    "http://[::1]:33418",
    "http://[::1]:33418/",
    "http://localhost:3000/",
    "http://localhost",
    "http://localhost/cb?a=1&b=2",
    "http://127.0.0.1:65535/cb",
    "http://127.0.0.1:1/cb",
    "https://vscode.dev/redirect",
    "https://claude.ai/api/mcp/auth_callback",
    "https://client.example:8443/cb?tenant=a%20b",
    "https://xn--e1afmkfd.example/cb",
    "https://192.0.2.1/cb",
    "https://[2001:db8::1]:8443/cb",
    "HTTPS://Client.Example/cb",
    "https://client.example",
    "https://client.example/a..b/.well-known/...",
    "https://client.example/cb?path=../x&codes=1",
]


@pytest.mark.parametrize("uri", ACCEPTED)
def test_a_uri_of_the_field_is_accepted(uri: str) -> None:
    """R-07."""
    check_redirect_uri(uri, SCHEMES)


def test_the_longest_uri_is_accepted_and_one_more_is_not() -> None:
    """R-13."""
    longest = "https://client.example/".ljust(LONGEST_URI, "x")
    check_redirect_uri(longest, SCHEMES)
    with pytest.raises(RedirectUriError):
        check_redirect_uri(longest + "x", SCHEMES)


URI_LIKE = st.one_of(
    st.text(max_size=60),
    st.builds(
        "".join,
        st.lists(
            st.sampled_from(
                "https http : // / localhost 127.0.0.1 [::1] [ ] @ ? # % %2e .. . \\ vscode com.x"
                " code= & = é 80 0 javascript \t".split(" ")
            ),
            max_size=12,
        ),
    ),
)


@given(URI_LIKE)
@example("https://[")
@example("\ud800")
@example("http://[::1]:99999999999999999999999999")
def test_no_text_raises_anything_but_a_redirect_uri_error(uri: str) -> None:
    """R-18."""
    try:
        check_redirect_uri(uri, SCHEMES)
    except RedirectUriError:
        return
    assert uri.isascii()
    assert redirect_target(uri).host
    assert matches_registered(uri, (uri,))


NOT_MATCHING: list[tuple[str, str, str]] = [
    ("A-02", "https://client.example/cb", "https://client.example/cb/"),
    ("A-02", "https://client.example/cb", "https://client.example/CB"),
    ("A-02", "https://client.example/cb", "https://CLIENT.example/cb"),
    ("A-02", "https://client.example/cb", "HTTPS://client.example/cb"),
    ("A-02", "https://client.example/cb", "https://client.example/cb?x=1"),
    ("A-02", "https://client.example/cb", "https://client.example/cb?"),
    ("A-02", "https://client.example/cb", "https://client.example/cb#"),
    ("A-02", "https://client.example/cb", "https://client.example/%63b"),
    ("A-02", "https://client.example/cb", "https://client.example/x/../cb"),
    ("A-02", "https://client.example/cb", "https://client.example/./cb"),
    ("A-02", "https://client.example/cb", "https://client.example//cb"),
    ("A-02", "https://client.example/cb", " https://client.example/cb"),
    ("A-02", "https://client.example/cb", "https://client.example/cb\n"),
    ("A-02", "https://client.example/cb", "https://client.example/cb/../../evil"),
    ("A-02", "https://client.example/cb", "https://client.example.evil.example/cb"),
    ("A-02", "https://client.example/cb", "https://client.example@evil.example/cb"),
    ("A-02", "https://client.example/cb", "http://client.example/cb"),
    ("A-02", "https://client.example/cb", "https://client.example/c"),
    ("A-02", "https://client.example/cb", ""),
    ("A-02", "https://client.example", "https://client.example/"),
    ("A-02", "vscode://x/cb", "vscode://x/cb/"),
    ("A-02", "vscode://x/cb", "VSCODE://x/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://localhost/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://[::1]/cb"),
    ("A-03", "http://localhost:80/cb", "http://127.0.0.1:80/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.2:80/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://ann@127.0.0.1/cb"),
    ("A-03", "http://127.0.0.1/cb", "https://127.0.0.1/cb"),
    ("A-03", "http://127.0.0.1/cb", "HTTP://127.0.0.1:80/cb"),
    ("A-03", "http://localhost/cb", "http://LOCALHOST:80/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80/cb/"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80/CB"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80/cb?x=1"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80/cb#x"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80/x/../cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80/%63b"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:080/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:+80/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:٨٠/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80 /cb"),
    ("A-03", "http://127.0.0.1/cb", "http://127.0.0.1:80/cb\n"),
    ("A-03", "http://127.0.0.1/", "http://127.0.0.1:80"),
    ("A-03", "http://127.0.0.1", "http://127.0.0.1:80/"),
    ("A-04", "https://client.example/cb", "https://client.example:443/cb"),
    ("A-04", "https://client.example:8443/cb", "https://client.example:8444/cb"),
    ("A-04", "https://client.example:8443/cb", "https://client.example/cb"),
    ("A-04", "https://127.0.0.1/cb", "https://127.0.0.1:8443/cb"),
    ("A-04", "https://localhost:1/cb", "https://localhost:2/cb"),
    ("A-04", "vscode://127.0.0.1/cb", "vscode://127.0.0.1:80/cb"),
]


@pytest.mark.parametrize(("requirement", "registered", "requested"), NOT_MATCHING)
def test_another_uri_does_not_match(requirement: str, registered: str, requested: str) -> None:
    assert not matches_registered(requested, (registered,))
    assert not matches_registered(requested, ("https://first.example/", registered))


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        *((uri, uri) for uri in ACCEPTED),
        ("http://127.0.0.1/cb", "http://127.0.0.1:33418/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb"),
        ("http://[::1]/cb", "http://[::1]:33418/cb"),
        ("http://localhost:3000/cb?a=1", "http://localhost:4000/cb?a=1"),
        ("http://localhost", "http://localhost:4000"),
    ],
)
def test_the_same_uri_matches_and_loopback_on_any_port(registered: str, requested: str) -> None:
    """A-02, A-03."""
    assert matches_registered(requested, ("https://first.example/", registered))


@given(st.sampled_from(ACCEPTED), URI_LIKE)
def test_matching_never_normalises(registered: str, requested: str) -> None:
    """A-02: two texts match when they are equal, or loopback URIs equal but for the port."""
    if not matches_registered(requested, (registered,)):
        assert requested != registered
        return
    if requested != registered:
        assert registered.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
        check_redirect_uri(requested, ())


@given(st.sampled_from(ACCEPTED), st.integers(0, 80), st.characters(codec="ascii"))
def test_one_more_sign_never_matches_unless_it_is_a_digit_of_a_loopback_port(
    uri: str, position: int, sign: str
) -> None:
    """A-02, A-04."""
    changed = uri[:position] + sign + uri[position:]
    if matches_registered(changed, (uri,)):
        assert sign.isdigit()
        assert uri.startswith("http://")
        check_redirect_uri(changed, ())


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("https://client.example:8443/cb", RedirectTarget("web", "client.example:8443")),
        ("HTTPS://Client.example/cb", RedirectTarget("web", "Client.example")),
        ("http://127.0.0.1:33418/cb", RedirectTarget("loopback", "127.0.0.1:33418")),
        ("http://[::1]/cb", RedirectTarget("loopback", "[::1]")),
        ("vscode://client.example/cb", RedirectTarget("private-scheme", "vscode:")),
        ("com.example.app:/cb", RedirectTarget("private-scheme", "com.example.app:")),
    ],
)
def test_a_person_is_told_where_a_uri_leads(uri: str, target: RedirectTarget) -> None:
    """C-02."""
    assert redirect_target(uri) == target
