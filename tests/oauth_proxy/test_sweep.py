"""The sweep of what has expired: one process with the store does it in each interval."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from okta_mcp.oauth_proxy.parts import Parts, assembled
from okta_mcp.serving.sweep import SWEEP_SECONDS, sweep_in_turn
from okta_mcp.settings import load_settings
from okta_mcp.stores.records import Mark
from tests.vocabulary.clock import Clock


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[tuple[list[Parts], Clock]]:
    """Three processes with one file, whose time is the test's."""
    settings = load_settings(
        env_file=None,
        overrides={
            "okta_org_url": "https://acme.okta.example",
            "okta_client_id": "0oa1client",
            "okta_client_secret": "a-client-secret-of-the-tests",
            "group_to_role_viewer": "staff",
            "session_secret_key": "a-session-secret-of-the-tests-0123456789abcdef",
            "store_url": f"sqlite:///{tmp_path}/store.db",
            "audit_log": str(tmp_path / "audit.jsonl"),
        },
    )
    clock = Clock()
    made = [assembled(settings, clock, None) for _ in range(3)]
    yield made, clock
    for parts in made:
        await parts.http.aclose()
        parts.resolver.close()
        await parts.records.store.close()
        parts.audit.close()


async def test_one_of_three_processes_sweeps_in_each_interval(
    processes: tuple[list[Parts], Clock],
) -> None:
    made, clock = processes
    for _ in range(3):
        await made[0].records.used_states.put("state", Mark(at=clock()), 1)
        clock.pass_seconds(SWEEP_SECONDS)
        assert [await sweep_in_turn(parts) for parts in made] == [True, False, False]
        assert await made[0].records.store.sweep() == 0


async def test_another_sweeps_when_the_one_that_did_is_gone(
    processes: tuple[list[Parts], Clock],
) -> None:
    made, clock = processes
    assert await sweep_in_turn(made[0])
    clock.pass_seconds(SWEEP_SECONDS)
    assert await sweep_in_turn(made[2])
