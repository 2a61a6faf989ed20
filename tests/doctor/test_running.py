"""What runs, what is skipped because of what, and that nothing takes for ever."""

import asyncio

import pytest

from okta_mcp.doctor import running
from okta_mcp.doctor.checks import IDS, Check
from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict
from tests.doctor.conftest import Examine


async def test_with_unusable_settings_nothing_else_is_asked(examine: Examine) -> None:
    found = await examine(LOG_LEVEL="LOUD", OKTA_API_AUTH="service")
    assert found.statuses == {"settings": "failed"} | dict.fromkeys(IDS[1:], "skipped")
    assert len(found.of("settings")) == 3
    assert {each.seen for each in found.all if each.status == "skipped"} == {
        "cannot be told because settings failed"
    }


async def test_what_needs_a_failed_check_is_skipped_with_its_name(examine: Examine) -> None:
    found = await examine(OKTA_CLIENT_SECRET="not-the-secret")
    assert found.status("okta.client") == "failed"
    for check in ("okta.redirect_uri", "okta.scopes"):
        (finding,) = found.of(check)
        assert (finding.status, finding.seen) == (
            "skipped",
            "cannot be told because okta.client failed",
        )
    assert found.status("okta.api_rights") == "ok"


async def test_one_check_is_told_alone(examine: Examine) -> None:
    assert (await examine("okta.redirect_uri")).statuses == {"okta.redirect_uri": "ok"}


async def test_one_check_that_is_stopped_is_told_with_what_stops_it(examine: Examine) -> None:
    found = await examine("okta.scopes", OKTA_CLIENT_ID="0oanobody")
    assert found.statuses == {"okta.client": "failed", "okta.scopes": "skipped"}


async def test_a_check_that_never_ends_is_ended(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(_: Subject) -> list[Verdict]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(running, "_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(running, "CHECKS", (Check("store", endless), Check("audit", endless)))
    found = await examine("store", "audit")
    assert found.statuses == {"store": "failed", "audit": "failed"}
