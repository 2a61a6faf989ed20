"""Cookies: host-only, HttpOnly, Lax, and with https never under a bare name."""

import pytest
from starlette.responses import Response

from okta_mcp.oauth_proxy.cookies import Cookies
from tests.vocabulary.requests import request_of

HTTP, HTTPS = Cookies(is_https=False), Cookies(is_https=True)


def attributes(response: Response) -> tuple[str, set[str]]:
    pair, *rest = response.headers["set-cookie"].split("; ")
    return pair, {each.lower() for each in rest}


@pytest.mark.parametrize(
    "name",
    ["okta_mcp_session", "__Secure-okta_mcp_session", "__host-okta_mcp_session", "session"],
)
def test_with_https_a_cookie_without_the_host_prefix_is_not_read(name: str) -> None:
    """C-26: a sibling domain may have planted it."""
    assert HTTPS.get(request_of(headers={"cookie": f"{name}=x"}), "session") is None


def test_a_cookie_of_another_name_is_not_read() -> None:
    request = request_of(headers={"cookie": "okta_mcp_session2=x; okta_mcp_sess=y"})
    assert HTTP.get(request, "session") is None


@pytest.mark.parametrize("is_deleted", [True, False])
@pytest.mark.parametrize(
    ("cookies", "name", "secure"),
    [(HTTP, "okta_mcp_session", False), (HTTPS, "__Host-okta_mcp_session", True)],
)
def test_a_cookie_is_for_this_host_and_not_for_scripts(
    cookies: Cookies, name: str, secure: bool, is_deleted: bool
) -> None:
    """C-26: a deletion needs the same attributes, or the browser keeps the cookie."""
    response = Response()
    if is_deleted:
        cookies.delete(response, "session")
    else:
        cookies.set(response, "session", "value", ttl_seconds=600)
    pair, rest = attributes(response)
    assert pair == (f'{name}=""' if is_deleted else f"{name}=value")
    assert {"httponly", "samesite=lax", "path=/"} <= rest
    assert ("secure" in rest) is secure
    assert ("max-age=0" in rest) is is_deleted
    assert not any(each.startswith("domain") for each in rest)


@pytest.mark.parametrize("cookies", [HTTP, HTTPS])
def test_a_cookie_that_was_set_is_read_back(cookies: Cookies) -> None:
    response = Response()
    cookies.set(response, "session", "value-_.", ttl_seconds=600)
    pair, _ = attributes(response)
    assert cookies.get(request_of(headers={"cookie": pair}), "session") == "value-_."


def test_cookies_are_found_by_prefix() -> None:
    header = "okta_mcp_form_a=1; okta_mcp_form_b=2; okta_mcp_session=3; form_c=4"
    found = HTTP.named(request_of(headers={"cookie": header}), "form_")
    assert found == {"a": "1", "b": "2"}
