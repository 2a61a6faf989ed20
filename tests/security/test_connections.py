"""The page of connected clients: people see and end what is theirs, and nobody else does."""

from dataclasses import replace

import pytest

from tests.vocabulary.browser import Browser, Button
from tests.vocabulary.oauth_client import OAuthClient, connected, signed_in
from tests.vocabulary.processes import SandboxProcess, ServerProcess

HANA, SAMI = "Hana Novak", "Sami Korhonen"


async def is_open(client: OAuthClient) -> bool:
    return (await client.rpc("ping")).status_code == 200


async def open_page(browser: Browser, client: OAuthClient) -> list[str]:
    """Open the page; the ids of the connections on it, newest first."""
    await browser.open(f"{client.url}/oauth/connections")
    assert browser.status == 200
    values = [button.value for button in browser.page.buttons]
    return [value.removeprefix("end:") for value in values if value.startswith("end:")]


def ending(browser: Browser, grant: str) -> Button:
    """The button that would end that grant, whether or not it stands on the page."""
    any_form = Button("", "decision", "", "post", "", [])
    shown = browser.page.buttons[0] if browser.page.buttons else any_form
    assert browser.response is not None
    return replace(shown, name="decision", value=f"end:{grant}", action=str(browser.response.url))


@pytest.fixture
async def fresh(browser: Browser, client: OAuthClient, sandbox: SandboxProcess) -> OAuthClient:
    """A client that Hana has connected, and nothing else of hers is."""
    await signed_in(browser, client, HANA)
    await browser.press("Allow")
    code = browser.answer["code"]
    await open_page(browser, client)
    if any(button.text.startswith("Disconnect") for button in browser.page.buttons):
        await browser.send(replace(ending(browser, ""), value="end_all"))
    await browser.send(replace(browser.button("Forget"), value="forget"))
    await browser.open(client.authorization_url())
    await browser.press("Allow")
    assert code != browser.answer["code"]
    assert (await client.redeem(browser.answer["code"])).status_code == 200
    return client


async def test_without_a_session_there_is_nothing_to_see_and_nothing_to_end(
    browser: Browser, attacker: Browser, fresh: OAuthClient
) -> None:
    """C-28, C-07: neither by GET nor with the form of the one who is signed in."""
    await attacker.open(f"{fresh.url}/oauth/connections")
    assert [button.text for button in attacker.page.buttons] == ["Sign in with Okta", "Cancel"]
    (grant,) = await open_page(browser, fresh)
    await attacker.send(ending(browser, grant))
    assert attacker.status == 403
    browser.client.cookies.delete("okta_mcp_session")
    await browser.send(ending(browser, grant))
    assert browser.status == 400
    assert await is_open(fresh)


async def test_people_see_their_own_connections_only(
    browser: Browser, attacker: Browser, fresh: OAuthClient, other_client: OAuthClient
) -> None:
    """C-28."""
    await connected(attacker, other_client, SAMI)
    assert len(await open_page(browser, fresh)) == 1
    assert "A test client" in browser.page.text
    assert "Another client" not in browser.page.text
    assert "sami" not in browser.page.text.lower()


SPELLINGS = "{grant} {user}/{grant} ../{user}/{grant} %2e%2e/{grant} /{grant} * x".split()


async def test_another_persons_connection_cannot_be_ended(
    browser: Browser,
    attacker: Browser,
    fresh: OAuthClient,
    other_client: OAuthClient,
    server: ServerProcess,
) -> None:
    """C-28: whoever knows its id, with a good form and session of one's own."""
    (grant,) = await open_page(browser, fresh)
    user = next(e["user_id"] for e in server.events("token.issued") if e["grant"] == grant)
    await connected(attacker, other_client, SAMI)
    for spelling in ("", *SPELLINGS):
        await open_page(attacker, fresh)
        await attacker.send(ending(attacker, spelling.format(grant=grant, user=user)))
        assert attacker.status == 200
        assert await is_open(fresh)
    assert await is_open(other_client)


