"""Many equal requests at the same moment: what works once works once.

Over sockets, as attackers come, and over a store that lets every other request run between any two
of its verbs, as one over a network does.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.requests import Request

from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.legs import Legs
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import CheckedRequest, Records, digest
from okta_mcp.stores.sealing import Sealer
from tests.stores.interleaved import Interleaved
from tests.vocabulary.browser import Browser, Button
from tests.vocabulary.clock import Clock
from tests.vocabulary.in_process import Place, local_server
from tests.vocabulary.oauth_client import REDIRECT_URI, OAuthClient, connected, signed_in
from tests.vocabulary.processes import SECRET_KEY, SandboxProcess, ServerProcess

HANA = "Hana Novak"
MANY = 50


@pytest.fixture(params=["sockets", "interleaved"])
async def place(
    request: pytest.FixtureRequest, server: ServerProcess, sandbox: SandboxProcess, tmp_path: Path
) -> AsyncIterator[Place]:
    if request.param == "sockets":
        over_sockets = Place(server.url, server.audit_file)
        yield over_sockets
        await over_sockets.close()
    else:
        environment = sandbox.settings_for_server()
        async with local_server(tmp_path, server.url, environment) as running:
            yield running


async def at_once(attempt: Callable[[], Awaitable[Any]], count: int = MANY) -> list[Any]:
    return list(await asyncio.gather(*(attempt() for _ in range(count))))


def presses(browser: Browser, buttons: list[Button]) -> list[httpx.Request]:
    """The requests of many presses, all with the cookies that the browser has now."""
    return [
        browser.client.build_request(
            button.method.upper(),
            button.action,
            content=urlencode([*button.fields, (button.name, button.value)]).encode(),
            headers={
                "content-type": "application/x-www-form-urlencoded",
                "origin": button.action.partition("/oauth")[0],
                "sec-fetch-site": "same-origin",
                "accept": "text/html",
            },
        )
        for button in buttons
    ]


async def sent_at_once(browser: Browser, requests: list[httpx.Request]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(browser.client.send(request) for request in requests)))


def of_client(place: Place, event: str, client: OAuthClient) -> int:
    """How often an event of the client stands in the audit trail."""
    return len([line for line in place.events(event) if line.get("client_id") == client.client_id])


async def test_one_code_gives_tokens_once_at_most_and_then_nothing(place: Place) -> None:
    """K-04, K-03."""
    browser, client = place.browser(), await place.client()
    await signed_in(browser, client, HANA)
    await browser.press("Allow")
    code = browser.answer["code"]
    answers = await at_once(lambda: client.redeem(code))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] <= 1
    assert statuses[200] + statuses[400] == MANY
    errors = {answer.json()["error"] for answer in answers if answer.status_code == 400}
    assert errors == {"invalid_grant"}
    for answer in answers:
        if answer.status_code == 200:
            token = answer.json()["access_token"]
            assert (await client.rpc("ping", token=token)).status_code == 401
            assert (await client.refresh()).status_code == 400
    assert of_client(place, "grant.ended", client) == 1
    assert of_client(place, "code.reused", client) >= 1


async def test_one_refresh_token_gives_one_new_pair_to_all_and_no_alarm(place: Place) -> None:
    """T-02, T-06."""
    browser, client = place.browser(), await place.client()
    await connected(browser, client, HANA)
    old = client.tokens["refresh_token"]
    answers = await at_once(lambda: client.refresh(refresh_token=old))
    assert [answer.status_code for answer in answers] == [200] * MANY
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["refresh_token"] != old
    assert (await client.rpc("ping")).status_code == 200
    assert of_client(place, "token.refreshed", client) == 1
    assert of_client(place, "token.repeated", client) == MANY - 1
    for alarm in ("refresh_token.reused", "grant.ended", "token.refused"):
        assert of_client(place, alarm, client) == 0
    assert (await client.refresh()).status_code == 200
    assert (await client.refresh(refresh_token=old)).status_code == 400
    assert (await client.rpc("ping")).status_code == 401
    assert (await client.refresh()).status_code == 400
    assert of_client(place, "refresh_token.reused", client) == 1


async def test_refreshes_and_calls_at_once_disturb_nobody(place: Place) -> None:
    """T-06: the old access token stays good while a refresh is on its way."""
    browser, client = place.browser(), await place.client()
    await connected(browser, client, HANA)
    first = dict(client.tokens)
    answers = await asyncio.gather(
        *(client.refresh(refresh_token=first["refresh_token"]) for _ in range(10)),
        *(client.rpc("ping", token=first["access_token"]) for _ in range(10)),
    )
    assert {answer.status_code for answer in answers} == {200}
    assert of_client(place, "grant.ended", client) == 0


async def test_an_old_refresh_token_in_a_race_ends_the_grant(place: Place) -> None:
    """T-03: recorded once, however often it comes."""
    browser, client = place.browser(), await place.client()
    await connected(browser, client, HANA)
    old = client.tokens["refresh_token"]
    for _ in range(2):
        assert (await client.refresh()).status_code == 200
    answers = await at_once(lambda: client.refresh(refresh_token=old), 10)
    assert {answer.status_code for answer in answers} == {400}
    assert (await client.rpc("ping")).status_code == 401
    assert of_client(place, "grant.ended", client) == 1


async def test_one_consent_form_gives_one_answer(place: Place) -> None:
    """C-25: yes and no at the same moment; the client hears one of them."""
    browser, client = place.browser(), await place.client()
    await signed_in(browser, client, HANA)
    buttons = [browser.button("Allow"), browser.button("Deny")] * (MANY // 2)
    answers = await sent_at_once(browser, presses(browser, buttons))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {303: 1, 400: MANY - 1}
    granted = [a for a in answers if "code=" in a.headers.get("location", "")]
    assert of_client(place, "consent.granted", client) == len(granted) <= 1


async def test_one_state_signs_in_once(place: Place) -> None:
    """C-18."""
    browser, client = place.browser(), await place.client()
    callback = await callback_of(browser, client)
    requests = [browser.client.build_request("GET", callback) for _ in range(MANY)]
    answers = await sent_at_once(browser, requests)
    assert Counter(answer.status_code for answer in answers) == {303: 1, 400: MANY - 1}
    assert len([a for a in answers if "okta_mcp_session" in str(a.headers)]) == 1
    assert of_client(place, "login.succeeded", client) == 1


async def test_of_many_presses_on_one_sign_in_page_one_can_come_back(place: Place) -> None:
    """C-18, C-21: every press may lead to Okta, each ends the one before."""
    browser, client = place.browser(), await place.client()
    await browser.open(client.authorization_url())
    buttons = [browser.button("Sign in with Okta")] * 10
    answers = await sent_at_once(browser, presses(browser, buttons))
    urls = [answer.headers["location"] for answer in answers]
    assert len(set(urls)) == 10
    callbacks = [await through_okta(browser, url) for url in urls]
    requests = [browser.client.build_request("GET", callback) for callback in callbacks]
    answers = await sent_at_once(browser, requests)
    assert Counter(answer.status_code for answer in answers) == {303: 1, 400: 9}


async def test_of_trips_that_begin_at_one_moment_one_stays() -> None:
    """C-18: over any store, not only where the presses happen to follow each other."""
    records = Records(Interleaved(MemoryStore(Clock())))
    sealer = Sealer((SECRET_KEY.encode(),), "sealing")
    legs = Legs(records, sealer, b"a key", Cookies(is_https=False))
    request = Request({"type": "http", "headers": []})
    checked = CheckedRequest("id", "client", REDIRECT_URI, ("okta.users.read",), "A" * 43)
    states = [state for state, *_ in await at_once(lambda: legs.start(request, checked))]
    assert len(set(states)) == MANY
    left = [state for state in states if await records.legs.get(digest(state))]
    assert len(left) == 1


async def test_a_remembered_answer_gives_one_code_to_one_request(place: Place) -> None:
    """C-25, A-17: the page after Okta, opened many times at once."""
    browser, client = place.browser(), await place.client()
    await connected(browser, client, HANA)
    callback = await callback_of(browser, client, prompt="login")
    page = (await browser.client.get(callback)).headers["location"]
    requests = [browser.client.build_request("GET", f"{client.url}{page}") for _ in range(MANY)]
    answers = await sent_at_once(browser, requests)
    assert Counter(answer.status_code for answer in answers) == {303: 1, 400: MANY - 1}
    assert of_client(place, "consent.remembered", client) == 1


async def callback_of(browser: Browser, client: OAuthClient, **changes: str | None) -> str:
    await browser.open(client.authorization_url(**changes))
    await browser.send(browser.button("Sign in with Okta"), follow=False)
    return await through_okta(browser, browser.location)


async def through_okta(browser: Browser, url: str) -> str:
    """Signs in at Okta where it asks; the callback URL, not opened."""
    answer = await browser.client.get(url)
    if "location" in answer.headers:
        return str(answer.headers["location"])
    browser.response = answer
    await browser.send(browser.button(HANA), follow=False)
    return browser.location
