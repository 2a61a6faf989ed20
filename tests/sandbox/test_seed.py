"""What the organisation holds: counts, people, spoofed names, factors."""

import re
from collections import Counter

import pytest

from okta_mcp.sandbox.directory import ROLE_GROUPS, Organisation, timestamp
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
    assert sum(len(rows) for rows in organisation.roles.values()) == 14
    assert (len(organisation.api_tokens), len(organisation.devices)) == (9, 60)
    assert Counter(rule["status"] for rule in organisation.group_rules.values()) == {
        "ACTIVE": 4,
        "INACTIVE": 1,
        "INVALID": 1,
    }


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
    admins = [key for key in organisation.users if organisation.roles_of(key)]
    bare = [key for key in admins if not organisation.factors.get(key)]
    assert sorted(map(organisation.role_of, bare)) == ["security-admin", "super-admin"]
    assert {organisation.users[key]["status"] for key in bare} == {"ACTIVE"}


def test_thirty_one_active_people_were_long_away_and_did_nothing(
    organisation: Organisation,
) -> None:
    away = {
        key
        for key, user in organisation.users.items()
        if user["status"] == "ACTIVE" and user["lastLogin"] < timestamp(NOW - 90 * 86_400)
    }
    assert len(away) == 31
    done = [event for event in organisation.events if event["outcome"]["result"] != "FAILURE"]
    assert away.isdisjoint(event["actor"]["id"] for event in done)


def test_nobody_signs_in_before_the_first_day_or_after_the_last(
    organisation: Organisation,
) -> None:
    ended = ("SUSPENDED", "DEPROVISIONED")
    for user in organisation.users.values():
        last = user["lastLogin"]
        assert user["status"] not in ended or last < user["statusChanged"]
    for event in organisation.events:
        assert event["published"] >= organisation.users[event["actor"]["id"]]["created"]


def test_only_the_people_of_incidents_are_seen_in_two_places(organisation: Organisation) -> None:
    places: dict[str, set[str]] = {}
    for event in organisation.events:
        seen = places.setdefault(event["actor"]["id"], set())
        if event["outcome"]["result"] != "FAILURE":
            seen.add(event["client"]["geographicalContext"]["city"])
    moving = {organisation.users[key]["profile"]["login"] for key in places if len(places[key]) > 1}
    assert moving == {
        f"{name}@northwind.example" for name in ("karel.olsen", "freja.kral", "nora.super")
    }
    assert set().union(*places.values()) >= {"Prague", "Oslo"}


def test_an_active_rule_explains_every_member_of_its_group(organisation: Organisation) -> None:
    explained = 0
    for rule in organisation.group_rules.values():
        match = re.fullmatch(r'user\.(\w+)=="(.+)"', rule["conditions"]["expression"]["value"])
        if rule["status"] != "ACTIVE" or match is None:
            continue
        (group,) = rule["actions"]["assignUserToGroups"]["groupIds"]
        assert organisation.members[group] == {
            key
            for key, user in organisation.users.items()
            if user["profile"].get(match[1]) == match[2] and user["status"] != "DEPROVISIONED"
        }
        explained += 1
    assert explained == 4


def test_an_invalid_rule_names_a_group_that_is_gone(organisation: Organisation) -> None:
    (rule,) = [row for row in organisation.group_rules.values() if row["status"] == "INVALID"]
    (group,) = rule["actions"]["assignUserToGroups"]["groupIds"]
    assert group not in organisation.groups


def test_roles_are_direct_or_by_group_and_one_kind_is_custom(organisation: Organisation) -> None:
    rows = [row for rows in organisation.roles.values() for row in rows]
    assert Counter(row["assignmentType"] for row in rows) == {"USER": 10, "GROUP": 4}
    custom = [row for row in rows if row["type"] == "CUSTOM"]
    assert all(row["role"].startswith("cr0") for row in custom)
    assert all(row["resource-set"].startswith("iam") for row in custom)
    nora = organisation.roles_of(organisation.user("nora.super")["id"])
    assert [row["assignmentType"] for row in nora] == ["USER", "GROUP"]


def test_api_tokens_to_find(organisation: Organisation) -> None:
    tokens = organisation.api_tokens.values()
    owners = {row["name"]: organisation.users[row["userId"]]["status"] for row in tokens}
    assert [name for name, status in owners.items() if status == "DEPROVISIONED"] == ["hr-import"]
    anywhere = [row["name"] for row in tokens if row["network"]["connection"] == "ANYWHERE"]
    assert anywhere == ["backup-script"]
    soon = [row["name"] for row in tokens if row["expiresAt"] < timestamp(NOW + 5 * 86_400)]
    assert soon == ["terraform-trial"]
    assert all(timestamp(NOW) < row["expiresAt"] for row in tokens)
    zones = {zone for row in tokens for zone in row["network"].get("include", [])}
    assert zones <= organisation.zones.keys()


def test_devices_to_find(organisation: Organisation) -> None:
    profiles = [device["profile"] for device in organisation.devices.values()]
    assert sum(not profile["managed"] for profile in profiles) == 11
    assert sum(profile["diskEncryptionType"] == "NONE" for profile in profiles) == 7
    assert sum(profile["integrityJailbreak"] for profile in profiles) == 2
    bound = Counter(len(users) for users in organisation.device_users.values())
    assert bound == {0: 4, 1: 54, 2: 2}
    for key, device in organisation.devices.items():
        assert (device["status"] == "DEACTIVATED") is not bool(organisation.device_users[key])


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
    assert organisation.roles_of(hana) == []


def test_a_new_person_is_in_everyone_and_a_deleted_one_nowhere() -> None:
    organisation = seeded(NOW)
    new = organisation.add_user("new@northwind.example", "New", "Person", timestamp(NOW))["id"]
    assert [group["type"] for group in organisation.groups_of(new)] == ["BUILT_IN"]
    lena = organisation.user("lena.leaver")["id"]
    for key in (new, lena):
        organisation.remove_user(key)
        assert key not in organisation.users
        assert organisation.groups_of(key) == organisation.roles_of(key) == []
        assert not any(key in organisation.assignments(app) for app in organisation.apps)
        assert not any(key in users for users in organisation.device_users.values())


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
