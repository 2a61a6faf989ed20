"""What another site's page can do to a person's browser, in a real one: nothing.

Attackers serve their pages from a loopback server of the test: as `127.0.0.1` they are another
site than this server, as `localhost` on another port the same site and another origin, so the
person's cookies come along.
"""

import html
import http.server
import json
import os
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.common.exceptions import WebDriverException
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

HANA = "Hana Novak"
HOSTS = ["127.0.0.1", "localhost"]


@pytest.fixture
def driver(sandbox: SandboxProcess) -> Iterator[Chrome]:
    with chromium() as opened:
        yield opened


class EvilSite:
    """One page of an attacker's, at any path and under every loopback name."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.page = ""

    def url(self, host: str) -> str:
        return f"http://{host}:{self._port}/"


@pytest.fixture
def evil() -> Iterator[EvilSite]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(site.page.encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = EvilSite(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield site
        server.shutdown()
        thread.join()


def consent_page(driver: Chrome, client: OAuthClient, **changes: str | None) -> str:
    """The person is signed in and looks at the consent page; its address."""
    driver.get(client.authorization_url(**changes))
    press(driver, "Sign in with Okta")
    press(driver, HANA)
    assert "Allow" in driver.find_element("tag name", "main").text
    return driver.current_url


def remembered(driver: Chrome, client: OAuthClient) -> None:
    """The person has allowed the client, a moment ago."""
    consent_page(driver, client)
    driver.find_element("css selector", "button[value=allow]").click()
    at_client(driver)


def at_client(driver: Chrome) -> None:
    WebDriverWait(driver, 10).until(lambda opened: "/client-callback" in opened.current_url)


@pytest.mark.parametrize("host", HOSTS)
async def test_no_page_can_be_framed(
    driver: Chrome, client: OAuthClient, evil: EvilSite, host: str
) -> None:
    """C-04: no click can be led onto a button that the person does not see."""
    addresses = [
        consent_page(driver, client),
        client.authorization_url(prompt="login"),
        client.authorization_url(client_id="unknown"),
        f"{client.url}/oauth/connections",
        f"{client.url}/oauth/logout",
    ]
    console_errors(driver)
    for address in addresses:
        evil.page = f'<!doctype html><iframe src="{html.escape(address)}"></iframe>'
        driver.get(evil.url(host))
        assert any("frame" in line.lower() for line in console_errors(driver)), address
        driver.switch_to.frame(driver.find_element("tag name", "iframe"))
        assert driver.find_elements("css selector", "button, main") == [], address
        driver.switch_to.default_content()


@pytest.mark.parametrize("host", HOSTS)
async def test_a_form_that_another_page_sends_does_not_approve(
    driver: Chrome, client: OAuthClient, server: ServerProcess, evil: EvilSite, host: str
) -> None:
    """C-06, C-10: not even with a token that leaked; afterwards the person can still decide."""
    consent_page(driver, client)
    leaked = driver.find_element("css selector", "input[name=form]").get_attribute("value") or ""
    window = driver.current_window_handle
    driver.switch_to.new_window("tab")
    for token in ("", leaked):
        evil.page = (
            f'<!doctype html><form method="post" action="{client.url}/oauth/consent">'
            f'<input name="form" value="{html.escape(token)}">'
            '<button name="decision" value="allow">Win a prize</button></form>'
        )
        driver.get(evil.url(host))
        press(driver, "Win a prize")
        assert driver.current_url == f"{client.url}/oauth/consent"
        assert "cannot tell that this answer came from you" in driver.page_source
    driver.switch_to.window(window)
    assert not [e for e in server.events("consent.granted") if e["client_id"] == client.client_id]
    driver.find_element("css selector", "button[value=allow]").click()
    at_client(driver)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_remembered_answer_is_no_use_to_another_page(
    driver: Chrome, client: OAuthClient, evil: EvilSite, host: str
) -> None:
    """C-15: with what a real browser says of where it comes from."""
    remembered(driver, client)
    url = html.escape(client.authorization_url())
    for page in (
        f'<a href="{url}">Win a prize</a><script>document.links[0].click()</script>',
        f'<meta http-equiv="refresh" content="0; url={url}">',
        f"<script>location = {json.dumps(client.authorization_url())}</script>",
    ):
        evil.page = f"<!doctype html>{page}"
        driver.get(evil.url(host))
        WebDriverWait(driver, 10).until(lambda opened: "/oauth/authorize" in opened.current_url)
        assert "Allow" in driver.find_element("tag name", "main").text
    # Typed by the person it is, as far as the client's port, where nobody listens.
    with pytest.raises(WebDriverException, match="ERR_CONNECTION_REFUSED"):
        driver.get(client.authorization_url())


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "vscode://vscode.github-authentication/did-authenticate",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "com.example.app:/oauth/callback",
    ],
)
async def test_the_browser_is_sent_to_an_applications_own_scheme(
    driver: Chrome, client: OAuthClient, redirect_uri: str
) -> None:
    """C-05, R-07: no rule of the page's holds the redirect after the form up."""
    assert (await client.register(redirect_uris=[redirect_uri])).status_code == 201
    for text in ("Cancel", "Deny", "Allow"):
        driver.switch_to.new_window("tab")
        driver.get(client.authorization_url(redirect_uri=redirect_uri))
        if text == "Deny":
            press(driver, "Sign in with Okta")
            press(driver, HANA)
        assert console_errors(driver) == []
        buttons = driver.find_elements("tag name", "button")
        next(button for button in buttons if button.text == text).click()
        arrived = WebDriverWait(driver, 10).until(lambda opened: sent_to(opened, redirect_uri))
        query = parse_qs(urlsplit(arrived).query)
        assert query["state"] == ["client+state/="]
        assert query["iss"] == [client.url]
        assert ("code" in query) is (text == "Allow")
        said = " ".join(console_errors(driver)).lower()
        assert "content security policy" not in said
        assert "refused" not in said


def sent_to(driver: Chrome, redirect_uri: str) -> str | None:
    """The URL of the application's own to which the browser went, once it has."""
    urls = [url for url in requested_urls(driver) if url.startswith(redirect_uri)]
    return urls[0] if urls else None


async def test_no_page_breaks_its_own_content_security_policy(
    driver: Chrome, client: OAuthClient, server: ServerProcess
) -> None:
    """C-05: nor says anything else on the console."""
    driver.get(server.url)
    consent_page(driver, client)
    driver.find_element("tag name", "summary").click()
    for path in ("/oauth/connections", "/oauth/logout", "/oauth/signed-out", "/oauth/login"):
        driver.get(f"{server.url}{path}")
    assert console_errors(driver) == []
