"""Forms: shown to this browser, for this request, not long ago, and sent from our own page."""

from http.cookies import SimpleCookie

import pytest
from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.forms import FORM_TTL_SECONDS, Form, Forms
from okta_mcp.stores.records import CheckedRequest
from okta_mcp.stores.sealing import Sealer
from tests.oauth_proxy.conftest import REDIRECT_URI, SECRET
from tests.vocabulary.requests import request_of

ORIGIN = "http://localhost:3001"
CHECKED = CheckedRequest(
    "request-1", "omcp_client_1", REDIRECT_URI, ("a", "b"), "c" * 43, state='"<\u202e\n&é'
)
FORM = Form("request-1", CHECKED, "00uann", "server_error")


@pytest.fixture
def forms() -> Forms:
    return Forms(Sealer((SECRET,), "forms"), [b"k" * 32], Cookies(is_https=False), origin=ORIGIN)


@pytest.fixture
def browser_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The one second that itsdangerous reads; a test may change it."""
    now = [1_800_000_000.0]
    monkeypatch.setattr("itsdangerous.timed.time", type("Time", (), {"time": lambda: now[0]}))
    return now


class Browser:
    """The cookies that responses have set, sent with what is posted."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def shown(self, forms: Forms, form: Form, purpose: str = "consent") -> str:
        sealed, cookie = forms.issued(purpose, form)
        response = Response()
        forms.keep(self.request(), response, form, cookie)
        self.took(response)
        return sealed

    def took(self, response: Response) -> None:
        for name, value in response.headers.items():
            if name == "set-cookie":
                for key, morsel in SimpleCookie(value).items():
                    self.cookies.pop(key, None)
                    if morsel["max-age"] != "0":
                        self.cookies[key] = morsel.value

    def request(self, **headers: str) -> Request:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request_of(headers=({"cookie": cookie} if cookie else {}) | named)


def refusal(
    forms: Forms, request: Request, sealed: str | None, purpose: str = "consent"
) -> tuple[int, str]:
    with pytest.raises(PageError) as caught:
        forms.read(request, purpose, sealed)
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize("sealed", [None, "", "x", "A" * 200, "é"])
def test_a_form_that_was_not_made_here_is_refused(forms: Forms, sealed: str | None) -> None:
    """C-06."""
    browser = Browser()
    browser.shown(forms, FORM)
    assert refusal(forms, browser.request(), sealed) == (400, "form_expired")


def test_a_form_that_was_changed_is_refused(forms: Forms) -> None:
    browser = Browser()
    sealed = browser.shown(forms, FORM)
    changed = sealed[:30] + ("A" if sealed[30] != "A" else "B") + sealed[31:]
    assert refusal(forms, browser.request(), changed) == (400, "form_expired")


def test_a_form_for_one_purpose_serves_no_other(forms: Forms) -> None:
    """C-21."""
    browser = Browser()
    sealed = browser.shown(forms, FORM, "sign-in")
    assert refusal(forms, browser.request(), sealed, "consent") == (400, "form_expired")


def test_a_browser_that_was_not_shown_the_form_is_refused(forms: Forms) -> None:
    """C-07: the attacker's form in the victim's browser."""
    sealed = Browser().shown(forms, FORM)
    assert refusal(forms, Browser().request(), sealed) == (403, "form_foreign")


def test_the_cookie_of_another_showing_does_not_fit(forms: Forms) -> None:
    """C-06: also where the request is the same."""
    victim = Browser()
    victim.shown(forms, FORM)
    sealed = Browser().shown(forms, FORM)
    assert refusal(forms, victim.request(), sealed) == (403, "form_foreign")


def test_the_form_of_one_request_approves_no_other(forms: Forms) -> None:
    """C-08."""
    browser = Browser()
    browser.shown(forms, FORM)
    other = Browser().shown(forms, Form("request-2", CHECKED))
    assert refusal(forms, browser.request(), other) == (403, "form_foreign")


