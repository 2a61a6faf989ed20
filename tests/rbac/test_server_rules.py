"""Servers behind the gateway: nobody has one by silence, and a pattern gives what it says."""

from collections.abc import Mapping
from typing import Any

import pytest

from okta_mcp.okta.directory import Group, Membership
from okta_mcp.rbac.behind import Behind, BehindServer, Component, own_name, shown_name
from okta_mcp.rbac.explanation import explained
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.policy_file import PolicyError, policy_of_text
from okta_mcp.rbac.roles import RoleMapping

EXISTING: dict[str, dict[str, tuple[str, ...]]] = {
    "tools": {"look": ("okta.users.read",)},
    "resources": {"user://me": ()},
    "prompts": {},
}
HEAD = '[tools]\nlook = "viewer"\n[resources]\n"user://me" = "viewer"\n'
SCOPES = frozenset({"okta.users.read", "mcp.files", "mcp.time"})
VIEWER, SECURITY, SUPER = "viewer", "security-admin", "super-admin"


class Listed:
    """What servers have listed, as a test says it; None where nothing is known."""

    def __init__(self, names: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._names = names or {}

    def states(self) -> Mapping[str, tuple[str, str]]:
        return {"time": ("up", ""), "files": ("down", "it ended")}

    def names(self, server: str, component: Component) -> tuple[str, ...] | None:
        return self._names.get(server) if component == "tools" else None


def policy_of(
    text: str, names: Mapping[str, tuple[str, ...]] | None = None, *servers: str
) -> Policy:
    policy = policy_of_text(HEAD + text, "p.toml", EXISTING, {})
    shown = (BehindServer(name, name.title()) for name in servers or ("time", "files"))
    policy.behind = Behind(shown, Listed(names))
    return policy


def decided(policy: Policy, name: str, role: str | None, **more: Any) -> str:
    component: Component = more.pop("component", "tools")
    scopes = more.pop("scopes", SCOPES)
    return policy.decision(component, name, role, scopes, **more).reason


RULE = """[servers.files]
role = "security-admin"
groups = ["file-people", "00g1emaKYZTWRYYRRTSK"]
tools = ["read_*", "list"]
resources = ["file://docs/*"]
deny = ["read_secret*", "*/private/*"]
"""


@pytest.mark.parametrize("role", [VIEWER, SECURITY, SUPER])
def test_a_server_that_nobody_was_given_exists_for_nobody(role: str) -> None:
    policy = policy_of("")
    assert decided(policy, "time_now", role) == "unknown"
    assert policy.families(role) == ("okta.users.read",)


def test_a_rule_for_a_server_that_there_is_not_gives_nothing() -> None:
    policy = policy_of(RULE, None, "time")
    assert decided(policy, "files_read_text", SUPER) == "unknown"
    assert "mcp.files" not in policy.families(SUPER)


@pytest.mark.parametrize(
    ("name", "role", "more", "reason"),
    [
        ("files_read_text", None, {}, "no_role"),
        ("files_read_text", None, {"groups": ("file-people",)}, "no_role"),
        ("files_read_text", VIEWER, {}, "role"),
        ("files_read_text", VIEWER, {"groups": ("other",)}, "role"),
        ("files_write_text", SUPER, {}, "pattern"),
        ("files_read_secret_text", SUPER, {}, "pattern"),
        ("files_Read_text", SUPER, {}, "pattern"),
        ("files_lists", SUPER, {}, "pattern"),
        ("files_read_text", SUPER, {"scopes": frozenset({"mcp.time"})}, "scope"),
        ("files_read_text", SUPER, {"scopes": frozenset()}, "scope"),
        ("files_ask", SUPER, {"component": "prompts"}, "pattern"),
        ("files_", SUPER, {}, "unknown"),
        ("files", SUPER, {}, "unknown"),
        ("file_read_text", SUPER, {}, "unknown"),
        ("_read_text", SUPER, {}, "unknown"),
    ],
)
def test_what_no_rule_gives_is_refused(
    name: str, role: str | None, more: dict[str, Any], reason: str
) -> None:
    assert decided(policy_of(RULE), name, role, **more) == reason


@pytest.mark.parametrize(
    ("name", "role", "more"),
    [
        ("files_read_text", SECURITY, {}),
        ("files_read_text", SUPER, {}),
        ("files_list", SUPER, {}),
        ("files_read_text", VIEWER, {"groups": ("file-people",)}),
        ("files_read_text", VIEWER, {"groups": ("00g1emaKYZTWRYYRRTSK",)}),
        ("files_read_text", SECURITY, {"scopes": None}),
    ],
)
def test_what_a_rule_gives_is_allowed(name: str, role: str, more: dict[str, Any]) -> None:
    assert decided(policy_of(RULE), name, role, **more) == "allowed"


@pytest.mark.parametrize(
    "uri",
    [
        "file://files/docs/../etc/passwd",
        "file://files/docs/..",
        "file://files/docs/./x",
        "file://files/docs/%2e%2e/etc/passwd",
        "file://files/docs/.%2E/etc",
        "file://files/docs/%252e%252e/etc",
        "file://files/docs%2f..%2fetc",
        "file://files/docs/..\\etc",
        "file://files/docs/private/x",
        "file://files/docs/%70rivate/x",
        "file://files/other/x",
        "file://time/docs/x",
        "file://docs/x",
        "docs/x",
    ],
)
def test_a_uri_beyond_its_pattern_is_refused(uri: str) -> None:
    assert decided(policy_of(RULE), uri, SUPER, component="resources") in ("pattern", "unknown")


@pytest.mark.parametrize(
    "uri", ["file://files/docs/a", "file://files/docs/a..b/c", "file://files/docs/%41"]
)
def test_a_uri_within_its_pattern_is_allowed(uri: str) -> None:
    assert decided(policy_of(RULE), uri, SUPER, component="resources") == "allowed"


@pytest.mark.parametrize(
    "uri",
    [
        "docs://files/secret/x",
        "docs://files/sec\nret/x",
        "docs://files/secret\\x",
        "docs://files//secret/x",
        "docs://files/secret//x",
        "docs://files/Secret/x",
        "docs://files/%53ecret/x",
        "DOCS://files/secret/x",
        "docs://files/one?x",
        "docs://files/one#",
        "docs://files/one",
        "docs://files/One\u200b",
        "docs://files/one ",
    ],
)
def test_no_spelling_gets_around_deny(uri: str) -> None:
    """What the server reads in the end must be what the rule has looked at."""
    rule = 'role = "viewer"\ndeny = ["docs://secret/*", "docs://one"]\n'
    policy = policy_of(f"[servers.files]\n{rule}")
    assert decided(policy, uri, SUPER, component="resources") == "pattern"
    assert decided(policy, "docs://files/other/x", SUPER, component="resources") == "allowed"


def test_a_rule_without_patterns_gives_everything() -> None:
    policy = policy_of('[servers.time]\nrole = "viewer"\n')
    for component, name in (
        ("tools", "time_x"),
        ("prompts", "time_x"),
        ("resources", "a://time/x"),
    ):
        assert policy.decision(component, name, VIEWER, SCOPES).allowed  # type: ignore[arg-type]


def test_exactly_named_roles_do_not_reach_those_above() -> None:
    policy = policy_of('[servers.time]\nroles = ["viewer"]\n')
    assert decided(policy, "time_now", VIEWER) == "allowed"
    assert decided(policy, "time_now", SUPER) == "role"


TWO_RULES = """[[servers.files]]
role = "viewer"
tools = ["*"]
deny = ["write_*"]
[[servers.files]]
role = "super-admin"
"""


@pytest.mark.parametrize(
    ("role", "reason"), [(VIEWER, "pattern"), (SECURITY, "pattern"), (SUPER, "allowed")]
)
def test_deny_takes_away_from_its_own_rule(role: str, reason: str) -> None:
    assert decided(policy_of(TWO_RULES), "files_write_text", role) == reason


def test_a_tool_that_the_server_has_not_listed_is_unknown() -> None:
    policy = policy_of('[servers.time]\nrole = "viewer"\n', {"time": ("now",)})
    assert decided(policy, "time_now", VIEWER) == "allowed"
    assert decided(policy, "time_hidden", SUPER) == "unknown"


def test_lists_show_what_a_call_would_get() -> None:
    policy = policy_of(RULE, {"files": ("read_text", "write_text", "list"), "time": ("now",)})
    assert policy.allowed("tools", VIEWER, SCOPES) == ("look",)
    assert policy.allowed("tools", SUPER, SCOPES) == ("look", "files_read_text", "files_list")
    assert policy.allowed("tools", VIEWER, SCOPES, ("file-people",))[1:] == (
        "files_read_text",
        "files_list",
    )


def test_a_server_is_a_scope_for_those_who_have_a_rule() -> None:
    policy = policy_of(RULE)
    assert policy.families(VIEWER) == ("okta.users.read",)
    assert policy.families(VIEWER, ("file-people",)) == ("okta.users.read", "mcp.files")
    assert policy.families(SECURITY) == ("okta.users.read", "mcp.files")
    assert policy.scopes_of("files_read_text") == ("mcp.files",)


def test_a_server_that_is_taken_away_takes_its_scope_along() -> None:
    policy = policy_of(RULE)
    policy.behind.replace([BehindServer("time", "Time")])
    assert policy.families(SUPER) == ("okta.users.read",)
    assert decided(policy, "files_read_text", SUPER) == "unknown"
    assert policy.behind.supported_scopes[-2:] == ("mcp.time", "offline_access")


@pytest.mark.parametrize(
    ("table", "at", "reason"),
    [
        ("[servers.Files]\n", "[servers] Files", "lower-case"),
        ("[servers]\nfiles = 1\n", "[servers] files", "must be a table"),
        ("[servers]\nfiles = []\n", "[servers] files", "must be a table"),
        ("[servers.files]\n", "[servers] files", "gives it to nobody"),
        ('[servers.files]\ntools = ["*"]\n', "[servers] files", "gives it to nobody"),
        ('[servers.files]\nrole = "boss"\n', "[servers.files] role", "one of viewer"),
        ('[servers.files]\nrole = ["viewer"]\n', "[servers.files] role", "one of viewer"),
        ('[servers.files]\nroles = ["viewr"]\n', "[servers.files] roles", "did you mean viewer"),
        ('[servers.files]\nroles = "viewer"\n', "[servers.files] roles", "list of texts"),
        ("[servers.files]\ngroups = []\n", "[servers.files] groups", "list of texts"),
        ('[servers.files]\ngroups = ["a", "a"]\n', "[servers.files] groups", "each once"),
        ('[servers.files]\nrole = "viewer"\ntool = ["*"]\n', "[servers.files] tool", "tools?"),
        ('[servers.files]\nrole = "viewer"\ntools = "*"\n', "[servers.files] tools", "list"),
        ('[servers.files]\nrole = "viewer"\ndeny = [1]\n', "[servers.files] deny", "list"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(table: str, at: str, reason: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy_of(table)
    (problem,) = caught.value.problems
    assert f"{at}: " in problem
    assert reason in problem


@pytest.mark.parametrize(
    ("component", "own", "shown"),
    [
        ("tools", "get_time", "time_get_time"),
        ("prompts", "ask", "time_ask"),
        ("resources", "file:///a/b", "file://time//a/b"),
        ("resources", "docs://a", "docs://time/a"),
        ("resources", "docs://{x}/b", "docs://time/{x}/b"),
    ],
)
def test_a_name_comes_back_out_of_its_namespace(component: Component, own: str, shown: str) -> None:
    assert shown_name("time", component, own) == shown
    assert own_name(component, shown) == ("time", own)


@pytest.mark.parametrize("uri", ["urn:x:y", "file", "://x"])
def test_a_uri_without_a_place_for_a_namespace_is_not_offered(uri: str) -> None:
    assert shown_name("time", "resources", uri) is None


def member(*groups: Group) -> Membership:
    return Membership(groups, "a test")


@pytest.mark.parametrize(
    ("group", "kept"),
    [
        (Group("file-people", "00g1", "OKTA_GROUP"), ("file-people",)),
        (Group("renamed", "00g1emaKYZTWRYYRRTSK", "APP_GROUP"), ("00g1emaKYZTWRYYRRTSK",)),
        (Group("file-people", "00g1", "APP_GROUP"), ()),
        (Group("File-People", "00g1", "OKTA_GROUP"), ()),
    ],
)
def test_membership_in_a_group_of_a_rule_is_kept(group: Group, kept: tuple[str, ...]) -> None:
    """A group imported from an application counts by its id only, as for roles."""
    mapping = RoleMapping({VIEWER: ("staff",)}, policy_of(RULE).server_groups)
    decision = mapping.decided(member(Group("staff", "00g2", "OKTA_GROUP"), group))
    assert (decision.role, decision.member_of) == (VIEWER, kept)


@pytest.mark.parametrize(
    ("tool", "group", "allowed", "fix"),
    [
        ("files_read_text", "staff", False, "in [servers.files] of POLICY_FILE"),
        ("files_write_text", "file-people", False, "add write_text to tools"),
        ("time_now", "staff", False, "in [servers.time] of POLICY_FILE"),
        ("files_read_text", "nothing", False, "mapped to a role"),
        ("files_read_text", "file-people", True, ""),
    ],
)
def test_explain_says_what_would_change_it(tool: str, group: str, allowed: bool, fix: str) -> None:
    policy = policy_of(RULE)
    groups = [Group(group, None)]
    if group == "file-people":
        groups.append(Group("staff", None))
    explanation = explained(policy, {VIEWER: ("staff",)}, member(*groups), tool)
    assert explanation.is_allowed is allowed
    assert fix in "; ".join(explanation.fixes)
    assert ("scopes", policy.scopes_of(tool)[0]) in explanation.facts
