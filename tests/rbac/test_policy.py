"""One decision: default deny, exact names, roles and scopes; the shipped policy by its counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.rbac.families import FAMILIES, FAMILY_SCOPES, OFFLINE_ACCESS, SUPPORTED_SCOPES
from okta_mcp.rbac.policy import Component, Policy, PolicyError, Role, policy_from, shipped_policy
from okta_mcp.tools import okta_tools
from okta_mcp.tools.cursors import SealedCursors
from tests.vocabulary.clock import Clock

ONLY_SECURITY_ADMIN = {
    "list_okta_user_factors",
    "list_okta_application_users",
    "list_okta_application_groups",
    "list_okta_policy_rules",
    "get_okta_policy_rule",
}
ONLY_SUPER_ADMIN = {"list_okta_network_zones"}


def components() -> dict[Component, dict[str, str | None]]:
    tools = okta_tools(None, SealedCursors(b"k" * 32), Clock())
    return {
        "tools": {tool.name: tool.scopes for tool in tools},
        "resources": {"user://me": ()},
    }


SHIPPED = shipped_policy(components())
SMALL = policy_from(
    {"tools": {"look": "viewer", "dig": "security-admin", "tell_time": "viewer"}, "resources": {}},
    {
        "tools": {"look": ("okta.users.read",), "dig": ("okta.logs.read",), "tell_time": ()},
        "resources": {},
    },
)
ALL = frozenset(FAMILY_SCOPES)


@pytest.mark.parametrize(
    "name",
    [
        "unheard",
        "",
        "Look",
        "LOOK",
        " look",
        "look ",
        "look\n",
        "look\x00",
        "lооk",
        "ｌｏｏｋ",
        "tools/look",
        "look\u200b",
        "*",
        "__class__",
    ],
)
def test_a_name_that_is_not_exactly_a_tool_is_unknown(name: str) -> None:
    """B-04, B-14: an exact look-up, and default deny."""
    decision = SMALL.decision("tools", name, Role.SUPER_ADMIN, ALL)
    assert (decision.allowed, decision.reason) == (False, "unknown")


@pytest.mark.parametrize("component", ["tools", "resources"])
def test_a_name_of_one_component_is_unknown_as_another(component: Component) -> None:
    """B-07."""
    name = {"tools": "user://me", "resources": "get_okta_user"}[component]
    assert SHIPPED.decision(component, name, Role.SUPER_ADMIN, ALL).reason == "unknown"


@pytest.mark.parametrize(
    ("name", "role", "scopes", "reason"),
    [
        ("look", None, ALL, "no_role"),
        ("tell_time", None, ALL, "no_role"),
        ("dig", Role.VIEWER, ALL, "role"),
        ("look", Role.VIEWER, frozenset(), "scope"),
        ("look", Role.SUPER_ADMIN, frozenset({"okta.logs.read"}), "scope"),
        ("look", Role.VIEWER, frozenset({"okta.users"}), "scope"),
        ("look", Role.VIEWER, frozenset({"OKTA.USERS.READ"}), "scope"),
        ("look", Role.VIEWER, frozenset({OFFLINE_ACCESS}), "scope"),
    ],
)
def test_who_lacks_the_role_or_the_scope_is_refused(
    name: str, role: Role | None, scopes: frozenset[str], reason: str
) -> None:
    """B-01, B-06, M-17."""
    decision = SMALL.decision("tools", name, role, scopes)
    assert (decision.allowed, decision.reason) == (False, reason)


@pytest.mark.parametrize(
    ("name", "role", "scopes"),
    [
        ("look", Role.VIEWER, ALL),
        ("look", Role.SUPER_ADMIN, frozenset({"okta.users.read"})),
        ("dig", Role.SECURITY_ADMIN, ALL),
        ("dig", Role.SUPER_ADMIN, ALL),
        ("tell_time", Role.VIEWER, frozenset()),
    ],
)
def test_role_and_scope_together_allow(name: str, role: Role, scopes: frozenset[str]) -> None:
    decision = SMALL.decision("tools", name, role, scopes)
    assert (decision.allowed, decision.reason) == (True, "allowed")


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"tools": {}}, r"\[tools\] look: has no entry"),
        ({}, r"\[tools\] look: has no entry"),
        ({"tools": {"look": "viewer", "gone": "viewer"}}, r"\[tools\] gone: no such tool"),
        ({"tools": {"look": "viewer"}, "resources": {"r": "viewer"}}, "r: no such resource"),
        ({"tools": {"look": "Viewer"}}, "look: no role 'Viewer'"),
        ({"tools": {"look": ""}}, "look: no role ''"),
        ({"tools": {"look": "admin"}}, "one of viewer, security-admin, super-admin"),
    ],
)
def test_a_policy_with_a_gap_or_too_much_is_refused(
    document: dict[str, dict[str, str]], text: str
) -> None:
    """B-14: the start fails when a tool has no entry."""
    with pytest.raises(PolicyError, match=text):
        policy_from(document, {"tools": {"look": ()}, "resources": {}})


def test_the_shipped_policy_refuses_a_tool_that_nobody_entered() -> None:
    """B-14."""
    more = components()
    with pytest.raises(PolicyError, match="delete_okta_user"):
        shipped_policy({**more, "tools": {**more["tools"], "delete_okta_user": ()}})


def test_the_shipped_policy_refuses_to_outlive_a_tool() -> None:
    fewer = components()
    del fewer["tools"]["get_okta_user"]
    with pytest.raises(PolicyError, match="get_okta_user: no such tool"):
        shipped_policy(fewer)


@pytest.mark.parametrize(
    ("role", "count", "missing"),
    [
        (Role.VIEWER, 12, ONLY_SECURITY_ADMIN | ONLY_SUPER_ADMIN),
        (Role.SECURITY_ADMIN, 17, ONLY_SUPER_ADMIN),
        (Role.SUPER_ADMIN, 18, set()),
    ],
)
def test_each_role_has_exactly_its_tools(role: Role, count: int, missing: set[str]) -> None:
    allowed = SHIPPED.allowed("tools", role, ALL)
    assert len(allowed) == len(set(allowed)) == count
    assert set(components()["tools"]) - set(allowed) == missing


def test_without_a_role_nothing_is_allowed() -> None:
    """B-06."""
    assert SHIPPED.allowed("tools", None, ALL) == ()
    assert SHIPPED.allowed("resources", None, ALL) == ()
    assert SHIPPED.families(None) == ()


@pytest.mark.parametrize("scope", FAMILY_SCOPES)
def test_a_token_of_one_family_reaches_that_family_and_nothing_of_another(scope: str) -> None:
    """M-17: scopes cut the role."""
    for name in SHIPPED.allowed("tools", Role.SUPER_ADMIN, {scope}):
        assert SHIPPED.scopes_of(name) in ((scope,), ())
    assert any(
        SHIPPED.scopes_of(name) == (scope,)
        for name in SHIPPED.allowed("tools", Role.SUPER_ADMIN, {scope})
    )


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        (Role.VIEWER, {"okta.policies.read", "okta.networkZones.read"}),
        (Role.SECURITY_ADMIN, {"okta.networkZones.read"}),
        (Role.SUPER_ADMIN, set()),
    ],
)
def test_families_of_a_role_are_those_it_has_a_tool_in(role: Role, missing: set[str]) -> None:
    """A-15."""
    families = SHIPPED.families(role)
    assert ALL - set(families) == missing
    assert len(families) == len(set(families))


def test_every_role_reads_who_it_is() -> None:
    for role in Role:
        assert SHIPPED.decision("resources", "user://me", role, ()).allowed


@given(
    st.sampled_from([None, *Role]),
    st.frozensets(st.sampled_from(SUPPORTED_SCOPES)),
    st.sampled_from([SHIPPED, SMALL]),
)
def test_a_list_shows_exactly_what_a_call_would_get(
    role: Role | None, scopes: frozenset[str], policy: Policy
) -> None:
    """B-01: the list is a view of the decision."""
    for component in ("tools", "resources"):
        shown = policy.allowed(component, role, scopes)
        for name in policy._least_roles[component]:
            assert (name in shown) == policy.decision(component, name, role, scopes).allowed


@given(st.frozensets(st.sampled_from(SUPPORTED_SCOPES)))
def test_a_higher_role_never_has_less(scopes: frozenset[str]) -> None:
    shown = [set(SHIPPED.allowed("tools", role, scopes)) for role in Role]
    assert shown[0] <= shown[1] <= shown[2]


def test_no_scope_of_this_server_writes() -> None:
    """B-11, D-13."""
    assert all(family.scope.endswith(".read") for family in FAMILIES)
