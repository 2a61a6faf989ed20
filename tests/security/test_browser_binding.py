"""The browser decides once, for itself: consent, its forms, and the way to Okta and back.

Two people have browsers here: `browser` is the victim's, `attacker` is somebody else's.
"""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from okta_mcp.ops.hygiene import CONTENT_SECURITY_POLICY
from tests.vocabulary.browser import Browser, Button
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import REDIRECT_URI, OAuthClient, connected, signed_in
from tests.vocabulary.processes import SandboxProcess, running_sandbox

HANA, SAMI = "Hana Novak", "Sami Korhonen"
PAGES = ["sign-in", "consent"]
YES = {"sign-in": "Sign in with Okta", "consent": "Allow"}
NO = {"sign-in": "Cancel", "consent": "Deny"}


async def opened(browser: Browser, client: OAuthClient, page: str, **changes: str | None) -> None:
    """One of the two pages that have a form is open."""
    if page == "sign-in":
        await browser.open(client.authorization_url(**changes))
    else:
        await signed_in(browser, client, HANA, **changes)


async def at_okta(browser: Browser, client: OAuthClient, **changes: str | None) -> str:
    """The person has pressed the button; the URL at Okta to which the browser is sent."""
    await browser.open(client.authorization_url(**changes))
    await browser.send(browser.button("Sign in with Okta"), follow=False)
    return browser.location


async def back_from_okta(browser: Browser, client: OAuthClient, person: str) -> str:
    """The person has signed in at Okta; the callback URL, which the browser has not opened."""
    await browser.open(await at_okta(browser, client))
    if browser.landed is None and browser.page.buttons:
        await browser.send(browser.button(person), follow=False)
    return browser.location


def changed_query(url: str, **changes: str | None) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changes}
    kept = {name: value for name, value in query.items() if value is not None}
    return parts._replace(query=urlencode(kept)).geturl()


def query_of(url: str, name: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))[name]


def own_cookies(browser: Browser, prefix: str = "okta_mcp_") -> dict[str, str]:
    return {
        cookie.name: cookie.value or ""
        for cookie in browser.client.cookies.jar
        if cookie.name.startswith(prefix)
    }


def forget_cookies(browser: Browser, prefix: str) -> None:
    for name in own_cookies(browser, prefix):
        browser.client.cookies.delete(name)


def assert_local(browser: Browser, *statuses: int) -> None:
    """A page of this server's own: nothing went to the client or to Okta."""
    assert browser.landed is None, browser.landed
    assert browser.status in (statuses or (400, 403)), browser.page.text[:200]
    assert browser.response is not None
    assert "location" not in browser.response.headers
    assert str(browser.response.url).startswith("http://localhost:")


async def is_signed_in_as(browser: Browser, client: OAuthClient) -> str:
    """The login that the page of connected clients names; empty for nobody."""
    await browser.open(f"{client.url}/oauth/connections")
    found = re.search(r"signed in as (\S+?)\.? ", browser.page.text + " ")
    return found[1] if found else ""


# The page before Okta, and what the pages say.


