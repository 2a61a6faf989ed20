"""The pages in a real browser: the whole login, and what only a browser can tell."""

import os
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from tests.vocabulary.chromium import (
    HOW_TO_GET_IT,
    chromium,
    console_errors,
    paths,
    press,
    requested_urls,
)
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import SandboxProcess, ServerProcess

pytestmark = pytest.mark.skipif(paths() is None and not os.environ.get("CI"), reason=HOW_TO_GET_IT)


@pytest.fixture
def driver(sandbox: SandboxProcess) -> Iterator[Chrome]:
    with chromium() as opened:
        yield opened


def arrived(driver: Chrome) -> dict[str, str]:
    """The query with which the browser was sent to the client, where nobody listens."""
    WebDriverWait(driver, 10).until(lambda opened: "/client-callback" in opened.current_url)
    query = parse_qs(urlsplit(driver.current_url).query)
    return {name: values[0] for name, values in query.items()}


async def test_login_and_consent(driver: Chrome, client: OAuthClient) -> None:
    driver.get(client.authorization_url())
    assert "A test client" in driver.find_element("tag name", "main").text
    press(driver, "Sign in with Okta")
    press(driver, "Hana Novak")
    page = driver.find_element("tag name", "main").text
    assert "A test client" in page
    assert "127.0.0.1:33418" in page
    assert "Hana Novak" in page
    assert "viewer" in page
    assert console_errors(driver) == []
    press(driver, "Allow")
    answer = arrived(driver)
    assert answer["iss"] == client.url
    assert (await client.redeem(answer["code"])).status_code == 200


@pytest.mark.parametrize("page", ["sign-in", "consent"])
async def test_a_no_in_the_browser(driver: Chrome, client: OAuthClient, page: str) -> None:
    driver.get(client.authorization_url())
    if page == "consent":
        press(driver, "Sign in with Okta")
        press(driver, "Hana Novak")
    press(driver, "Deny" if page == "consent" else "Cancel")
    assert arrived(driver)["error"] == "access_denied"


async def test_nothing_is_loaded_from_elsewhere(
    driver: Chrome, client: OAuthClient, server: ServerProcess, sandbox: SandboxProcess
) -> None:
    driver.get(server.url)
    driver.get(client.authorization_url())
    press(driver, "Sign in with Okta")
    press(driver, "Hana Novak")
    driver.get(f"{server.url}/oauth/logout")
    driver.get(f"{server.url}/oauth/signed-out")
    driver.get(f"{server.url}/oauth/callback?state=unknown")
    urls = [url for url in requested_urls(driver) if url.startswith(("http:", "https:"))]
    assert urls
    known = (f"{server.url}/", f"{sandbox.url}/")
    assert [url for url in urls if not url.startswith(known)] == []


@pytest.mark.parametrize("width", [320, 390])
async def test_pages_fit_a_phone(driver: Chrome, client: OAuthClient, width: int) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": True},
    )
    driver.get(client.authorization_url())
    for step in ("sign-in", "consent"):
        overflow = driver.execute_script(
            "return document.documentElement.scrollWidth - window.innerWidth"
        )
        assert overflow <= 0, step
        if step == "sign-in":
            press(driver, "Sign in with Okta")
            press(driver, "Hana Novak")


async def test_back_and_a_second_press_lead_to_an_answer(
    driver: Chrome, client: OAuthClient
) -> None:
    """The sign-in form may be sent again; the earlier trip to Okta is over then."""
    driver.get(client.authorization_url())
    press(driver, "Sign in with Okta")
    driver.back()
    press(driver, "Sign in with Okta")
    press(driver, "Hana Novak")
    press(driver, "Allow")
    assert "code" in arrived(driver)


async def test_the_keyboard_reaches_the_decision(driver: Chrome, client: OAuthClient) -> None:
    driver.get(client.authorization_url())
    press(driver, "Sign in with Okta")
    press(driver, "Hana Novak")
    reached = []
    for _ in range(12):
        driver.switch_to.active_element.send_keys("\ue004")
        reached.append(driver.switch_to.active_element.text)
    assert {"Allow", "Deny"} <= set(reached)
