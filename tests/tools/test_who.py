"""Who is asking: one answer for the tool and the resource, by the decision that a call meets."""

import pytest

from okta_mcp.rbac.policy import SHIPPED_ROLES, Policy
from okta_mcp.rbac.principal import Principal
from okta_mcp.rbac.roles import RoleDecision
from okta_mcp.tools import okta_tools
from okta_mcp.tools.cursors import SealedCursors
from okta_mcp.tools.who import who_am_i
from tests.tools.conftest import NOW, caller_of

POLICY = Policy(
    SHIPPED_ROLES,
    {"tools": {"whoami": "viewer", "look": "viewer", "dig": "security-admin"}},
    {"tools": {"whoami": (), "look": ("okta.users.read",), "dig": ("okta.logs.read",)}},
)


def principal(role: str | None, scopes: set[str]) -> Principal:
    return Principal(
        user_id="00u1",
        login="ann@example.com",
        name="Ann\u202e",
        client_id="c1",
        client_name="Claude\x1b[31m",
        grant_key="g",
        scopes=frozenset(scopes),
        decision=RoleDecision(role, ("sso\u200b-viewers",) if role else (), "management_api"),
    )


async def test_without_somebody_who_asks_the_tool_says_what_is_missing() -> None:
    call = caller_of(okta_tools(None, SealedCursors(b"k" * 32), lambda: NOW))
    assert (await call("whoami")).error["code"] == "not_configured"


async def test_the_tool_takes_no_argument_and_so_can_be_asked_about_nobody_else() -> None:
    call = caller_of(okta_tools(None, SealedCursors(b"k" * 32), lambda: NOW))
    assert (await call("whoami", user_id="00u2")).error["code"] == "invalid_argument"


@pytest.mark.parametrize(
    ("role", "scopes", "tools"),
    [
        (None, {"okta.users.read"}, []),
        ("viewer", set(), ["whoami"]),
        ("viewer", {"okta.users.read", "okta.logs.read"}, ["whoami", "look"]),
        ("security-admin", {"okta.logs.read"}, ["whoami", "dig"]),
    ],
)
async def test_the_tool_tells_what_a_call_would_get(
    role: str | None, scopes: set[str], tools: list[str]
) -> None:
    asking = principal(role, scopes)
    listed = okta_tools(
        None,
        SealedCursors(b"k" * 32),
        lambda: NOW,
        who=lambda: who_am_i(asking, POLICY, "acme.okta.example"),
    )
    answer = (await caller_of(listed)("whoami")).structured
    assert answer == {
        "person": {"id": "00u1", "login": "ann@example.com", "name": "Ann"},
        "role": role,
        "groups": ["sso-viewers"] if role else [],
        "source": "management_api",
        "tools": tools,
        "scopes": sorted(scopes),
        "client": {"id": "c1", "name": "Claude"},
        "organisation": "acme.okta.example",
    }
