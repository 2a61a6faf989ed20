"""`python -m tests.screenshots`: takes the pictures of the pages for images/.

Starts a sandbox and a server of its own, walks the way in a real Chromium, and writes the PNG
files that the README shows. Not a test: run it when a page has changed.
"""

import asyncio
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from selenium.webdriver import Chrome

from tests.vocabulary.chromium import chromium, prefer, press
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import CHECKOUT, free_port, running_server

IMAGES = CHECKOUT / "images"
_WIDTH = 760
_REDIRECT_URI = "http://127.0.0.1:33418/"


def main() -> None:
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder), port, {}, "--sandbox") as server,
        chromium(width=_WIDTH) as driver,
    ):
        for scheme, suffix in (("light", ""), ("dark", "-dark")):
            prefer(driver, scheme)
            driver.delete_all_cookies()
            client = OAuthClient(server.url)
            asyncio.run(_registered(client))
            _walk(driver, server.url, client, suffix)


def _walk(driver: Chrome, url: str, client: OAuthClient, suffix: str) -> None:
    driver.get(url)
    _taken(driver, f"home{suffix}.png")
    driver.get(client.authorization_url(redirect_uri=_REDIRECT_URI))
    _taken(driver, f"sign-in{suffix}.png")
    press(driver, "Sign in with Okta")
    if driver.find_elements("css selector", "button.person"):
        press(driver, "Sami Korhonen")
    _taken(driver, f"consent{suffix}.png")
    press(driver, "Allow")
    code = parse_qs(urlsplit(driver.current_url).query)["code"][0]
    asyncio.run(_redeemed(client, code))
    driver.get(f"{url}/oauth/connections")
    _taken(driver, f"connections{suffix}.png")
    driver.get(f"{url}/oauth/callback?state=unknown")
    _taken(driver, f"error{suffix}.png")
    driver.get(f"{url}/oauth/logout")
    press(driver, "Sign out")
    _taken(driver, f"signed-out{suffix}.png")


def _taken(driver: Chrome, name: str) -> None:
    """The whole page, as high as it is."""
    height = driver.execute_script("return document.documentElement.scrollHeight")
    driver.set_window_size(_WIDTH, max(height + 140, 400))
    driver.save_screenshot(str(IMAGES / name))
    driver.set_window_size(_WIDTH, 900)


async def _registered(client: OAuthClient) -> None:
    await client.register(client_name="Visual Studio Code", redirect_uris=[_REDIRECT_URI])
    await client.close()


async def _redeemed(client: OAuthClient, code: str) -> None:
    client.http = httpx.AsyncClient()
    assert (await client.redeem(code, redirect_uri=_REDIRECT_URI)).status_code == 200
    await client.call("list_okta_users")
    await client.close()


if __name__ == "__main__":
    main()
