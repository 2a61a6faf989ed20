"""Who is asking: the one answer of the tool `whoami` and of the resource `user://me`.

`who_am_i` makes it from the principal of the request by the decision that every call meets, so it
cannot promise what a call would not get. It asks nothing of Okta.
"""

from collections.abc import Callable, Mapping
from typing import Any

from okta_mcp.okta.text import clean_text
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.principal import Principal
from okta_mcp.tools.answers import OktaTool, ToolError, okta_tool
from okta_mcp.tools.schemas import Schema

_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "person": {"type": ["object", "null"], "description": "null for a service"},
        "service": {"type": "object", "description": "in the place of a person"},
        "role": {"type": ["string", "null"]},
        "groups": {"type": "array", "description": "the groups that gave the role"},
        "source": {"type": ["string", "null"], "description": "where the groups were read"},
        "tools": {"type": "array"},
        "scopes": {"type": ["array", "null"], "description": "null: the role alone decides"},
        "client": {"type": "object"},
        "organisation": {"type": "string"},
        "servers": {
            "type": "array",
            "description": "other servers behind this one, and their state",
        },
    },
    "required": ["person", "role", "groups", "source", "tools", "scopes", "client", "organisation"],
}
_MAX_NAME_CHARS = 200


def who_am_i(principal: Principal, policy: Policy, organisation: str) -> dict[str, Any]:
    """Person, role, the groups that gave it and their source, tools, scopes, client, organisation.

    A service has `service` in the place of `person`, and the source of its role is the policy file.
    `organisation` is the name that the pages show. `servers` are those behind the gateway, each
    with its state; their tools begin with the server's name.
    """
    decision, role = principal.decision, principal.role
    return {
        **_asking(principal),
        "role": role,
        "groups": [_cleaned(group) for group in decision.groups] if decision else [],
        "source": decision.source if decision else None,
        "tools": list(policy.allowed("tools", role, principal.scopes, principal.server_groups)),
        "scopes": None if principal.scopes is None else sorted(principal.scopes),
        "client": {"id": principal.client_id, "name": _cleaned(principal.client_name)},
        "organisation": organisation,
        **_servers(principal, policy),
    }


def _servers(principal: Principal, policy: Policy) -> dict[str, Any]:
    """The servers behind the gateway that the caller may use, where there are any."""
    reached = [
        server
        for server in policy.behind.servers
        if policy.rules_for(server.name, principal.role, principal.server_groups)
        and (principal.scopes is None or server.scope in principal.scopes)
    ]
    if not reached:
        return {}
    shown = []
    for server in reached:
        state = policy.behind.state(server.name)
        reason = {"reason": _cleaned(state.reason)} if state.reason else {}
        shown.append({"name": server.name, "title": server.title, "state": state.state, **reason})
    return {"servers": shown}


def _asking(principal: Principal) -> dict[str, Any]:
    if principal.service is not None:
        service = {"name": principal.service, "description": _cleaned(principal.name)}
        return {"person": None, "service": service}
    return {
        "person": {
            "id": principal.user_id,
            "login": _cleaned(principal.login),
            "name": _cleaned(principal.name),
        }
    }


class WhoTools:
    """One tool without a data family. `who` is `who_am_i` of the request that runs."""

    def __init__(self, who: Callable[[], Mapping[str, Any]] | None) -> None:
        self._who = who

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.whoami,
                title="Who am I",
                description=(
                    "The signed-in person: role, the groups that gave it and where they were read,"
                    " tools, scopes, client, organisation."
                ),
                scopes=(),
                output_schema=_SCHEMA,
            )
        ]

    async def whoami(self) -> dict[str, Any]:
        if self._who is None:
            raise ToolError(
                "not_configured",
                "this server does not know who asks",
                "an administrator starts it with an authorization server",
            )
        return dict(self._who())


def _cleaned(text: str) -> str:
    return clean_text(text, _MAX_NAME_CHARS)
