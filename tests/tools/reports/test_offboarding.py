"""The offboarding check against what the organisation holds of a person."""

import json
from importlib.resources import files
from typing import Any

import pytest

from tests.vocabulary.northwind import Northwind, Told

_LISTS = {
    "groups": "list_okta_user_groups",
    "applications": "list_okta_applications",
    "factors": "list_okta_user_factors",
    "devices": "list_okta_devices",
    "administrator roles": "list_okta_admins",
    "API tokens": "list_okta_api_tokens",
    "use after the end": "get_okta_event_logs",
}


def checks(told: Told) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in told.rows}


def evidence(told: Told, check: str) -> set[str]:
    return set(checks(told)[check]["evidence"])


async def test_everything_that_the_leaver_still_has_is_found(northwind: Northwind) -> None:
    org = northwind.organisation
    leaver = org.person("lena.leaver")["id"]
    told = await northwind.call("offboarding_check", user_id=leaver)
    assert told.answer["verdict"] == "open"
    assert evidence(told, "account") == {leaver}
    assert evidence(told, "groups") == {
        group["id"] for group in org.groups_of(leaver) if group["type"] != "BUILT_IN"
    }
    assert evidence(told, "applications") == {
        key for key in org.apps if leaver in org.assignments(key)
    }
    assert evidence(told, "factors") == {
        each["id"] for each in org.factors.get(leaver, []) if each["status"] == "ACTIVE"
    }
    assert evidence(told, "devices") == {
        key for key, users in org.device_users.items() if leaver in users
    }
    assert evidence(told, "administrator roles") == {row["id"] for row in org.roles_of(leaver)}
    assert evidence(told, "API tokens") == {
        key for key, token in org.api_tokens.items() if token["userId"] == leaver
    }
    assert all(row["fix"] for row in told.rows if row["result"] == "open")
    assert told.summary["open"] == sum(row["result"] == "open" for row in told.rows)


async def test_use_after_the_end_is_the_incident_of_the_answer_key(northwind: Northwind) -> None:
    key = json.loads(files("okta_mcp.sandbox").joinpath("scenarios.json").read_text())
    incident = next(each for each in key if each["id"] == "leaver_access")
    leaver = northwind.organisation.person("lena.leaver")
    told = await northwind.call("offboarding_check", user_id=incident["actors"][0])
    found = checks(told)["use after the end"]
    assert found["number"] == incident["count"]
    assert set(found["evidence"]) == {
        event["uuid"]
        for event in northwind.organisation.events
        if event["actor"]["id"] == leaver["id"]
        and event["eventType"] == "user.authentication.sso"
        and event["published"] >= leaver["statusChanged"]
    }


async def test_the_summary_names_the_person_in_the_columns_of_the_other_reports(
    northwind: Northwind,
) -> None:
    leaver = northwind.organisation.person("lena.leaver")
    told = await northwind.call("offboarding_check", user_id=leaver["id"])
    assert told.summary["user"] == {
        "user_id": leaver["id"],
        "login": leaver["profile"]["login"],
        "name": " ".join(leaver["profile"][name] for name in ("firstName", "lastName")),
        "status": leaver["status"],
        "status_changed": leaver["statusChanged"],
        "last_login": leaver["lastLogin"],
    }


async def test_somebody_who_is_active_can_still_sign_in(northwind: Northwind) -> None:
    told = await northwind.call("offboarding_check", user_id="hana.help@northwind.example")
    assert "ACTIVE" in checks(told)["account"]["finding"]
    assert told.does_not_see("neither suspended nor deactivated")
    assert "use after the end" not in checks(told)


async def test_nothing_is_open_for_somebody_who_is_gone(northwind: Northwind) -> None:
    org = northwind.organisation
    gone = next(key for key, user in org.users.items() if user["status"] == "DEPROVISIONED")
    for lists in (org.factors, org.roles):
        lists.pop(gone, None)
    for users in org.device_users.values():
        users.pop(gone, None)
    for key in [key for key, token in org.api_tokens.items() if token["userId"] == gone]:
        del org.api_tokens[key]
    told = await northwind.call("offboarding_check", user_id=gone)
    assert told.answer["verdict"] == "nothing_open"
    assert {row["result"] for row in told.rows} == {"closed"}
    assert len(told.rows) == 8


@pytest.mark.parametrize("check", _LISTS)
async def test_a_list_that_the_caller_may_not_ask_for_is_not_read(
    northwind: Northwind, check: str
) -> None:
    leaver = northwind.organisation.person("lena.leaver")["id"]
    whole = await northwind.call("offboarding_check", user_id=leaver)
    with_all = len(northwind.asked)
    northwind.asked.clear()
    told = await northwind.call("offboarding_check", user_id=leaver, without=(_LISTS[check],))
    assert told.does_not_see(_LISTS[check])
    assert checks(told).keys() == checks(whole).keys() - {check}
    assert len(northwind.asked) == with_all - 1


@pytest.mark.parametrize(
    ("path", "check"), [("api-tokens", "API tokens"), ("devices", "devices"), ("logs", "use")]
)
async def test_a_list_that_okta_refuses_is_unseen_and_the_rest_goes_on(
    northwind: Northwind, path: str, check: str
) -> None:
    leaver = northwind.organisation.person("lena.leaver")["id"]
    place = f"users/{leaver}/devices" if path == "devices" else path
    northwind.stops_at(place, status=403)
    told = await northwind.call("offboarding_check", user_id=leaver)
    assert told.does_not_see(check)
    assert len(told.rows) == 7


async def test_sessions_are_always_unseen(northwind: Northwind) -> None:
    told = await northwind.call("offboarding_check", user_id="lena.leaver@northwind.example")
    assert told.does_not_see("sessions")


async def test_the_log_is_read_within_the_window_of_the_role(northwind: Northwind) -> None:
    told = await northwind.call(
        "offboarding_check", user_id="lena.leaver@northwind.example", longest_window_days=7
    )
    # The leaver was suspended nine days ago and used the account on that day only.
    assert told.does_not_see("use after the end before")
    assert checks(told)["use after the end"]["number"] == 0
