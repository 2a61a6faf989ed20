"""The authorization request over HTTP: who is told of an error, where a browser is sent, with what.

Every row is sent by GET and by POST (A-21). What a value may look like in every variant is a table
of tests/oauth_proxy/test_authorization_request.py.
"""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import REDIRECT_URI, OAuthClient, connected, s256, signed_in
from tests.vocabulary.processes import SandboxProcess, ServerProcess

REMOVED = None
STATE = "client+state/="
WEB = "https://client.example/cb"
HTML = {"accept": "text/html"}
by_get_and_post = pytest.mark.parametrize("method", ["GET", "POST"])


async def answer_to(
    client: OAuthClient, method: str, *more: tuple[str, str], **changes: str | None
) -> httpx.Response:
    """The answer to the client's request with `changes`, and `more` parameters at its end."""
    url, _, query = client.authorization_url(**changes).partition("?")
    encoded = "&".join(part for part in (query, urlencode(more)) if part)
    if method == "GET":
        return await client.http.get(f"{url}?{encoded}", headers=HTML)
    media_type = {"content-type": "application/x-www-form-urlencoded"}
    return await client.http.post(url, content=encoded, headers=HTML | media_type)


def assert_local(answer: httpx.Response, *never: str) -> None:
    """A page of ours; nothing is redirected, and nothing of `never` is on it."""
    assert answer.status_code in (400, 414, 415)
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")
    assert not [text for text in never if text in answer.text]


def told(answer: httpx.Response, redirect_uri: str = REDIRECT_URI) -> dict[str, str]:
    """What the client is told by the redirect: each parameter once, in the query."""
    assert answer.status_code in (302, 303)
    location = answer.headers["location"]
    assert location.startswith(redirect_uri)
    parts = urlsplit(location)
    assert parts.fragment == ""
    values = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    assert all(len(each) == 1 for each in values.values())
    return {name: each[0] for name, each in values.items()}


LOCAL: list[tuple[str, list[tuple[str, str]], dict[str, str | None]]] = [
    ("A-01 client_id missing", [], {"client_id": REMOVED}),
    ("A-01 client_id empty", [], {"client_id": ""}),
    ("A-01 client_id unknown", [], {"client_id": "evil-client"}),
    ("A-02 another host", [], {"redirect_uri": "https://evil.example/cb"}),
    ("A-02 a slash more", [], {"redirect_uri": f"{REDIRECT_URI}/"}),
    ("A-02 a dot segment", [], {"redirect_uri": f"{REDIRECT_URI}/../evil"}),
    ("A-02 percent-encoded", [], {"redirect_uri": REDIRECT_URI.replace("callb", "%63allb")}),
    ("A-02 userinfo", [], {"redirect_uri": f"{REDIRECT_URI}@evil.example/"}),
    ("A-02 in capitals", [], {"redirect_uri": REDIRECT_URI.upper()}),
    ("A-02 a fragment", [], {"redirect_uri": f"{REDIRECT_URI}#evil"}),
    ("A-02 a script", [], {"redirect_uri": "javascript:evil()//"}),
    ("A-03 another loopback name", [], {"redirect_uri": "http://localhost:1/client-callback"}),
    ("A-03 no port", [], {"redirect_uri": "http://127.0.0.1:0/client-callback"}),
    ("A-03 too high", [], {"redirect_uri": "http://127.0.0.1:65536/client-callback"}),
    ("A-03 a host behind", [], {"redirect_uri": "http://127.0.0.1:1@evil.example/"}),
    ("A-12 client_id again", [("client_id", "evil-client")], {}),
    ("A-12 redirect_uri again", [("redirect_uri", "https://evil.example/")], {}),
    ("A-12 redirect_uri twice the same", [("redirect_uri", REDIRECT_URI)], {}),
]


@by_get_and_post
@pytest.mark.parametrize(
    ("more", "changes"), [pytest.param(more, changes, id=name) for name, more, changes in LOCAL]
)
async def test_without_a_valid_client_and_redirect_uri_the_answer_is_a_page(
    client: OAuthClient,
    method: str,
    more: list[tuple[str, str]],
    changes: dict[str, str | None],
) -> None:
    assert_local(await answer_to(client, method, *more, **changes), "evil", STATE)


@by_get_and_post
async def test_oktas_own_client_id_is_no_client_here(
    client: OAuthClient, sandbox: SandboxProcess, method: str
) -> None:
    """A-22: with any redirect URI, also the one that Okta knows."""
    for redirect_uri in (REDIRECT_URI, f"{client.url}/oauth/callback", None):
        answer = await answer_to(
            client, method, client_id=sandbox.ready["client_id"], redirect_uri=redirect_uri
        )
        assert_local(answer)


