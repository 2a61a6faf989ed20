"""The web surface: where pages may send a browser, what strangers can ask for, and who they are."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from okta_mcp.settings import SettingsError, load_settings
from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import REDIRECT_URI, OAuthClient, connected, signed_in
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_server,
)

HTML = {"accept": "text/html"}
PUBLIC_HOST = "mcp.example.com"
EVIL = "https://evil.example/x"
SESSION = "okta_mcp_session"


@pytest.fixture(scope="module")
def public_server(
    shared_sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server that people reach by https, through a proxy on this machine."""
    environment = shared_sandbox.settings_for_server() | {
        "PUBLIC_URL": f"https://{PUBLIC_HOST}",
        "TRUSTED_PROXIES": "127.0.0.1, ::1",
    }
    folder = tmp_path_factory.mktemp("public")
    with running_server(folder, free_port(), environment) as running:
        yield running


# --- where a browser is sent ---


WHERE_TO = ["next", "return", "return_to", "redirect", "redirect_uri", "url", "RelayState"]


@pytest.mark.parametrize("value", [EVIL, "//evil.example", "/\\evil.example", "javascript:evil()"])
@pytest.mark.parametrize(
    "path", ["/", "/oauth/login", "/oauth/logout", "/oauth/signed-out", "/oauth/connections"]
)
def test_no_parameter_says_where_a_page_leads(
    stranger: httpx.Client, server: ServerProcess, path: str, value: str
) -> None:
    """W-01: neither by a redirect nor by a link."""
    for name in WHERE_TO:
        answer = stranger.get(f"{server.url}{path}", params={name: value}, headers=HTML)
        assert answer.headers.get("location") in (None, "/oauth/signed-out", "/oauth/login")
        assert "evil" not in answer.text


async def test_somebody_signed_in_is_led_nowhere_else_either(
    browser: Browser, client: OAuthClient
) -> None:
    """W-01."""
    await signed_in(browser, client, "Hana Novak")
    answer = await browser.client.get(f"{client.url}/oauth/login", params={"next": EVIL})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_the_way_back_from_oktas_sign_out_is_fixed(
    browser: Browser, client: OAuthClient
) -> None:
    """W-01."""
    await signed_in(browser, client, "Hana Novak")
    await browser.open(f"{client.url}/oauth/logout?post_logout_redirect_uri={EVIL}")
    more = [("post_logout_redirect_uri", EVIL), ("next", EVIL)]
    await browser.send(browser.button("Sign out"), also=more, follow=False)
    sent = parse_qs(urlsplit(browser.location).query)
    assert sent["post_logout_redirect_uri"] == [f"{client.url}/oauth/signed-out"]
    assert "evil" not in browser.location


# --- headers ---

PAGES = [
    "/",
    "/oauth/login",
    "/oauth/signed-out",
    "/oauth/authorize",
    "/oauth/callback",
    "/oauth/callback?state=x&code=y",
    "/oauth/consent",
    "/oauth/connections/x",
    "/not/there",
    "/static/not-there.css",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_headers(
    stranger: httpx.Client, server: ServerProcess, path: str
) -> None:
    """W-02, A-19."""
    answer = stranger.get(f"{server.url}{path}", headers=HTML)
    assert answer.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    "path", [*PAGES, "/health", "/mcp", "/.well-known/oauth-protected-resource"]
)
def test_with_https_every_answer_says_so_for_a_year(
    stranger: httpx.Client, public_server: ServerProcess, path: str
) -> None:
    """W-03."""
    answer = stranger.get(f"{public_server.url}{path}", headers=HTML | {"Host": PUBLIC_HOST})
    value = answer.headers["strict-transport-security"]
    assert int(value.partition("max-age=")[2].partition(";")[0]) >= 31_536_000


def test_with_https_cookies_are_secure_and_bound_to_the_host(
    stranger: httpx.Client, public_server: ServerProcess
) -> None:
    """W-03, C-26."""
    answer = stranger.get(f"{public_server.url}/oauth/login", headers=HTML | {"Host": PUBLIC_HOST})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-okta_mcp_")
    assert "secure" in cookie.lower()


