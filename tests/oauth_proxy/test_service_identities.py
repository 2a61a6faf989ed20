"""Services without a person: what proves one, what it gets, and that nobody else gets it."""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from starlette.applications import Starlette

from okta_mcp.inventory import inventory, policy_for
from okta_mcp.oauth_proxy.app import build_app as proxy_app
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.parameters import Parameters
from okta_mcp.oauth_proxy.service_assertion import ServiceAssertions
from okta_mcp.ops.metrics import Metrics
from okta_mcp.resource_server.app import build_app as resource_server_app
from okta_mcp.serving.rates import Rates
from okta_mcp.settings import Settings, load_settings
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Records
from okta_mcp.tools.cursors import SealedCursors
from tests.stores.interleaved import Interleaved
from tests.vocabulary.clock import Clock
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.requests import request_of
from tests.vocabulary.roles import VIEWER_TOOLS
from tests.vocabulary.service import (
    NAME,
    At,
    Signer,
    entry,
    key_pair,
    policy_file,
    public_pem,
    unsigned,
)

URL = "http://localhost:3001"
OTHER = "reporting"
HANA = "Hana Novak"
PEOPLE, FACTORS = "list_okta_users", "list_okta_user_factors"
SERVICES = entry(description="Runs the playbooks") + entry(
    OTHER,
    [],
    public_key=[public_pem(key_pair("rsa")), public_pem(key_pair("ec", 1))],
    role="super-admin",
    scopes=["okta.users.read", "okta.logs.read"],
)


@contextlib.asynccontextmanager
async def serving(
    folder: Path, sandbox: SandboxProcess, port: int, services: str = SERVICES, **more: Any
) -> AsyncIterator[LocalServer]:
    """A server with these services; `store` is shared with another one, the rest are settings."""
    around = (lambda _: more["store"]) if "store" in more else Interleaved
    environment = sandbox.settings_for_server() | {
        name: value for name, value in more.items() if name != "store"
    }
    environment["POLICY_FILE"] = str(policy_file(folder, services))
    url = f"http://localhost:{port}"
    async with local_server(folder, url, environment, around) as running:
        yield running


@pytest.fixture
async def local(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> AsyncIterator[LocalServer]:
    rates = {"RATE_TOKEN_FAILURES": "100000/minute"}
    async with serving(tmp_path, sandbox, server_port, **rates) as running:
        yield running


@pytest.fixture
def soar(local: LocalServer) -> Signer:
    return Signer(local.url, local.clock)


def http_of(server: LocalServer) -> httpx.AsyncClient:
    return server._http()


async def asked(server: LocalServer, form: Any, **headers: str) -> httpx.Response:
    """A request to the token endpoint, as it is."""
    content = form if isinstance(form, str) else urlencode(form)
    sent = {"content-type": "application/x-www-form-urlencoded"} | headers
    return await http_of(server).post(f"{server.url}/oauth/token", content=content, headers=sent)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error")


async def caller(server: LocalServer, signer: Signer, **changes: str) -> OAuthClient:
    """The service with its token in hand."""
    answer = await asked(server, signer.form(**changes))
    assert answer.status_code == 200, answer.text
    return OAuthClient(server.url, http_of(server), tokens=answer.json())


# --- assertions that prove nothing ---

REFUSED = (401, "invalid_client")
Make = Callable[[Signer], str]


def with_claims(headers: dict[str, Any] | None = None, **changes: Any) -> Make:
    return lambda soar: soar.assertion(headers, **changes)


def by(key: Any, algorithm: str, headers: dict[str, Any] | None = None) -> Make:
    return lambda soar: jwt.encode(soar.claims(), key, algorithm=algorithm, headers=headers)


def by_hand(header: dict[str, Any], mac_key: bytes | None = None) -> Make:
    return lambda soar: unsigned(soar.claims(), header, mac_key)


EVIL = key_pair("ec", 9)
EVIL_JWK = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EVIL.public_key()))
PUBLIC = public_pem(key_pair()).encode()

