"""What a person may do: a refusal looks like a thing that does not exist; the record says why."""

import json
from typing import Any

import pytest

from okta_mcp.mcp_endpoint.decision import ROLE_METHODS, Verdict, verdict
from okta_mcp.mcp_endpoint.messages import Message, MessageError, parsed
from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.rbac.policy import Role, policy_from
from okta_mcp.rbac.principal import Principal
from okta_mcp.rbac.roles import RoleDecision

POLICY = policy_from(
    {
        "tools": {"look": "viewer", "dig": "super-admin"},
        "resources": {"user://me": "viewer", "okta://secret": "super-admin"},
    },
    {
        "tools": {"look": ("okta.users.read",), "dig": ("okta.logs.read",)},
        "resources": {"user://me": (), "okta://secret": ()},
    },
)
ALL = frozenset(FAMILY_SCOPES)


def person(
    role: Role | None = Role.VIEWER, scopes: frozenset[str] = ALL, *, is_known: bool = True
) -> Principal:
    decision = RoleDecision(role, (), "management_api") if is_known else None
    return Principal("00u", "ann@example.com", "Ann", "c", "Client", "00u/g", scopes, decision)


def asked(method: str, request_id: Any = 1, **params: Any) -> Message:
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return parsed(json.dumps(body).encode())


REFUSED_TOOLS = [
    ("unheard", Role.SUPER_ADMIN, ALL, "unknown"),
    ("LOOK", Role.SUPER_ADMIN, ALL, "unknown"),
    ("look ", Role.SUPER_ADMIN, ALL, "unknown"),
    ("user://me", Role.SUPER_ADMIN, ALL, "unknown"),
    ("look", None, ALL, "no_role"),
    ("dig", Role.VIEWER, ALL, "role"),
    ("look", Role.VIEWER, frozenset(), "scope"),
]


@pytest.mark.parametrize(("name", "role", "scopes", "reason"), REFUSED_TOOLS)
def test_a_refused_tool_is_answered_in_the_words_for_one_that_does_not_exist(
    name: str, role: Role | None, scopes: frozenset[str], reason: str
) -> None:
    """B-01, B-02, M-17: only the record knows why."""
    judged = verdict(asked("tools/call", name=name), person(role, scopes), POLICY)
    assert judged.answer == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32602, "message": f"Unknown tool: {name}"},
    }
    assert (judged.event, judged.reason, judged.subject) == ("tool.refused", reason, name)


def test_without_a_role_decision_nothing_is_allowed() -> None:
    """B-05: the principal of a message that needs no role opens no tool."""
    judged = verdict(asked("tools/call", name="look"), person(is_known=False), POLICY)
    assert (judged.event, judged.reason) == ("tool.refused", "no_role")


@pytest.mark.parametrize(
    "params",
    [
        {"name": "dig", "_meta": {"role": "super-admin", "user": "00uowner"}},
        {"name": "dig", "arguments": {"role": "super-admin", "groups": ["owners"]}},
        {"name": "dig", "role": "super-admin"},
    ],
)
def test_nothing_in_the_message_makes_a_role(params: dict[str, Any]) -> None:
    """B-05."""
    assert verdict(asked("tools/call", **params), person(), POLICY).answer is not None


@pytest.mark.parametrize(
    ("uri", "role", "reason"),
    [
        ("okta://secret", Role.VIEWER, "role"),
        ("user://me", None, "no_role"),
        ("user://ME", Role.SUPER_ADMIN, "unknown"),
        ("user://me/", Role.SUPER_ADMIN, "unknown"),
        ("user://me?x", Role.SUPER_ADMIN, "unknown"),
        ("file:///etc/passwd", Role.SUPER_ADMIN, "unknown"),
        ("look", Role.SUPER_ADMIN, "unknown"),
    ],
)
def test_a_refused_resource_is_answered_like_one_that_does_not_exist(
    uri: str, role: Role | None, reason: str
) -> None:
    """B-07."""
    judged = verdict(asked("resources/read", uri=uri), person(role), POLICY)
    assert judged.answer is not None
    assert judged.answer["error"] == {
        "code": -32602,
        "message": f"Resource not found: {uri!r}",
        "data": {"uri": uri},
    }
    assert (judged.event, judged.reason) == ("resource.refused", reason)


@pytest.mark.parametrize(
    "method",
    [
        "completion/complete",
        "resources/subscribe",
        "resources/unsubscribe",
        "sampling/createMessage",
        "roots/list",
        "elicitation/create",
        "tasks/list",
        "tools/Call",
        "tools/call ",
        "TOOLS/LIST",
        "tools",
        "",
        "rpc.discover",
    ],
)
def test_a_method_that_is_not_listed_does_not_exist(method: str) -> None:
    """B-07."""
    judged = verdict(asked(method, name="look"), person(Role.SUPER_ADMIN), POLICY)
    assert judged.answer is not None
    assert judged.answer["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {}),
        ("tools/call", {"name": ["look"]}),
        ("resources/read", {}),
        ("resources/read", {"uri": None}),
    ],
)
def test_a_call_without_a_name_is_no_message(method: str, params: dict[str, Any]) -> None:
    """B-04."""
    with pytest.raises(MessageError):
        verdict(asked(method, **params), person(), POLICY)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (asked("tools/call", name="look"), Verdict(event="tool.called", subject="look")),
        (
            asked("resources/read", uri="user://me"),
            Verdict(None, "resource.read", None, "user://me"),
        ),
        (asked("tools/list"), Verdict(event="tools.listed")),
        (asked("resources/list"), Verdict()),
        (asked("prompts/list"), Verdict()),
        (asked("initialize"), Verdict()),
        (asked("ping"), Verdict()),
        (parsed(b'{"jsonrpc":"2.0","method":"notifications/initialized"}'), Verdict()),
        (parsed(b'{"jsonrpc":"2.0","method":"notifications/cancelled"}'), Verdict()),
    ],
    ids=lambda value: value.method if isinstance(value, Message) else "",
)
def test_what_is_allowed_is_dispatched(message: Message, expected: Verdict) -> None:
    assert verdict(message, person(), POLICY) == expected


def test_every_method_that_shows_or_uses_data_needs_a_role() -> None:
    """B-07, B-08: for these the live role is asked."""
    assert {
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "prompts/list",
        "prompts/get",
    } == ROLE_METHODS
