"""Inactive people, counted against the organisation itself."""

from datetime import UTC, datetime, timedelta

import pytest

from okta_mcp.tools.phrases import okta_time
from tests.sandbox.organisation import NOW
from tests.vocabulary.northwind import Northwind


def expected(northwind: Northwind, days: int) -> set[str]:
    before = okta_time(datetime.fromtimestamp(NOW, UTC) - timedelta(days=days))
    return {
        key
        for key, user in northwind.organisation.users.items()
        if user["status"] == "ACTIVE" and (user["lastLogin"] or user["created"]) < before
    }


@pytest.mark.parametrize("days", [None, 30, 365])
async def test_it_finds_everybody_who_has_not_signed_in(
    northwind: Northwind, days: int | None
) -> None:
    asked = {} if days is None else {"days": days}
    told = await northwind.call("inactive_users_report", **asked)
    assert {row["user_id"] for row in told.rows} == expected(northwind, days or 90)
    assert told.summary["inactive"] == len(told.rows)
    assert told.summary["looked_at"] == 205
    assert all(row["days_inactive"] >= (days or 90) for row in told.rows)
    if days is None:
        assert len(told.rows) == 31


async def test_the_longest_inactive_come_first(northwind: Northwind) -> None:
    never = northwind.organisation.person("hana.help")
    never["lastLogin"] = None
    rows = (await northwind.call("inactive_users_report")).rows
    first = [row["last_login"] for row in rows]
    assert rows[0]["user_id"] == never["id"]
    assert first[1:] == sorted(first[1:])


async def test_somebody_who_never_signed_in_is_judged_by_the_age_of_the_account(
    northwind: Northwind,
) -> None:
    old, new = northwind.organisation.person("hana.help"), northwind.organisation.person("sami.soc")
    old["lastLogin"] = new["lastLogin"] = None
    new["created"] = okta_time(datetime.fromtimestamp(NOW, UTC) - timedelta(days=2))
    told = await northwind.call("inactive_users_report")
    never = [row["user_id"] for row in told.rows if row["last_login"] is None]
    assert never == [old["id"]]
    assert told.summary["never_signed_in"] == 1


async def test_nobody_inactive_is_an_empty_report(northwind: Northwind) -> None:
    told = await northwind.call("inactive_users_report", days=3650)
    assert (told.rows, told.summary["inactive"], told.answer["truncated"]) == ([], 0, False)
    assert "csv" not in told.answer


async def test_people_who_are_not_active_are_not_counted(northwind: Northwind) -> None:
    northwind.organisation.person("lena.leaver")["lastLogin"] = "2020-01-01T00:00:00.000Z"
    told = await northwind.call("inactive_users_report")
    assert told.summary["inactive"] == 31


async def test_a_rate_limit_between_two_pages_gives_a_part(northwind: Northwind) -> None:
    northwind.context.profile = "integrator"
    # The bucket of a free organisation's token: 50 a minute, of which one is left.
    headers = {"Authorization": "SSWS 00sandboxtoken"}
    for _ in range(49):
        await northwind.http.get("/api/v1/users?limit=1", headers=headers)
    first = await northwind.call("inactive_users_report")
    assert first.summary["looked_at"] == 200
    assert 0 < first.answer["retry_after_seconds"] <= 61
    northwind.pass_seconds(first.answer["retry_after_seconds"])
    last = await northwind.call("inactive_users_report", after=first.cursor)
    ids = [row["user_id"] for row in [*first.rows, *last.rows]]
    assert sorted(ids) == sorted(expected(northwind, 90))
    assert last.summary["inactive"] == len(await northwind.csv(last)) == 31
