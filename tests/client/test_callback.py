"""The loopback end on its own: what it answers to requests that are not the browser's answer."""

import asyncio

import httpx
import pytest

from okta_mcp.client.callback import MAX_REQUEST_BYTES, Callback, open_callback
from okta_mcp.client.errors import LoginError


async def _get(callback: Callback, query: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(callback.redirect_uri + query)


@pytest.mark.parametrize(("method", "path"), [("GET", "/favicon.ico"), ("POST", "/callback")])
async def test_other_requests_are_not_an_answer(method: str, path: str) -> None:
    async with open_callback(0) as callback, httpx.AsyncClient(trust_env=False) as http:
        url = callback.redirect_uri.replace("/callback", path)
        response = await http.request(method, f"{url}?code=x")
        assert response.status_code == 404
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await callback.answer()


async def test_a_request_too_long_is_dropped() -> None:
    async with open_callback(0) as callback:
        with pytest.raises(httpx.HTTPError):
            await _get(callback, f"?code={'x' * MAX_REQUEST_BYTES}")


async def test_a_taken_port_is_a_login_error() -> None:
    async with open_callback(0) as callback:
        port = int(callback.redirect_uri.split(":")[2].split("/")[0])
        with pytest.raises(LoginError, match=f"127.0.0.1:{port}"):
            async with open_callback(port):
                pytest.fail("two listeners")


async def test_a_second_answer_is_turned_away() -> None:
    async with open_callback(0) as callback:
        first = asyncio.create_task(_get(callback, "?code=1&state="))
        answer = await callback.answer()
        second = await _get(callback, "?code=2")
        answer.succeed()
        assert second.status_code == 410
        assert (await first).status_code == 200
        assert answer.parameters == {"code": ["1"], "state": [""]}


async def test_the_page_shows_a_reason_as_text_and_loads_nothing() -> None:
    async with open_callback(0) as callback:
        waiting = asyncio.create_task(_get(callback, "?error=x"))
        (await callback.answer()).fail("<script>alert(1)</script>")
        page = await waiting
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"


async def test_an_answer_that_is_never_judged_gets_a_page_too() -> None:
    async with open_callback(0) as callback:
        waiting = asyncio.create_task(_get(callback, "?code=1"))
        await callback.answer()
    assert "interrupted" in (await waiting).text


async def test_a_connection_that_says_nothing_does_not_hold_the_end_up() -> None:
    async with open_callback(0) as callback:
        host, port = callback.redirect_uri.split("/")[2].split(":")
        _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