async def test_ending_all_ends_ones_own(
    browser: Browser, attacker: Browser, fresh: OAuthClient, other_client: OAuthClient
) -> None:
    """C-28."""
    await connected(attacker, other_client, SAMI)
    await open_page(browser, fresh)
    await browser.send(replace(ending(browser, ""), value="end_all"))
    assert not await is_open(fresh)
    assert await is_open(other_client)
    assert await open_page(browser, fresh) == []
    assert (await fresh.refresh()).status_code == 400


async def test_one_of_two_connections_is_ended(
    browser: Browser, fresh: OAuthClient, other_client: OAuthClient, server: ServerProcess
) -> None:
    """C-28: at once, and on record."""
    await browser.open(other_client.authorization_url())
    await browser.press("Allow")
    assert (await other_client.redeem(browser.answer["code"])).status_code == 200
    newest, oldest = await open_page(browser, fresh)
    await browser.press("Disconnect \u201cA test client\u201d")
    assert await open_page(browser, fresh) == [newest]
    assert not await is_open(fresh)
    assert (await fresh.refresh()).json()["error"] == "invalid_grant"
    assert await is_open(other_client)
    ended = [e for e in server.events("grant.ended") if e["grant"] == oldest]
    assert [event["reason"] for event in ended] == ["disconnected_by_person"]


async def test_a_grant_whose_code_was_never_redeemed_is_no_connection(
    browser: Browser, fresh: OAuthClient
) -> None:
    """C-28: but `Disconnect all` ends its code as well."""
    await browser.open(fresh.authorization_url())
    code = browser.answer["code"]
    assert len(await open_page(browser, fresh)) == 1
    await browser.send(replace(ending(browser, ""), value="end_all"))
    assert (await fresh.redeem(code)).json()["error"] == "invalid_grant"


async def test_forgotten_answers_are_asked_for_again(
    browser: Browser, fresh: OAuthClient, server: ServerProcess
) -> None:
    """C-28: what is connected stays connected."""
    await browser.open(fresh.authorization_url())
    assert "code" in browser.answer
    await open_page(browser, fresh)
    await browser.press("Forget remembered answers")
    assert "Forget" not in browser.page.text
    await browser.open(fresh.authorization_url())
    assert browser.landed is None
    assert "Allow" in [button.text for button in browser.page.buttons]
    assert await is_open(fresh)
    assert server.events("consent.forgotten")[-1]["count"] == 1


@pytest.mark.parametrize("way", ["get", "no form", "foreign page", "sign-out form", "no cookie"])
async def test_only_the_pages_own_form_ends_anything(
    browser: Browser, fresh: OAuthClient, way: str
) -> None:
    """C-06, C-09, C-10."""
    (grant,) = await open_page(browser, fresh)
    button = ending(browser, grant)
    headers: dict[str, str | None] = {}
    if way == "no form":
        button = replace(button, fields=[])
    elif way == "foreign page":
        headers = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    elif way == "sign-out form":
        await browser.open(f"{fresh.url}/oauth/logout")
        button = replace(button, fields=browser.button("Sign out").fields)
    elif way == "no cookie":
        for name in [c.name for c in browser.client.cookies.jar if "_form_" in c.name]:
            browser.client.cookies.delete(name)
    for decision in (f"end:{grant}", "end_all", "forget"):
        if way == "get":
            await browser.open(f"{button.action}?form={button.fields[0][1]}&decision={decision}")
            assert browser.status == 200
        else:
            await browser.send(replace(button, value=decision), headers=headers)
            assert browser.status in (400, 403)
    assert await is_open(fresh)
    await browser.open(fresh.authorization_url())
    assert "code" in browser.answer


async def test_a_form_of_the_one_before_ends_nothing_of_the_one_after(
    browser: Browser, fresh: OAuthClient, other_client: OAuthClient
) -> None:
    """C-13: another person has signed in in the same browser since."""
    await open_page(browser, fresh)
    of_hana = replace(ending(browser, ""), value="end_all")
    await connected(browser, other_client, SAMI, prompt="login")
    await browser.send(of_hana)
    assert browser.status == 400
    assert await is_open(fresh)
    assert await is_open(other_client)
