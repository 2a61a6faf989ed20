"""Registration by strangers: what is refused, what is kept, and what an answer gives away."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.vocabulary.oauth_client import REDIRECT_URI, OAuthClient
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_server,
)

JSON = {"content-type": "application/json"}
GOOD = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none"}

# The whole table of texts stands in tests/oauth_proxy/test_redirect_uris.py; here is one of a kind.
BAD_REDIRECT_URIS: list[tuple[str, Any]] = [
    ("R-02", ["javascript:alert(1)//"]),
    ("R-02", ["data:text/html,x"]),
    ("R-02", ["file:///etc/passwd"]),
    ("R-02", ["ms-settings:privacy"]),
    ("R-02", ["unlisted://cb"]),
    ("R-03", ["https://client.example/cb#"]),
    ("R-04", ["https://*.client.example/cb"]),
    ("R-05", ["http://client.example/cb"]),
    ("R-05", ["http://192.168.0.1/cb"]),
    ("R-05", ["http://169.254.169.254/cb"]),
    ("R-05", ["http://0.0.0.0/cb"]),
    ("R-06", ["http://localhost@evil.example/cb"]),
    ("R-08", None),
    ("R-08", []),
    ("R-08", [""]),
    ("R-08", ["/cb"]),
    ("R-08", ["https:///cb"]),
    ("R-08", REDIRECT_URI),
    ("R-08", {"0": REDIRECT_URI}),
    ("R-08", [[REDIRECT_URI]]),
    ("R-08", [None]),
    ("R-08", [1]),
    ("R-09", ["https://client.example/\ncb"]),
    ("R-09", ["https://client.example\\@evil.example/cb"]),
    ("R-09", ["https://client.example/%2e%2e/cb"]),
    ("R-09", ["https://клиент.example/cb"]),
    ("R-10", ["http://localhost.evil.example/cb"]),
    ("R-10", ["http://[::ffff:127.0.0.1]/cb"]),
    ("R-10", ["http://2130706433/cb"]),
    ("R-11", ["https://client.example/cb?code=x"]),
    ("R-11", ["https://client.example/cb?a=1&%73tate=x"]),
    ("R-12", [REDIRECT_URI, "http://client.example/cb"]),
    ("R-12", [REDIRECT_URI, None]),
    ("R-13", [f"http://127.0.0.1:{port}/" for port in range(8000, 8011)]),
    ("R-13", ["https://client.example/".ljust(2049, "x")]),
]


@pytest.mark.parametrize(("requirement", "uris"), BAD_REDIRECT_URIS, ids=str)
async def test_a_bad_redirect_uri_fails_the_whole_registration(
    client: OAuthClient, requirement: str, uris: Any
) -> None:
    answer = await client.register(redirect_uris=uris)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")
    assert answer.headers["cache-control"] == "no-store"
    assert "client_id" not in answer.json()


BAD_METADATA: list[tuple[str, dict[str, Any]]] = [
    ("R-13", {"client_name": "x" * 129}),
    ("R-13", {"client_uri": "https://client.example/".ljust(2049, "x")}),
    ("R-13", {"contacts": ["ann@client.example"] * 11}),
    ("R-13", {"scope": "okta.users.read ".ljust(4097, "x")}),
    ("R-14", {"logo_uri": "javascript:alert(1)"}),
    ("R-14", {"logo_uri": "data:image/svg+xml,<svg onload=alert(1)>"}),
    ("R-14", {"client_uri": "http://client.example/"}),
    ("R-14", {"tos_uri": "file:///etc/passwd"}),
    ("R-14", {"policy_uri": "//client.example/"}),
    ("R-14", {"jwks_uri": "http://169.254.169.254/latest"}),
    ("R-16", {"grant_types": ["client_credentials"]}),
    ("R-16", {"grant_types": ["implicit", "password"]}),
    ("R-16", {"grant_types": []}),
    ("R-16", {"response_types": ["token"]}),
    ("R-16", {"response_types": ["code token"]}),
    ("R-16", {"response_types": []}),
    ("R-18", {"client_name": ["x"]}),
    ("R-18", {"client_name": {"toString": "x"}}),
    ("R-18", {"client_name": 1}),
    ("R-18", {"client_name": True}),
    ("R-18", {"contacts": "ann@client.example"}),
    ("R-18", {"scope": ["okta.users.read"]}),
    ("R-18", {"grant_types": "authorization_code"}),
    ("R-18", {"response_types": "code"}),
    ("R-18", {"response_types": {"code": 1}}),
    ("R-18", {"token_endpoint_auth_method": ["none"]}),
    ("R-18", {"token_endpoint_auth_method": "x" * 100}),
    ("R-18", {"jwks_uri": 1}),
    ("R-18", {"application_type": "desktop"}),
    ("R-18", {"application_type": ["native"]}),
]


@pytest.mark.parametrize(("requirement", "change"), BAD_METADATA, ids=str)
async def test_bad_metadata_is_refused(
    client: OAuthClient, requirement: str, change: dict[str, Any]
) -> None:
    answer = await client.register(**change)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert answer.headers["cache-control"] == "no-store"


BAD_BODIES: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"{", 400),
    (b"null", 400),
    (b"1", 400),
    (b'"text"', 400),
    (b"[]", 400),
    (json.dumps([GOOD]).encode(), 400),
    (b"\xff\xfe\xff", 400),
    (b'{"redirect_uris": ["\xff"]}', 400),
    (b"[" * 60_000, 400),
    (b'{"a":' * 12_000, 400),
    (b'{"x": ' + b"9" * 5_000 + b"}", 400),
    # Half of a surrogate pair: no text, and nothing that could be stored or answered.
    (rb'{"client_name": "\ud800", "redirect_uris": ["http://localhost/cb"]}', 400),
    (rb'{"client_name": "x", "redirect_uris": ["http://evil.example/\udfff"]}', 400),
    (rb'{"\udc00": "x"}', 400),
    (b'{"client_name": "' + b"x" * 65_536 + b'"}', 413),
]


@pytest.mark.parametrize(("body", "status"), BAD_BODIES, ids=lambda value: str(value)[:50])
async def test_a_body_that_is_no_metadata_is_refused_in_json(
    client: OAuthClient, body: bytes, status: int
) -> None:
    """R-13, R-18."""
    url = f"{client.url}/oauth/register"
    answer = await client.http.post(url, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_client_metadata")


@pytest.mark.parametrize(
    "media_type",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "text/json", ""],
)
async def test_only_json_is_read(client: OAuthClient, media_type: str) -> None:
    """R-18, R-22: a page of another site can send the first three without being asked."""
    url, body = f"{client.url}/oauth/register", json.dumps(GOOD)
    answer = await client.http.post(url, content=body, headers={"content-type": media_type})
    assert answer.status_code == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
@pytest.mark.parametrize("path", ["/oauth/register", "/register"])
async def test_registration_is_by_post_only(client: OAuthClient, method: str, path: str) -> None:
    """R-22."""
    answer = await client.http.request(method, f"{client.url}{path}")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


async def test_any_page_may_register_but_never_with_cookies(client: OAuthClient) -> None:
    """R-22."""
    url, origin = f"{client.url}/oauth/register", {"Origin": "https://page.example"}
    answer = await client.http.post(url, json=GOOD, headers=origin)
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "set-cookie" not in answer.headers


async def test_an_unverified_statement_is_refused(client: OAuthClient) -> None:
    """R-24."""
    answer = await client.register(software_statement="eyJhbGciOiJub25lIn0.e30.")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_software_statement")


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    """A port of this machine on which somebody waits for the server to come by."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