@by_get_and_post
@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        (WEB, "https://client.example:443/cb"),
        (WEB, "https://client.example:8443/cb"),
        ("https://client.example:8443/cb", WEB),
        ("https://127.0.0.1/cb", "https://127.0.0.1:8443/cb"),
        ("vscode://x/cb", "vscode://x:1/cb"),
        ("com.example.app://127.0.0.1/cb", "com.example.app://127.0.0.1:80/cb"),
    ],
)
async def test_only_the_port_of_a_loopback_uri_may_differ(
    client: OAuthClient, method: str, registered: str, requested: str
) -> None:
    """A-04."""
    assert (await client.register(redirect_uris=[registered])).status_code == 201
    assert_local(await answer_to(client, method, redirect_uri=requested))


@by_get_and_post
async def test_an_omitted_redirect_uri_is_ambiguous_with_two(
    client: OAuthClient, method: str
) -> None:
    """A-05."""
    await client.register(redirect_uris=[REDIRECT_URI, WEB])
    assert_local(await answer_to(client, method, redirect_uri=REMOVED))


@by_get_and_post
async def test_the_redirect_uri_of_another_client_is_not_mine(
    client: OAuthClient, method: str
) -> None:
    """A-02."""
    other = OAuthClient(client.url)
    await other.register(redirect_uris=[WEB])
    assert_local(await answer_to(client, method, redirect_uri=WEB))
    await other.close()


REDIRECTED: list[tuple[str, str, list[tuple[str, str]], dict[str, str | None]]] = [
    ("A-06 no challenge", "invalid_request", [], {"code_challenge": REMOVED}),
    ("A-07 no method", "invalid_request", [], {"code_challenge_method": REMOVED}),
    ("A-07 plain", "invalid_request", [], {"code_challenge_method": "plain"}),
    ("A-08 short", "invalid_request", [], {"code_challenge": "x" * 42}),
    ("A-08 long", "invalid_request", [], {"code_challenge": "x" * 4096}),
    ("A-08 padded", "invalid_request", [], {"code_challenge": "x" * 42 + "="}),
    ("A-09 missing", "invalid_request", [], {"response_type": REMOVED}),
    ("A-09 token", "unsupported_response_type", [], {"response_type": "token"}),
    ("A-09 hybrid", "unsupported_response_type", [], {"response_type": "code id_token"}),
    ("A-09 fragment", "invalid_request", [("response_mode", "fragment")], {}),
    ("A-12 scope again", "invalid_request", [("scope", "a"), ("scope", "b")], {}),
    ("A-12 challenge again", "invalid_request", [("code_challenge", "x" * 43)], {}),
    ("A-12 anything again", "invalid_request", [("x", "1"), ("x", "1")], {}),
    ("A-13 request", "request_not_supported", [("request", "eyJhbGciOiJub25lIn0.e30.")], {}),
    ("A-14 another", "invalid_target", [("resource", "https://evil.example/mcp")], {}),
    ("A-14 a fragment", "invalid_target", [("resource", "{mcp}#x")], {}),
    ("A-14 a path", "invalid_target", [("resource", "{mcp}/x")], {}),
    ("A-14 the server", "invalid_target", [("resource", "{url}")], {}),
    (
        "A-14 one of two",
        "invalid_target",
        [("resource", "{mcp}"), ("resource", "https://evil.example/mcp")],
        {},
    ),
    ("A-15 unknown", "invalid_scope", [("scope", "openid profile")], {}),
    ("A-15 to write", "invalid_scope", [("scope", "okta.users.manage")], {}),
    ("A-16 nobody signed in", "login_required", [("prompt", "none")], {}),
    ("A-16 none and login", "invalid_request", [("prompt", "none login")], {}),
]


@by_get_and_post
@pytest.mark.parametrize(
    ("code", "more", "changes"), [pytest.param(*row[1:], id=row[0]) for row in REDIRECTED]
)
async def test_every_other_error_goes_to_the_client_with_state_and_iss(
    client: OAuthClient,
    method: str,
    code: str,
    more: list[tuple[str, str]],
    changes: dict[str, str | None],
) -> None:
    """A-10, A-23, D-14."""
    filled = [(name, value.format(mcp=f"{client.url}/mcp", url=client.url)) for name, value in more]
    answer = told(await answer_to(client, method, *filled, **changes))
    assert set(answer) == {"error", "error_description", "state", "iss"}
    assert (answer["error"], answer["state"], answer["iss"]) == (code, STATE, client.url)
    assert "evil" not in answer["error_description"]


