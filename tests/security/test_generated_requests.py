"""Any number of requests that are nearly valid, and not one that the server has no answer for."""

import random
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.vocabulary.browser import PLAIN, Browser
from tests.vocabulary.generated_requests import Draft, Encoded, Pairs, generated
from tests.vocabulary.oauth_client import JSON_RPC, REDIRECT_URI, OAuthClient, connected
from tests.vocabulary.processes import ServerProcess, free_port, running_sandbox, running_server
from tests.vocabulary.size import how_many

REQUESTS = how_many(person=1_000, full=100_000)
# An answer to what is not there, or not now; 500 is the one that nobody thought of.
THOUGHT_OF = frozenset({502, 503})
RATES = dict.fromkeys(("RATE_REGISTER", "RATE_AUTHORIZE", "RATE_TOKEN_FAILURES"), "1000000/minute")


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of its own: the shared one should not be full of such clients."""
    port = free_port()
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        # A client_id that happens to be a URL must not lead out of this machine.
        environment = sandbox.settings_for_server() | RATES | {"CIMD_ENABLED": "false"}
        with running_server(tmp_path_factory.mktemp("own"), port, environment) as running:
            yield running


def call(method: str, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def of_a_client(client: OAuthClient) -> list[Draft]:
    """What a connected client sends."""
    _, _, query = client.authorization_url().partition("?")
    asked: Pairs = list(httpx.QueryParams(query).multi_items())
    bearer = JSON_RPC | {"authorization": f"Bearer {client.tokens['access_token']}"}
    me = ("client_id", client.client_id)
    registration = {
        "client_name": "Generated",
        "redirect_uris": [REDIRECT_URI, "vscode://x/cb", "https://client.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "okta.users.read offline_access",
        "contacts": ["ann@client.example"],
        "logo_uri": "https://client.example/logo.svg",
    }
    code = [
        ("grant_type", "authorization_code"),
        ("code", "omcp_ac_x"),
        ("code_verifier", "v" * 43),
    ]
    refresh = [("grant_type", "refresh_token"), ("refresh_token", "x")]
    ours: dict[str, object] = {
        "list_okta_users": {"q": "a", "limit": 1},
        "get_okta_user": {"user_id": "hana.help@northwind.example"},
        "get_okta_event_logs": {"since": "2026-01-01T00:00:00Z", "limit": 1},
        "parse_relative_time": {"phrase": "last 7 days"},
    }
    hello: dict[str, object] = {"protocolVersion": "2025-06-18", "capabilities": {}}
    calls = [
        *(call("tools/call", name=name, arguments=each) for name, each in ours.items()),
        call("initialize", clientInfo={"name": "x", "version": "1"}, **hello),
        call("tools/list", cursor=None),
        call("resources/read", uri="user://me"),
        call("ping"),
    ]
    return [
        Draft("GET", "/.well-known/oauth-authorization-server"),
        Draft("GET", "/.well-known/oauth-protected-resource/mcp"),
        Draft("POST", "/oauth/register", body=registration),
        Draft("POST", "/register", body=registration),
        Draft("GET", "/oauth/authorize", query=asked),
        Draft("POST", "/oauth/authorize", form=list(asked)),
        Draft("POST", "/oauth/token", form=[me, ("redirect_uri", REDIRECT_URI), *code]),
        Draft("POST", "/token", form=[me, ("scope", "okta.users.read"), *refresh]),
        Draft("POST", "/oauth/revoke", form=[me, ("token", "omcp_at_x"), ("token_type_hint", "x")]),
        *(Draft("POST", "/mcp", headers=dict(bearer), body=each) for each in calls),
    ]


async def of_a_browser(browser: Browser, client: OAuthClient) -> list[Draft]:
    """What the browser of somebody who is signed in sends; forms that change nothing for long."""
    await browser.open(client.authorization_url(prompt="login"))
    sign_in = browser.button("Sign in with Okta").fields
    await browser.open(client.authorization_url(prompt="consent"))
    consent = browser.button("Allow").fields
    cookie = "; ".join(f"{each.name}={each.value}" for each in browser.client.cookies.jar)
    headers = {"accept": "text/html", "cookie": cookie, "sec-fetch-site": "same-origin"}
    _, _, query = client.authorization_url().partition("?")
    asked: Pairs = list(httpx.QueryParams(query).multi_items())
    gets: list[tuple[str, Pairs]] = [
        ("/", []),
        ("/health", []),
        ("/static/x.css", []),
        ("/oauth/authorize", [*asked, ("prompt", "consent")]),
        ("/oauth/authorize", [*asked, ("prompt", "none")]),
        ("/oauth/login", []),
        ("/oauth/callback", [("state", "s" * 86), ("code", "c"), ("iss", client.url)]),
        ("/oauth/callback", [("state", "s" * 86), ("error", "access_denied")]),
        ("/oauth/consent", [("request", "r" * 22)]),
        ("/oauth/connections", []),
        ("/oauth/logout", []),
        ("/oauth/signed-out", []),
    ]
    posts: list[tuple[str, Pairs]] = [
        ("/oauth/login", [*sign_in, ("decision", "sign_in")]),
        ("/oauth/consent", [*consent, ("decision", "allow")]),
        ("/oauth/connections", [*consent, ("decision", "end:x")]),
        ("/oauth/logout", [*sign_in, ("decision", "sign_out")]),
    ]
    return [
        *(Draft("GET", path, query=pairs, headers=dict(headers)) for path, pairs in gets),
        *(Draft("POST", path, form=pairs, headers=dict(headers)) for path, pairs in posts),
    ]


async def answer_to(
    http: httpx.AsyncClient, server: ServerProcess, encoded: Encoded
) -> httpx.Response:
    request = http.build_request(
        encoded.method,
        server.url,
        headers=encoded.headers,
        content=encoded.content,
        extensions={"target": encoded.target},
    )
    return await http.send(request)


async def test_no_request_is_one_that_nobody_thought_of(own_server: ServerProcess) -> None:
    """R-18, D-10, K-11: over one connection, which stays open as long as the server lets it."""
    browser, client = Browser(), OAuthClient(own_server.url)
    assert (await client.register()).status_code == 201
    await connected(browser, client, "Hana Novak")
    valid = of_a_client(client) + await of_a_browser(browser, client)
    await browser.close()
    await client.close()
    chance, seen = random.Random(), Counter[int]()
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(verify=PLAIN, timeout=30, limits=limits) as http:
        for _ in range(REQUESTS):
            encoded = generated(valid, chance)
            answer = await answer_to(http, own_server, encoded)
            http.cookies.clear()
            seen[answer.status_code] += 1
            assert answer.status_code < 500 or answer.status_code in THOUGHT_OF, encoded
            assert b"-32603" not in answer.content, encoded
            assert "x-injected" not in answer.headers, encoded
        assert (await http.get(f"{own_server.url}/health")).json() == {"status": "ok"}
    assert "Traceback" not in own_server.log_file.read_text()
    # They got everywhere: pages, answers, redirects, and every way of being refused.
    assert {200, 201, 303, 400, 401, 403, 404, 405, 415} <= set(seen), seen
