"""A new secret while people are in the middle of everything: nobody has to begin again."""

import asyncio
import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from okta_mcp.__main__ import main
from okta_mcp.stores.opening import opened_upkeep
from okta_mcp.stores.sealing import Sealer
from tests.vocabulary.browser import Browser
from tests.vocabulary.clock import Clock
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import (
    SandboxProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.redis_server import RedisServer

OLD = "the-old-session-secret-of-the-tests-0123456789"
NEW = "the-new-session-secret-of-the-tests-9876543210"
PERSON = "Nora Lind"


@pytest.fixture(scope="module")
def own_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shared_sandbox(own_port: int) -> Iterator[SandboxProcess]:
    with running_sandbox(f"http://localhost:{own_port}") as running:
        yield running


@pytest.fixture(params=["sqlite", "redis"])
def environment(
    request: pytest.FixtureRequest, sandbox: SandboxProcess, tmp_path: Path
) -> dict[str, str]:
    """Without an API token: every refresh needs Okta's own refresh token, which is kept sealed."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'kept' / 'store.db'}"
    else:
        redis_server: RedisServer = request.getfixturevalue("redis_server")
        url = redis_server.url
    prefix = f"rotated{secrets.token_hex(4)}"
    kept = {"OKTA_API_TOKEN": "", "STORE_URL": url, "STORE_PREFIX": prefix}
    return sandbox.settings_for_server() | kept | {"SESSION_SECRET_KEY": OLD}


async def strings_of(environment: dict[str, str]) -> list[str]:
    """Every text in every value of the store, however deep."""
    upkeep = opened_upkeep(environment["STORE_URL"], environment["STORE_PREFIX"], Clock())
    entries = [entry async for entry in upkeep.entries()]
    await upkeep.close()
    found: list[str] = []

    def look(value: object) -> None:
        if isinstance(value, str):
            found.append(value)
        for inner in value.values() if isinstance(value, dict) else ():
            look(inner)
        for inner in value if isinstance(value, list) else ():
            look(inner)

    for entry in entries:
        # By which a server sees that the store can be written; no record.
        if entry.kind != "health":
            look(json.loads(entry.value))
    return found


def key_id(secret: str) -> bytes:
    sealed = Sealer((secret.encode(),), "sealing").seal("", "")
    return base64.urlsafe_b64decode(sealed[:8])[:4]


def sealed_with(secret: str, strings: list[str]) -> int:
    beginnings = (text[:8] for text in strings if len(text) > 40 and text.isascii())
    count = 0
    for beginning in beginnings:
        try:
            count += base64.b64decode(beginning, b"-_", validate=True)[:4] == key_id(secret)
        except ValueError:
            continue
    return count


async def test_nobody_has_to_begin_again_when_the_secret_changes(
    environment: dict[str, str], own_port: int, tmp_path: Path, browser: Browser
) -> None:
    """S-06: three starts, the earlier secret in the second only; the store re-sealed meanwhile."""
    other, client = Browser(), OAuthClient(f"http://localhost:{own_port}")
    with running_server(tmp_path / "one", own_port, environment):
        await client.register()
        await connected(browser, client, PERSON)
        first = client.tokens["refresh_token"]
        lost = (await client.refresh()).json()
        # A page that is open, and a trip to Okta that is under way.
        await browser.open(client.authorization_url(prompt="consent"))
        await other.open(client.authorization_url())
        await other.press("Sign in with Okta")
    assert sealed_with(OLD, await strings_of(environment)) >= 4

    both = environment | {"SESSION_SECRET_KEY": f"{NEW},{OLD}"}
    with running_server(tmp_path / "two", own_port, both):
        rotated = await asyncio.to_thread(CliRunner().invoke, main, ["keys", "rotate"], env=both)
        assert (rotated.exit_code, rotated.stderr) == (0, "")
        strings = await strings_of(environment)
        assert sealed_with(OLD, strings) == 0
        assert sealed_with(NEW, strings) >= 4
        # The form, its cookie, the session's cookie and the binding cookie are of the old secret.
        await browser.press("Allow")
        assert browser.answer["code"]
        await other.press(PERSON)
        assert other.answer["code"]

    with running_server(tmp_path / "three", own_port, environment | {"SESSION_SECRET_KEY": NEW}):
        # An answer that was lost is still repeated, and the next refresh opens Okta's token.
        assert (await client.refresh(refresh_token=first)).json() == lost
        assert (await client.rpc("tools/list")).status_code == 200
        assert (await client.refresh()).status_code == 200
    await other.close()
    await client.close()
