"""`/oauth/login`: the button that leads to Okta.

Only the press makes Okta's `state`, nonce and PKCE verifier and binds them to this browser by a
cookie, so nothing that could be seen before the press works at the callback. The form may be sent
again (Back, reload, second tab): each press starts a fresh trip and ends the earlier one.
"""

import secrets

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.forms import Form
from okta_mcp.oauth_proxy.legs import Legs
from okta_mcp.oauth_proxy.parameters import ParametersError, form_parameters
from okta_mcp.oauth_proxy.responses import SIGN_IN_FORM, Responses
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.okta.authorization_server import OktaLoginError
from okta_mcp.okta.oidc import OktaLogin
from okta_mcp.pages import SignIn
from okta_mcp.serving.rates import Rate
from okta_mcp.serving.trace import reference_of, trace
from okta_mcp.stores.interface import StoreFullError


class LoginEndpoint:
    """Shows the sign-in page of this server itself, and sends browsers to Okta."""

    def __init__(
        self,
        legs: Legs,
        login: OktaLogin,
        sessions: Sessions,
        responses: Responses,
        audit: Audit,
        rate: Rate,
        *,
        okta_scopes: tuple[str, ...],
    ) -> None:
        self._legs = legs
        self._login = login
        self._sessions = sessions
        self._responses = responses
        self._audit = audit
        self._rate = rate
        self._okta_scopes = okta_scopes

    async def get(self, request: Request) -> Response:
        """The sign-in page for somebody whom no client sent."""
        if await self._sessions.of(request) is not None:
            return RedirectResponse("/", status_code=303)
        form = Form(id=secrets.token_urlsafe(16))
        sealed, cookie = self._responses.forms.issued(SIGN_IN_FORM, form)
        view = SignIn(client=None, scopes=(), form_token=sealed, reference=reference_of(request))
        response = self._responses.page(self._responses.pages.sign_in(view))
        self._responses.forms.keep(request, response, form, cookie)
        return response

    async def post(self, request: Request) -> Response:
        """Off to Okta, or back to the client for `Cancel`."""
        await self._rate.hit(request)
        try:
            parameters = await form_parameters(request)
            sealed, decision = parameters.one("form"), parameters.one("decision")
        except ParametersError as error:
            raise PageError("invalid_request", status=error.status) from None
        form = self._responses.forms.read(request, SIGN_IN_FORM, sealed)
        checked = form.request
        if decision != "sign_in":
            return self._cancelled(request, form)
        try:
            state, nonce, verifier, binding = await self._legs.start(request, checked)
            url = await self._login.authorization_url(
                state=state,
                nonce=nonce,
                verifier=verifier,
                scopes=self._okta_scopes,
                force_login=checked is not None and "login" in checked.prompt,
            )
        except StoreFullError:
            raise PageError("server_busy", status=503) from None
        except OktaLoginError as error:
            self._audit.write("login.refused", "failure", reason=error.reason, **trace(request))
            raise PageError(
                error.reason, status=502, finishes=checked, finish_code="server_error"
            ) from None
        self._audit.write(
            "login.started",
            client_id=checked.client_id if checked else None,
            **trace(request),
        )
        response = RedirectResponse(url, status_code=303)
        self._legs.bind(response, binding)
        return response

    def _cancelled(self, request: Request, form: Form) -> Response:
        checked = form.request
        if checked is None:
            response: Response = RedirectResponse("/", status_code=303)
        else:
            self._audit.write(
                "consent.denied",
                "refused",
                reason="cancelled before sign-in",
                client_id=checked.client_id,
                **trace(request),
            )
            response = self._responses.refused(
                checked.redirect_uri, checked.state, "access_denied", "the person cancelled"
            )
        self._responses.forms.forget(response, form)
        return response
