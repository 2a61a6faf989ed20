"""Sign-in factors of people, counted against the organisation itself."""

from collections import Counter
from typing import Any

import pytest

from okta_mcp.tools.reports.factors import (
    HIDDEN,
    POSTURES,
    active_kinds,
    pending_kinds,
    posture_of,
    unknown_kinds,
)
from tests.vocabulary.northwind import Northwind, everything

_PHISHING_RESISTANT = {"webauthn", "signed_nonce", "u2f"}


def expected(northwind: Northwind, users: set[str]) -> Counter[str]:
    """By what the organisation holds: it has no factor between weak and strong but push."""
    org, found = northwind.organisation, Counter[str]()
    for key in users:
        factors = org.factors.get(key, [])
        kinds = {each["factorType"] for each in factors if each["status"] == "ACTIVE"}
        if not kinds:
            found["no_mfa"] += 1
        elif kinds & _PHISHING_RESISTANT:
            found["phishing_resistant"] += 1
        else:
            found["strong" if "push" in kinds else "weak_only"] += 1
    return found


def active(northwind: Northwind, users: set[str]) -> set[str]:
    return {key for key in users if northwind.organisation.users[key]["status"] == "ACTIVE"}


def admins(northwind: Northwind) -> set[str]:
    org = northwind.organisation
    return active(northwind, {key for key in org.users if org.roles_of(key)})


def make_everybody_an_admin(northwind: Northwind) -> None:
    org = northwind.organisation
    role = {"id": "ra1", "type": "READ_ONLY_ADMIN", "label": "x", "status": "ACTIVE"}
    for key in active(northwind, set(org.users)):
        org.roles.setdefault(key, []).append(
            role | {"assignmentType": "USER", "assignee": f"users/{key}"}
        )


async def test_everybody_is_looked_at_once_and_administrators_first(northwind: Northwind) -> None:
    everybody = active(northwind, set(northwind.organisation.users))
    parts = await northwind.walk("mfa_posture_report")
    rows = everything(parts)
    assert sorted(row["user_id"] for row in rows) == sorted(everybody)
    first = [row["user_id"] for row in rows[: len(admins(northwind))]]
    assert set(first) == admins(northwind)
    assert [row["user_id"] for row in rows if row["admin"]] == first
    summary = parts[-1].summary
    assert +Counter({name: summary[name] for name in expected(northwind, everybody)}) == expected(
        northwind, everybody
    )
    assert (summary["no_mfa"], summary["weak_only"]) == (16, 29)
    assert summary["administrators"]["no_mfa"] == 2
    assert all(HIDDEN in part.answer["unseen"] for part in parts)
    assert len(await northwind.csv(parts[-1])) == 205


async def test_without_the_list_of_administrators_nobody_is_marked(northwind: Northwind) -> None:
    without = ("list_okta_admins",)
    told = await northwind.call("mfa_posture_report", without=without)
    assert told.does_not_see("list_okta_admins")
    assert {row["admin"] for row in told.rows} == {None}
    assert "administrators" not in told.summary
    assert not [path for path in northwind.asked if path.startswith("iam/")]


async def test_a_role_that_is_lost_between_two_parts_hides_the_administrators(
    northwind: Northwind,
) -> None:
    first = await northwind.call("mfa_posture_report")
    northwind.asked.clear()
    without = ("list_okta_admins",)
    rest = await northwind.call("mfa_posture_report", without=without, after=first.cursor)
    assert {row["admin"] for row in rest.rows} == {None}
    assert "administrators" not in rest.summary


