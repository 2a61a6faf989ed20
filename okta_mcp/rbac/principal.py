"""Who makes a request to /mcp: the person, the client and what the token may do.

An entrance makes it from what the access token stands for; nothing that a caller sends (headers,
`_meta`, arguments) can change it.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from okta_mcp.rbac.roles import RoleDecision


@dataclass(frozen=True, slots=True)
class Principal:
    """`user_id` is Okta's id; `decision` is None where the request needs no role.

    `scopes` are the data families of the token; None where it has none of them to say, and the role
    alone decides. `grant_key` is None where no grant of ours stands behind the token. `upstream_id`
    names what was kept of the sign-in at Okta, if something was. `service` is the name of a service
    of the policy file, which is no person; `user_id` then has a form that no id of Okta's has.
    """

    user_id: str
    login: str
    name: str
    client_id: str
    client_name: str
    grant_key: str | None
    scopes: frozenset[str] | None
    decision: RoleDecision | None = None
    upstream_id: str | None = None
    service: str | None = None

    @property
    def role(self) -> str | None:
        """None where it is not known, or where the groups give none."""
        return self.decision.role if self.decision is not None else None

    @property
    def server_groups(self) -> tuple[str, ...]:
        """The groups of the person that rules of servers behind the gateway name."""
        return self.decision.member_of if self.decision is not None else ()

    def audit_fields(self) -> dict[str, Any]:
        """Who asks, for the audit trail: a person by a client, or a service, which has neither."""
        grant = self.grant_key.partition("/")[2] if self.grant_key else None
        if self.service is not None:
            return {"service": self.service, "grant": grant}
        return {
            "user_id": self.user_id,
            "login": self.login,
            "client_id": self.client_id,
            "client_name": self.client_name,
            "grant": grant,
        }


current_principal: ContextVar[Principal] = ContextVar("okta_mcp_current_principal")
