"""The loopback end on its own: what it answers to requests that are not the browser's answer."""

import asyncio

import httpx
import pytest

from okta_mcp.client import callback_page
from okta_mcp.client.callback import (
    MAX_REQUEST_BYTES,
    Callback,
    _listen_too,
    entered_address,
    open_callback,
    own_address,
)
from okta_mcp.client.errors import LoginError
from tests.vocabulary.processes import free_port


async def _get(callback: Callback, query: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(callback.redirect_uri + query)


@pytest.mark.parametrize(("method", "path"), [("GET", "/favicon.ico"), ("POST", "/callback")])
async def test_other_requests_are_not_an_answer(method: str, path: str) -> None:
    async with open_callback(own_address()) as callback, httpx.AsyncClient(trust_env=False) as http:
        url = callback.redirect_uri.replace("/callback", path)
        response = await http.request(method, f"{url}?code=x")
        assert response.status_code == 404
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await callback.answer()


async def test_a_request_too_long_is_dropped() -> None:
    async with open_callback(own_address()) as callback:
        with pytest.raises(httpx.HTTPError):
            await _get(callback, f"?code={'x' * MAX_REQUEST_BYTES}")


async def test_a_taken_port_is_a_login_error() -> None:
    async with open_callback(own_address()) as callback:
        port = int(callback.redirect_uri.split(":")[2].split("/")[0])
        with pytest.raises(LoginError, match=f"127.0.0.1:{port}"):
            async with open_callback(own_address(port)):
                pytest.fail("two listeners")


async def test_a_second_answer_is_turned_away() -> None:
    async with open_callback(own_address()) as callback:
        first = asyncio.create_task(_get(callback, "?code=1&state="))
        answer = await callback.answer()
        second = await _get(callback, "?code=2")
        answer.show(callback_page.succeeded("http://localhost/mcp"))
        assert second.status_code == 410
        assert (await first).status_code == 200
        assert answer.parameters == {"code": ["1"], "state": [""]}


async def test_the_page_shows_a_reason_as_text_and_loads_nothing() -> None:
    async with open_callback(own_address()) as callback:
        waiting = asyncio.create_task(_get(callback, "?error=x"))
        (await callback.answer()).show(callback_page.denied("<script>alert(1)</script>"))
        page = await waiting
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"


async def test_an_answer_that_is_never_judged_gets_a_page_too() -> None:
    async with open_callback(own_address()) as callback:
        waiting = asyncio.create_task(_get(callback, "?code=1"))
        await callback.answer()
    assert "stopped waiting" in (await waiting).text


async def test_a_connection_that_says_nothing_does_not_hold_the_end_up() -> None:
    async with open_callback(own_address()) as callback:
        host, port = callback.redirect_uri.split("/")[2].split(":")
        _, writer = await asyncio.open_connection(host, int(port))
    writer.close()


async def test_localhost_needs_both_of_its_addresses() -> None:
    async with open_callback(own_address()) as taken:
        port = int(taken.redirect_uri.split(":")[2].split("/")[0])
        with pytest.raises(LoginError, match="something else listens there"):
            await _listen_too(Callback("/"), "127.0.0.1", port)


async def test_an_address_that_this_computer_does_not_have_is_left_out() -> None:
    assert await _listen_too(Callback("/"), "192.0.2.1", 0) == []


async def test_an_entered_callback_has_its_own_path_and_the_name_localhost() -> None:
    port = free_port()
    async with open_callback(entered_address(port)) as callback:
        assert callback.redirect_uri == f"http://localhost:{port}/oauth/callback"
        waiting = asyncio.create_task(_get(callback, "?code=1"))
        (await callback.answer()).show(callback_page.succeeded("http://localhost/mcp"))
        assert "http://localhost/mcp as you" in (await waiting).text
