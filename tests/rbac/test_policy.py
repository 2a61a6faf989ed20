"""One decision: default deny, exact names, roles and scopes; the shipped policy by its counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.inventory import inventory
from okta_mcp.rbac.families import FAMILIES, FAMILY_SCOPES, OFFLINE_ACCESS, SUPPORTED_SCOPES
from okta_mcp.rbac.policy import (
    COMPONENTS,
    NOBODY,
    SECURITY_ADMIN,
    SHIPPED_ROLES,
    SUPER_ADMIN,
    VIEWER,
    Component,
    Policy,
    Role,
)
from okta_mcp.rbac.policy_file import shipped_policy
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


OFFERED = inventory(None, SealedCursors(b"k" * 32), Clock())
THE_18 = {
    *("get_okta_user", "list_okta_users", "list_okta_user_groups", "list_okta_user_applications"),
    *("get_okta_group", "list_okta_groups", "list_okta_group_users", "get_okta_application"),
    *("list_okta_applications", "get_okta_event_logs", "get_current_time", "parse_relative_time"),
    *ONLY_SECURITY_ADMIN,
    *ONLY_SUPER_ADMIN,
}

SHIPPED = shipped_policy(OFFERED.components)
SMALL = Policy(
    SHIPPED_ROLES,
    {
        "tools": {"look": VIEWER, "dig": SECURITY_ADMIN, "tell_time": VIEWER, "burn": NOBODY},
        "resources": {
            "user://me": VIEWER,
            "okta://errors": VIEWER,
            "okta://errors/{code}": VIEWER,
            "okta://reports/{report_id}": SECURITY_ADMIN,
            "okta://reports/{report_id}/rows/{row}": VIEWER,
            "okta://either/{one}": VIEWER,
            "okta://{kind}/secret": SUPER_ADMIN,
        },
        "prompts": {"look": SUPER_ADMIN, "triage": VIEWER},
    },
    {
        "tools": {
            "look": ("okta.users.read",),
            "dig": ("okta.logs.read",),
            "tell_time": (),
            "burn": (),
        },
        "resources": {
            "user://me": (),
            "okta://errors": (),
            "okta://errors/{code}": (),
            "okta://reports/{report_id}": (),
            "okta://reports/{report_id}/rows/{row}": ("okta.logs.read",),
            "okta://either/{one}": (),
            "okta://{kind}/secret": (),
        },
        "prompts": {"look": (), "triage": ()},
    },
)
ALL = frozenset(FAMILY_SCOPES)
EVERY_SCOPE = ALL | {scope for tool in OFFERED.tools for scope in tool.scopes}


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
    decision = SMALL.decision("tools", name, SUPER_ADMIN, ALL)
    assert (decision.allowed, decision.reason) == (False, "unknown")


@pytest.mark.parametrize("component", ["tools", "resources"])
def test_a_name_of_one_component_is_unknown_as_another(component: Component) -> None:
    """B-07."""
    name = {"tools": "user://me", "resources": "get_okta_user"}[component]
    assert SHIPPED.decision(component, name, SUPER_ADMIN, ALL).reason == "unknown"


@pytest.mark.parametrize(
    ("name", "role", "scopes", "reason"),
    [
        ("look", None, ALL, "no_role"),
        ("tell_time", None, ALL, "no_role"),
        ("dig", VIEWER, ALL, "role"),
        ("look", VIEWER, frozenset(), "scope"),
        ("look", SUPER_ADMIN, frozenset({"okta.logs.read"}), "scope"),
        ("look", VIEWER, frozenset({"okta.users"}), "scope"),
        ("look", VIEWER, frozenset({"OKTA.USERS.READ"}), "scope"),
        ("look", VIEWER, frozenset({OFFLINE_ACCESS}), "scope"),
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
        ("look", VIEWER, ALL),
        ("look", SUPER_ADMIN, frozenset({"okta.users.read"})),
        ("dig", SECURITY_ADMIN, ALL),
        ("dig", SUPER_ADMIN, ALL),
        ("tell_time", VIEWER, frozenset()),
    ],
)
def test_role_and_scope_together_allow(name: str, role: Role, scopes: frozenset[str]) -> None:
    decision = SMALL.decision("tools", name, role, scopes)
    assert (decision.allowed, decision.reason) == (True, "allowed")


@pytest.mark.parametrize("role", [None, *SHIPPED_ROLES])
def test_what_is_for_nobody_is_for_nobody(role: Role | None) -> None:
    assert not SMALL.decision("tools", "burn", role, ALL).allowed
    assert "burn" not in SMALL.allowed("tools", role, ALL)


def test_things_of_one_name_are_decided_each_by_its_own_entry() -> None:
    """B-07: a prompt may be called like a tool."""
    assert SMALL.decision("tools", "look", VIEWER, ALL).allowed
    assert SMALL.decision("prompts", "look", VIEWER, ALL).reason == "role"
    assert SMALL.decision("prompts", "look", SUPER_ADMIN, ()).allowed


@pytest.mark.parametrize(
    ("uri", "role", "reason"),
    [
        ("okta://errors/", SUPER_ADMIN, "unknown"),
        ("okta://errors/a/b", SUPER_ADMIN, "unknown"),
        ("okta://errors/a?x=1", SUPER_ADMIN, "unknown"),
        ("okta://errors/a#x", SUPER_ADMIN, "unknown"),
        ("okta://errors/..", SUPER_ADMIN, "unknown"),
        ("okta://errors/.", SUPER_ADMIN, "unknown"),
        ("okta://errors/a\n", SUPER_ADMIN, "unknown"),
        ("okta://errors/ä", SUPER_ADMIN, "unknown"),
        ("okta://errors/%zz", SUPER_ADMIN, "unknown"),
        ("OKTA://errors/a", SUPER_ADMIN, "unknown"),
        ("xokta://errors/a", SUPER_ADMIN, "unknown"),
        ("okta://errorsXa", SUPER_ADMIN, "unknown"),
        ("okta://reports/r1", VIEWER, "role"),
        ("okta://reports/r1", None, "no_role"),
        ("okta://either/secret", VIEWER, "role"),
    ],
)
def test_a_uri_that_no_template_makes_for_the_role_is_refused(
    uri: str, role: Role | None, reason: str
) -> None:
    """B-04, B-07: where two templates make it, each must allow it."""
    assert SMALL.decision("resources", uri, role, ALL).reason == reason


@pytest.mark.parametrize(
    ("uri", "role"),
    [
        ("okta://errors/rate_limited", VIEWER),
        ("okta://errors/a%20b..c", VIEWER),
        ("okta://reports/AZaz09-_", SECURITY_ADMIN),
        ("okta://reports/r1/rows/7", VIEWER),
        ("okta://either/secret", SUPER_ADMIN),
        ("okta://either/other", VIEWER),
    ],
)
def test_a_uri_is_decided_by_the_template_that_makes_it(uri: str, role: Role) -> None:
    assert SMALL.decision("resources", uri, role, ALL).allowed


def test_the_scopes_of_a_template_are_those_of_its_uris() -> None:
    decision = SMALL.decision("resources", "okta://reports/r1/rows/7", VIEWER, ())
    assert decision.reason == "scope"


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_policy_without_anything_of_a_kind_refuses_all_of_it(component: Component) -> None:
    empty = Policy(SHIPPED_ROLES, {}, {})
    assert empty.decision(component, "x", SUPER_ADMIN, ALL).reason == "unknown"
    assert empty.allowed(component, SUPER_ADMIN, ALL) == ()


@pytest.mark.parametrize(
    ("role", "count", "missing"),
    [
        (VIEWER, 12, ONLY_SECURITY_ADMIN | ONLY_SUPER_ADMIN),
        (SECURITY_ADMIN, 17, ONLY_SUPER_ADMIN),
        (SUPER_ADMIN, 18, set()),
    ],
)
def test_each_role_has_exactly_its_tools(role: Role, count: int, missing: set[str]) -> None:
    allowed = THE_18.intersection(SHIPPED.allowed("tools", role, EVERY_SCOPE))
    assert len(allowed) == count
    assert THE_18 - allowed == missing


@pytest.mark.parametrize("role", SHIPPED_ROLES)
def test_without_data_families_the_role_alone_decides(role: Role) -> None:
    """None says that families do not apply; an empty set of them opens nothing that has one."""
    assert SHIPPED.allowed("tools", role, None) == SHIPPED.allowed("tools", role, EVERY_SCOPE)
    assert set(SHIPPED.allowed("tools", role, ())) < set(SHIPPED.allowed("tools", role, None))
    assert SHIPPED.allowed("tools", None, None) == ()


def test_without_a_role_nothing_is_allowed() -> None:
    """B-06."""
    assert SHIPPED.allowed("tools", None, ALL) == ()
    assert SHIPPED.allowed("resources", None, ALL) == ()
    assert SHIPPED.families(None) == ()


@pytest.mark.parametrize("scope", FAMILY_SCOPES)
def test_a_token_of_one_family_reaches_that_family_and_nothing_of_another(scope: str) -> None:
    """M-17: scopes cut the role, and a tool of several families needs all of them."""
    for name in SHIPPED.allowed("tools", SUPER_ADMIN, {scope}):
        assert SHIPPED.scopes_of(name) in ((scope,), ())


@pytest.mark.parametrize(
    ("role", "families"),
    [
        (VIEWER, ("okta.users.read",)),
        (SECURITY_ADMIN, ("okta.users.read", "okta.logs.read")),
        (SUPER_ADMIN, ("okta.users.read", "okta.logs.read")),
    ],
)
def test_families_of_a_role_are_those_it_has_a_tool_in(
    role: Role, families: tuple[str, ...]
) -> None:
    """A-15."""
    assert SMALL.families(role) == families


@pytest.mark.parametrize("scope", ["okta.policies.read", "okta.networkZones.read"])
def test_a_viewer_is_never_given_the_scope_of_rules_or_zones(scope: str) -> None:
    """A-15."""
    assert scope not in SHIPPED.families(VIEWER)


def test_every_role_reads_who_it_is() -> None:
    for role in SHIPPED_ROLES:
        assert SHIPPED.decision("resources", "user://me", role, ()).allowed


@given(
    st.sampled_from([None, *SHIPPED_ROLES]),
    st.frozensets(st.sampled_from(SUPPORTED_SCOPES)),
    st.sampled_from([SHIPPED, SMALL]),
)
def test_a_list_shows_exactly_what_a_call_would_get(
    role: Role | None, scopes: frozenset[str], policy: Policy
) -> None:
    """B-01: the list is a view of the decision."""
    for component in COMPONENTS:
        shown = policy.allowed(component, role, scopes)
        for name in policy.table()[component]:
            assert (name in shown) == policy.decision(component, name, role, scopes).allowed


@given(st.frozensets(st.sampled_from(SUPPORTED_SCOPES)))
def test_a_higher_role_never_has_less(scopes: frozenset[str]) -> None:
    shown = [set(SHIPPED.allowed("tools", role, scopes)) for role in SHIPPED_ROLES]
    assert shown[0] <= shown[1] <= shown[2]


def test_no_scope_of_this_server_writes() -> None:
    """B-11, D-13."""
    assert all(family.scope.endswith(".read") for family in FAMILIES)
