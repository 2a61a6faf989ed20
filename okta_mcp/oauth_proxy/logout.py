"""`/oauth/logout`: asks, ends the browser session by POST, then leaves through Okta.

Connected clients stay connected unless the person ticks the box: signing out of a browser and
disconnecting an assistant are different wishes.
"""

import secrets

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.forms import Form
from okta_mcp.oauth_proxy.grants import Grants
from okta_mcp.oauth_proxy.parameters import ParametersError, form_parameters
from okta_mcp.oauth_proxy.responses import SIGN_OUT_FORM, Responses
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.okta.authorization_server import OktaLoginError
from okta_mcp.okta.oidc import OktaLogin
from okta_mcp.pages import SignedOut, SignOut
from okta_mcp.serving.trace import trace
from okta_mcp.stores.records import Session

SIGNED_OUT_PATH = "/oauth/signed-out"


class LogoutEndpoint:
    """`signed_out_url` is where Okta sends the browser back to; it stands in the Okta app."""

    def __init__(
        self,
        sessions: Sessions,
        grants: Grants,
        upstreams: Upstreams,
        login: OktaLogin,
        responses: Responses,
        audit: Audit,
        *,
        signed_out_url: str,
    ) -> None:
        self._sessions = sessions
        self._grants = grants
        self._upstreams = upstreams
        self._login = login
        self._responses = responses
        self._audit = audit
        self._signed_out_url = signed_out_url

    async def get(self, request: Request) -> Response:
        """The question; without a session there is nothing to ask."""
        session = await self._sessions.of(request)
        if session is None:
            return RedirectResponse(SIGNED_OUT_PATH, status_code=303)
        form = Form(id=secrets.token_urlsafe(16), user_id=session.user_id)
        sealed, cookie = self._responses.forms.issued(SIGN_OUT_FORM, form)
        view = SignOut(person_login=session.login, form_token=sealed)
        response = self._responses.page(self._responses.pages.sign_out(view))
        self._responses.forms.keep(request, response, form, cookie)
        return response

    async def post(self, request: Request) -> Response:
        """Ends the session here, then Okta's, unless the person stays."""
        try:
            parameters = await form_parameters(request)
            sealed, decision = parameters.one("form"), parameters.one("decision")
            ends_connections = parameters.one("end_connections") == "yes"
        except ParametersError as error:
            raise PageError("invalid_request", status=error.status) from None
        form = self._responses.forms.read(request, SIGN_OUT_FORM, sealed)
        session = await self._sessions.of(request)
        if decision == "stay" or session is None or session.user_id != form.user_id:
            return RedirectResponse("/", status_code=303)
        target = await self._after_sign_out(session)
        response = RedirectResponse(target, status_code=303)
        ended = 0
        if ends_connections:
            # Before the session: where this fails, the person is signed in and can press again.
            ended = await self._grants.end_all(session.user_id, "disconnected_at_sign_out")
        await self._sessions.end(session, response)
        self._responses.forms.forget(response, form)
        await self._upstreams.release(session.user_id, session.upstream_id)
        self._audit.write(
            "session.ended",
            user_id=session.user_id,
            login=session.login,
            grants_ended=ended,
            **trace(request),
        )
        return response

    async def signed_out(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint
        """Where the way out ends."""
        return self._responses.page(self._responses.pages.signed_out(SignedOut()))

    async def _after_sign_out(self, session: Session) -> str:
        try:
            url = await self._login.end_session_url(
                self._sessions.id_token(session), self._signed_out_url
            )
        except OktaLoginError:
            url = None
        return url or SIGNED_OUT_PATH
