"""How long a registration lives, and what client and person are told when it is gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess

HOUR, DAY = 3600, 24 * 3600
PERSON = "Hana Novak"


@pytest.fixture
async def local(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> AsyncIterator[LocalServer]:
    """A server whose grants live as long as they may: a client can refresh for a week."""
    environment = sandbox.settings_for_server() | {"GRANT_TTL_SECONDS": str(7 * DAY)}
    async with local_server(tmp_path, f"http://localhost:{server_port}", environment) as running:
        yield running


async def is_known(local: LocalServer, client: OAuthClient) -> bool:
    """Asked at both endpoints, which must agree."""
    browser = local.browser()
    await browser.open(client.authorization_url())
    answer = await client.token(grant_type="refresh_token", refresh_token="none")
    known = (browser.status, answer.json()["error"])
    assert known in ((200, "invalid_grant"), (400, "invalid_client"))
    return browser.status == 200


async def test_a_registration_that_nobody_used_lives_a_day(local: LocalServer) -> None:
    client = await local.client()
    local.clock.pass_seconds(DAY - 60)
    assert await is_known(local, client)
    local.clock.pass_seconds(120)
    assert not await is_known(local, client)


async def test_an_opened_page_that_nobody_answered_is_no_use(local: LocalServer) -> None:
    client = await local.client()
    local.clock.pass_seconds(DAY - HOUR)
    assert await is_known(local, client)
    local.clock.pass_seconds(2 * HOUR)
    assert not await is_known(local, client)


async def test_a_registration_that_a_person_allowed_lives_90_days(local: LocalServer) -> None:
    client = await local.client()
    await connected(local.browser(), client, PERSON)
    local.clock.pass_seconds(90 * DAY - HOUR)
    assert await is_known(local, client)
    local.clock.pass_seconds(2 * HOUR)
    assert not await is_known(local, client)


async def test_the_90_days_begin_anew_with_each_use(local: LocalServer) -> None:
    client = await local.client()
    await connected(local.browser(), client, PERSON)
    local.clock.pass_seconds(6 * DAY)
    assert (await client.refresh()).status_code == 200
    local.clock.pass_seconds(90 * DAY - HOUR)
    assert await is_known(local, client)
    local.clock.pass_seconds(2 * HOUR)
    assert not await is_known(local, client)


async def test_a_client_that_is_gone_is_told_so_and_its_person_what_to_do(
    local: LocalServer,
) -> None:
    client = await local.client()
    await connected(local.browser(), client, PERSON)
    local.clock.pass_seconds(91 * DAY)

    answer = await client.refresh()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "register again" in answer.json()["error_description"]

    browser = local.browser()
    await browser.open(client.authorization_url())
    assert (browser.status, browser.landed) == (400, None)
    assert "does not know that application" in browser.page.text
    assert "Remove this server from your assistant, add it again and connect" in browser.page.text
    assert "Reference" in browser.page.text