async def test_okta_is_not_asked_before_the_person_presses_the_button(
    browser: Browser, client: OAuthClient, other_client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """C-01: the person's session at Okta would let any client pass without a page of ours."""
    await connected(browser, client, HANA)
    forget_cookies(browser, "okta_mcp_")
    asked = len(sandbox.requests())
    await browser.open(other_client.authorization_url(), fetch_site="cross-site")
    assert_local(browser, 200)
    assert "Another client" in browser.page.text
    assert len(sandbox.requests()) == asked
    await browser.press("Sign in with Okta")
    assert_local(browser, 200)
    assert "Allow" in [button.text for button in browser.page.buttons]


@pytest.mark.parametrize("page", PAGES)
async def test_the_page_says_who_asks_and_where_the_answer_goes(
    browser: Browser, client: OAuthClient, page: str
) -> None:
    """C-02."""
    await opened(browser, client, page, scope="okta.users.read okta.logs.read")
    text = browser.page.text
    for words in ("A test client", "not verified", "127.0.0.1:33418", "okta.users.read"):
        assert words in text
    assert "okta.apps.read" not in text
    assert ("Hana Novak" in text) is (page == "consent")


@pytest.mark.parametrize(
    ("name", "forbidden"),
    [
        ("<script>alert(1)</script>", "<script>alert"),
        ('"><img src=x onerror=alert(1)>', "<img"),
        ("</title><svg onload=alert(1)>", "<svg onload"),
        ("{{1234567*8}}{% raw %}", "9876536"),
        ("Slack\u202e\u2066gnp.exe", "\u202e"),
        ("Sl\u200back\ufeff\u2060", "\u200b"),
        ("Slack\x1b[31m\x07", "\x1b"),
        ("Okta\U000e0041\U000e0042", "\U000e0041"),
    ],
    ids=["script", "attribute", "title", "template", "bidi", "zero-width", "control", "tags"],
)
@pytest.mark.parametrize("page", PAGES)
async def test_a_clients_name_stays_text(
    browser: Browser, client: OAuthClient, page: str, name: str, forbidden: str
) -> None:
    """C-03: whatever it is made of."""
    assert (await client.register(client_name=name)).status_code == 201
    await opened(browser, client, page)
    assert browser.response is not None
    assert "read Okta for you" in browser.page.text
    assert forbidden not in browser.response.text


async def test_a_name_that_is_too_long_is_refused(client: OAuthClient) -> None:
    """C-03."""
    assert (await client.register(client_name="x" * 129)).status_code == 400


@pytest.mark.parametrize("page", [*PAGES, "problem"])
async def test_the_headers_of_a_page_keep_it_from_frames_scripts_and_caches(
    browser: Browser, client: OAuthClient, page: str
) -> None:
    """C-04, C-05: as headers; no form-action, which would block Okta and vscode://."""
    if page == "problem":
        await browser.open(client.authorization_url(client_id="unknown"))
    else:
        await opened(browser, client, page)
    assert browser.response is not None
    headers = browser.response.headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    policy = {line.split()[0]: line.split()[1:] for line in CONTENT_SECURITY_POLICY.split("; ")}
    assert policy == {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


# Forms: each belongs to one request and to one browser.


@pytest.mark.parametrize(
    "token",
    ["", "x", "{}", "changed", "shortened", "prolonged"],
)
@pytest.mark.parametrize("page", PAGES)
async def test_a_form_without_its_token_does_nothing(
    browser: Browser, client: OAuthClient, page: str, token: str
) -> None:
    """C-06."""
    await opened(browser, client, page)
    button = browser.button(YES[page])
    sealed = dict(button.fields)["form"]
    middle = len(sealed) // 2
    flipped = "A" if sealed[middle] != "A" else "B"
    sent = {
        "changed": sealed[:middle] + flipped + sealed[middle + 1 :],
        "shortened": sealed[:-4],
        "prolonged": sealed + "AAAA",
    }.get(token, token)
    await browser.send(replace(button, fields=[("form", sent)]))
    assert_local(browser)
    await browser.send(replace(button, fields=[]))
    assert_local(browser)


@pytest.mark.parametrize("page", PAGES)
async def test_a_form_that_the_attacker_was_shown_cannot_be_sent_by_the_victim(
    browser: Browser, attacker: Browser, client: OAuthClient, page: str
) -> None:
    """C-07: the cookie of the form's own showing is missing, whatever other cookies come along."""
    await opened(attacker, client, page)
    await connected(browser, client, HANA)
    await browser.send(attacker.button(YES[page]))
    assert_local(browser, 403)


@pytest.mark.parametrize("prefix", ["okta_mcp_form_", "okta_mcp_"])
@pytest.mark.parametrize("page", PAGES)
async def test_a_form_without_the_cookies_of_its_showing_is_refused(
    browser: Browser, client: OAuthClient, page: str, prefix: str
) -> None:
    """C-07."""
    await opened(browser, client, page)
    button = browser.button(YES[page])
    forget_cookies(browser, prefix)
    await browser.send(button)
    assert_local(browser, 403)


async def test_the_session_of_a_consent_form_is_needed_too(
    browser: Browser, client: OAuthClient
) -> None:
    """C-07."""
    await signed_in(browser, client, HANA)
    button = browser.button("Allow")
    forget_cookies(browser, "okta_mcp_session")
    await browser.send(button)
    assert_local(browser)


async def test_the_token_of_one_request_does_not_approve_another(
    browser: Browser, client: OAuthClient, other_client: OAuthClient
) -> None:
    """C-08: not even where its cookie is planted under the other's name."""
    await signed_in(browser, client, HANA)
    ours = browser.button("Allow")
    (name,) = own_cookies(browser, "okta_mcp_form_")
    await browser.open(other_client.authorization_url(), fetch_site="cross-site")
    theirs = browser.button("Allow")
    held = own_cookies(browser, "okta_mcp_form_")
    (other_name,) = held.keys() - {name}
    forget_cookies(browser, other_name)
    await browser.send(theirs)
    assert_local(browser, 403)
    forget_cookies(browser, "okta_mcp_form_")
    browser.client.cookies.set(other_name, held[name], domain="localhost.local", path="/")
    await browser.send(theirs)
    assert_local(browser, 403)
    browser.client.cookies.set(name, held[name], domain="localhost.local", path="/")
    await browser.send(ours)
    assert "code" in browser.answer


async def test_a_form_of_one_purpose_serves_no_other(browser: Browser, client: OAuthClient) -> None:
    """C-08: a sign-in form is no consent."""
    await connected(browser, client, HANA)
    await browser.open(client.authorization_url(prompt="login"))
    form = browser.button("Sign in with Okta")
    await browser.send(replace(form, action=f"{client.url}/oauth/consent", value="allow"))
    assert_local(browser)


async def test_ten_tabs_stay_valid_and_the_cookies_stay_small(
    browser: Browser, client: OAuthClient
) -> None:
    """C-08, C-29: the oldest of more goes; at most 25 entries in less than 4 KiB."""
    await signed_in(browser, client, HANA)
    tabs: list[Button] = [browser.button("Allow")]
    for _ in range(11):
        await browser.open(client.authorization_url(), fetch_site="cross-site")
        tabs.append(browser.button("Allow"))
        held = own_cookies(browser)
        assert len(own_cookies(browser, "okta_mcp_form_")) <= 10
        assert len(held) <= 25
        assert len("; ".join(f"{name}={value}" for name, value in held.items())) < 4096
    for tab in tabs[:2]:
        await browser.send(tab)
        assert_local(browser, 403)
    codes = set()
    for tab in tabs[2:]:
        await browser.send(tab)
        codes.add(browser.answer["code"])
    assert len(codes) == 10


@pytest.mark.parametrize("page", PAGES)
async def test_a_get_approves_nothing(browser: Browser, client: OAuthClient, page: str) -> None:
    """C-09."""
    await opened(browser, client, page)
    button = browser.button(YES[page])
    url = f"{button.action}?{urlencode([*button.fields, ('decision', button.value)])}"
    await browser.open(url, fetch_site="same-origin")
    assert browser.landed is None
    assert browser.response is not None
    assert str(browser.response.url).startswith(f"{client.url}/")
    if page == "consent":
        await browser.open(f"{url}&request={await pending_id(browser)}", fetch_site="same-origin")
        assert browser.landed is None


async def pending_id(browser: Browser) -> str:
    (name,) = own_cookies(browser, "okta_mcp_form_")
    return name.removeprefix("okta_mcp_form_")


FOREIGN = [
    {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
    {"origin": "http://evil.example", "sec-fetch-site": None},
    {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    {"origin": "https://localhost", "sec-fetch-site": None},
    {"origin": "http://localhost:1", "sec-fetch-site": "same-site"},
    {"origin": None, "sec-fetch-site": "cross-site"},
    {"origin": None, "sec-fetch-site": "same-site"},
    {"origin": "null", "sec-fetch-site": "cross-site"},
    {"origin": "null", "sec-fetch-site": None},
    {"origin": "null", "sec-fetch-site": "none"},
]


@pytest.mark.parametrize("said", FOREIGN, ids=str)
@pytest.mark.parametrize("page", PAGES)
async def test_a_post_from_another_sites_page_is_refused(
    browser: Browser, client: OAuthClient, page: str, said: dict[str, str | None]
) -> None:
    """C-10: although every cookie and the token are right; the form itself stays good."""
    await opened(browser, client, page)
    button = browser.button(YES[page])
    await browser.send(button, headers=said)
    assert_local(browser, 403)
    await browser.send(button, headers={"origin": "null", "sec-fetch-site": "same-origin"})
    assert browser.landed is not None or "Sign in to Northwind" in browser.page.text


async def test_a_no_is_not_remembered(browser: Browser, client: OAuthClient) -> None:
    """C-11, C-25: and the form with which it was said is used up."""
    await signed_in(browser, client, HANA)
    allow = browser.button("Allow")
    await browser.press("Deny")
    assert browser.answer["error"] == "access_denied"
    await browser.send(allow)
    assert_local(browser)
    await browser.open(client.authorization_url())
    assert "Allow" in [button.text for button in browser.page.buttons]


@pytest.mark.parametrize("state", ["client+state/=", "a b&c", None])
@pytest.mark.parametrize(("page", "words"), [("sign-in", NO), ("consent", NO), ("consent", YES)])
async def test_state_comes_back_as_it_was_or_not_at_all(
    browser: Browser, client: OAuthClient, page: str, words: dict[str, str], state: str | None
) -> None:
    """C-11, C-12: exactly once, and no empty one is invented."""
    await opened(browser, client, page, state=state)
    await browser.press(words[page])
    assert browser.landed is not None
    pairs = parse_qsl(urlsplit(browser.landed).query, keep_blank_values=True)
    assert [value for name, value in pairs if name == "state"] == ([state] if state else [])
    assert [value for name, value in pairs if name == "iss"] == [client.url]


@pytest.mark.parametrize("page", PAGES)
async def test_whatever_is_not_the_yes_is_a_no(
    browser: Browser, client: OAuthClient, page: str
) -> None:
    """C-11: a form without a decision, or with one that nobody knows."""
    await opened(browser, client, page)
    button = browser.button(YES[page])
    await browser.send(replace(button, value="Allow "))
    assert browser.answer["error"] == "access_denied"
    assert "code" not in browser.answer


# A remembered answer stands for the same thing only.


@pytest.mark.parametrize("difference", ["client", "person", "redirect_uri", "scope"])
async def test_a_remembered_answer_serves_nothing_else(
    browser: Browser, client: OAuthClient, other_client: OAuthClient, difference: str
) -> None:
    """C-13, C-14."""
    narrow = {"scope": "okta.users.read"}
    await connected(browser, client, HANA, **narrow)
    await browser.open(client.authorization_url(**narrow))
    assert "code" in browser.answer
    url = {
        "client": other_client.authorization_url(**narrow),
        "person": client.authorization_url(**narrow, prompt="login"),
        "redirect_uri": client.authorization_url(
            **narrow, redirect_uri=REDIRECT_URI.replace("33418", "33419")
        ),
        "scope": client.authorization_url(scope="okta.users.read okta.logs.read"),
    }[difference]
    await browser.open(url)
    if difference == "person":
        await browser.press("Sign in with Okta")
        await browser.press(SAMI)
    assert_local(browser, 200)
    assert "Allow" in [button.text for button in browser.page.buttons]


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
@pytest.mark.parametrize("prompt", [None, "login"])
async def test_a_remembered_answer_is_no_use_to_another_site(
    browser: Browser, client: OAuthClient, site: str | None, prompt: str | None
) -> None:
    """C-15: what counts is where the authorization request itself came from, also after Okta."""
    await connected(browser, client, HANA)
    await browser.open(client.authorization_url(prompt=prompt), fetch_site=site)
    if prompt == "login":
        await browser.press("Sign in with Okta")
        await browser.press(HANA)
    assert_local(browser, 200)
    assert "Allow" in [button.text for button in browser.page.buttons]


async def test_prompt_none_gets_no_code_without_a_live_answer(
    browser: Browser, client: OAuthClient
) -> None:
    """C-15, A-16."""
    await browser.open(client.authorization_url(prompt="none"))
    assert browser.answer["error"] == "login_required"
    await connected(browser, client, HANA)
    await browser.open(client.authorization_url(prompt="none"), fetch_site="cross-site")
    assert browser.answer["error"] == "consent_required"
    await browser.open(client.authorization_url(prompt="none", scope="okta.users.read"))
    assert browser.answer["error"] == "consent_required"


async def test_a_consent_ends_after_its_time(local: LocalServer) -> None:
    """C-28: after an hour the page asks again; each yes stands in the audit trail."""
    browser, client = local.browser(), await local.client()
    await connected(browser, client, HANA)
    local.clock.pass_seconds(3599)
    await browser.open(client.authorization_url())
    assert "code" in browser.answer
    local.clock.pass_seconds(2)
    await browser.open(client.authorization_url())
    assert browser.landed is None
    assert "Allow" in [button.text for button in browser.page.buttons]
    assert len(local.events("consent.granted")) == len(local.events("consent.remembered")) == 1


# The way to Okta and back belongs to one browser.


@pytest.mark.parametrize("has_own_trip", [False, True])
async def test_what_the_attacker_began_the_victim_cannot_finish(
    browser: Browser, attacker: Browser, client: OAuthClient, has_own_trip: bool
) -> None:
    """C-16: no code for the attacker's client, and the state is burned for the attacker, too."""
    url = await at_okta(attacker, client)
    if has_own_trip:
        await at_okta(browser, client)
    await browser.open(url, fetch_site="cross-site")
    await browser.send(browser.button(HANA), follow=False)
    callback = browser.location
    await browser.open(callback, fetch_site="cross-site")
    assert_local(browser)
    assert "another browser" in browser.page.text
    assert own_cookies(browser, "okta_mcp_session") == {}
    await attacker.open(callback, fetch_site="cross-site")
    assert_local(attacker, 400)
    assert own_cookies(attacker, "okta_mcp_session") == {}


@pytest.mark.parametrize("is_signed_in", [False, True])
async def test_what_the_attacker_finished_at_okta_signs_no_victim_in(
    browser: Browser, attacker: Browser, client: OAuthClient, is_signed_in: bool
) -> None:
    """C-17: the victim would work in the attacker's name."""
    if is_signed_in:
        await connected(browser, client, HANA)
    callback = await back_from_okta(attacker, client, SAMI)
    await browser.open(callback, fetch_site="cross-site")
    assert_local(browser)
    login = await is_signed_in_as(browser, client)
    assert login == ("hana.help@northwind.example" if is_signed_in else "")


@pytest.mark.parametrize("is_signed_in", [False, True])
async def test_the_attackers_consent_page_is_nothing_for_the_victim(
    browser: Browser, attacker: Browser, client: OAuthClient, is_signed_in: bool
) -> None:
    """C-17: its address does not show the victim a page to allow."""
    await signed_in(attacker, client, SAMI)
    assert attacker.response is not None
    address = str(attacker.response.url)
    if is_signed_in:
        await connected(browser, client, HANA)
    await browser.open(address, fetch_site="cross-site")
    assert_local(browser)
    assert "Allow" not in [button.text for button in browser.page.buttons]


async def test_another_person_in_the_same_browser_ends_what_the_first_had_open(
    browser: Browser, client: OAuthClient
) -> None:
    """C-13: the session becomes the new person's, forms of the other are refused."""
    await signed_in(browser, client, HANA)
    of_hana = browser.button("Allow")
    await browser.open(client.authorization_url(prompt="login"))
    await browser.press("Sign in with Okta")
    await browser.press(SAMI)
    of_sami = browser.button("Allow")
    await browser.send(of_hana)
    assert_local(browser)
    await browser.send(of_sami)
    assert "code" in browser.answer


async def test_okta_asks_again_where_the_client_wants_a_fresh_login(
    browser: Browser, client: OAuthClient
) -> None:
    """C-13: prompt=login, although Okta and this server both know the person."""
    await connected(browser, client, HANA)
    await browser.open(client.authorization_url(prompt="login"))
    await browser.press("Sign in with Okta")
    assert "Sign in to Northwind" in browser.page.text


async def test_a_callback_works_once(browser: Browser, client: OAuthClient) -> None:
    """C-18."""
    callback = await back_from_okta(browser, client, HANA)
    await browser.open(callback, fetch_site="cross-site")
    assert browser.status == 200
    await browser.open(callback, fetch_site="cross-site")
    assert_local(browser, 400)
    await browser.open(changed_query(callback, code="another"), fetch_site="cross-site")
    assert_local(browser, 400)


async def test_each_press_ends_the_earlier_trip_of_the_same_request(
    browser: Browser, client: OAuthClient
) -> None:
    """C-18: back and a second press; the first state is over."""
    await browser.open(client.authorization_url())
    button = browser.button("Sign in with Okta")
    callbacks = []
    for _ in range(2):
        await browser.send(button, follow=False)
        await browser.open(browser.location)
        if browser.page.buttons:
            await browser.send(browser.button(HANA), follow=False)
        callbacks.append(browser.location)
        browser.client.cookies.delete("sid")
    await browser.open(callbacks[0], fetch_site="cross-site")
    assert_local(browser, 400)
    await browser.open(callbacks[1], fetch_site="cross-site")
    assert browser.status == 200


@pytest.mark.parametrize(("seconds", "status"), [(601, 400), (599, 200)])
async def test_a_trip_to_okta_takes_ten_minutes_at_most(
    local: LocalServer, sandbox: SandboxProcess, seconds: float, status: int
) -> None:
    """C-18."""
    browser, client = local.browser(), await local.client()
    okta = await at_okta(browser, client)
    local.clock.pass_seconds(seconds)
    sandbox.control("clock", {"advance_seconds": seconds})
    await browser.open(okta)
    await browser.press(HANA)
    assert_local(browser, status)


@pytest.mark.parametrize(
    "change",
    [
        {"state": None},
        {"state": ""},
        {"state": "forged"},
        {"state": "A" * 86},
        {"state": "shortened"},
        {"state": "prolonged"},
        {"state": "other case"},
        {"state": "' or 1=1 --"},
        {"state": "https://evil.example/"},
        {"code": None},
        {"code": None, "error": None, "next": "https://evil.example/"},
    ],
    ids=str,
)
async def test_a_callback_with_a_wrong_state_stays_here(
    browser: Browser, client: OAuthClient, change: dict[str, str | None]
) -> None:
    """C-19."""
    callback = await back_from_okta(browser, client, HANA)
    right = query_of(callback, "state")
    wrong = {
        "shortened": right[:-1],
        "prolonged": right + "A",
        "other case": right.swapcase(),
    }
    changes = {name: wrong.get(value or "", value) for name, value in change.items()}
    await browser.open(changed_query(callback, **changes), fetch_site="cross-site")
    assert_local(browser, 400)
    if "state" in change:
        await browser.open(callback, fetch_site="cross-site")
        assert browser.status == 200


async def test_a_repeated_state_stays_here(browser: Browser, client: OAuthClient) -> None:
    """C-19."""
    callback = await back_from_okta(browser, client, HANA)
    await browser.open(f"{callback}&state=other", fetch_site="cross-site")
    assert_local(browser, 400)


async def test_oktas_code_of_another_trip_is_refused(
    browser: Browser, attacker: Browser, client: OAuthClient
) -> None:
    """C-20: the verifier, and after it the nonce, belong to one trip. Not a 500."""
    stolen = query_of(await back_from_okta(attacker, client, SAMI), "code")
    own = await back_from_okta(browser, client, HANA)
    await browser.open(changed_query(own, code=stolen), fetch_site="cross-site")
    assert_local(browser, 403, 502)
    assert own_cookies(browser, "okta_mcp_session") == {}
    await browser.press("Back to the application")
    assert browser.answer["error"] in ("access_denied", "server_error")
    assert "code" not in browser.answer


@pytest.mark.parametrize("seen", ["form", "form id", "cookie", "client state", "challenge"])
async def test_nothing_that_shows_before_the_press_works_as_oktas_state(
    browser: Browser, client: OAuthClient, seen: str
) -> None:
    """C-21: before the press and after it."""
    await browser.open(client.authorization_url())
    ((name, cookie),) = own_cookies(browser, "okta_mcp_form_").items()
    button = browser.button("Sign in with Okta")
    value = {
        "form": dict(button.fields)["form"],
        "form id": name.removeprefix("okta_mcp_form_"),
        "cookie": cookie,
        "client state": "client+state/=",
        "challenge": query_of(client.authorization_url(), "code_challenge"),
    }[seen]
    forged = f"{client.url}/oauth/callback?{urlencode({'code': 'x', 'state': value})}"
    await browser.open(forged, fetch_site="cross-site")
    assert_local(browser)
    await browser.send(button, follow=False)
    assert value not in browser.location
    await browser.open(forged, fetch_site="cross-site")
    assert_local(browser)


async def test_no_binding_cookie_exists_before_the_press(
    browser: Browser, client: OAuthClient
) -> None:
    """C-21: and none is set by a press that is refused."""
    await browser.open(client.authorization_url())
    assert own_cookies(browser, "okta_mcp_leg") == {}
    await browser.send(browser.button("Sign in"), headers={"origin": "http://evil.example"})
    assert own_cookies(browser, "okta_mcp_leg") == {}


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        ("access_denied", 403, "access_denied"),
        ("login_required", 403, "access_denied"),
        ("server_error", 502, "server_error"),
        ("temporarily_unavailable", 502, "server_error"),
        ("<script>alert(1)</script>", 403, "access_denied"),
        ("x\r\nSet-Cookie: a=b", 403, "access_denied"),
    ],
)
async def test_an_error_of_okta_becomes_words_and_codes_of_ours(
    browser: Browser, client: OAuthClient, error: str, status: int, told: str
) -> None:
    """C-22."""
    callback = await back_from_okta(browser, client, HANA)
    text = "<img src=x onerror=alert(1)> Call 555-0100 to unlock"
    url = changed_query(callback, code=None, error=error, error_description=text)
    await browser.open(url, fetch_site="cross-site")
    assert_local(browser, status)
    assert browser.response is not None
    for forbidden in ("<img", "555-0100", "<script>", "alert(1)"):
        assert forbidden not in browser.response.text
    await browser.press("Back to the application")
    answer = browser.answer
    assert (answer["error"], answer["state"], answer["iss"]) == (
        told,
        "client+state/=",
        client.url,
    )
    assert "code" not in answer
    assert "555-0100" not in answer.get("error_description", "")


@pytest.mark.parametrize(
    ("issuer", "status"),
    [("https://evil.example", 400), ("", 200), ("okta", 200), ("okta/other", 400)],
)
async def test_an_issuer_at_the_callback_must_be_okta(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess, issuer: str, status: int
) -> None:
    """C-24."""
    callback = await back_from_okta(browser, client, HANA)
    url = changed_query(callback, iss=issuer.replace("okta", sandbox.url))
    await browser.open(url, fetch_site="cross-site")
    assert_local(browser, status)


async def test_a_consent_form_makes_one_code(browser: Browser, client: OAuthClient) -> None:
    """C-25: not even its address opens it again."""
    await signed_in(browser, client, HANA)
    assert browser.response is not None
    address, button = str(browser.response.url), browser.button("Allow")
    kept = own_cookies(browser, "okta_mcp_form_")
    await browser.send(button)
    assert "code" in browser.answer
    for name, value in kept.items():
        browser.client.cookies.set(name, value, domain="localhost.local", path="/")
    await browser.send(button)
    assert_local(browser, 400)
    await browser.open(address, fetch_site="same-origin")
    assert_local(browser, 400)


# Cookies.


@pytest.mark.parametrize("url", ["http://localhost:3001", "https://mcp.example"])
async def test_every_cookie_is_for_this_host_alone(tmp_path: Path, url: str) -> None:
    """C-26: form, binding and session; with https under `__Host-`, and no other name is read."""
    is_https = url.startswith("https")
    prefix = "__Host-okta_mcp_" if is_https else "okta_mcp_"
    with running_sandbox(url) as okta:
        async with local_server(tmp_path, url, okta.settings_for_server()) as server:
            browser, client = server.browser(), await server.client()
            await browser.open(client.authorization_url())
            said = cookies_said(browser)
            if is_https:
                await assert_the_bare_name_is_not_read(browser)
            await browser.send(browser.button("Sign in with Okta"), follow=False)
            said += cookies_said(browser)
            await browser.open(browser.location)
            await browser.send(browser.button(HANA), follow=False)
            assert browser.response is not None
            callback = await browser.client.get(browser.location)
            said += callback.headers.get_list("set-cookie")
    kinds = {cookie.removeprefix(prefix).partition("=")[0].partition("_")[0] for cookie in said}
    assert kinds == {"form", "leg", "session"}
    for cookie in said:
        assert cookie.startswith(prefix)
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= attributes
        assert ("secure" in attributes) is is_https
        assert not [part for part in attributes if part.startswith("domain")]


def cookies_said(browser: Browser) -> list[str]:
    assert browser.response is not None
    return browser.response.headers.get_list("set-cookie")


async def assert_the_bare_name_is_not_read(browser: Browser) -> None:
    button = browser.button("Sign in with Okta")
    ((name, value),) = own_cookies(browser, "__Host-okta_mcp_form_").items()
    page = browser.response
    forget_cookies(browser, "__Host-")
    browser.client.cookies.set(name.removeprefix("__Host-"), value)
    await browser.send(button)
    assert browser.status == 403
    browser.client.cookies.set(name, value)
    browser.response = page


async def test_a_failure_after_the_yes_leaves_a_way_out(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """C-25: what made no code has not answered the client; the page's button still does."""
    client, person = await local.client(), local.browser()
    await signed_in(person, client, "Hana Novak")
    local.clock.pass_seconds(61)
    sandbox.control("faults", {"match": "GET /api/v1/users/", "status": 500, "times": 5})
    await person.press("Allow")
    assert person.status == 502
    await person.press("Back to the application")
    assert person.answer["error"] == "server_error"
