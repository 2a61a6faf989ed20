"""`/oauth/connections`: what a person has connected, and the way to end it.

Shows every live grant of the signed-in person, ends one or all of them, and forgets answers that
are remembered, so that the next authorization asks again. Only by POST with a form of this page.
"""

import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.forms import Form
from okta_mcp.oauth_proxy.grants import Grants
from okta_mcp.oauth_proxy.parameters import ParametersError, form_parameters
from okta_mcp.oauth_proxy.redirect_uris import redirect_target
from okta_mcp.oauth_proxy.responses import CONNECTIONS_FORM, Responses
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.pages import Connection, Connections, server_views
from okta_mcp.rbac.behind import Behind
from okta_mcp.serving.trace import trace
from okta_mcp.stores.records import Grant, Records

CONNECTIONS_PATH = "/oauth/connections"


class ConnectionsEndpoint:
    """The page of connected clients."""

    def __init__(
        self,
        records: Records,
        grants: Grants,
        sessions: Sessions,
        responses: Responses,
        audit: Audit,
        behind: Behind,
        *,
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._grants = grants
        self._sessions = sessions
        self._responses = responses
        self._audit = audit
        self._behind = behind
        self._now = now

    async def get(self, request: Request) -> Response:
        """The page; to the sign-in page for somebody who is not signed in."""
        session = await self._sessions.of(request)
        if session is None:
            return RedirectResponse("/oauth/login", status_code=303)
        form = Form(id=secrets.token_urlsafe(16), user_id=session.user_id)
        sealed, cookie = self._responses.forms.issued(CONNECTIONS_FORM, form)
        view = Connections(
            person_login=session.login,
            connections=await self._connections(session.user_id),
            remembered_answers=len(await self._remembered(session.user_id)),
            now=self._now(),
            form_token=sealed,
        )
        response = self._responses.page(self._responses.pages.connections(view))
        self._responses.forms.keep(request, response, form, cookie)
        return response

    async def post(self, request: Request) -> Response:
        """Ends what was asked for, and shows the page again."""
        try:
            parameters = await form_parameters(request)
            sealed, decision = parameters.one("form"), parameters.one("decision") or ""
        except ParametersError as error:
            raise PageError("invalid_request", status=error.status) from None
        form = self._responses.forms.read(request, CONNECTIONS_FORM, sealed)
        session = await self._sessions.of(request)
        if session is None:
            raise PageError("sign_in_expired")
        if session.user_id != form.user_id:
            raise PageError("other_person")
        verb, _, which = decision.partition(":")
        if verb == "end":
            # The key begins with the person's own id: nobody can name another person's grant.
            grant = await self._records.grants.get(f"{session.user_id}/{which}")
            if grant is not None:
                await self._grants.end(grant, "disconnected_by_person")
        elif verb == "end_all":
            await self._grants.end_all(session.user_id, "disconnected_by_person")
        elif verb == "forget":
            forgotten = await self._remembered(session.user_id)
            for key in forgotten:
                await self._records.consents.delete(key)
            self._audit.write(
                "consent.forgotten",
                user_id=session.user_id,
                login=session.login,
                count=len(forgotten),
                **trace(request),
            )
        response = RedirectResponse(CONNECTIONS_PATH, status_code=303)
        self._responses.forms.forget(response, form)
        return response

    async def _connections(self, user_id: str) -> tuple[Connection, ...]:
        """Newest first. A grant whose code was never redeemed is no connection yet."""
        now = self._now()
        grants = [grant async for _, grant in self._records.grants.scan(f"{user_id}/")]
        live = [grant for grant in grants if grant.redeemed and grant.expires_at > now]
        live.sort(key=lambda grant: grant.created_at, reverse=True)
        return tuple(_connection(grant, self._behind) for grant in live)

    async def _remembered(self, user_id: str) -> list[str]:
        return [key async for key, _ in self._records.consents.scan(f"{user_id}/")]


def _connection(grant: Grant, behind: Behind) -> Connection:
    return Connection(
        id=grant.key.partition("/")[2],
        client_name=grant.client_name,
        redirect_host=redirect_target(grant.redirect_uri).host,
        scopes=grant.scopes,
        since=grant.created_at,
        last_used_at=grant.last_used_at,
        ends_at=grant.expires_at,
        servers=server_views(behind, grant.scopes),
    )