async def test_nothing_in_the_metadata_is_fetched(
    client: OAuthClient, listener: socket.socket
) -> None:
    """R-15."""
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/x"
    names = ("logo_uri", "client_uri", "tos_uri", "policy_uri", "jwks_uri", "sector_identifier_uri")
    answer = await client.register(
        redirect_uris=[url], request_uris=[url], **dict.fromkeys(names, url)
    )
    assert answer.status_code == 201
    await client.http.get(client.authorization_url(redirect_uri=url))
    with pytest.raises(BlockingIOError):
        listener.accept()


async def test_a_clients_pictures_and_links_are_not_on_its_pages(client: OAuthClient) -> None:
    """R-14: they are not even kept."""
    names = ("logo_uri", "client_uri", "tos_uri", "policy_uri")
    answer = await client.register(**dict.fromkeys(names, "https://tracker.example/x"))
    page = await client.http.get(client.authorization_url())
    assert page.status_code == 200
    assert "tracker.example" not in answer.text + page.text


CLIENTS_OF_THE_FIELD = [
    ["vscode://vscode.github-authentication/callback"],
    ["cursor://anysphere.cursor-mcp/oauth/callback", "https://cursor.com/cb", "http://localhost/"],
    ["com.example.app:/oauth2redirect"],
    ["http://[::1]:33418/"],
    ["http://localhost:33418/"],
    ["http://127.0.0.1:33418/", "http://127.0.0.1/", "https://vscode.dev/redirect"],
    ["https://claude.ai/api/mcp/auth_callback"],
]


@pytest.mark.parametrize("uris", CLIENTS_OF_THE_FIELD, ids=lambda uris: str(uris[0]))
async def test_clients_of_the_field_are_registered(client: OAuthClient, uris: list[str]) -> None:
    """R-07."""
    answer = await client.register(redirect_uris=uris)
    assert answer.status_code == 201
    assert answer.json()["redirect_uris"] == uris


