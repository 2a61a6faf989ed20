"""Which events are administrators' changes, and which flags they have."""

import pytest

from okta_mcp.sandbox import filters
from okta_mcp.tools.reports.changes import KINDS, changes_filter, flags_of, kind_of
from okta_mcp.tools.reports.events import log_event
from tests.tools.reports.log_events import raw_event, target

ANN = "00uann12345678901234"
OTHER = target("User", "00uother123456789012", "bob@northwind.example")
SELF = target("User", ANN, "ann@northwind.example")


def change(before: object, after: object) -> dict:
    return target("PolicyRule", "rul1", "rule", changeDetails={"from": before, "to": after})


@pytest.mark.parametrize(
    ("event_type", "targets", "kind", "flags"),
    [
        ("policy.rule.update", [], "policies", ["policy_changed"]),
        ("policy.rule.deactivate", [], "policies", ["protection_removed"]),
        ("policy.lifecycle.delete", [], "policies", ["protection_removed"]),
        ("policy.lifecycle.create", [], "policies", []),
        ("application.policy.sign_on.rule.delete", [], "policies", ["protection_removed"]),
        ("zone.deactivate", [], "zones", ["protection_removed"]),
        ("zone.update", [], "zones", ["policy_changed"]),
        ("security.zone.remove_blacklist", [], "zones", ["protection_removed"]),
        ("user.account.privilege.grant", [OTHER], "roles", ["new_admin_role"]),
        ("user.account.privilege.revoke", [OTHER], "roles", []),
        ("group.privilege.grant", [], "roles", ["new_admin_role"]),
        ("iam.resourceset.bindings.add", [], "roles", ["new_admin_role"]),
        ("iam.role.permissions.add", [], "roles", []),
        ("system.api_token.create", [], "api_tokens", ["new_api_token"]),
        ("system.api_token.revoke", [], "api_tokens", []),
        ("application.lifecycle.update", [], "applications", []),
        ("system.idp.lifecycle.create", [], "identity_providers", []),
        ("user.mfa.factor.reset_all", [OTHER], "mfa", ["mfa_reset_by_admin"]),
        ("user.mfa.factor.deactivate", [OTHER], "mfa", ["mfa_reset_by_admin"]),
        ("user.mfa.factor.deactivate", [SELF], None, []),
        ("security.authenticator.lifecycle.deactivate", [], "mfa", ["protection_removed"]),
        ("group.user_membership.add", [], "role_groups", []),
        ("policy.rule.action.execute", [], None, []),
        ("system.api_token.request_outside_allowed_range", [], None, []),
        ("application.policy.sign_on.deny_access", [], None, []),
        ("policy.evaluate_sign_on", [], None, []),
        ("user.session.start", [], None, []),
    ],
)
def test_an_event_is_a_change_of_its_kind_with_its_flags(event_type, targets, kind, flags) -> None:
    event = log_event(raw_event(event_type, targets=targets))
    assert kind_of(event) == kind
    assert flags_of(event) == flags


@pytest.mark.parametrize(
    ("before", "after", "is_weaker"),
    [
        ({"factorMode": "2FA"}, {"factorMode": "1FA"}, True),
        ({"factorMode": "1FA"}, {"factorMode": "2FA"}, False),
        ({"actions": {"signon": {"access": "DENY"}}}, {"actions": {"signon": {"access": "ALLOW"}}},
         True),
        ({"requireFactor": True}, {"requireFactor": False}, True),
        ({"rememberDeviceByDefault": True}, {"rememberDeviceByDefault": False}, False),
        ({"status": "ACTIVE"}, {"status": "INACTIVE"}, True),
        ({"status": "ACTIVE"}, {}, False),
        (["DENY"], ["ALLOW"], False),
        ("DENY", None, False),
    ],
)  # fmt: skip
def test_a_rule_is_weakened_where_oktas_own_record_says_so(before, after, is_weaker) -> None:
    event = log_event(raw_event("policy.rule.update", targets=[change(before, after)]))
    assert ("rule_weakened" in flags_of(event)) is is_weaker


@pytest.mark.parametrize("role_groups", [(), ("sso-super-admins", "00g1")])
def test_the_filter_finds_every_kind_and_only_the_groups_that_give_roles(role_groups) -> None:
    holds = filters.parse(changes_filter(role_groups), filters.LOGS_FILTER)
    for prefixes in KINDS.values():
        for prefix in prefixes:
            assert holds(raw_event(prefix + "x"))
    joined = [target("User", "u", "u"), target("UserGroup", "00g9", "sso-super-admins")]
    assert holds(raw_event("group.user_membership.add", targets=joined)) is bool(role_groups)
    assert not holds(raw_event("group.user_membership.add", targets=[target("x", "00g8", "Lunch")]))
    assert not holds(raw_event("policy.evaluate_sign_on"))


def test_a_group_whose_name_would_break_the_filter_is_left_out() -> None:
    assert changes_filter(('a" or eventType pr or "', "b\\")) == changes_filter(())