# --- what strangers can ask for ---


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PUT", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/mcp", "/oauth/authorize", "/oauth/token", "/health"])
def test_methods_that_nobody_needs_are_refused(
    stranger: httpx.Client, server: ServerProcess, method: str, path: str
) -> None:
    """W-04: and nothing of the request comes back."""
    headers = {"Authorization": "Bearer reflected-token", "Cookie": "a=reflected-cookie"}
    answer = stranger.request(method, f"{server.url}{path}", headers=headers)
    assert answer.status_code in (400, 405, 501)
    assert "reflected" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/<script>reflected</script>",
        "/reflected",
        "/reflected%0d%0aX-Reflected:%20yes",
        "/static/..%2freflected",
        "/static/%2e%2e/reflected",
        "/oauth/reflected?x=reflected",
    ],
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_page_that_is_not_there_reflects_nothing(
    stranger: httpx.Client, server: ServerProcess, path: str, accept: str
) -> None:
    """W-05."""
    answer = stranger.get(f"{server.url}{path}", headers={"accept": accept})
    assert answer.status_code == 404
    assert "reflected" not in f"{answer.text}{answer.headers}".lower()


@pytest.mark.parametrize(
    "path",
    "/docs /redoc /openapi.json /metrics /debug /admin /status /console /server-status /sse"
    " /messages /.env /.git/config /config /audit /oauth/clients /oauth/grants /oauth/tokens"
    " /api/v1/users /__sandbox/requests /okta_mcp/settings.py /static/ /static".split(),
)
def test_nothing_else_is_served(stranger: httpx.Client, server: ServerProcess, path: str) -> None:
    """W-06."""
    assert stranger.get(f"{server.url}{path}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/static/../oauth_proxy/app.py",
        "/static/..%2f..%2fsettings.py",
        "/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/....//....//etc/passwd",
    ],
)
def test_no_file_outside_the_assets_is_served(server: ServerProcess, path: str) -> None:
    """W-06: sent raw, because clients tidy such paths up."""
    port = urlsplit(server.url).port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=5) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        assert connection.recv(64).startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))


@pytest.mark.parametrize(("path", "word"), [("/health", "ok"), ("/health/ready", "ready")])
def test_health_says_one_word(
    stranger: httpx.Client, server: ServerProcess, path: str, word: str
) -> None:
    """W-06: to anybody, under any name, because load balancers ask by address."""
    answer = stranger.get(f"{server.url}{path}", headers={"Host": "10.0.0.7:3001"})
    assert (answer.status_code, answer.json()) == (200, {"status": word})


# --- sessions of the pages ---


def session_of(browser: Browser) -> str:
    return str(browser.client.cookies[SESSION])


async def opens_consent(cookie: str, client: OAuthClient) -> bool:
    """Whether a session cookie still stands for somebody: a consent page instead of a sign-in."""
    page = await client.http.get(
        client.authorization_url(), headers=HTML | {"cookie": f"{SESSION}={cookie}"}
    )
    return "Sign in with Okta" not in page.text


async def test_signing_in_makes_a_new_session_and_ends_the_old_one(
    browser: Browser, client: OAuthClient
) -> None:
    """W-07: a session that somebody planted or watched is worth nothing afterwards."""
    await signed_in(browser, client, "Hana Novak")
    first = session_of(browser)
    assert await opens_consent(first, client)
    await signed_in(browser, client, "Hana Novak", prompt="login")
    assert session_of(browser) != first
    assert not await opens_consent(first, client)
    assert await opens_consent(session_of(browser), client)


async def test_a_planted_session_cookie_is_replaced(browser: Browser, client: OAuthClient) -> None:
    """W-07."""
    browser.client.cookies.set(SESSION, "planted", domain="localhost.local", path="/")
    await browser.open(client.authorization_url())
    await browser.press("Sign in with Okta")
    await browser.press("Hana Novak")
    values = [cookie.value for cookie in browser.client.cookies.jar if cookie.name == SESSION]
    assert values
    assert "planted" not in values