@pytest.mark.parametrize("application_type", ["web", "native", None])
async def test_an_application_type_changes_no_rule_for_redirect_uris(
    client: OAuthClient, application_type: str | None
) -> None:
    """R-07: native clients such as VS Code have https URIs, and many on loopback say nothing."""
    uris = ["https://vscode.dev/redirect", "http://127.0.0.1/", "cursor://anysphere.cursor-mcp/cb"]
    answer = await client.register(redirect_uris=uris, application_type=application_type)
    assert (answer.status_code, answer.json()["redirect_uris"]) == (201, uris)
    refused = await client.register(
        redirect_uris=["http://intranet.example/cb"], application_type=application_type
    )
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_redirect_uri")


async def test_the_answer_is_what_was_stored_and_nobody_keeps_it(client: OAuthClient) -> None:
    """R-01, R-16, R-21: what does not exist here is left out of what is echoed."""
    answer = await client.register(
        grant_types=["authorization_code", "refresh_token", "implicit", "password"],
        response_types=["code", "token"],
        scope="openid okta.users.read okta.users.manage offline_access",
        client_name="Kept",
        unknown_member="dropped",
    )
    stored = answer.json()
    assert answer.status_code == 201
    assert stored.pop("client_id").startswith("omcp_client_")
    assert stored.pop("client_id_issued_at") > 1_700_000_000
    assert stored == {
        "client_name": "Kept",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "okta.users.read offline_access",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
async def test_a_secret_is_told_once_to_a_confidential_client(
    client: OAuthClient, method: str
) -> None:
    """R-01, R-17."""
    stored = (await client.register(token_endpoint_auth_method=method)).json()
    assert len(stored["client_secret"]) > 43
    assert stored["client_secret_expires_at"] == 0


async def test_ids_and_secrets_are_the_servers_own(
    client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """R-17, R-19: neither taken from the request nor Okta's, and never the same twice."""
    wished = {
        "client_id": sandbox.ready["client_id"],
        "client_secret": "a-secret-that-somebody-chose",
        "token_endpoint_auth_method": "client_secret_post",
    }
    answers = [(await client.register(**wished)) for _ in range(2)]
    ids, secrets = ({answer.json()[name] for answer in answers} for name in list(wished)[:2])
    assert len(ids) == len(secrets) == 2
    assert not ids & set(wished.values())
    assert not secrets & set(wished.values())
    assert all(len(name.removeprefix("omcp_client_")) >= 22 for name in ids)
    for answer in answers:
        assert sandbox.ready["client_id"] not in answer.text
        assert sandbox.ready["client_secret"] not in answer.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_registration_cannot_be_managed(client: OAuthClient, method: str) -> None:
    """R-20."""
    stored = (await client.register()).json()
    assert not [name for name in stored if name.startswith("registration_")]
    url = f"{client.url}/oauth/register/{stored['client_id']}"
    assert (await client.http.request(method, url)).status_code == 404


async def test_a_refusal_stands_in_the_audit_trail(
    client: OAuthClient, server: ServerProcess
) -> None:
    """R-12, R-13: with our reason, without what was sent."""
    await client.register(client_name="refused-name", redirect_uris=["http://refused.example/cb"])
    event = server.events("client.registration.refused")[-1]
    assert event["outcome"] == "refused"
    assert "loopback" in event["reason"] or "127.0.0.1" in event["reason"]
    assert "refused.example" not in json.dumps(event)


@pytest.fixture(scope="module")
def walled_server(
    shared_sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server of a company that knows where its assistants live."""
    environment = shared_sandbox.settings_for_server() | {
        "REDIRECT_HOSTS": "claude.ai, client.example:8443",
        "REDIRECT_SCHEMES": "vscode",
    }
    folder = tmp_path_factory.mktemp("walled")
    with running_server(folder, free_port(), environment) as running:
        yield running


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("https://evil.example/cb", 400),
        ("https://claude.ai.evil.example/cb", 400),
        ("https://evilclaude.ai/cb", 400),
        ("https://www.claude.ai/cb", 400),
        ("https://claude.ai./cb", 400),
        ("https://claude.ai:8443/cb", 400),
        ("https://client.example/cb", 400),
        ("cursor://anysphere.cursor-mcp/oauth/callback", 400),
        ("https://claude.ai/api/mcp/auth_callback", 201),
        ("https://CLAUDE.ai/cb", 201),
        ("https://client.example:8443/cb", 201),
        ("http://127.0.0.1/cb", 201),
        ("vscode://x/cb", 201),
    ],
)
async def test_a_company_can_list_the_hosts_and_schemes(
    walled_server: ServerProcess, uri: str, status: int
) -> None:
    """R-02, R-25."""
    client = OAuthClient(walled_server.url)
    assert (await client.register(redirect_uris=[uri])).status_code == status
    await client.close()