async def test_administrators_are_not_read_any_further_once_the_role_is_lost(
    northwind: Northwind, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_everybody_an_admin(northwind)
    monkeypatch.setattr("okta_mcp.tools.reports.report.READS_A_CALL", 1)
    first = await northwind.call("mfa_posture_report")
    assert northwind.asked == ["iam/assignees/users"]
    northwind.asked.clear()
    await northwind.call("mfa_posture_report", without=("list_okta_admins",), after=first.cursor)
    assert "iam/assignees/users" not in northwind.asked


@pytest.mark.parametrize("name", ["dept-security", "sso-super-admins", "contractors"])
async def test_a_group_is_looked_at_for_its_active_people(northwind: Northwind, name: str) -> None:
    org = northwind.organisation
    group = org.group_named(name)["id"]
    parts = await northwind.walk("mfa_posture_report", group_id=group)
    rows = everything(parts)
    members = active(northwind, org.members[group])
    assert {row["user_id"] for row in rows} == members
    assert {row["user_id"] for row in rows if row["admin"]} == members & admins(northwind)
    assert parts[-1].summary["not_active"] == len(org.members[group]) - len(members)


async def test_a_search_chooses_the_people(northwind: Northwind) -> None:
    search = 'status eq "ACTIVE" and profile.department eq "Risk"'
    rows = everything(await northwind.walk("mfa_posture_report", search=search))
    assert {row["user_id"] for row in rows} == {
        key
        for key, user in northwind.organisation.users.items()
        if user["status"] == "ACTIVE" and user["profile"]["department"] == "Risk"
    }


@pytest.mark.parametrize("asked", [{}, {"search": 'status eq "ACTIVE"'}], ids=["all", "search"])
async def test_the_weakest_come_first_in_each_part(
    northwind: Northwind, asked: dict[str, str]
) -> None:
    """Of everybody: the weakest administrator, then the weakest of the others."""
    unreadable = northwind.organisation.person("nora.super")["id"]
    northwind.stops_at(f"users/{unreadable}/factors", status=403)
    weakest_first = [*POSTURES, "unreadable"]
    for part in await northwind.walk("mfa_posture_report", **asked):
        ranks = [
            (not asked and not row["admin"], weakest_first.index(row["posture"]))
            for row in part.rows
        ]
        assert ranks == sorted(ranks)
        assert len(set(ranks)) > 1


async def test_a_search_of_nobody_is_an_empty_report(northwind: Northwind) -> None:
    told = await northwind.call("mfa_posture_report", search='profile.login eq "nobody"')
    assert (told.rows, told.summary["looked_at"], told.answer["truncated"]) == ([], 0, False)


async def test_a_search_that_cannot_be_read_is_refused_before_it_is_sent(
    northwind: Northwind,
) -> None:
    told = await northwind.call("mfa_posture_report", search="status is ACTIVE")
    assert told.error["code"] == "bad_filter"
    assert not northwind.asked


async def test_a_person_whose_factors_okta_does_not_give_is_counted_as_unreadable(
    northwind: Northwind,
) -> None:
    group = northwind.organisation.group_named("sso-super-admins")["id"]
    northwind.stops_at("users/", status=403)
    told = await northwind.call("mfa_posture_report", group_id=group)
    assert told.summary["unreadable"] == 1
    assert told.does_not_see("the factors of some people")


async def test_pending_enrolments_are_named_and_do_not_count(northwind: Northwind) -> None:
    org = northwind.organisation
    newcomer = org.person("nils.newjoiner")
    del org.factors[newcomer["id"]][0]
    login = newcomer["profile"]["login"]
    told = await northwind.call("mfa_posture_report", search=f'profile.login eq "{login}"')
    (row,) = told.rows
    assert row["posture"] == "no_mfa"
    assert (row["factors"], row["pending"]) == ([], ["token:software:totp"])


async def test_without_a_right_to_roles_in_okta_the_report_goes_on(northwind: Northwind) -> None:
    northwind.stops_at("iam/", status=403)
    told = await northwind.call("mfa_posture_report")
    assert told.does_not_see("who of these people is an administrator")
    assert told.rows


async def test_the_list_of_administrators_is_followed_to_its_end(northwind: Northwind) -> None:
    make_everybody_an_admin(northwind)
    told = await northwind.call("mfa_posture_report")
    assert northwind.asked.count("iam/assignees/users") == 2
    assert told.does_not_see("administrators after the first 200")
    assert all(row["admin"] for row in told.rows)


def factor(kind: str, status: str = "ACTIVE") -> dict[str, Any]:
    return {"factorType": kind, "status": status}


@pytest.mark.parametrize(
    ("kinds", "posture"),
    [
        ([], "no_mfa"),
        (["sms"], "weak_only"),
        (["call", "question", "email"], "weak_only"),
        (["push"], "strong"),
        (["sms", "token:software:totp"], "strong"),
        (["token:hardware"], "strong"),
        (["webauthn", "sms"], "phishing_resistant"),
        (["signed_nonce"], "phishing_resistant"),
        (["u2f"], "phishing_resistant"),
        (["a kind of tomorrow"], "weak_only"),
    ],
)
def test_the_best_active_factor_decides(kinds: list[str], posture: str) -> None:
    assert posture_of(active_kinds([factor(kind) for kind in kinds])) == posture


@pytest.mark.parametrize(
    "status", ["PENDING_ACTIVATION", "NOT_SETUP", "EXPIRED", "INACTIVE", "DISABLED"]
)
def test_a_factor_that_is_not_active_protects_nobody(status: str) -> None:
    assert posture_of(active_kinds([factor("webauthn", status)])) == "no_mfa"
    assert pending_kinds([factor("webauthn", status)]) == (
        ["webauthn"] if status == "PENDING_ACTIVATION" else []
    )


def test_a_kind_that_is_not_known_is_named() -> None:
    assert unknown_kinds(["push", "telepathy"]) == ["telepathy"]
