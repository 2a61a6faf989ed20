"""What the organisation holds: counts, people, spoofed names, factors."""

from collections import Counter

import pytest

from okta_mcp.sandbox.directory import ROLE_GROUPS, Organisation
from okta_mcp.sandbox.seed import seeded
from okta_mcp.sandbox.state import SIGN_IN_REFUSALS
from tests.sandbox.organisation import NOW


@pytest.fixture(scope="module")
def organisation() -> Organisation:
    return seeded(NOW)


def test_the_same_now_gives_the_same_organisation(organisation: Organisation) -> None:
    assert seeded(NOW) == organisation


def test_ids_do_not_depend_on_now(organisation: Organisation) -> None:
    later = seeded(NOW + 86_400 * 3)
    assert later.users.keys() == organisation.users.keys()
    assert later.groups.keys() == organisation.groups.keys()
    assert later.members == organisation.members


def test_counts(organisation: Organisation) -> None:
    assert Counter(user["status"] for user in organisation.users.values()) == {
        "ACTIVE": 205,
        "DEPROVISIONED": 12,
        "SUSPENDED": 8,
        "LOCKED_OUT": 7,
        "PASSWORD_EXPIRED": 6,
        "STAGED": 5,
        "PROVISIONED": 4,
        "RECOVERY": 3,
    }
    ordinary = [g for g in organisation.groups.values() if "project-" not in g["profile"]["name"]]
    assert Counter(group["type"] for group in ordinary) == {
        "BUILT_IN": 1,
        "OKTA_GROUP": 27,
        "APP_GROUP": 12,
    }
    assert Counter(app["signOnMode"] for app in organisation.apps.values()) == {
        "OPENID_CONNECT": 10,
        "SAML_2_0": 13,
        "AUTO_LOGIN": 2,
        "BROWSER_PLUGIN": 2,
        "BOOKMARK": 3,
    }
    assert Counter(app["status"] for app in organisation.apps.values())["INACTIVE"] == 3
    assert Counter(policy["type"] for policy in organisation.policies.values()) == {
        "OKTA_SIGN_ON": 2,
        "PASSWORD": 2,
        "MFA_ENROLL": 3,
        "ACCESS_POLICY": 4,
        "IDP_DISCOVERY": 1,
        "PROFILE_ENROLLMENT": 1,
    }
    assert {3, 6} >= {min(3, len(rules)) for rules in organisation.rules.values()}
    assert (len(organisation.zones), len(organisation.events)) == (8, 5000)


def test_every_persona_is_a_person_with_the_role_it_promises(organisation: Organisation) -> None:
    for persona in organisation.personas:
        user = organisation.user(persona.login)
        assert user["profile"]["displayName"] == persona.name
        can_sign_in = user["status"] not in SIGN_IN_REFUSALS
        assert persona.role == (organisation.role_of(user["id"]) if can_sign_in else None)


def test_a_suspended_persona_is_still_in_its_role_group(organisation: Organisation) -> None:
    (lena,) = [persona for persona in organisation.personas if persona.name == "Lena Ortiz"]
    assert (lena.role, lena.note) == (None, "suspended: cannot sign in")
    assert organisation.role_of(organisation.user(lena.login)["id"]) == "viewer"


@pytest.mark.parametrize(
    ("login", "status"), [("lena.leaver", "SUSPENDED"), ("edgar.exec", "LOCKED_OUT")]
)
def test_a_persona_that_cannot_sign_in(organisation: Organisation, login: str, status: str) -> None:
    assert organisation.user(login)["status"] == status


def test_an_imported_group_only_shares_the_name_of_a_role_group(
    organisation: Organisation,
) -> None:
    named = [
        group["type"]
        for group in organisation.groups.values()
        if group["profile"]["name"] == ROLE_GROUPS["super-admin"]
    ]
    assert sorted(named) == ["APP_GROUP", "OKTA_GROUP"]
    assert organisation.group_named(ROLE_GROUPS["super-admin"])["type"] == "OKTA_GROUP"


def test_one_person_is_in_more_than_a_hundred_groups(organisation: Organisation) -> None:
    groups = organisation.groups_of(organisation.user("greta.groups")["id"])
    assert len(groups) >= 130
    assert "sso-viewers" in {group["profile"]["name"] for group in groups}


def test_factors_are_spread_and_two_administrators_have_none(organisation: Organisation) -> None:
    active = [key for key, user in organisation.users.items() if user["status"] == "ACTIVE"]
    kinds = {key: {f["factorType"] for f in organisation.factors.get(key, [])} for key in active}
    strong = {"push", "signed_nonce", "webauthn"}
    assert sum(bool(found & strong) for found in kinds.values()) == 160
    assert sum(not found for found in kinds.values()) == 16
    admins = [key for key in active if not kinds[key] and organisation.role_of(key)]
    roles = Counter(organisation.role_of(key) for key in admins)
    assert (roles["super-admin"], roles["security-admin"]) == (1, 1)


def test_names_of_many_scripts_and_one_hostile_profile_are_there(
    organisation: Organisation,
) -> None:
    profiles = [user["profile"] for user in organisation.users.values()]
    first = {profile["firstName"] for profile in profiles}
    assert {"Søren", "ישראל", "محمد"} <= first
    assert any("/" in profile["login"] for profile in profiles)
    assert any("<script>" in profile["displayName"] for profile in profiles)


def test_a_deactivated_person_leaves_every_group() -> None:
    organisation = seeded(NOW)
    hana = organisation.user("hana.help")["id"]
    organisation.set_status(hana, "DEPROVISIONED")
    assert organisation.groups_of(hana) == []
    assert organisation.users[hana]["status"] == "DEPROVISIONED"


def test_moving_a_person_between_groups_changes_the_role() -> None:
    organisation = seeded(NOW)
    hana = organisation.user("hana.help")["id"]
    organisation.add_member(organisation.group_named("sso-super-admins")["id"], hana)
    assert organisation.role_of(hana) == "super-admin"
    organisation.remove_member(organisation.group_named("sso-super-admins")["id"], hana)
    assert organisation.role_of(hana) == "viewer"


def test_a_short_name_that_two_people_share_finds_nobody() -> None:
    organisation = seeded(NOW)
    organisation.user("sami.soc")["profile"]["login"] = "nora.super@partner.example"
    assert organisation.user("nora.super") is None
    assert organisation.user("nora.super@northwind.example") is not None
