"""What the discovery documents promise, and that nobody can make them promise something else."""

import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from okta_mcp.rbac.families import SUPPORTED_SCOPES
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import ServerProcess

AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"
PROTECTED_RESOURCE = "/.well-known/oauth-protected-resource"
DOCUMENTS = [AUTHORIZATION_SERVER, PROTECTED_RESOURCE, f"{PROTECTED_RESOURCE}/mcp"]


def document(
    stranger: httpx.Client, server: ServerProcess, path: str = AUTHORIZATION_SERVER, **headers: str
) -> Any:
    return stranger.get(f"{server.url}{path}", headers=headers).json()


FORGED_HOSTS: list[dict[str, str]] = [
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Port": "443"},
    {"X-Forwarded-Prefix": "/evil"},
    {"X-Forwarded-Server": "evil.example"},
    {"X-Host": "evil.example"},
    {"X-Original-URL": "https://evil.example/"},
    {"X-Rewrite-URL": "/evil"},
    {"Forwarded": "host=evil.example;proto=https"},
    {"X_Forwarded_Host": "evil.example"},
    {"X_Forwarded_Proto": "https"},
    {"Host": "127.0.0.1:1"},
    {"Host": "LOCALHOST"},
]


@pytest.mark.parametrize("path", DOCUMENTS)
@pytest.mark.parametrize("headers", FORGED_HOSTS, ids=str)
def test_no_header_changes_a_document(
    stranger: httpx.Client, server: ServerProcess, path: str, headers: dict[str, str]
) -> None:
    """D-10."""
    assert document(stranger, server, path, **headers) == document(stranger, server, path)


@pytest.mark.parametrize("path", [*DOCUMENTS, "/", "/oauth/authorize", "/mcp"])
@pytest.mark.parametrize("host", ["evil.example", "localhost@evil.example", "[", ""])
def test_a_foreign_host_is_told_the_url_to_use(
    stranger: httpx.Client, server: ServerProcess, path: str, host: str
) -> None:
    """D-10: and nothing that it said itself."""
    answer = stranger.get(f"{server.url}{path}", headers={"Host": host})
    assert answer.status_code == 421
    assert server.url in answer.text
    assert "evil" not in answer.text


@pytest.mark.parametrize("path", ["/oauth/authorize/?state=kept", "/mcp/", "/health/", "/oauth/"])
def test_a_slash_too_many_is_not_redirected(
    stranger: httpx.Client, server: ServerProcess, path: str
) -> None:
    """D-10, A-23: such a redirect would be built from the request's host and scheme."""
    answer = stranger.get(f"{server.url}{path}", headers={"Host": "localhost:1"})
    assert answer.status_code == 404
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_are_json_for_anybody(
    stranger: httpx.Client, server: ServerProcess, path: str
) -> None:
    """D-01, D-08: at the root and beside the path of /mcp."""
    answer = stranger.get(f"{server.url}{path}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


def test_issuer_and_resource_are_the_configured_urls_byte_for_byte(
    stranger: httpx.Client, server: ServerProcess
) -> None:
    """D-01, D-02, D-08: no slash is added, and both documents say the same."""
    assert document(stranger, server)["issuer"] == server.url
    for path in (PROTECTED_RESOURCE, f"{PROTECTED_RESOURCE}/mcp"):
        assert document(stranger, server, path)["authorization_servers"] == [server.url]
        assert document(stranger, server, path)["resource"] == server.mcp_url


def test_every_url_is_on_this_server(stranger: httpx.Client, server: ServerProcess) -> None:
    """D-03: absolute, one origin, and nothing that a shell or a browser would act on."""
    texts = json.dumps([document(stranger, server, path) for path in DOCUMENTS])
    urls = [text for text in texts.split('"') if "://" in text]
    assert len(urls) > 5
    for url in urls:
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == server.url
        assert not set(url) & set(" '`$;|&<>\\(){}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("code_challenge_methods_supported", ["S256"], id="D-04"),
        pytest.param("response_types_supported", ["code"], id="D-05"),
        pytest.param("response_modes_supported", ["query"], id="D-05 modes"),
        pytest.param("grant_types_supported", ["authorization_code", "refresh_token"], id="D-05 g"),
        pytest.param("scopes_supported", list(SUPPORTED_SCOPES), id="D-13"),
        pytest.param("authorization_response_iss_parameter_supported", True, id="D-14"),
    ],
)
def test_the_authorization_server_supports_exactly(
    stranger: httpx.Client, server: ServerProcess, name: str, value: Any
) -> None:
    """D-14: test_authorization_request.py has `iss` on every answer, errors included."""
    assert document(stranger, server)[name] == value


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("jwks_uri", id="D-09"),
        pytest.param("introspection_endpoint", id="D-12"),
        pytest.param("userinfo_endpoint", id="D-15"),
        pytest.param("id_token_signing_alg_values_supported", id="D-15 id_token"),
        pytest.param("subject_types_supported", id="D-15 subject"),
        pytest.param("request_uri_parameter_supported", id="A-13"),
    ],
)
def test_what_does_not_exist_is_not_advertised(
    stranger: httpx.Client, server: ServerProcess, name: str
) -> None:
    assert name not in document(stranger, server)


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/oauth/introspect",
        "/oauth/userinfo",
    ],
)
def test_this_is_no_openid_provider(
    stranger: httpx.Client, server: ServerProcess, path: str
) -> None:
    """D-09, D-12, D-15."""
    assert stranger.get(f"{server.url}{path}").status_code == 404


