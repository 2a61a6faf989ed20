"""Okta's refresh tokens in the store: a newer one is never lost, and none stays at Okta unused."""

import pytest

from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Records, Session
from okta_mcp.stores.sealing import Sealer
from tests.oauth_proxy.conftest import RevokingLogin
from tests.vocabulary.clock import Clock
from tests.vocabulary.faulty_store import FaultyStore

ANN = "00uann"


async def test_a_token_that_another_process_stored_stays(upstreams: Upstreams) -> None:
    """Both exchanged the same old one; the first to come back has the place."""
    upstream_id = await upstreams.keep("old")
    await upstreams.replace(upstream_id, "old", "of the first")
    await upstreams.replace(upstream_id, "old", "of the second")
    assert await upstreams.read(upstream_id) == "of the first"


async def test_a_sign_in_that_ended_meanwhile_is_not_brought_back(
    upstreams: Upstreams, okta_login: RevokingLogin
) -> None:
    upstream_id = await upstreams.keep("old")
    await upstreams.release(ANN, upstream_id)
    await upstreams.replace(upstream_id, "old", "new")
    assert await upstreams.read(upstream_id) is None
    assert okta_login.revoked == ["old", "new"]


@pytest.mark.parametrize("is_done", [False, True], ids=["nothing is done", "the answer is lost"])
@pytest.mark.parametrize("is_okta_away", [False, True])
async def test_what_cannot_be_kept_goes_back_to_okta(
    sealer: Sealer, okta_login: RevokingLogin, clock: Clock, is_done: bool, is_okta_away: bool
) -> None:
    store = FaultyStore(MemoryStore(clock))
    upstreams = Upstreams(Records(store), sealer, okta_login, ttl_seconds=60, now=clock)  # type: ignore[arg-type]
    okta_login.is_away = is_okta_away
    store.fail_at(1, is_done=is_done)
    with pytest.raises(StoreUnavailableError):
        await upstreams.keep("new")
    assert okta_login.revoked == ([] if is_okta_away else ["new"])


async def test_with_another_key_the_person_signs_in_again(
    upstreams: Upstreams, records: Records, okta_login: RevokingLogin, clock: Clock
) -> None:
    upstream_id = await upstreams.keep("old")
    other = Upstreams(
        records,
        Sealer((b"another key of 32 bytes and more.",), "sealing"),
        okta_login,  # type: ignore[arg-type]
        ttl_seconds=60,
        now=clock,
    )
    assert await other.read(upstream_id) is None
    await other.replace(upstream_id, "old", "new")
    assert await upstreams.read(upstream_id) == "old"


async def test_what_nothing_needs_any_more_goes_back_to_okta(
    upstreams: Upstreams, okta_login: RevokingLogin, clock: Clock
) -> None:
    """Its grants and sessions ended by their time, and nobody said so."""
    await upstreams.keep("old")
    clock.seconds += 601
    await upstreams.release_unused()
    await upstreams.release_unused()
    assert okta_login.revoked == ["old"]


async def test_a_sign_in_that_is_being_finished_is_left_alone(
    upstreams: Upstreams, okta_login: RevokingLogin, clock: Clock
) -> None:
    upstream_id = await upstreams.keep("old")
    clock.seconds += 599
    await upstreams.release_unused()
    assert await upstreams.read(upstream_id) == "old"
    assert okta_login.revoked == []


async def test_what_a_session_needs_stays(
    upstreams: Upstreams, records: Records, okta_login: RevokingLogin, clock: Clock
) -> None:
    upstream_id = await upstreams.keep("old")
    session = Session(f"{ANN}:s", ANN, "ann@example.com", "Ann", 0.0, "sealed", upstream_id)
    await records.sessions.put(session.key, session, 7200)
    clock.seconds += 7199
    await upstreams.release_unused()
    assert await upstreams.read(upstream_id) == "old"
    clock.seconds += 2
    await upstreams.release_unused()
    assert okta_login.revoked == ["old"]