@pytest.mark.parametrize("value", ["", "x", "x.y.z"])
def test_a_made_up_cookie_does_not_fit(forms: Forms, value: str) -> None:
    """C-06."""
    browser = Browser()
    sealed = browser.shown(forms, FORM)
    browser.cookies["okta_mcp_form_request-1"] = value
    assert refusal(forms, browser.request(), sealed) == (403, "form_foreign")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:3002"},
        {"origin": "http://127.0.0.1:3001"},
        {"origin": "https://localhost:3001"},
        {"origin": "http://localhost:3001/"},
        {"origin": ""},
        {"origin": "null"},
        {"origin": "null", "sec_fetch_site": "cross-site"},
        {"origin": "null", "sec_fetch_site": "none"},
        {"origin": "null", "sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": ORIGIN, "sec_fetch_site": "cross-site"},
    ],
    ids=str,
)
def test_a_post_from_another_sites_page_is_refused(forms: Forms, headers: dict[str, str]) -> None:
    """C-10."""
    browser = Browser()
    sealed = browser.shown(forms, FORM)
    assert refusal(forms, browser.request(**headers), sealed) == (403, "form_foreign")


def test_an_old_form_is_refused(forms: Forms, browser_time: list[float]) -> None:
    browser = Browser()
    sealed = browser.shown(forms, FORM)
    browser_time[0] += FORM_TTL_SECONDS + 1
    assert refusal(forms, browser.request(), sealed) == (400, "form_expired")


def test_a_form_works_until_its_time_is_over(forms: Forms, browser_time: list[float]) -> None:
    browser = Browser()
    sealed = browser.shown(forms, FORM)
    browser_time[0] += FORM_TTL_SECONDS
    assert forms.read(browser.request(), "consent", sealed) == FORM


def test_after_a_restart_with_another_key_no_form_works(forms: Forms) -> None:
    browser = Browser()
    sealed = browser.shown(forms, FORM)
    other = Forms(Sealer((SECRET,), "forms"), [b"K" * 32], Cookies(is_https=False), origin=ORIGIN)
    assert refusal(other, browser.request(), sealed) == (400, "form_expired")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": ORIGIN},
        {"origin": ORIGIN, "sec_fetch_site": "same-origin"},
        {"origin": "null", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
    ],
    ids=str,
)
def test_a_post_from_our_own_page_brings_back_the_form(
    forms: Forms, headers: dict[str, str]
) -> None:
    browser = Browser()
    sealed = browser.shown(forms, FORM)
    assert forms.read(browser.request(**headers), "consent", sealed) == FORM


def test_a_form_without_a_request_comes_back_too(forms: Forms) -> None:
    browser = Browser()
    sealed = browser.shown(forms, Form("sign-out"), "sign-out")
    assert forms.read(browser.request(), "sign-out", sealed) == Form("sign-out")


def test_a_form_shows_nothing_of_what_it_carries(forms: Forms) -> None:
    sealed, cookie = forms.issued("consent", FORM)
    assert "00uann" not in sealed
    assert "00uann" not in cookie


def test_several_tabs_stay_valid_and_the_oldest_of_more_than_ten_goes(
    forms: Forms, browser_time: list[float]
) -> None:
    """C-08, C-29."""
    browser = Browser()
    sealed = []
    for n in range(12):
        sealed.append(browser.shown(forms, Form(f"tab-{n}")))
        browser_time[0] += 1
    assert set(browser.cookies) == {f"okta_mcp_form_tab-{n}" for n in range(2, 12)}
    assert sum(len(f"{name}={value}; ") for name, value in browser.cookies.items()) < 4096
    assert refusal(forms, browser.request(), sealed[1]) == (403, "form_foreign")
    assert forms.read(browser.request(), "consent", sealed[2]).id == "tab-2"


def test_planted_cookies_go_before_real_ones(forms: Forms, browser_time: list[float]) -> None:
    browser = Browser()
    first = browser.shown(forms, Form("real"))
    for n in range(9):
        browser.cookies[f"okta_mcp_form_planted-{n}"] = "x"
    browser_time[0] += 1
    browser.shown(forms, Form("new"))
    assert forms.read(browser.request(), "consent", first).id == "real"


def test_an_answered_form_is_forgotten_by_the_browser(forms: Forms) -> None:
    browser = Browser()
    sealed = browser.shown(forms, FORM)
    response = Response()
    forms.forget(response, FORM)
    browser.took(response)
    assert browser.cookies == {}
    assert refusal(forms, browser.request(), sealed) == (403, "form_foreign")