async def test_signing_out_ends_the_session_on_the_server(
    browser: Browser, client: OAuthClient
) -> None:
    """W-10: the cookie that somebody copied does not come back."""
    await signed_in(browser, client, "Hana Novak")
    copied = session_of(browser)
    await browser.open(f"{client.url}/oauth/logout")
    await browser.press("Sign out")
    assert not await opens_consent(copied, client)


@pytest.mark.parametrize("fetch_site", ["cross-site", "none", None])
async def test_a_get_signs_nobody_out(
    browser: Browser, client: OAuthClient, fetch_site: str | None
) -> None:
    """W-08: it asks."""
    await signed_in(browser, client, "Hana Novak")
    await browser.open(f"{client.url}/oauth/logout?decision=sign_out", fetch_site=fetch_site)
    assert browser.status == 200
    assert browser.button("Sign out")
    assert await opens_consent(session_of(browser), client)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, 403),
    ],
)
async def test_another_site_signs_nobody_out(
    browser: Browser, client: OAuthClient, headers: dict[str, str], status: int
) -> None:
    """W-08: even with a form of ours."""
    await signed_in(browser, client, "Hana Novak")
    await browser.open(f"{client.url}/oauth/logout")
    await browser.send(browser.button("Sign out"), headers=headers)
    assert browser.status == status
    assert await opens_consent(session_of(browser), client)


@pytest.mark.parametrize("form", [{}, {"form": ""}, {"form": "made-up"}, {"decision": "sign_out"}])
async def test_a_post_without_a_form_of_ours_signs_nobody_out(
    browser: Browser, client: OAuthClient, form: dict[str, str]
) -> None:
    """W-08."""
    await signed_in(browser, client, "Hana Novak")
    answer = await browser.client.post(f"{client.url}/oauth/logout", data=form or {"x": "1"})
    assert answer.status_code in (400, 403)
    assert await opens_consent(session_of(browser), client)


# --- https ---

SETTINGS = {
    "okta_org_url": "https://northwind.okta.com",
    "okta_client_id": "0oa1",
    "okta_client_secret": "a-client-secret",
    "group_to_role_viewer": "staff",
    "session_secret_key": "a-session-secret-of-the-tests-0123456789abcdef",
}


@pytest.mark.parametrize(
    "change",
    [
        {"public_url": "http://mcp.example.com"},
        {"public_url": "http://192.168.0.1:3001"},
        {"public_url": "http://localhost.example.com"},
        {"host": "0.0.0.0"},
        {"host": "mcp.internal"},
        {"host": "192.168.0.1"},
        {"oauth_require_https": "true"},
        {"oauth_require_https": "true", "public_url": "http://127.0.0.1:3001"},
        {"oauth_redirect_uri": "http://mcp.example.com/oauth/callback"},
        {"okta_org_url": "http://northwind.okta.com"},
    ],
    ids=str,
)
def test_plain_http_beyond_loopback_does_not_start(change: dict[str, str]) -> None:
    """W-11: tests/e2e/test_start.py shows that such a start ends with status 2."""
    with pytest.raises(SettingsError, match=r"https|PUBLIC_URL"):
        load_settings(env_file=None, overrides=SETTINGS | change)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that vouches for itself, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate_file, key_file = folder / "tls.crt", folder / "tls.key"
    certificate_file.write_bytes(signed.public_bytes(pem))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def test_with_a_certificate_the_server_speaks_https_itself(
    stranger: httpx.Client, tmp_path: Path, shared_sandbox: SandboxProcess
) -> None:
    """W-11, W-03."""
    certificate_file, key_file = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificate_file))
    environment = shared_sandbox.settings_for_server() | {
        "TLS_CERT_FILE": str(certificate_file),
        "TLS_KEY_FILE": str(key_file),
        "OAUTH_REQUIRE_HTTPS": "true",
    }
    with (
        running_server(tmp_path / "s", free_port(), environment, trust=trust) as server,
        httpx.Client(verify=trust) as http,
    ):
        document = http.get(f"{server.url}/.well-known/oauth-authorization-server")
        assert document.json()["issuer"] == server.url
        assert server.url.startswith("https://localhost:")
        assert "strict-transport-security" in document.headers
        with pytest.raises(httpx.TransportError):
            stranger.get(f"{server.url.replace('https', 'http')}/health")


