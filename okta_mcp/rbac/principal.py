"""Who makes a request to /mcp: the person, the client and what the token may do.

The endpoint makes it from the grant behind the access token; nothing that a caller sends (headers,
`_meta`, arguments) can change it.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from okta_mcp.rbac.roles import RoleDecision


@dataclass(frozen=True, slots=True)
class Principal:
    """`user_id` is Okta's id; `decision` is None where the request needs no role.

    `upstream_id` names what was kept of the sign-in at Okta, if something was.
    """

    user_id: str
    login: str
    name: str
    client_id: str
    client_name: str
    grant_key: str
    scopes: frozenset[str]
    decision: RoleDecision | None = None
    upstream_id: str | None = None


current_principal: ContextVar[Principal] = ContextVar("okta_mcp_current_principal")
