"""Who has access to an application, counted against the organisation itself."""

import pytest

from tests.vocabulary.northwind import Northwind, Told


def app_id(northwind: Northwind, label: str) -> str:
    apps = northwind.organisation.apps.items()
    return next(key for key, app in apps if app["label"] == label)


async def ways(northwind: Northwind, parts: list[Told]) -> list[tuple[str, str]]:
    rows = await northwind.csv(parts[-1])
    return sorted((row["user_id"], row["group_id"] or "direct") for row in rows)


@pytest.mark.parametrize("label", ["Payroll", "Learning", "Wiki", "Treasury"])
async def test_every_way_of_every_person_stands_there_once(
    northwind: Northwind, label: str
) -> None:
    org, app = northwind.organisation, app_id(northwind, label)
    parts = await northwind.walk("app_access_report", app_id=app)
    by_group = [(key, group) for group in org.app_groups[app] for key in org.members[group]]
    direct = [(key, "direct") for key in org.app_users[app]]
    assert await ways(northwind, parts) == sorted([*direct, *by_group])
    summary = parts[-1].summary
    assert summary["people"] == len(org.assignments(app))
    assert summary["people_direct"] == len(direct)
    assert summary["people_by_group"] == summary["people"] - len(direct)
    assert summary["groups"] == len(org.app_groups[app])
    assert summary["people_not_active"] == sum(
        org.users[key]["status"] != "ACTIVE" for key in org.assignments(app)
    )
    assert summary["app"]["label"] == label


async def test_an_application_of_nobody_is_an_empty_report(northwind: Northwind) -> None:
    app = app_id(northwind, "Payroll")
    northwind.organisation.app_users[app].clear()
    northwind.organisation.app_groups[app].clear()
    told = await northwind.call("app_access_report", app_id=app)
    assert (told.rows, told.summary["people"], told.answer["truncated"]) == ([], 0, False)


@pytest.mark.parametrize(
    ("name", "code"), [("Payroll Prague", "invalid_argument"), ("CustomerRecords", "not_found")]
)
async def test_a_name_in_the_place_of_an_id_is_told_how_to_find_the_id(
    northwind: Northwind, name: str, code: str
) -> None:
    told = await northwind.call("app_access_report", app_id=name)
    assert told.error["code"] == code
    assert "list_okta_applications q=" in told.error["fix"]


async def test_without_the_list_of_members_groups_are_named_and_their_people_unseen(
    northwind: Northwind,
) -> None:
    app = app_id(northwind, "Treasury")
    told = await northwind.call("app_access_report", app_id=app, without=("list_okta_group_users",))
    assert told.does_not_see("list_okta_group_users")
    groups = [row for row in told.rows if row["how"] == "group"]
    assert {row["group"] for row in groups} == {"dept-finance", "payroll-admins"}
    assert all(row["user_id"] is None for row in groups)
    assert not [path for path in northwind.asked if path.startswith("groups/")]


async def test_a_group_that_is_gone_is_unseen_and_the_rest_goes_on(northwind: Northwind) -> None:
    app = app_id(northwind, "Treasury")
    gone = min(northwind.organisation.app_groups[app])
    northwind.stops_at(f"groups/{gone}", status=404)
    told = await northwind.call("app_access_report", app_id=app)
    assert not told.answer["truncated"]
    assert told.does_not_see(gone)
    groups = {row["group_id"] for row in told.rows if row["how"] == "group"}
    assert groups == set(northwind.organisation.app_groups[app]) - {gone}