def test_no_scope_changes_anything(stranger: httpx.Client, server: ServerProcess) -> None:
    """D-13."""
    assert not [
        scope
        for scope in document(stranger, server)["scopes_supported"]
        if not scope.endswith(".read") and scope != "offline_access"
    ]


@pytest.mark.parametrize("path", [PROTECTED_RESOURCE, f"{PROTECTED_RESOURCE}/mcp"])
def test_the_protected_resource_asks_for_no_scope(
    stranger: httpx.Client, server: ServerProcess, path: str
) -> None:
    """D-08."""
    assert document(stranger, server, path)["bearer_methods_supported"] == ["header"]
    assert "offline_access" not in json.dumps(document(stranger, server, path))


def test_the_first_401_leads_to_the_protected_resource_and_names_no_scope(
    stranger: httpx.Client,
    server: ServerProcess,
) -> None:
    """D-08."""
    challenge = stranger.post(server.mcp_url, json={}).headers["www-authenticate"]
    assert challenge == f'Bearer resource_metadata="{server.url}{PROTECTED_RESOURCE}/mcp"'


async def test_every_advertised_grant_is_known(
    stranger: httpx.Client, server: ServerProcess, client: OAuthClient
) -> None:
    """D-06: what is missing is another error than that the grant is not supported."""
    for grant_type in document(stranger, server)["grant_types_supported"]:
        answer = await client.token(grant_type=grant_type)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    answer = await client.token(grant_type="password")
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("endpoint", ["token", "revocation"])
async def test_the_advertised_client_authentication_is_what_works(
    stranger: httpx.Client, server: ServerProcess, client: OAuthClient, endpoint: str
) -> None:
    """D-07: each method can be registered and is then the only one that is taken."""
    methods = document(stranger, server)[f"{endpoint}_endpoint_auth_methods_supported"]
    assert sorted(methods) == ["client_secret_basic", "client_secret_post", "none"]
    url = document(stranger, server)[f"{endpoint}_endpoint"]
    for method in methods:
        assert (await client.register(token_endpoint_auth_method=method)).status_code == 201
        secret = client.client_secret or "guessed"
        form = {"grant_type": "refresh_token", "refresh_token": "unknown", "token": "unknown"}
        ways: dict[str, Any] = {
            "none": {"data": form | {"client_id": client.client_id}},
            "client_secret_post": {
                "data": form | {"client_id": client.client_id, "client_secret": secret}
            },
            "client_secret_basic": {"data": form, "auth": (client.client_id, secret)},
        }
        for way, request in ways.items():
            answer = await client.http.post(url, **request)
            assert (answer.status_code != 401) is (way == method), (method, way)


@pytest.mark.parametrize("method", ["private_key_jwt", "tls_client_auth", "client_secret_jwt", ""])
async def test_an_authentication_that_is_not_advertised_cannot_be_registered(
    client: OAuthClient, method: str
) -> None:
    """D-07: an empty one is no request for a weaker one."""
    answer = await client.register(token_endpoint_auth_method=method)
    if method:
        assert answer.status_code == 400
    else:
        assert answer.json()["token_endpoint_auth_method"] == "client_secret_basic"


async def test_a_public_client_can_revoke(
    stranger: httpx.Client, server: ServerProcess, client: OAuthClient
) -> None:
    """D-11: tests/e2e shows that the token is dead afterwards."""
    url = document(stranger, server)["revocation_endpoint"]
    form = {"client_id": client.client_id, "token": "unknown"}
    assert (await client.http.post(url, data=form)).status_code == 200
    assert (await client.http.post(url, data={"token": "unknown"})).status_code == 401
