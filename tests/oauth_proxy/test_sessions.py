"""Browser sessions: two hours, one cookie, and an end on the server."""

from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.stores.records import Records, Session
from okta_mcp.stores.sealing import Sealer
from tests.oauth_proxy.conftest import SECRET
from tests.vocabulary.clock import Clock
from tests.vocabulary.requests import request_of

ID_TOKEN = "eyJhbGciOi.the-id-token-of-ann"


@pytest.fixture
def sessions(records: Records, sealer: Sealer, clock: Clock) -> Sessions:
    return Sessions(records, sealer, Cookies(is_https=False), ttl_seconds=7200, now=clock)


async def started(
    sessions: Sessions, user_id: str = "00uann", **changes: Any
) -> tuple[str, Session]:
    """The cookie's value and the session."""
    response = Response()
    fields: dict[str, Any] = {"login": "ann@example.com", "name": "Ann", "upstream_id": None}
    session = await sessions.start(
        response, user_id=user_id, id_token=ID_TOKEN, **(fields | changes)
    )
    return SimpleCookie(response.headers["set-cookie"])["okta_mcp_session"].value, session


def bringing(cookie: str) -> Request:
    return request_of(method="GET", headers={"cookie": f"okta_mcp_session={cookie}"})


@pytest.mark.parametrize("cookie", ["", "x", "A" * 120, "00uann:abc", "é"])
async def test_a_made_up_cookie_is_no_session(sessions: Sessions, cookie: str) -> None:
    await started(sessions)
    assert await sessions.of(bringing(cookie)) is None


async def test_no_cookie_is_no_session(sessions: Sessions) -> None:
    assert await sessions.of(request_of(method="GET")) is None


async def test_what_was_sealed_for_another_use_is_no_session(
    sessions: Sessions, sealer: Sealer
) -> None:
    """C-29."""
    _, session = await started(sessions)
    cookie = sealer.seal(f"{session.user_id}:{session.key}", "id token")
    assert await sessions.of(bringing(cookie)) is None


async def test_a_sealed_identifier_that_the_store_does_not_know_is_no_session(
    sessions: Sessions, sealer: Sealer
) -> None:
    """W-07: the store has the last word."""
    await started(sessions)
    assert await sessions.of(bringing(sealer.seal("00uann:guessed", "session"))) is None


async def test_another_servers_cookie_is_no_session(
    records: Records, clock: Clock, sessions: Sessions
) -> None:
    other = Sessions(
        records,
        Sealer((SECRET + b"x",), "kept"),
        Cookies(is_https=False),
        ttl_seconds=60,
        now=clock,
    )
    cookie, _ = await started(other)
    assert await sessions.of(bringing(cookie)) is None


async def test_a_session_ends_after_its_time_however_it_is_used(
    sessions: Sessions, clock: Clock
) -> None:
    cookie, session = await started(sessions)
    for _ in range(2):
        clock.pass_seconds(3599)
        assert await sessions.of(bringing(cookie)) == session
    clock.pass_seconds(2)
    assert await sessions.of(bringing(cookie)) is None


async def test_an_ended_session_does_not_come_back_with_its_cookie(sessions: Sessions) -> None:
    """W-10: the end is on the server."""
    cookie, session = await started(sessions)
    response = Response()
    await sessions.end(session, response)
    assert await sessions.of(bringing(cookie)) is None
    assert "Max-Age=0" in response.headers["set-cookie"]


async def test_ending_all_sessions_of_a_person_leaves_others(sessions: Sessions) -> None:
    first, _ = await started(sessions)
    second, _ = await started(sessions)
    others, kept = await started(sessions, "00uann2")
    await sessions.end_all("00uann")
    assert await sessions.of(bringing(first)) is None
    assert await sessions.of(bringing(second)) is None
    assert await sessions.of(bringing(others)) == kept


async def test_every_sign_in_makes_a_new_session(sessions: Sessions) -> None:
    """W-07."""
    cookies = {(await started(sessions))[0] for _ in range(20)}
    assert len(cookies) == 20


async def test_a_session_is_found_by_its_cookie(sessions: Sessions, clock: Clock) -> None:
    cookie, session = await started(sessions, upstream_id="kept-1")
    assert await sessions.of(bringing(cookie)) == session
    assert session.expires_at == clock() + 7200
    assert (session.user_id, session.upstream_id) == ("00uann", "kept-1")
    assert sessions.id_token(session) == ID_TOKEN


async def test_neither_cookie_nor_store_shows_a_secret(
    sessions: Sessions, records: Records, sealer: Sealer
) -> None:
    """S-03, W-07: the cookie is encrypted, the store holds digests and sealed text."""
    cookie, session = await started(sessions)
    session_id = sealer.open(cookie, "session").partition(":")[2]
    assert "00uann" not in cookie
    assert len(session_id) >= 43
    kept = [f"{key} {record!r}" async for key, record in records.sessions.scan()]
    assert len(kept) == 1
    assert session_id not in kept[0]
    assert ID_TOKEN not in kept[0]
    assert session.key.startswith("00uann:")