BAD: list[tuple[str, Make, str]] = [
    ("no token at all", lambda _: "x", "assertion_unknown"),
    ("three dots", lambda _: "...", "assertion_unknown"),
    ("too long", with_claims(filler="x" * 4096), "assertion_unknown"),
    ("the claims are a list", lambda _: unsigned([], {"alg": "none"}), "assertion_unknown"),
    ("no iss", with_claims(iss=None), "assertion_unknown"),
    ("iss is a list", lambda soar: unsigned({"iss": [NAME]}, {"alg": "none"}), "assertion_unknown"),
    ("nobody's name", with_claims(iss="nobody", sub="nobody"), "assertion_unknown"),
    ("the name in capitals", with_claims(iss=NAME.upper()), "assertion_unknown"),
    ("alg none", by_hand({"alg": "none"}), "assertion_unknown"),
    ("alg None", by_hand({"alg": "None"}), "assertion_unknown"),
    ("no alg", by_hand({"typ": "JWT"}), "assertion_unknown"),
    ("HS256 with the public key", by_hand({"alg": "HS256"}, PUBLIC), "assertion_unknown"),
    ("ES256 said, a MAC given", by_hand({"alg": "ES256"}, PUBLIC), "assertion_unknown"),
    ("RS256 said of an EC key", by_hand({"alg": "RS256"}, PUBLIC), "assertion_unknown"),
    ("somebody's key", by(EVIL, "ES256"), "assertion_unknown"),
    ("another service's key", by(key_pair("rsa"), "RS256"), "assertion_unknown"),
    ("the key in the header", by(EVIL, "ES256", {"jwk": EVIL_JWK}), "assertion_unknown"),
    ("a URL in the header", by(EVIL, "ES256", {"jku": "http://127.0.0.1:1/"}), "assertion_unknown"),
    ("a path as kid", by(EVIL, "ES256", {"kid": "../../dev/null"}), "assertion_unknown"),
    ("an unknown crit", with_claims({"crit": ["x"], "x": 1}), "assertion_unknown"),
    ("no sub", with_claims(sub=None), "assertion_subject"),
    ("another sub", with_claims(sub=OTHER), "assertion_subject"),
    ("no aud", with_claims(aud=None), "assertion_audience"),
    ("another server", with_claims(aud="https://other.example/oauth/token"), "assertion_audience"),
    ("the resource", with_claims(aud="http://localhost/mcp"), "assertion_audience"),
    ("aud in part", lambda soar: soar.assertion(aud=soar.url[:-1]), "assertion_audience"),
    ("no aud in the list", with_claims(aud=[]), "assertion_audience"),
    (
        "us and others",
        lambda soar: soar.assertion(aud=[soar.url, "https://other.example"]),
        "assertion_audience",
    ),
    ("no exp", with_claims(exp=None), "assertion_expired"),
    ("expired", with_claims(iat=At(-120), exp=At(-31)), "assertion_expired"),
    ("exp no number", with_claims(exp="soon"), "assertion_times"),
    ("exp true", with_claims(exp=True), "assertion_times"),
    ("exp infinite", with_claims(exp=math.inf), "assertion_times"),
    ("exp NaN", with_claims(exp=math.nan), "assertion_times"),
    ("exp beyond numbers", with_claims(exp=10**400), "assertion_times"),
    ("iat beyond numbers", with_claims(iat=-(10**400)), "assertion_times"),
    ("iat no number", with_claims(iat="0"), "assertion_times"),
    ("far away", with_claims(exp=At(331)), "assertion_too_long"),
    ("far away without iat", with_claims(iat=None, exp=At(360)), "assertion_too_long"),
    ("long since its iat", with_claims(iat=At(-280), exp=At(60)), "assertion_too_long"),
    ("iat to come", with_claims(iat=At(60), exp=At(120)), "assertion_early"),
    ("nbf to come", with_claims(nbf=At(60), exp=At(120)), "assertion_early"),
    ("no jti", with_claims(jti=None), "assertion_jti"),
    ("an empty jti", with_claims(jti=""), "assertion_jti"),
    ("a long jti", with_claims(jti="x" * 257), "assertion_jti"),
    ("half a character as jti", with_claims(jti="\ud800"), "assertion_jti"),
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def assertions(clock: Clock, tmp_path: Path) -> ServiceAssertions:
    offered = inventory(None, SealedCursors(bytes(32)), clock)
    return ServiceAssertions(
        policy_for(offered, policy_file(tmp_path, SERVICES)).services,
        Records(MemoryStore(clock)),
        Rates().rate("assertions", "1000/minute"),
        audiences=(f"{URL}/oauth/token", URL),
        now=clock,
    )


@pytest.mark.parametrize(("make", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_an_assertion_that_proves_nothing_is_an_invalid_client(
    assertions: ServiceAssertions, clock: Clock, make: Make, reason: str
) -> None:
    """K-13, T-13: what is wrong is said to whoever holds the key, and to nobody else."""
    soar = Signer(URL, clock)
    form = Parameters(urlencode(soar.form(make(soar))))
    with pytest.raises(TokenError) as caught:
        await assertions.accept(assertions.signed(request_of(), form), form)
    refused = caught.value
    assert (refused.status, refused.code) == REFUSED
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("claims", "service"), [({"aud": "else"}, NAME), ({"iss": "nobody"}, None)], ids=str
)
async def test_a_refused_assertion_is_on_record_with_the_service_that_signed_it(
    local: LocalServer, soar: Signer, claims: dict[str, Any], service: str | None
) -> None:
    assert error_of(await asked(local, soar.form(soar.assertion(**claims)))) == REFUSED
    [refused] = local.events("token.refused")
    assert refused.get("service") == service
    assert "client_id" not in refused


async def test_an_unknown_service_and_a_wrong_key_get_the_same_answer(
    local: LocalServer, soar: Signer
) -> None:
    unknown = await asked(local, soar.form(soar.assertion(iss="nobody", sub="nobody")))
    wrong = await asked(local, soar.form(by(EVIL, "ES256")(soar)))
    assert unknown.json() == wrong.json()


FORMS: list[tuple[str, dict[str, str | None], tuple[int, str]]] = [
    ("another client_id", {"client_id": OTHER}, REFUSED),
    ("a registered client's id", {"client_id": "omcp_client_x"}, REFUSED),
    ("a secret besides", {"client_secret": "s"}, (400, "invalid_request")),
    ("no type", {"client_assertion_type": None}, (400, "invalid_request")),
    ("another type", {"client_assertion_type": "jwt"}, (400, "invalid_request")),
    ("no grant_type", {"grant_type": None}, (400, "invalid_request")),
    ("a code", {"grant_type": "authorization_code", "code": "c"}, (400, "unauthorized_client")),
    ("a refresh", {"grant_type": "refresh_token"}, (400, "unauthorized_client")),
    ("a device", {"grant_type": "device_code"}, (400, "unauthorized_client")),
    ("another resource", {"resource": "https://evil.example/mcp"}, (400, "invalid_target")),
    ("no scope of its role", {"scope": "okta.policies.read"}, (400, "invalid_scope")),
    ("a scope that does not exist", {"scope": "admin"}, (400, "invalid_scope")),
    ("offline_access alone", {"scope": "offline_access"}, (400, "invalid_scope")),
]


@pytest.mark.parametrize(
    ("changes", "error"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS]
)
async def test_a_good_assertion_with_a_wrong_request_is_refused(
    local: LocalServer, soar: Signer, changes: dict[str, str | None], error: tuple[int, str]
) -> None:
    """K-13, K-14, K-15."""
    assert error_of(await asked(local, soar.form(**changes))) == error
    assert local.events("token.issued") == []


@pytest.mark.parametrize("name", ["client_assertion", "client_assertion_type", "grant_type"])
async def test_a_parameter_that_is_given_twice_is_refused(
    local: LocalServer, soar: Signer, name: str
) -> None:
    """K-12."""
    form = soar.form()
    answer = await asked(local, f"{urlencode(form)}&{urlencode({name: form[name]})}")
    assert error_of(answer) == (400, "invalid_request")
    assert name in answer.json()["error_description"]


async def test_an_assertion_and_a_basic_header_are_two_ways(
    local: LocalServer, soar: Signer
) -> None:
    """K-14."""
    answer = await asked(local, soar.form(), authorization="Basic eDp5")
    assert error_of(answer) == (400, "invalid_request")


async def test_of_twenty_equal_assertions_at_once_one_counts(
    local: LocalServer, soar: Signer
) -> None:
    form = soar.form()
    answers = await asyncio.gather(*(asked(local, form) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    refused = local.events("token.refused")
    assert {event["reason"] for event in refused} == {"assertion_replayed"}
    assert {event["service"] for event in refused} == {NAME}


async def test_an_assertion_is_known_for_as_long_as_it_could_pass(
    local: LocalServer, soar: Signer
) -> None:
    form = soar.form(soar.assertion(exp=At(300)))
    assert (await asked(local, form)).status_code == 200
    for _ in range(11):
        local.clock.pass_seconds(30)
        assert error_of(await asked(local, form)) == REFUSED


async def test_the_same_jti_of_two_services_is_two(local: LocalServer, soar: Signer) -> None:
    reporting = Signer(local.url, local.clock, OTHER, key_pair("rsa"), "RS256")
    for signer in (soar, reporting):
        answer = await asked(local, signer.form(signer.assertion(jti="one")))
        assert answer.status_code == 200


# --- who is no service ---


@pytest.mark.parametrize("method", ["none", "client_secret_post"])
async def test_a_registered_client_that_tries_is_an_unauthorized_client(
    local: LocalServer, method: str
) -> None:
    client = await local.client(token_endpoint_auth_method=method)
    answer = await client.token(grant_type="client_credentials", client_secret=client.client_secret)
    assert error_of(answer) == (400, "unauthorized_client")


async def test_a_registered_client_cannot_prove_itself_by_an_assertion(
    local: LocalServer, soar: Signer
) -> None:
    client = await local.client()
    soar.name = client.client_id
    assert error_of(await asked(local, soar.form())) == REFUSED


@pytest.mark.parametrize("secret", [None, "", "a secret"])
async def test_a_services_name_alone_proves_nothing(local: LocalServer, secret: str | None) -> None:
    named = {"grant_type": "client_credentials", "client_id": NAME}
    form = named | ({} if secret is None else {"client_secret": secret})
    assert error_of(await asked(local, form)) == REFUSED


async def test_a_service_is_no_client_that_people_could_be_sent_by(local: LocalServer) -> None:
    browser = local.browser()
    client = OAuthClient(local.url, http_of(local), client_id=NAME)
    await browser.open(client.authorization_url())
    assert browser.status == 400


async def test_no_registration_makes_a_service(local: LocalServer) -> None:
    """R-16, R-17."""
    answer = await OAuthClient(local.url, http_of(local)).register(
        client_id=OTHER, grant_types=["authorization_code", "client_credentials"]
    )
    assert answer.json()["client_id"].startswith("omcp_client_")
    assert answer.json()["grant_types"] == ["authorization_code"]
    asked_for = {"token_endpoint_auth_method": "private_key_jwt"}
    stored = (await OAuthClient(local.url, http_of(local)).register(**asked_for)).json()
    assert stored.get("token_endpoint_auth_method") != "private_key_jwt"


async def test_the_metadata_says_nothing_of_services(local: LocalServer) -> None:
    """D-06: clients of 2025-03-26 throw away metadata that name signing algorithms."""
    path = "/.well-known/oauth-authorization-server"
    answer = await http_of(local).get(f"{local.url}{path}")
    assert answer.json()["grant_types_supported"] == ["authorization_code", "refresh_token"]
    for word in ("client_credentials", "private_key_jwt", "_signing_alg", NAME):
        assert word not in answer.text


async def test_failures_are_counted_by_address(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    rates = {"RATE_TOKEN_FAILURES": "2/minute"}
    async with serving(tmp_path, sandbox, server_port, **rates) as server:
        soar = Signer(server.url, server.clock)
        bad = [await asked(server, soar.form(soar.assertion(jti=""))) for _ in range(3)]
        assert [answer.status_code for answer in bad] == [401, 401, 429]
        assert (await asked(server, soar.form())).status_code == 200


async def test_one_service_gets_no_endless_tokens(local: LocalServer, soar: Signer) -> None:
    answers = [await asked(local, soar.form()) for _ in range(121)]
    assert [answer.status_code for answer in answers] == [200] * 120 + [429]
    other = Signer(local.url, local.clock, OTHER, key_pair("rsa"), "PS256")
    assert (await asked(local, other.form())).status_code == 200


# --- the token ---


@pytest.mark.parametrize(
    ("changes", "claims"),
    [
        ({}, {}),
        ({"client_id": NAME}, {"nbf": At(-10)}),
        ({}, {"iat": None}),
        ({}, {"exp": At(300), "iat": At(0)}),
        ({}, {"iat": At(-60), "exp": At(-20)}),
        ({}, {"aud": ["{url}/oauth/token"]}),
        ({}, {"aud": "{url}"}),
        ({"resource": "{url}/mcp"}, {}),
    ],
    ids=str,
)
async def test_a_good_assertion_gives_a_short_token_and_no_refresh_token(
    local: LocalServer, soar: Signer, changes: dict[str, str], claims: dict[str, Any]
) -> None:
    """K-01, T-15."""
    filled = json.loads(json.dumps(claims.get("aud")).replace("{url}", local.url))
    assertion = soar.assertion(**(claims | ({"aud": filled} if filled else {})))
    form = {name: value.format(url=local.url) for name, value in changes.items()}
    answer = await asked(local, soar.form(assertion, **form))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert set(told) == {"access_token", "token_type", "expires_in", "scope"}
    assert 595 <= told["expires_in"] <= 600
    assert set(told["scope"].split()) == {
        "okta.users.read",
        "okta.groups.read",
        "okta.apps.read",
        "okta.logs.read",
    }


@pytest.mark.parametrize("headers", [{"kid": "whatever"}, {"typ": "client-authentication+jwt"}])
async def test_the_header_chooses_nothing(
    local: LocalServer, soar: Signer, headers: dict[str, Any]
) -> None:
    answer = await asked(local, soar.form(soar.assertion(headers)))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(("rsa",), "RS256"), (("rsa",), "PS256"), (("ec", 1), "ES256")],
    ids=str,
)
async def test_each_key_of_a_service_proves_it_in_its_own_algorithms(
    local: LocalServer, key: tuple[Any, ...], algorithm: str
) -> None:
    signer = Signer(local.url, local.clock, OTHER, key_pair(*key), algorithm)
    assert (await asked(local, signer.form())).status_code == 200


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("okta.logs.read", "okta.logs.read"),
        ("openid okta.users.read offline_access", "okta.users.read"),
        ("okta.users.read okta.groups.read", "okta.users.read"),
        (None, "okta.users.read okta.logs.read"),
    ],
)
async def test_a_token_has_what_is_asked_for_and_the_policy_allows(
    local: LocalServer, scope: str | None, granted: str
) -> None:
    signer = Signer(local.url, local.clock, OTHER, key_pair("rsa"), "RS256")
    answer = await asked(local, signer.form(scope=scope))
    assert answer.json()["scope"] == granted


async def test_the_token_ends_after_ten_minutes(local: LocalServer, soar: Signer) -> None:
    client = await caller(local, soar)
    local.clock.pass_seconds(590)
    assert (await client.rpc("ping")).status_code == 200
    local.clock.pass_seconds(11)
    assert (await client.rpc("ping")).status_code == 401


# --- at /mcp ---


async def test_a_service_has_the_tools_of_its_role_and_nobody_asks_for_groups(
    local: LocalServer, soar: Signer, sandbox: SandboxProcess
) -> None:
    client = await caller(local, soar)
    before = len(sandbox.requests())
    tools = (await client.rpc("tools/list")).json()["result"]["tools"]
    assert len(tools) == VIEWER_TOOLS
    refused = await client.call("list_okta_network_zones")
    assert refused["error"]["message"] == "Unknown tool: list_okta_network_zones"
    found = await client.call("list_okta_users", q="ann")
    assert found["result"]["structuredContent"]["count"] >= 1
    asked_for = [request["path"] for request in sandbox.requests()[before:]]
    assert [path for path in asked_for if path.startswith("/api/")] == ["/api/v1/users"]


async def test_the_service_is_told_that_it_is_one(local: LocalServer, soar: Signer) -> None:
    client = await caller(local, soar, scope="okta.users.read")
    told = (await client.call("whoami"))["result"]["structuredContent"]
    assert told["person"] is None
    assert told["service"] == {"name": NAME, "description": "Runs the playbooks"}
    assert (told["role"], told["source"], told["groups"]) == ("viewer", "policy_file", [])
    assert told["scopes"] == ["okta.users.read"]
    read = await client.rpc("resources/read", {"uri": "user://me"})
    assert json.loads(read.json()["result"]["contents"][0]["text"]) == told


async def test_the_trail_names_the_service_and_no_person(local: LocalServer, soar: Signer) -> None:
    client = await caller(local, soar)
    await client.call("list_okta_users", q="ann")
    await client.call("list_okta_network_zones")
    issued = local.events("token.issued")[0]
    assert (issued["service"], issued["grant_type"]) == (NAME, "client_credentials")
    lines = [issued, *local.events("tool.called"), *local.events("tool.refused")]
    assert len(lines) == 3
    for line in lines:
        assert (line["service"], line["grant"]) == (NAME, issued["grant"])
        assert not {"user_id", "login", "client_id", "client_name"} & set(line)
    assert lines[1]["role"] == "viewer"


async def test_no_metric_holds_the_name(local: LocalServer, soar: Signer) -> None:
    await (await caller(local, soar)).call("list_okta_users", q="ann")
    metrics = Metrics()
    metrics.tools = frozenset({"list_okta_users"})
    for line in local.audit_file.read_text().splitlines():
        metrics.count_event(json.loads(line))
    exposed = metrics.text().decode()
    assert 'role="viewer"' in exposed
    assert NAME not in exposed


async def test_a_services_calls_are_counted_like_a_persons(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    """B-15."""
    rates = {"RATE_TOOL_CALLS": "2/minute"}
    async with serving(tmp_path, sandbox, server_port, **rates) as server:
        first = await caller(server, Signer(server.url, server.clock))
        again = await caller(server, Signer(server.url, server.clock))
        other = await caller(
            server, Signer(server.url, server.clock, OTHER, key_pair("rsa"), "RS256")
        )
        codes = []
        for client in (first, again, again, other):
            result = (await client.call("list_okta_users", q="ann"))["result"]
            told = result.get("structuredContent") or json.loads(result["content"][0]["text"])
            codes.append(told.get("error", {}).get("code"))
        assert codes == [None, None, "rate_limited", None]


async def test_where_tools_need_a_persons_own_token_a_service_is_told_what_to_do(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    delegated = {"OKTA_API_AUTH": "delegated"}
    async with serving(tmp_path, sandbox, server_port, **delegated) as server:
        client = await caller(server, Signer(server.url, server.clock))
        result = (await client.call("list_okta_users", q="ann"))["result"]
        assert result["isError"]
        error = json.loads(result["content"][0]["text"])["error"]
        assert error["code"] == "okta_unauthorized"
        assert "a service has none" in error["message"]
        assert "OKTA_API_AUTH=service or ssws" in error["fix"]


async def test_no_page_shows_a_service(local: LocalServer, soar: Signer) -> None:
    await caller(local, soar)
    browser, client = local.browser(), await local.client()
    await connected(browser, client, HANA)
    await browser.open(f"{local.url}/oauth/connections")
    assert browser.status == 200
    assert "A test client" in browser.page.text
    assert NAME not in browser.page.text


# --- the policy changes ---


@pytest.mark.parametrize(
    ("changed", "tools"),
    [
        ("", None),
        (entry(OTHER), None),
        (entry(public_key=public_pem(key_pair("ec", 5))), None),
        (entry(), {PEOPLE}),
        (entry(public_key=[public_pem(key_pair("ec", 5)), public_pem(key_pair())]), {PEOPLE}),
        (entry(role="security-admin"), {PEOPLE, FACTORS}),
        (entry(scopes=["okta.groups.read"]), set()),
    ],
    ids=["gone", "renamed", "another key", "the same", "a key more", "more role", "fewer scopes"],
)
async def test_a_running_token_follows_the_policy_of_the_server_that_it_meets(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path, changed: str, tools: set[str] | None
) -> None:
    """One store, two servers, one of them with the policy of today."""
    store = Interleaved(MemoryStore(time.time))
    async with (
        serving(tmp_path / "old", sandbox, server_port, entry(), store=store) as old,
        serving(tmp_path / "new", sandbox, server_port, changed, store=store) as new,
    ):
        token = (await caller(old, Signer(old.url, old.clock))).tokens
        here = OAuthClient(new.url, http_of(new), tokens=token)
        answer = await here.rpc("tools/list")
        if tools is None:
            assert answer.status_code == 401
            assert "not in the policy any more" in answer.headers["www-authenticate"]
            assert new.events("grant.ended")[0]["reason"] == "service_removed"
            there = OAuthClient(old.url, http_of(old), tokens=token)
            assert (await there.rpc("ping")).status_code == 401
        else:
            listed = {tool["name"] for tool in answer.json()["result"]["tools"]}
            assert listed & {PEOPLE, FACTORS} == tools


# --- giving a token back ---


async def revoked(server: LocalServer, form: dict[str, str], token: str) -> httpx.Response:
    return await http_of(server).post(f"{server.url}/oauth/revoke", data=form | {"token": token})


async def test_a_service_gives_its_own_token_back(local: LocalServer, soar: Signer) -> None:
    """T-08."""
    client = await caller(local, soar)
    form = soar.form(grant_type=None)
    assert (await revoked(local, form, client.tokens["access_token"])).status_code == 200
    assert (await client.rpc("ping")).status_code == 401
    assert local.events("token.revoked")[0]["service"] == NAME


async def test_a_service_ends_nobody_elses_token(local: LocalServer, soar: Signer) -> None:
    """T-11."""
    person = await local.client()
    await connected(local.browser(), person, HANA)
    reporting = Signer(local.url, local.clock, OTHER, key_pair("rsa"), "RS256")
    other = await caller(local, reporting)
    for client in (person, other):
        form = soar.form(grant_type=None)
        assert (await revoked(local, form, client.tokens["access_token"])).status_code == 200
        assert (await client.rpc("ping")).status_code == 200


@pytest.mark.parametrize("proof", ["name", "registered", "bad assertion"])
async def test_nobody_but_the_service_ends_its_token(
    local: LocalServer, soar: Signer, proof: str
) -> None:
    """T-11."""
    client = await caller(local, soar)
    forms = {
        "name": {"client_id": NAME},
        "registered": {"client_id": (await local.client()).client_id},
        "bad assertion": soar.form(by(EVIL, "ES256")(soar), grant_type=None),
    }
    answer = await revoked(local, forms[proof], client.tokens["access_token"])
    assert answer.status_code == (200 if proof == "registered" else 401)
    assert (await client.rpc("ping")).status_code == 200


@pytest.mark.parametrize(
    ("settings", "build", "said"),
    [
        ({"OKTA_API_AUTH": "claims"}, proxy_app, "OKTA_API_AUTH=claims"),
        (
            {"OKTA_ISSUER": "{org}/oauth2/default", "OKTA_OAUTH_AUDIENCE": "api://default"}
            | {"AUTH_MODE": "resource-server"},
            resource_server_app,
            "[services]",
        ),
    ],
)
async def test_a_start_says_where_services_can_do_nothing(
    sandbox: SandboxProcess,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, str],
    build: Callable[[Settings], Starlette],
    said: str,
) -> None:
    values = {name: value.format(org=sandbox.url) for name, value in settings.items()}
    given = sandbox.settings_for_server() | values
    given["POLICY_FILE"] = str(policy_file(tmp_path, SERVICES))
    given["AUDIT_LOG"] = str(tmp_path / "audit.jsonl")
    overrides = {name.lower(): value for name, value in given.items() if value}
    app = build(load_settings(env_file=None, overrides=overrides))
    async with app.router.lifespan_context(app):
        assert any(said in record.getMessage() for record in caplog.records)