@by_get_and_post
async def test_a_request_by_reference_is_neither_fetched_nor_used(
    client: OAuthClient, sandbox: SandboxProcess, method: str
) -> None:
    """A-13: the journal of the only other server there is has no new line."""
    asked = len(sandbox.requests())
    uri = f"{sandbox.url}/fetched"
    answer = told(await answer_to(client, method, ("request_uri", uri)))
    assert answer["error"] == "request_uri_not_supported"
    assert len(sandbox.requests()) == asked


@by_get_and_post
@pytest.mark.parametrize("state", [None, ""])
async def test_no_state_is_invented(client: OAuthClient, method: str, state: str | None) -> None:
    """A-10, C-12."""
    answer = told(await answer_to(client, method, state=state, response_type="token"))
    assert "state" not in answer


STATES = ["a b", "a+b&c=d#e", "%41%", "é🙂", "\x00\r\nSet-Cookie: a=b", "<script>", "s" * 2048]


@by_get_and_post
@pytest.mark.parametrize("state", STATES, ids=lambda state: ascii(state)[:30])
async def test_a_state_comes_back_byte_for_byte(
    client: OAuthClient, method: str, state: str
) -> None:
    """A-10, A-11, A-20: and can neither end the header nor add one."""
    answer = await answer_to(client, method, state=state, response_type="token")
    assert told(answer)["state"] == state
    assert "set-cookie" not in answer.headers
    assert answer.headers["location"].isascii()
    assert answer.headers["location"].isprintable()


async def test_what_is_too_long_is_refused(client: OAuthClient) -> None:
    """A-11."""
    answer = told(await answer_to(client, "GET", state="s" * 2049))
    assert answer["error"] == "invalid_request"
    assert "state" not in answer
    assert_local(await answer_to(client, "GET", ("x", "x" * 16_384)))
    too_many = [(f"x{number}", "1") for number in range(100)]
    assert_local(await answer_to(client, "GET", *too_many))


async def test_a_long_form_is_refused(client: OAuthClient) -> None:
    """A-11, L-01."""
    answer = await answer_to(client, "POST", ("x", "x" * 16_384))
    assert answer.status_code == 413
    assert "location" not in answer.headers


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data", "text/plain"])
async def test_a_post_that_is_no_form_is_refused(client: OAuthClient, media_type: str) -> None:
    """A-21."""
    url = client.authorization_url()
    answer = await client.http.post(url, content=b"{}", headers={"content-type": media_type})
    assert answer.status_code == 415
    assert "location" not in answer.headers


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_do_not_exist(client: OAuthClient, method: str) -> None:
    """A-21."""
    answer = await client.http.request(method, client.authorization_url())
    assert answer.status_code == 405


async def test_the_query_of_a_post_does_not_count(client: OAuthClient) -> None:
    """A-21."""
    answer = await client.http.post(client.authorization_url(), data={"x": "1"}, headers=HTML)
    assert_local(answer)


HOSTILE_NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{%x%}${7*7}",
    "</title><base href=//evil.example>",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_what_a_client_says_of_itself_is_text(client: OAuthClient, name: str) -> None:
    """A-19, C-03."""
    assert (await client.register(client_name=name)).status_code == 201
    page = await answer_to(client, "GET")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "<base" not in page.text
    assert "7*7" in page.text or "7*7" not in name


