"""A policy file is read as it is meant or not at all; each refusal has its line and its reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from okta_mcp.inventory import inventory
from okta_mcp.rbac.limits import Limit, Limits
from okta_mcp.rbac.policy import NOBODY, SHIPPED_ROLES, SUPER_ADMIN, VIEWER, Policy
from okta_mcp.rbac.policy_file import (
    LARGEST_BYTES,
    PolicyError,
    groups_by_role,
    policy_of_file,
    policy_of_text,
    shipped_policy,
)
from okta_mcp.tools.cursors import SealedCursors
from tests.vocabulary.clock import Clock

EXISTING: dict[str, dict[str, tuple[str, ...]]] = {
    "tools": {"look": ("okta.users.read",), "dig": ("okta.logs.read",)},
    "resources": {"user://me": (), "okta://reports/{report_id}": ()},
    "prompts": {"triage": ()},
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "look": {
        "properties": {
            "user_id": {"type": "string"},
            "fields": {"enum": ["default", "full"], "type": "string", "default": "default"},
        },
        "required": ["user_id"],
    },
    "dig": {
        "properties": {
            "since": {"type": "string"},
            "until": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
            "share": {"type": "number"},
            "q": {"type": "string"},
            "types": {"type": "array", "items": {"type": "string"}},
        }
    },
}
HEAD = """[resources]
"user://me" = "viewer"
"okta://reports/{report_id}" = "security-admin"
[prompts]
triage = "viewer"
[tools]
look = "viewer"
dig = "security-admin"
"""


def policy_of(text: str, name: str = "p.toml") -> Policy:
    return policy_of_text(text, name, EXISTING, SCHEMAS)


def problems_of(text: str, name: str = "p.toml") -> list[str]:
    with pytest.raises(PolicyError) as caught:
        policy_of(text, name)
    return caught.value.problems


# Each is added to HEAD, which has eight lines.
LIMITED = "[limits.security-admin.dig]\n"
ADDED: list[tuple[str, str]] = [
    ("[tols]\n", "9: tols: no such key or table; did you mean tools?; there are roles, groups"),
    ("[groups]\nviewr = ['a']\n", "10: [groups] viewr: no role 'viewr'; did you mean viewer?"),
    ("[groups]\nviewer = 'a'\n", "10: [groups] viewer: must be a list of group names or ids"),
    ("[groups]\nviewer = []\n", "10: [groups] viewer: must be a list of group names or ids"),
    ("[groups]\nviewer = [1]\n", "10: [groups] viewer: must be a list of group names or ids"),
    ("[groups]\nviewer = [' ']\n", "10: [groups] viewer: must be a list of group names or ids"),
    ("[groups]\nviewer = ['a', 'a']\n", "10: [groups] viewer: must be a list of group names"),
    ("dig = 'viewer'\n", "9: this key or table was given before"),
    ("loook = 'viewer'\n", "9: [tools] loook: no such tool; did you mean look?"),
    ("fetch = 'viewer'\n", "9: [tools] fetch: no such tool; remove the entry"),
    ("'user://me' = 'viewer'\n", "9: [tools] user://me: no such tool"),
    ("[limits.nobody.dig]\nlimit = 1\n", "9: [limits] nobody: no role 'nobody'"),
    ("[limits]\nviewer = 1\n", "10: [limits] viewer: must be a table of tools"),
    ("[limits.viewer]\ndig = 1\n", "10: [limits.viewer] dig: must be a table of parameters"),
    ("[limits.viewer.look]\n", "9: [limits.viewer] look: must be a table of parameters"),
    ("[limits.viewer.loo]\nx = 1\n", "9: [limits.viewer] loo: no such tool; did you mean look?"),
    ("[limits.viewer.dig]\nlimit = 9\n", "9: [limits.viewer] dig: viewer may not use the tool"),
    (LIMITED + "limt = 1\n", "10: [limits.security-admin.dig] limt: the tool has no such param"),
    (LIMITED + "limit = 'ten'\n", "limit: must be a number (at most), a list of texts"),
    (LIMITED + "limit = true\n", "limit: must be a number (at most), a list of texts"),
    (LIMITED + "limit = inf\n", "limit: must be a number (at most), a list of texts"),
    (LIMITED + "limit = nan\n", "limit: must be a number (at most), a list of texts"),
    (LIMITED + "limit = 0\n", "limit: the tool takes 1 at least, so nothing would be allowed"),
    (LIMITED + "limit = 501\n", "limit: the tool takes 500 at most, so this limits nothing"),
    (LIMITED + "limit = 1.5\n", "limit: the parameter is a whole number"),
    (LIMITED + "limit = ['10']\n", "limit: the parameter is no text, so it cannot be one of"),
    (LIMITED + "q = 3\n", "q: the parameter is no number, so it has no most"),
    (LIMITED + "q = []\n", "q: must be a list of texts with at least one"),
    (LIMITED + "q = ['a', 'a']\n", "q: names a text twice"),
    (LIMITED + "q = ['']\n", "q: must be a list of texts with at least one"),
    (LIMITED + "types = ['a']\n", "types: the parameter is no text, so it cannot be one of"),
    (LIMITED + "window_days = 0\n", "window_days: must be a number of days, more than 0"),
    (LIMITED + "window_days = 181\n", "window_days: must be a number of days, more than 0"),
    (LIMITED + "window_days = '7'\n", "window_days: must be a number of days, more than 0"),
    ("[limits.viewer.look]\nwindow_days = 7\n", "window_days: the tool takes no since"),
    ("[limits.viewer.look]\nfields = ['ful']\n", "fields: the tool does not take 'ful'; it takes"),
    ("[limits.viewer.look]\nuser_id = false\n", "user_id: the tool cannot be called without it"),
]


def test_an_entry_that_is_misspelled_need_not_be_removed() -> None:
    [told] = problems_of(HEAD + "loook = 'viewer'\n")
    assert told.endswith("no such tool; did you mean look?")


@pytest.mark.parametrize(("added", "problem"), ADDED, ids=[problem for _, problem in ADDED])
def test_what_cannot_be_meant_is_refused_with_line_and_reason(added: str, problem: str) -> None:
    """B-14."""
    [told] = problems_of(HEAD + added)
    assert problem in told
    assert told.startswith(("p.toml:9:", "p.toml:10:"))


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('look = "viewer"\n', "", "p.toml:6: [tools] look: has no entry; say which role may"),
        ('triage = "viewer"\n', "", "p.toml:4: [prompts] triage: has no entry"),
        (
            '[prompts]\ntriage = "viewer"\n',
            "",
            'p.toml:1: [prompts] triage: has no entry; say which role may use it, or "nobody"',
        ),
        ('look = "viewer"', 'look = "Viewer"', "p.toml:7: [tools] look: no role 'Viewer'"),
        ('look = "viewer"', 'look = ""', "p.toml:7: [tools] look: no role ''"),
        ('look = "viewer"', 'look = "admin"', "one of viewer, security-admin, super-admin, nobody"),
        ('look = "viewer"', "look = true", "p.toml:7: [tools] look: must be the name of the low"),
        ('look = "viewer"', 'look = ["viewer"]', "p.toml:7: [tools] look: must be the name of"),
        ("{report_id}", "{id}", "[resources] okta://reports/{id}: no such resource; did you mean"),
        ("[resources]", "roles = []\n[resources]", "p.toml:1: roles: must be a list of names"),
        ("[resources]", "roles = 'x'\n[resources]", "p.toml:1: roles: must be a list of names"),
        ("[resources]", "roles = ['x', 'x']\n[resources]", "p.toml:1: roles: must be a list of"),
        (
            "[resources]",
            "roles = ['viewer', 'security-admin', 'nobody']\n[resources]",
            "p.toml:1: roles: 'nobody' is what an entry says when no role may",
        ),
        ("[resources]", "groups = 3\n[resources]", "p.toml:1: groups: must be a table"),
        ("[resources]", "[resources", "p.toml:1: Expected ']' at the end of a table declaration"),
    ],
)
def test_a_gap_or_a_wrong_entry_is_refused_with_line_and_reason(
    before: str, after: str, problem: str
) -> None:
    """B-14: the start fails when a tool has no entry."""
    assert before in HEAD
    assert any(problem in told for told in problems_of(HEAD.replace(before, after)))


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_lines() -> None:
    text = HEAD.replace('look = "viewer"', 'lok = "viewer"') + "[limits.x.look]\nfields = 1\n"
    assert [told.split(" ")[0] for told in problems_of(text)] == [
        "p.toml:6:",
        "p.toml:7:",
        "p.toml:9:",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "p.json:1: must be an object of tables"),
        ('{"tools": {\n"look": "viewer",\n"look": "x"}}', "p.json:3: this key was given before"),
        ('{"tools": {\n"look": "x"}}', "p.json:2: [tools] look: no role 'x'"),
        ("{", "p.json:1: Expecting property name enclosed in double quotes"),
    ],
)
def test_json_goes_through_the_same_checks(text: str, problem: str) -> None:
    assert any(told.startswith(problem) for told in problems_of(text, "p.json"))


@pytest.mark.parametrize("name", ["p.yaml", "p", "p.toml.bak", "toml"])
def test_a_file_of_another_kind_is_refused(name: str) -> None:
    assert problems_of(HEAD, name) == [f"{name}: the name must end in .toml or .json"]


def written(path: Path, content: bytes = HEAD.encode(), mode: int = 0o644) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o622, 0o777])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "p.toml", mode=mode)
    with pytest.raises(PolicyError, match=f"others than its owner.*run: chmod go-w {path}"):
        policy_of_file(path, EXISTING, SCHEMAS)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (HEAD.encode() + b"# \xff\n", "p.toml:9: is not UTF-8"),
        (HEAD.encode() + b"#" * LARGEST_BYTES, "p.toml: is larger than 256 KiB"),
    ],
)
def test_a_file_that_is_no_text_of_a_policy_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = written(tmp_path / "p.toml", content)
    with pytest.raises(PolicyError, match=problem):
        policy_of_file(path, EXISTING, SCHEMAS)


@pytest.mark.parametrize("name", ["absent.toml", "folder"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(PolicyError, match=f"{name}: cannot be read: "):
        policy_of_file(tmp_path / name, EXISTING, SCHEMAS)


FULL = """roles = ["guest", "viewer", "security-admin"]
[groups]
guest = ["Everyone", "00g1emaKYZTWRYYRRTSK"]
[limits.viewer.look]
fields = ["default"]
[limits.guest.look]
fields = ["full", "default"]
[limits.security-admin.dig]
window_days = 7
limit = 20
share = 0.5
q = false
"""


@pytest.mark.parametrize("form", ["toml", "json"])
def test_a_file_is_read_as_it_is_written(tmp_path: Path, form: str) -> None:
    import tomllib

    text = FULL + HEAD.replace('look = "viewer"', 'look = "guest"')
    content = text if form == "toml" else json.dumps(tomllib.loads(text))
    path = written(tmp_path / f"p.{form}", content.encode())
    policy = policy_of_file(path, EXISTING, SCHEMAS)
    assert policy.roles == ("guest", "viewer", "security-admin")
    assert policy.groups == {"guest": ("Everyone", "00g1emaKYZTWRYYRRTSK")}
    assert policy.limits("look", "guest") == Limits({"fields": Limit(one_of=("full", "default"))})
    assert policy.limits("look", "viewer") == Limits({"fields": Limit(one_of=("default",))})
    assert policy.limits("look", "security-admin") == Limits()
    assert policy.limits("dig", "security-admin") == Limits(
        {"limit": Limit(most=20), "share": Limit(most=0.5), "q": Limit()}, window_days=7
    )
    scopes = ("okta.users.read", "okta.logs.read")
    assert policy.allowed("tools", "guest", scopes) == ("look",)
    assert policy.allowed("tools", "security-admin", scopes) == ("look", "dig")
    assert not policy.decision("tools", "look", None, scopes).allowed


def test_an_entry_for_nobody_is_an_entry() -> None:
    policy = policy_of(HEAD.replace('look = "viewer"', 'look = "nobody"'))
    assert policy.least_role("tools", "look") == NOBODY
    assert "look" not in policy.allowed("tools", SUPER_ADMIN, ("okta.users.read",))


def test_a_policy_needs_no_table_of_a_kind_that_has_nothing() -> None:
    policy = policy_of_text('[tools]\nlook = "viewer"\n', "p.toml", {"tools": {"look": ()}}, {})
    assert policy.allowed("tools", VIEWER, ()) == ("look",)


def test_the_groups_of_file_and_variables_are_put_together_from_the_least_role() -> None:
    policy = policy_of('groups.viewer = ["a", "b"]\n' + HEAD)
    mapped = groups_by_role(policy, {"super-admin": ("s",), "viewer": ("b", "c")})
    assert mapped == {"viewer": ("a", "b", "c"), "security-admin": (), "super-admin": ("s",)}
    assert list(mapped) == list(SHIPPED_ROLES)


def test_a_variable_for_a_role_that_the_file_drops_is_refused() -> None:
    policy = policy_of('roles = ["viewer", "security-admin"]\n' + HEAD)
    with pytest.raises(PolicyError, match="GROUP_TO_ROLE_SUPER_ADMIN: the policy has no role"):
        groups_by_role(policy, {"super-admin": ("s",), "viewer": ("a",)})


def test_a_mapping_of_no_group_is_refused() -> None:
    with pytest.raises(PolicyError, match="no group is mapped to any role"):
        groups_by_role(policy_of(HEAD), {"viewer": (), "super-admin": ()})


OFFERED = inventory(None, SealedCursors(b"k" * 32), Clock())


def test_the_shipped_policy_refuses_a_tool_that_nobody_entered() -> None:
    """B-14."""
    more = dict(OFFERED.components)
    more["tools"] = {**more["tools"], "delete_okta_user": ()}
    with pytest.raises(PolicyError, match="delete_okta_user: has no entry"):
        shipped_policy(more)


def test_the_shipped_policy_refuses_to_outlive_a_tool() -> None:
    fewer = dict(OFFERED.components)
    fewer["tools"] = {n: s for n, s in fewer["tools"].items() if n != "get_okta_user"}
    with pytest.raises(PolicyError, match="get_okta_user: no such tool"):
        shipped_policy(fewer)
