"""Bounds: on what one request may hold, how often an address may come, and what is ever kept."""

import ipaddress
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.legs import Legs
from okta_mcp.oauth_proxy.register import RegistrationEndpoint
from okta_mcp.oauth_proxy.suspicion import Suspicion
from okta_mcp.serving.rates import Rates, TooManyRequestsError
from okta_mcp.serving.sweep import SWEEP_SECONDS
from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Client, Leg, Records, digest
from okta_mcp.stores.sealing import Sealer
from tests.vocabulary.addresses import http_from
from tests.vocabulary.browser import Browser
from tests.vocabulary.clock import Clock
from tests.vocabulary.in_process import LocalServer
from tests.vocabulary.oauth_client import REDIRECT_URI, OAuthClient, connected, signed_in
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.requests import request_of

HTML = {"accept": "text/html"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
KIB = 1024
SECRET = b"a secret of at least 32 bytes, made for tests"

# --- one request ---

BODY_LIMITS = [
    ("/oauth/token", FORM, 16 * KIB),
    ("/token", FORM, 16 * KIB),
    ("/oauth/revoke", FORM, 16 * KIB),
    ("/oauth/authorize", FORM, 16 * KIB),
    ("/oauth/login", FORM, 16 * KIB),
    ("/oauth/consent", FORM, 16 * KIB),
    ("/oauth/logout", FORM, 16 * KIB),
    ("/oauth/connections", FORM, 16 * KIB),
    ("/oauth/register", JSON, 64 * KIB),
    ("/register", JSON, 64 * KIB),
    ("/mcp", JSON, 1024 * KIB),
]


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body without a Content-Length."""
    for start in range(0, len(body), 8 * KIB):
        yield body[start : start + 8 * KIB]


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize(("path", "headers", "largest"), BODY_LIMITS)
async def test_a_body_has_a_limit_on_every_route(
    browser: Browser,
    client: OAuthClient,
    path: str,
    headers: dict[str, str],
    largest: int,
    is_declared: bool,
) -> None:
    """L-01: whether or not the request says how much there is."""
    if path == "/mcp":
        await connected(browser, client, "Hana Novak")
        headers = headers | {"authorization": f"Bearer {client.tokens['access_token']}"}
    for size, is_too_large in ((largest, False), (largest + 1, True)):
        body = b"x=" + b"x" * (size - 2)
        content: Any = body if is_declared else in_pieces(body)
        answer = await client.http.post(f"{client.url}{path}", content=content, headers=headers)
        assert (answer.status_code == 413) is is_too_large


async def test_a_stranger_sends_no_large_body_to_mcp(client: OAuthClient) -> None:
    """L-01: without a token nothing of it is read."""
    answer = await client.http.post(f"{client.url}/mcp", content=b"x" * (2 * 1024 * KIB))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Long": "x" * (65 * KIB)},
        {"Cookie": "; ".join(f"a{number}={'x' * 2000}" for number in range(35))},
        {"Authorization": "Bearer " + "x" * (65 * KIB)},
        {f"X-Header-{number}": "x" * 1500 for number in range(60)},
    ],
    ids=["one", "cookies", "token", "many"],
)
async def test_large_headers_are_refused(client: OAuthClient, headers: dict[str, str]) -> None:
    """L-02."""
    answer = await client.http.get(client.authorization_url(), headers=headers)
    assert answer.status_code in (400, 431)


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/callback", "/oauth/consent"])
async def test_too_many_query_parameters_are_refused(client: OAuthClient, path: str) -> None:
    """L-03."""
    query = "&".join(f"p{number}=1" for number in range(101))
    answer = await client.http.get(f"{client.url}{path}?{query}", headers=HTML)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path", ["/oauth/token", "/oauth/revoke", "/oauth/login", "/oauth/consent", "/oauth/logout"]
)
async def test_too_many_form_fields_are_refused(client: OAuthClient, path: str) -> None:
    """L-03."""
    form = "&".join(f"p{number}=1" for number in range(101))
    answer = await client.http.post(f"{client.url}{path}", content=form, headers=FORM)
    assert answer.status_code == 400


async def test_an_unknown_token_costs_okta_nothing(
    client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """L-06: whatever it looks like."""
    asked = len(sandbox.requests())
    for token in ("x", "omcp_at_" + "x" * 43, "eyJhbGciOiJub25lIn0.e30.", "x" * 9000, "é"):
        headers = {"authorization": f"Bearer {token}".encode()}
        answer = await client.http.post(f"{client.url}/mcp", content=b"{", headers=headers)
        assert answer.status_code == 401
    assert len(sandbox.requests()) == asked


async def test_okta_saying_too_many_requests_is_not_asked_again_and_again(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """L-11: the tool answers with an error; tests/okta/test_api.py has the waits."""
    browser, client = local.browser(), await local.client()
    await connected(browser, client, "Nora Lind")
    await client.rpc("tools/list")
    asked = len(sandbox.requests())
    fault = {"match": "GET /api/v1/zones", "status": 429, "times": 50, "seconds": 300}
    sandbox.control("faults", fault)
    for _ in range(5):
        answer = await client.call("list_okta_network_zones")
        assert answer["result"]["isError"] is True
        assert "rate_limited" in json.dumps(answer["result"])
    assert len(sandbox.requests()) - asked == 1


# --- how often an address may come ---


@pytest.fixture(scope="module")
def tight_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server where each address may do each thing three times an hour."""
    port = free_port()
    rates = dict.fromkeys(("RATE_REGISTER", "RATE_AUTHORIZE", "RATE_TOKEN_FAILURES"), "3/hour")
    with (
        running_sandbox(f"http://localhost:{port}") as sandbox,
        running_server(
            tmp_path_factory.mktemp("tight"), port, sandbox.settings_for_server() | rates
        ) as running,
    ):
        yield running


_ADDRESSES = itertools.count(2)
AtNewAddress = Callable[[], httpx.AsyncClient]


@pytest.fixture
async def at_new_address() -> AsyncIterator[AtNewAddress]:
    """Makes HTTP clients, each at an address that was never seen before."""
    opened: list[httpx.AsyncClient] = []

    def open_one() -> httpx.AsyncClient:
        opened.append(http_from(f"127.0.1.{next(_ADDRESSES)}"))
        return opened[-1]

    yield open_one
    for http in opened:
        await http.aclose()


def assert_too_many(answer: httpx.Response) -> None:
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 3600
    if answer.headers["content-type"] == "application/json":
        assert answer.json()["error"] == "temporarily_unavailable"
        assert answer.headers["cache-control"] == "no-store"


async def test_registrations_of_one_address_are_limited(
    tight_server: ServerProcess, at_new_address: AtNewAddress
) -> None:
    """R-23, L-09: by whatever path; another address, and what is not limited, go on."""
    client = OAuthClient(tight_server.url, at_new_address())
    for _ in range(3):
        assert (await client.register()).status_code == 201
    assert_too_many(await client.register())
    forged = {"X-Forwarded-For": "203.0.113.9", "X_Forwarded_For": "203.0.113.9"}
    for path in ("/oauth/register", "/register"):
        assert_too_many(
            await client.http.post(
                f"{client.url}{path}", json={"redirect_uris": [REDIRECT_URI]}, headers=forged
            )
        )
    for path in ("/.well-known/oauth-authorization-server", "/health", "/"):
        assert (await client.http.get(f"{client.url}{path}")).status_code == 200
    assert (await client.http.get(client.authorization_url())).status_code == 200
    other = OAuthClient(tight_server.url, at_new_address())
    assert (await other.register()).status_code == 201


async def test_refused_registrations_count_too(
    tight_server: ServerProcess, at_new_address: AtNewAddress
) -> None:
    """R-23."""
    client = OAuthClient(tight_server.url, at_new_address())
    for _ in range(3):
        assert (await client.register(redirect_uris=[])).status_code == 400
    assert_too_many(await client.register())


async def test_authorization_requests_of_one_address_are_limited(
    tight_server: ServerProcess, at_new_address: AtNewAddress
) -> None:
    """L-07, R-23: a page for a person, and by whatever path and method."""
    client = OAuthClient(tight_server.url, at_new_address())
    await client.register()
    url = client.authorization_url()
    for _ in range(3):
        assert (await client.http.get(url, headers=HTML)).status_code == 200
    refused = await client.http.get(url, headers=HTML)
    assert_too_many(refused)
    assert refused.headers["content-type"].startswith("text/html")
    assert_too_many(await client.http.get(url.replace("/oauth/authorize", "/authorize")))
    assert_too_many(await client.http.post(url.partition("?")[0], data={"a": "b"}))
    elsewhere = at_new_address()
    assert (await elsewhere.get(url, headers=HTML)).status_code == 200


async def test_presses_of_one_address_are_limited(
    tight_server: ServerProcess, at_new_address: AtNewAddress
) -> None:
    """L-07: only a press makes a trip to Okta that the server has to remember."""
    browser = Browser(at_new_address())
    await browser.open(f"{tight_server.url}/oauth/login")
    button = browser.button("Sign in with Okta")
    for _ in range(3):
        await browser.send(button, follow=False)
        assert browser.status == 303
    await browser.send(button, follow=False)
    assert browser.response is not None
    assert_too_many(browser.response)


async def test_failures_at_the_token_endpoint_are_limited_by_address(
    tight_server: ServerProcess, at_new_address: AtNewAddress
) -> None:
    """L-05: whoever fails too often waits, and locks nobody else out."""
    victim = OAuthClient(tight_server.url, at_new_address())
    await victim.register()
    attacker = OAuthClient(tight_server.url, at_new_address(), client_id=victim.client_id)
    for _ in range(3):
        assert (await attacker.redeem("guessed")).status_code == 400
    assert_too_many(await attacker.redeem("guessed"))
    assert_too_many(await attacker.http.post(f"{attacker.url}/token", data={"a": "b"}))
    assert (await victim.redeem("mistaken")).status_code == 400


async def test_successful_token_requests_are_never_limited(
    tight_server: ServerProcess, at_new_address: AtNewAddress
) -> None:
    """L-05, R-23."""
    http = at_new_address()
    client, browser = OAuthClient(tight_server.url, http), Browser(at_new_address())
    await client.register()
    await connected(browser, client, "Hana Novak")
    for _ in range(6):
        assert (await client.refresh()).status_code == 200


# --- what is kept ---


def test_an_ipv6_household_counts_as_one() -> None:
    """R-23: whoever has an IPv6 address has the 2^64 beside it; IPv4 in IPv6 is IPv4."""
    rates = Rates()
    assert rates._slot("2001:db8::1") == rates._slot("2001:db8::ffff:1:2:3")
    assert rates._slot("2001:db8::1") != rates._slot("2001:db8:0:1::1")
    assert rates._slot("::ffff:192.0.2.1") == rates._slot("192.0.2.1")


async def test_a_flood_from_many_addresses_is_counted_in_bounded_memory() -> None:
    """L-10: counters are slots under a random key, as many as there are and no more."""
    rates = Rates()
    strangers = (str(ipaddress.IPv4Address(number)) for number in range(200_000))
    slots = {rates._slot(address) for address in strangers}
    assert len(slots) <= 16_384
    assert {Rates()._slot("192.0.2.1") for _ in range(20)} != {rates._slot("192.0.2.1")}


def client_of(number: int, created_at: float, *, authorized: bool = False) -> Client:
    return Client(
        client_id=f"omcp_client_{number}",
        name="",
        redirect_uris=(REDIRECT_URI,),
        grant_types=("authorization_code",),
        auth_method="none",
        secret_digest=None,
        scope=None,
        created_at=created_at,
        authorized=authorized,
    )


MOST_CLIENTS = 10_000


class Registry:
    """The registration endpoint over a store that holds as many clients as it can."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.records = Records(MemoryStore(clock))
        self._clock = clock
        self._audit = Audit(str(folder / "audit.jsonl"), clock)
        rates = Rates()
        self._endpoint = RegistrationEndpoint(
            self.records,
            self._audit,
            rates.rate("register", "1000000/minute"),
            Suspicion(self.records, rates.rate("flag", "10/minute"), clock),
            redirect_schemes=(),
            redirect_hosts=(),
            now=clock,
        )

    async def fill(self, *, authorized: range) -> None:
        for number in range(MOST_CLIENTS):
            client = client_of(number, self._clock(), authorized=number in authorized)
            await self.records.clients.put(client.client_id, client, 86_400)

    async def register(self) -> str:
        body = json.dumps({"redirect_uris": [REDIRECT_URI]}).encode()
        request = request_of(headers=JSON, body=body)
        request.scope["state"] = {"reference": "TEST-TEST"}
        answer = await self._endpoint.post(request)
        return str(json.loads(bytes(answer.body))["client_id"])

    def close(self) -> None:
        self._audit.close()


async def test_failures_of_an_address_do_not_stop_its_good_requests(
    tight_server: ServerProcess, browser: Browser, at_new_address: AtNewAddress
) -> None:
    """R-23, L-05: any page can make a browser send bad requests from an office's address."""
    client = OAuthClient(tight_server.url, at_new_address())
    await client.register()
    await connected(browser, client, "Hana Novak")
    statuses = [(await client.token(grant_type="nonsense")).status_code for _ in range(5)]
    assert statuses == [400, 400, 400, 429, 429]
    assert (await client.refresh()).status_code == 200


@pytest.mark.parametrize(
    ("event", "method", "path", "headers"),
    [
        ("bearer.refused", "POST", "/mcp", {"authorization": "Bearer omcp_at_made-up"}),
        ("login.refused", "GET", "/oauth/callback?state=made-up", {}),
        ("consent.refused", "POST", "/oauth/consent", FORM),
    ],
)
async def test_a_stranger_cannot_fill_the_audit_trail(
    tight_server: ServerProcess,
    at_new_address: AtNewAddress,
    event: str,
    method: str,
    path: str,
    headers: dict[str, str],
) -> None:
    """L-10, S-02: three refusals, one notice, then silence; and nobody else's line is lost."""
    before = len(tight_server.events())
    loud, quiet = at_new_address(), at_new_address()
    for http in [*[loud] * 9, quiet]:
        answer = await http.request(method, f"{tight_server.url}{path}", headers=headers)
        assert answer.status_code in (400, 401, 403)
    written = [(line["event"], line["ip"]) for line in tight_server.events()[before:]]
    addresses = list(dict.fromkeys(ip for _, ip in written))
    assert written == [
        *[(event, addresses[0])] * 3,
        ("audit.suppressed", addresses[0]),
        (event, addresses[1]),
    ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Iterator[Registry]:
    opened = Registry(tmp_path, clock)
    yield opened
    opened.close()


async def test_a_full_registry_refuses_new_clients_and_keeps_every_one(
    registry: Registry, clock: Clock
) -> None:
    """R-23: while all are younger than an hour."""
    await registry.fill(authorized=range(0))
    clock.pass_seconds(3600)
    with pytest.raises(TokenError) as caught:
        await registry.register()
    assert (caught.value.status, caught.value.code) == (503, "temporarily_unavailable")
    assert int(caught.value.headers["Retry-After"]) > 0
    assert await registry.records.clients.get("omcp_client_0") is not None


async def test_clients_that_nobody_authorised_make_room_and_no_others(
    registry: Registry, clock: Clock
) -> None:
    """R-23: never one that has grants."""
    await registry.fill(authorized=range(0, MOST_CLIENTS, 2))
    clock.pass_seconds(3601)
    fresh = await registry.register()
    assert await registry.records.clients.get(fresh) is not None
    left = {key async for key, _ in registry.records.clients.scan()} - {fresh}
    assert left == {f"omcp_client_{number}" for number in range(0, MOST_CLIENTS, 2)}


async def test_a_registry_of_authorised_clients_refuses_instead(
    registry: Registry, clock: Clock
) -> None:
    """R-23."""
    await registry.fill(authorized=range(MOST_CLIENTS))
    clock.pass_seconds(7200)
    with pytest.raises(TokenError, match="temporarily_unavailable"):
        await registry.register()
    assert await registry.records.clients.get("omcp_client_0") is not None


async def test_a_client_that_somebody_allowed_outlives_those_that_nobody_used(
    local: LocalServer,
) -> None:
    """R-23: a day without anybody's consent, and a registration is forgotten."""
    used, unused = await local.client(), await local.client()
    browser = local.browser()
    await signed_in(browser, used, "Hana Novak")
    await browser.press("Allow")
    local.clock.pass_seconds(25 * 3600)
    for client, status in ((used, 200), (unused, 400)):
        await browser.open(client.authorization_url())
        assert browser.status == status


async def test_a_full_store_refuses_new_sign_ins_and_ends_none(clock: Clock) -> None:
    """L-07: ten thousand trips to Okta at once, each for ten minutes at most."""
    records = Records(MemoryStore(clock))
    sealer = Sealer((SECRET,), "kept")
    legs = Legs(records, sealer, SECRET, Cookies(is_https=False))
    leg = Leg(request=None, nonce="", verifier_sealed="", binding_digest="")
    for number in range(10_000):
        await records.legs.put(digest(str(number)), leg, 600)
    with pytest.raises(StoreFullError):
        await legs.start(request_of(), None)
    assert await records.legs.get(digest("0")) == leg
    clock.pass_seconds(600)
    await legs.start(request_of(), None)
    assert await records.legs.get(digest("0")) is None


def test_everything_that_is_kept_has_a_bound() -> None:
    """L-10: and a time to live, without which nothing can be put."""
    records = Records(MemoryStore(Clock()))
    kinds = {
        name: repository._kind for name, repository in vars(records).items() if name != "store"
    }
    assert len({kind.name for kind in kinds.values()}) == len(kinds) > 10
    assert all(0 < kind.bound <= 1_000_000 for kind in kinds.values())
    for reached_by_strangers in ("clients", "legs", "latest_legs", "pending"):
        assert kinds[reached_by_strangers].bound <= 10_000


async def test_what_has_expired_is_swept_every_five_minutes() -> None:
    """L-10."""
    clock = Clock()
    records = Records(MemoryStore(clock))
    for number in range(10):
        await records.clients.put(str(number), client_of(number, 0), 60 * (number + 1))
    clock.pass_seconds(300)
    assert await records.store.sweep() == 5
    assert await records.store.sweep() == 0
    assert SWEEP_SECONDS <= 300


async def test_an_address_that_waits_may_come_again() -> None:
    """R-23: the refusal says how long."""
    rate = Rates().rate("x", "2/minute")
    request = request_of()
    await rate.hit(request)
    await rate.hit(request)
    with pytest.raises(TooManyRequestsError) as caught:
        await rate.hit(request)
    assert 1 <= caught.value.retry_after_seconds <= 60
