"""The bridge at a server that asks for a log-in: one for all, kept, refreshed, shared."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from okta_mcp.client.errors import LoginError
from okta_mcp.client.login import Browser
from okta_mcp.client.session import Session
from okta_mcp.client.shared_login import SharedLogin
from okta_mcp.client.store import LoginStore
from tests.client.conftest import Clock, FollowingBrowser
from tests.client.raw_server import Talk, bridged, request
from tests.client.scripted import ScriptedServer

LIFETIME_SECONDS = 3600
A_MINUTE = 60
PING = "ping"


@pytest.fixture
def session(
    server: ScriptedServer, store: LoginStore, browser: FollowingBrowser, clock: Clock
) -> Session:
    return Session(server.url, store, Browser(lambda _: None, browser), clock)


@pytest.fixture
async def bridge(server: ScriptedServer, session: Session) -> AsyncIterator[Talk]:
    async with bridged(server.url, session) as talk:
        yield talk


def waiting(
    server: ScriptedServer, store: LoginStore, clock: Clock, shown: "asyncio.Queue[str]"
) -> AbstractAsyncContextManager[Talk]:
    """A bridge whose person does not go to the page that is shown."""
    return bridged(server.url, Session(server.url, store, Browser(shown.put_nowait, None), clock))


async def answers(talk: Talk, *numbers: int) -> None:
    """Ask all at once; every one is answered with a result."""
    await talk.send(*(request(number, PING) for number in numbers))
    found = [await talk.next() for _ in numbers]
    assert {answer["id"] for answer in found} == set(numbers), found
    assert all("result" in answer for answer in found), found


async def test_a_login_that_is_denied_answers_and_ends_the_bridge(
    server: ScriptedServer, bridge: Talk
) -> None:
    server.script.answer = lambda answer: {"error": "access_denied", "state": answer["state"]}
    assert "access_denied" in await bridge.error_text(request(1, PING))
    with pytest.raises(LoginError) as ended:
        await bridge.ended()
    assert ended.value.exit_status == 2


async def test_a_token_refused_right_after_the_login_ends_the_bridge(
    server: ScriptedServer, bridge: Talk, browser: FollowingBrowser
) -> None:
    server.script.accepts_tokens = False
    assert "just issued" in await bridge.error_text(request(1, PING))
    with pytest.raises(LoginError):
        await bridge.ended()
    assert len(browser.urls) == 2


async def test_a_later_login_that_is_denied_is_an_error_and_the_next_request_tries_again(
    server: ScriptedServer, bridge: Talk, browser: FollowingBrowser
) -> None:
    await answers(bridge, 1)
    server.access_tokens.clear()
    server.refresh_tokens.clear()
    server.script.answer = lambda answer: {"error": "access_denied", "state": answer["state"]}
    assert "access_denied" in await bridge.error_text(request(2, PING))
    server.script.answer = lambda answer: answer
    await answers(bridge, 3)
    assert len(browser.urls) == 3


async def test_scopes_that_a_log_in_did_not_bring_are_asked_for_once(
    server: ScriptedServer, bridge: Talk, browser: FollowingBrowser
) -> None:
    # A scope with a space in it can never be among those that were asked for.
    server.script.wanted_scope = "never enough"
    assert "HTTP 403" in await bridge.error_text(request(1, PING))
    assert len(browser.urls) == 2
    assert "HTTP 403" in await bridge.error_text(request(2, PING))
    assert len(browser.urls) == 2


async def test_a_notification_that_wants_more_scopes_sends_nobody_to_the_browser(
    server: ScriptedServer, bridge: Talk, browser: FollowingBrowser
) -> None:
    await answers(bridge, 1)
    server.script.wanted_scope = "okta.logs.read"
    await bridge.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
    await bridge.said.reaches(3)
    assert "HTTP 403" in bridge.said[-1]
    assert len(browser.urls) == 1


async def test_a_server_that_wants_more_scopes_is_given_them_by_one_login(
    server: ScriptedServer, bridge: Talk, browser: FollowingBrowser
) -> None:
    await answers(bridge, 1)
    server.script.wanted_scope = "okta.logs.read"
    await answers(bridge, 2, 3, 4)
    assert len(browser.urls) == 2
    scopes = [asked["scope"].split() for asked in server.asked("authorize")]
    assert scopes[-1] == [*scopes[0], "okta.logs.read"]
    assert server.asked("refresh_token") == []


async def test_a_notification_sends_nobody_to_the_browser(
    server: ScriptedServer, bridge: Talk, browser: FollowingBrowser
) -> None:
    await bridge.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
    await bridge.said.reaches(1)
    assert "did not reach the server" in bridge.said[0]
    assert browser.urls == []


async def test_requests_that_come_together_cause_one_login(
    server: ScriptedServer, bridge: Talk, browser: FollowingBrowser
) -> None:
    await answers(bridge, 1, 2, 3, 4, 5)
    assert len(browser.urls) == 1
    assert any("asks for a log-in" in text for text in bridge.said)


async def test_a_stored_login_is_used(
    server: ScriptedServer, session: Session, bridge: Talk, browser: FollowingBrowser
) -> None:
    await session.log_in({})
    await answers(bridge, 1, 2)
    assert len(browser.urls) == 1
    assert bridge.said == []


async def test_a_login_outlives_the_bridge(
    server: ScriptedServer, session: Session, browser: FollowingBrowser
) -> None:
    for _ in range(2):
        async with bridged(server.url, session) as talk:
            await answers(talk, 1)
    assert len(browser.urls) == 1


async def test_requests_that_are_refused_together_cause_one_refresh(
    server: ScriptedServer, bridge: Talk, browser: FollowingBrowser
) -> None:
    await answers(bridge, 1)
    server.access_tokens.clear()
    await answers(bridge, 2, 3, 4, 5, 6)
    assert len(server.asked("refresh_token")) == 1
    assert len(browser.urls) == 1


async def test_a_token_is_refreshed_before_it_ends(
    server: ScriptedServer, bridge: Talk, clock: Clock
) -> None:
    await answers(bridge, 1)
    before = set(server.access_tokens)
    server.requests.clear()
    clock.seconds += LIFETIME_SECONDS - A_MINUTE
    await answers(bridge, 2, 3)
    assert len(server.asked("refresh_token")) == 1
    assert not before & {sent["token"] for sent in server.asked("mcp")}


async def test_the_token_endpoint_may_be_away_for_a_moment(
    server: ScriptedServer, bridge: Talk, clock: Clock
) -> None:
    await answers(bridge, 1)
    clock.seconds += LIFETIME_SECONDS
    server.script.refresh_answer = (503, {"error": "temporarily_unavailable"})
    await bridge.send(request(2, PING))
    await bridge.said.reaches(3)
    assert "Trying again" in bridge.said[2]
    server.script.refresh_answer = None
    assert "result" in await bridge.next()


async def test_a_login_of_another_program_is_used_while_ours_waits(
    server: ScriptedServer, store: LoginStore, session: Session, clock: Clock
) -> None:
    shown: asyncio.Queue[str] = asyncio.Queue()
    async with waiting(server, store, clock, shown) as talk:
        await talk.send(request(1, PING), request(2, PING))
        await shown.get()
        await session.log_in({})
        assert {(await talk.next())["id"] for _ in range(2)} == {1, 2}
        assert "Another program of yours has logged in; that is used." in talk.said
        assert shown.empty()


async def test_a_login_that_was_made_while_the_request_travelled_is_used(
    server: ScriptedServer, store: LoginStore, session: Session
) -> None:
    await session.log_in({})
    login = SharedLogin(session, server.url, lambda _: None)
    made = await login.after_refusal(None, {}, may_refresh=True, may_log_in=False)
    kept = store.load(server.url)
    assert kept is not None
    assert made == kept.tokens


async def test_a_cancelled_request_leaves_the_login_to_the_others(
    server: ScriptedServer, store: LoginStore, session: Session, clock: Clock
) -> None:
    shown: asyncio.Queue[str] = asyncio.Queue()
    async with waiting(server, store, clock, shown) as talk:
        await talk.send(request(1, PING), request(2, PING))
        await shown.get()
        cancelled = {"method": "notifications/cancelled", "params": {"requestId": 1}}
        await talk.send({"jsonrpc": "2.0", **cancelled})
        await session.log_in({})
        assert (await talk.next())["id"] == 2
        assert shown.empty()


async def test_a_client_that_gives_up_ends_the_login(
    server: ScriptedServer, store: LoginStore, clock: Clock
) -> None:
    shown: asyncio.Queue[str] = asyncio.Queue()
    async with waiting(server, store, clock, shown) as talk:
        await talk.send(request(1, PING))
        await shown.get()
        talk.hang_up()
        await talk.ended()
        assert await talk.rest() == b""


async def test_no_token_is_ever_said(server: ScriptedServer, bridge: Talk) -> None:
    await answers(bridge, 1)
    server.access_tokens.clear()
    await answers(bridge, 2)
    assert len(server.issued) == 4
    assert not [token for token in server.issued for text in bridge.said if token in text]