# --- whose request it is ---

FORGED = "203.0.113.9"


def registered_from(stranger: httpx.Client, server: ServerProcess, headers: dict[str, str]) -> str:
    """The address under which the audit trail knows a registration."""
    answer = stranger.post(
        f"{server.url}/oauth/register", json={"redirect_uris": [REDIRECT_URI]}, headers=headers
    )
    assert answer.status_code == 201
    events = server.events("client.registered")
    return next(
        str(event["ip"]) for event in events if event["client_id"] == answer.json()["client_id"]
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": FORGED},
        {"X_Forwarded_For": FORGED},
        {"X-Real-IP": FORGED},
        {"Forwarded": f"for={FORGED}"},
        {"X-Client-IP": FORGED},
        {"True-Client-IP": FORGED},
        {"CF-Connecting-IP": FORGED},
    ],
    ids=str,
)
def test_nobody_says_his_own_address(
    stranger: httpx.Client, server: ServerProcess, headers: dict[str, str]
) -> None:
    """W-12."""
    assert registered_from(stranger, server, headers) in ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ({"X-Forwarded-For": FORGED}, FORGED),
        ({"X-Forwarded-For": f"198.51.100.1, {FORGED}"}, FORGED),
        ({"X-Forwarded-For": f"198.51.100.1, {FORGED}, 127.0.0.1"}, FORGED),
        ({"X_Forwarded_For": FORGED}, None),
        ({"X-Real-IP": FORGED}, None),
        ({"Forwarded": f"for={FORGED}"}, None),
    ],
    ids=str,
)
def test_a_trusted_proxy_says_it_and_only_the_last_stranger_counts(
    stranger: httpx.Client, public_server: ServerProcess, said: dict[str, str], address: str | None
) -> None:
    """W-12: what stands further left, the stranger wrote himself."""
    found = registered_from(stranger, public_server, {"Host": PUBLIC_HOST} | said)
    assert found == address if address else found in ("127.0.0.1", "::1")


@pytest.mark.parametrize("proto", ["http", "evil://x", "javascript"])
def test_what_a_proxy_says_of_the_scheme_changes_no_url(
    stranger: httpx.Client, public_server: ServerProcess, proto: str
) -> None:
    """W-12, D-10."""
    path = "/.well-known/oauth-authorization-server"
    headers = {"Host": PUBLIC_HOST, "X-Forwarded-Proto": proto, "X-Forwarded-Host": "evil.example"}
    answer = stranger.get(f"{public_server.url}{path}", headers=headers)
    assert answer.json()["issuer"] == f"https://{PUBLIC_HOST}"
    assert "evil" not in answer.text


# --- queries ---


@pytest.mark.parametrize(
    "path",
    [
        "/oauth/callback?code=marked-code&state=marked-state",
        "/oauth/callback?error=marked-error&error_description=marked-text&state=marked",
        "/oauth/authorize?client_id=marked&state=marked-state&redirect_uri=https://marked.example",
        "/oauth/consent?request=marked",
        "/oauth/logout?id_token_hint=marked",
        "/mcp?access_token=marked",
        "/not-there?token=marked",
    ],
)
def test_a_query_stands_in_no_log_and_on_no_page(
    stranger: httpx.Client, server: ServerProcess, path: str
) -> None:
    """W-13, S-01."""
    answer = stranger.get(f"{server.url}{path}", headers=HTML)
    assert "marked" not in answer.text
    assert "marked" not in server.log_file.read_text()
    assert "marked" not in server.audit_file.read_text()


async def test_a_whole_sign_in_leaves_no_url_in_the_log(
    browser: Browser, client: OAuthClient, server: ServerProcess
) -> None:
    """W-13."""
    await connected(browser, client, "Hana Novak", state="marked-state")
    log = server.log_file.read_text()
    assert "marked-state" not in log
    assert "code=" not in log
    assert "/oauth/callback?" not in log
