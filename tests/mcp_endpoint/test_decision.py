"""What a person may do: a refusal looks like a thing that does not exist; the record says why."""

import json
from typing import Any

import pytest

from okta_mcp.mcp_endpoint.decision import ROLE_METHODS, Verdict, unjudged, verdict
from okta_mcp.mcp_endpoint.messages import Message, MessageError, parsed
from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.rbac.policy import SHIPPED_ROLES, SUPER_ADMIN, VIEWER, Policy, Role
from okta_mcp.rbac.principal import Principal
from okta_mcp.rbac.roles import RoleDecision

POLICY = Policy(
    SHIPPED_ROLES,
    {
        "tools": {"look": VIEWER, "dig": SUPER_ADMIN},
        "resources": {
            "user://me": VIEWER,
            "okta://secret": SUPER_ADMIN,
            "okta://errors/{code}": VIEWER,
            "okta://reports/{report_id}": SUPER_ADMIN,
        },
        "prompts": {"triage": VIEWER, "posture": SUPER_ADMIN},
    },
    {
        "tools": {"look": ("okta.users.read",), "dig": ("okta.logs.read",)},
        "resources": {
            "user://me": (),
            "okta://secret": (),
            "okta://errors/{code}": (),
            "okta://reports/{report_id}": (),
        },
        "prompts": {"triage": (), "posture": ()},
    },
)
ALL = frozenset(FAMILY_SCOPES)


def person(
    role: Role | None = VIEWER, scopes: frozenset[str] = ALL, *, is_known: bool = True
) -> Principal:
    decision = RoleDecision(role, (), "management_api") if is_known else None
    return Principal("00u", "ann@example.com", "Ann", "c", "Client", "00u/g", scopes, decision)


def asked(method: str, request_id: Any = 1, **params: Any) -> Message:
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return parsed(json.dumps(body).encode())


def completion(kind: str, **which: Any) -> dict[str, Any]:
    return {"ref": {"type": kind, **which}, "argument": {"name": "user", "value": "a"}}


REFUSED_TOOLS = [
    ("unheard", SUPER_ADMIN, ALL, "unknown"),
    ("LOOK", SUPER_ADMIN, ALL, "unknown"),
    ("look ", SUPER_ADMIN, ALL, "unknown"),
    ("user://me", SUPER_ADMIN, ALL, "unknown"),
    ("look", None, ALL, "no_role"),
    ("dig", VIEWER, ALL, "role"),
    ("look", VIEWER, frozenset(), "scope"),
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
        ("okta://secret", VIEWER, "role"),
        ("user://me", None, "no_role"),
        ("user://ME", SUPER_ADMIN, "unknown"),
        ("user://me/", SUPER_ADMIN, "unknown"),
        ("user://me?x", SUPER_ADMIN, "unknown"),
        ("file:///etc/passwd", SUPER_ADMIN, "unknown"),
        ("look", SUPER_ADMIN, "unknown"),
        ("okta://reports/r1", VIEWER, "role"),
        ("okta://reports/r1/x", SUPER_ADMIN, "unknown"),
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
    ("name", "role", "reason"),
    [
        ("posture", VIEWER, "role"),
        ("triage", None, "no_role"),
        ("Triage", SUPER_ADMIN, "unknown"),
        ("look", SUPER_ADMIN, "unknown"),
        ("", SUPER_ADMIN, "unknown"),
    ],
)
@pytest.mark.parametrize("method", ["prompts/get", "completion/complete"])
def test_a_refused_prompt_is_answered_like_one_that_does_not_exist(
    name: str, role: Role | None, reason: str, method: str
) -> None:
    """B-07: also where only a value for one of its arguments is asked for."""
    params = {"name": name} if method == "prompts/get" else completion("ref/prompt", name=name)
    judged = verdict(asked(method, **params), person(role), POLICY)
    assert judged.answer is not None
    assert judged.answer["error"] == {"code": -32602, "message": f"Unknown prompt: {name}"}
    assert (judged.event, judged.reason) == ("prompt.refused", reason)


@pytest.mark.parametrize(
    ("uri", "role", "reason"),
    [
        ("okta://reports/{report_id}", VIEWER, "role"),
        ("okta://reports/{other}", SUPER_ADMIN, "unknown"),
        ("triage", SUPER_ADMIN, "unknown"),
    ],
)
def test_nothing_is_completed_in_a_template_that_the_role_does_not_have(
    uri: str, role: Role, reason: str
) -> None:
    """B-07."""
    message = asked("completion/complete", **completion("ref/resource", uri=uri))
    judged = verdict(message, person(role), POLICY)
    assert judged.answer is not None
    assert judged.answer["error"]["message"] == f"Resource not found: {uri!r}"
    assert (judged.event, judged.reason) == ("resource.refused", reason)


@pytest.mark.parametrize(
    "method",
    [
        "completion/Complete",
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
    judged = verdict(asked(method, name="look"), person(SUPER_ADMIN), POLICY)
    assert judged.answer is not None
    assert judged.answer["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {}),
        ("tools/call", {"name": ["look"]}),
        ("resources/read", {}),
        ("resources/read", {"uri": None}),
        ("prompts/get", {"name": 1}),
        ("completion/complete", {}),
        ("completion/complete", {"ref": "triage"}),
        ("completion/complete", {"ref": {"type": "ref/prompt"}}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "uri": "user://me"}}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": ["user://me"]}}),
        ("completion/complete", {"ref": {"type": "ref/tool", "name": "look"}}),
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
        (
            asked("resources/read", uri="okta://errors/not_found"),
            Verdict(None, "resource.read", None, "okta://errors/not_found"),
        ),
        (asked("prompts/get", name="triage"), Verdict(event="prompt.given", subject="triage")),
        (
            asked("completion/complete", **completion("ref/prompt", name="triage")),
            Verdict(event="completion.given", subject="triage"),
        ),
        (
            asked("completion/complete", **completion("ref/resource", uri="okta://errors/{code}")),
            Verdict(event="completion.given", subject="okta://errors/{code}"),
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


@pytest.mark.parametrize(
    ("message", "event", "subject"),
    [
        (asked("tools/call", name="look"), "tool.refused", "look"),
        (asked("tools/list"), "tool.refused", None),
        (asked("resources/read", uri="user://me"), "resource.refused", "user://me"),
        (asked("resources/list"), "resource.refused", None),
        (asked("resources/templates/list"), "resource.refused", None),
        (asked("prompts/get", name="triage"), "prompt.refused", "triage"),
        (asked("prompts/list"), "prompt.refused", None),
        (
            asked("completion/complete", **completion("ref/prompt", name="triage")),
            "prompt.refused",
            "triage",
        ),
        (
            asked("completion/complete", **completion("ref/resource", uri="okta://errors/{code}")),
            "resource.refused",
            "okta://errors/{code}",
        ),
    ],
    ids=lambda value: value.method if isinstance(value, Message) else "",
)
def test_with_okta_away_a_refusal_is_recorded_as_what_was_asked_for(
    message: Message, event: str, subject: str | None
) -> None:
    expected = Verdict(event=event, reason="okta_unavailable", subject=subject)
    assert unjudged(message, "okta_unavailable") == expected


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
        "completion/complete",
    } == ROLE_METHODS
