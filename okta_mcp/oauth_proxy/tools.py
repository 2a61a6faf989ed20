"""`/oauth/tools`: what a signed-in person may use, by server, and whether each server is up.

Shows the person's own part only, by the decision that a call would meet; a server that nobody gave
them is not named. It changes nothing.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from okta_mcp.oauth_proxy.consent import tools_by_family
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.responses import Responses
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.okta.directory import (
    DirectoryUnavailableError,
    PersonInactiveError,
    SignInAgainError,
)
from okta_mcp.okta.text import clean_text
from okta_mcp.pages import ServerView, Tools
from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.roles import LiveRoles, RoleDecision
from okta_mcp.stores.records import Session

TOOLS_PATH = "/oauth/tools"

_LONGEST_NAME = 128
_LONGEST_REASON = 200
_MOST_TOOLS = 200


class ToolsEndpoint:
    """The page of what there is for somebody."""

    def __init__(
        self, sessions: Sessions, roles: LiveRoles, policy: Policy, responses: Responses
    ) -> None:
        self._sessions = sessions
        self._roles = roles
        self._policy = policy
        self._responses = responses

    async def get(self, request: Request) -> Response:
        """The page; to the sign-in page for somebody who is not signed in."""
        session = await self._sessions.of(request)
        if session is None:
            return RedirectResponse("/oauth/login", status_code=303)
        decision = await self._decision(session)
        if decision.role is None:
            raise PageError("no_role", status=403, person=session.name)
        view = Tools(
            person_login=session.login,
            role=decision.role,
            families=tools_by_family(self._policy, decision.role, FAMILY_SCOPES, ()),
            servers=self._servers(decision),
        )
        return self._responses.page(self._responses.pages.tools(view))

    async def _decision(self, session: Session) -> RoleDecision:
        try:
            return await self._roles.current(session.user_id, session.upstream_id)
        except PersonInactiveError:
            raise PageError("account_inactive", status=403) from None
        except SignInAgainError:
            await self._sessions.end(session)
            raise PageError("sign_in_expired") from None
        except DirectoryUnavailableError:
            raise PageError("roles_unavailable", status=502) from None

    def _servers(self, decision: RoleDecision) -> tuple[ServerView, ...]:
        policy, behind = self._policy, self._policy.behind
        views = []
        for server in behind.servers:
            if not policy.rules_for(server.name, decision.role, decision.member_of):
                continue
            state = behind.state(server.name)
            allowed = policy.allowed("tools", decision.role, (server.scope,), decision.member_of)
            tools = [name for name in allowed if policy.scopes_of(name) == (server.scope,)]
            views.append(
                ServerView(
                    name=server.name,
                    title=server.title,
                    purpose=server.purpose,
                    state=state.state,
                    reason=clean_text(state.reason, _LONGEST_REASON),
                    tools=tuple(clean_text(name, _LONGEST_NAME) for name in tools[:_MOST_TOOLS]),
                )
            )
        return tuple(views)