@pytest.mark.parametrize("changes", [{}, {"client_id": "unknown"}, {"redirect_uri": "x:y"}])
async def test_every_page_has_the_headers(
    client: OAuthClient, changes: dict[str, str | None]
) -> None:
    """A-19, C-04, C-05."""
    headers = (await answer_to(client, "GET", **changes)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action" not in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"


async def test_nothing_goes_to_okta_and_nothing_is_given_before_the_press(
    client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """C-01, A-16."""
    asked = len(sandbox.requests())
    answer = await answer_to(client, "GET")
    assert (answer.status_code, "location" in answer.headers) == (200, False)
    assert len(sandbox.requests()) == asked


POLLUTION = {
    "nonce": "chosen-by-the-client",
    "idp": "0oaevil",
    "sessionToken": "stolen-session",
    "login_hint": "victim@northwind.example",
    "acr_values": "urn:evil",
    "id_token_hint": "evil",
    "display": "popup",
    "max_age": "0",
    "ui_locales": "evil",
}


async def test_no_parameter_of_the_client_reaches_okta(
    browser: Browser, client: OAuthClient
) -> None:
    """A-18: the URL for Okta holds our own values and no others."""
    await browser.open(client.authorization_url(**POLLUTION))
    await browser.send(browser.button("Sign in with Okta"), follow=False)
    sent = parse_qs(urlsplit(browser.location).query, strict_parsing=True)
    assert set(sent) == {
        "client_id",
        "response_type",
        "scope",
        "redirect_uri",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    assert sent["redirect_uri"] == [f"{client.url}/oauth/callback"]
    assert sent["code_challenge"] != [s256(client.verifier)]
    values = [value for each in sent.values() for value in each]
    assert not set(values) & {*POLLUTION.values(), STATE, client.client_id}


@by_get_and_post
@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://127.0.0.1/client-callback", "http://127.0.0.1:65535/client-callback"),
        ("http://[::1]/client-callback", "http://[::1]:1/client-callback"),
        ("http://localhost:3000/client-callback", "http://localhost:4000/client-callback"),
        (WEB, WEB),
        (WEB, None),
        ("cursor://anysphere.cursor-mcp/oauth/callback", None),
    ],
)
async def test_a_registered_uri_is_taken_and_loopback_on_any_port(
    client: OAuthClient, method: str, registered: str, requested: str | None
) -> None:
    """A-03, A-05, A-13."""
    await client.register(redirect_uris=[registered])
    changes: dict[str, Any] = {"redirect_uri": requested}
    assert (await answer_to(client, method, **changes)).status_code == 200
    refused = await answer_to(client, method, **changes, response_type="token")
    assert told(refused, requested or registered)["error"] == "unsupported_response_type"


@by_get_and_post
@pytest.mark.parametrize("form", ["{mcp}", "{mcp}/", "{upper}", None])
async def test_our_own_resource_is_taken(
    client: OAuthClient, method: str, form: str | None
) -> None:
    """A-14: absent, in any case of scheme and host, with one slash, and twice the same."""
    mcp = f"{client.url}/mcp"
    value = form and form.format(mcp=mcp, upper=mcp.replace("http://l", "HTTP://L"))
    more = [("resource", value), ("resource", mcp)] if value else []
    assert (await answer_to(client, method, *more)).status_code == 200


async def test_success_is_one_code_with_state_and_iss(
    browser: Browser, client: OAuthClient
) -> None:
    """A-17, A-23: by a 303, in the query."""
    await signed_in(browser, client, "Hana Novak")
    await browser.send(browser.button("Allow"), follow=False)
    assert browser.response is not None
    answer = told(browser.response)
    assert set(answer) == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == (STATE, client.url)


async def test_a_query_of_the_redirect_uri_is_kept(browser: Browser, client: OAuthClient) -> None:
    """A-17, A-20."""
    uri = f"{REDIRECT_URI}?tenant=a%20b&empty="
    await client.register(redirect_uris=[uri])
    await signed_in(browser, client, "Hana Novak", redirect_uri=uri)
    await browser.press("Allow")
    assert browser.landed is not None
    assert browser.landed.startswith(f"{uri}&code=")


async def test_without_a_live_consent_prompt_none_gives_no_code(
    browser: Browser, client: OAuthClient
) -> None:
    """A-16: signed in or not; with the person's own answer it does, but not from another site."""
    url = client.authorization_url(prompt="none")
    await browser.open(url)
    assert browser.answer["error"] == "login_required"
    await signed_in(browser, client, "Hana Novak")
    await browser.open(url)
    assert browser.answer["error"] == "consent_required"
    await connected(browser, client, "Hana Novak", prompt="login")
    await browser.open(url)
    assert "code" in browser.answer
    await browser.open(url, fetch_site="cross-site")
    assert browser.answer["error"] == "consent_required"
    await browser.open(client.authorization_url(prompt="none", scope="okta.users.read"))
    assert browser.answer["error"] == "consent_required"


async def test_a_refusal_stands_in_the_trail_without_what_was_sent(
    client: OAuthClient, server: ServerProcess
) -> None:
    """A-01, S-01."""
    before = len(server.events("authorization.refused"))
    await answer_to(client, "GET", client_id="marked-client", state="marked-state")
    await answer_to(client, "GET", response_type="marked-type", state="marked-state")
    written = server.events("authorization.refused")[before:]
    assert [event["outcome"] for event in written] == ["refused", "refused"]
    assert "marked" not in str(written)
