"""A copy of the store opens nothing: its raw bytes hold no secret of a login, of any step of it."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from redis.asyncio import Redis

from okta_mcp.stores.opening import opened_upkeep
from okta_mcp.stores.resealing import SEALED_FIELDS, refresh_tokens_of, sealed_values
from okta_mcp.stores.sealing import NotSealedHereError, Sealer
from tests.security.test_secrets import Overheard, add_what_only_okta_knows
from tests.vocabulary.browser import Browser
from tests.vocabulary.clock import Clock
from tests.vocabulary.hostile_issuer import HostileIssuer, hostile_issuer
from tests.vocabulary.oauth_client import REDIRECT_URI, OAuthClient
from tests.vocabulary.processes import SECRET_KEY, ServerProcess, free_port, running_server
from tests.vocabulary.redis_server import RedisServer

# What stands in a store as it is, for ten minutes at most, and opens nothing: the nonce, which must
# be in an ID token that Okta signed, and the client's own state, which goes back to the client.
READABLE = ("nonce", "upstream nonce")
CLIENT_STATE = "state-of-the-client-itself"


@pytest.fixture
def issuer() -> Iterator[HostileIssuer]:
    with hostile_issuer() as running:
        yield running


@pytest.fixture(params=["sqlite", "redis"])
def server(
    request: pytest.FixtureRequest, issuer: HostileIssuer, tmp_path: Path
) -> Iterator[ServerProcess]:
    """A server that keeps Okta's refresh tokens, with a store that can be read from outside."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'kept' / 'store.db'}"
    else:
        redis_server: RedisServer = request.getfixturevalue("redis_server")
        url = redis_server.url
    environment = issuer.settings_for_server() | {
        "STORE_URL": url,
        "STORE_PREFIX": f"copied{secrets.token_hex(4)}",
    }
    with running_server(tmp_path / "server", free_port(), environment) as running:
        yield running


@pytest.fixture
async def second_browser() -> AsyncIterator[Browser]:
    opened = Browser()
    yield opened
    await opened.close()


async def raw(server: ServerProcess) -> bytes:
    """All bytes of the files, or of every key of the prefix."""
    url = server.environment["STORE_URL"]
    if url.startswith("sqlite"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    found = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter(f"{{{server.environment['STORE_PREFIX']}}}*"):
            kind = await redis.type(key)
            found.append(key)
            if kind == b"string":
                found.append(await redis.get(key))
            elif kind == b"zset":
                found += await redis.zrange(key, 0, -1)
            else:
                found += await redis.smembers(key)
    return b"\n".join(found)


async def whole_story(
    server: ServerProcess, browser: Browser, second: Browser, overheard: Overheard
) -> OAuthClient:
    """Something of every kind is in the store then: each step was done, and each is also open."""
    client, confidential = OAuthClient(server.url), OAuthClient(server.url)
    for http in (browser.client, second.client, client.http, confidential.http):
        overheard.listen(http)
    await confidential.register(token_endpoint_auth_method="client_secret_post")
    await client.register()
    await browser.open(client.authorization_url(state=CLIENT_STATE))
    await browser.press("Sign in with Okta")
    await browser.press("Allow")
    code = browser.answer["code"]
    assert (await client.redeem(code)).status_code == 200
    assert (await client.refresh()).status_code == 200
    assert (await client.rpc("tools/list")).status_code == 200
    # A code that nobody redeems, a consent page that nobody answers, a trip that nobody ends.
    await browser.open(confidential.authorization_url(state=CLIENT_STATE, prompt="consent"))
    await browser.press("Allow")
    overheard.add("code", browser.answer["code"])
    await browser.open(client.authorization_url(state=CLIENT_STATE, prompt="consent"))
    await second.open(client.authorization_url(state=CLIENT_STATE))
    await second.send(second.button("Sign in with Okta"), follow=False)
    [trip] = parse_qs(urlsplit(second.location).query)["state"]
    overheard.add("state", trip)
    overheard.add("code_verifier", client.verifier)
    await confidential.close()
    return client


async def test_no_secret_of_a_login_stands_in_the_store(
    server: ServerProcess, issuer: HostileIssuer, browser: Browser, second_browser: Browser
) -> None:
    """S-03, K-19: neither of this server, nor of clients, nor of Okta."""
    overheard = Overheard()
    # The helper wants two sign-ins of which Okta tells.
    first, first_browser = OAuthClient(server.url), Browser()
    await first.register()
    await first_browser.open(first.authorization_url(state=CLIENT_STATE))
    await first_browser.press("Sign in with Okta")
    client = await whole_story(server, browser, second_browser, overheard)
    for name in ("OKTA_CLIENT_SECRET", "SESSION_SECRET_KEY"):
        overheard.add(name, server.environment[name])
    add_what_only_okta_knows(overheard, issuer)
    for kind in (
        *("code", "state", "code_verifier", "access_token", "refresh_token", "form", "cookie"),
        *("client_secret", "authorization", "upstream", "upstream verifier", "upstream state"),
    ):
        assert overheard.by_kind[kind] - {CLIENT_STATE}, kind
    for kind in READABLE:
        overheard.by_kind.pop(kind, None)
    for values in overheard.by_kind.values():
        values.discard(CLIENT_STATE)
    kept = (await raw(server)).decode("latin-1")
    assert overheard.found_in(kept) == []
    # The search would find something: what is no secret is there.
    for shown in (client.client_id, REDIRECT_URI, CLIENT_STATE):
        assert shown in kept
    for http in (client, first, first_browser):
        await http.close()


async def test_what_is_sealed_in_the_store_opens_with_its_key_alone(
    server: ServerProcess, browser: Browser, second_browser: Browser
) -> None:
    """S-03."""
    client = await whole_story(server, browser, second_browser, Overheard())
    environment = server.environment
    upkeep = opened_upkeep(environment["STORE_URL"], environment["STORE_PREFIX"], Clock())
    entries = [entry async for entry in upkeep.entries()]
    tokens = await refresh_tokens_of(upkeep, {e.key for e in entries if e.kind == "grants"})
    await upkeep.close()
    sealed = [value for entry in entries for value in sealed_values(entry)]
    kinds = {value.entry.kind for value in sealed}
    # Keys are kept where there may be other processes: with Redis.
    assert kinds | {"known_keys"} == {kind for kind, _, _ in SEALED_FIELDS} - {"reports"}
    right = Sealer((SECRET_KEY.encode(),), "sealing")
    wrong = (
        Sealer((b"another secret of at least 32 bytes.",), "sealing"),
        Sealer((SECRET_KEY.encode(),), "cookies"),
        Sealer((environment["OKTA_CLIENT_SECRET"].encode(),), "sealing"),
    )
    for value in sealed:
        assert value.opened(right, tokens)[0]
        for sealer in wrong:
            with pytest.raises(NotSealedHereError):
                value.opened(sealer, tokens)
    await client.close()
