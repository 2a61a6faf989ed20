"""`GET|POST /oauth/authorize`: where a client sends its person (RFC 6749 section 4.1.1).

A checked request leads to one of three places: the sign-in page, the consent page, or straight
back with a code where the same person has lately allowed the same thing. A GET stores nothing and
uses nothing up: some clients fetch the URL themselves before they open the browser on it.
"""

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.authorization_request import checked_request
from okta_mcp.oauth_proxy.clients import Clients
from okta_mcp.oauth_proxy.consent import ConsentStep
from okta_mcp.oauth_proxy.errors import PageError, RedirectedError
from okta_mcp.oauth_proxy.forms import Form
from okta_mcp.oauth_proxy.parameters import ParametersError, form_parameters, query_parameters
from okta_mcp.oauth_proxy.responses import SIGN_IN_FORM, Responses
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.pages import SignIn, server_views
from okta_mcp.rbac.behind import Behind
from okta_mcp.serving.rates import Rate, address_of
from okta_mcp.serving.trace import reference_of, trace
from okta_mcp.stores.records import CheckedRequest, Client


class AuthorizeEndpoint:
    """Checks the request and shows the first page."""

    def __init__(
        self,
        clients: Clients,
        sessions: Sessions,
        consent: ConsentStep,
        responses: Responses,
        audit: Audit,
        rate: Rate,
        behind: Behind,
        *,
        resource_url: str,
    ) -> None:
        self._clients = clients
        self._sessions = sessions
        self._consent = consent
        self._responses = responses
        self._audit = audit
        self._rate = rate
        self._behind = behind
        self._resource_url = resource_url

    async def handle(self, request: Request) -> Response:
        """GET and POST alike."""
        await self._rate.hit(request)
        try:
            checked, client = await self._checked(request)
        except PageError as error:
            self._audit.write(
                "authorization.refused", "refused", reason=error.reason, **trace(request)
            )
            raise
        except RedirectedError as error:
            self._audit.write(
                "authorization.refused", "refused", reason=error.description, **trace(request)
            )
            return self._responses.refused(
                error.redirect_uri, error.state, error.code, error.description
            )
        session = await self._sessions.of(request)
        must_sign_in = {"login", "select_account"}.intersection(checked.prompt)
        if session is not None and not must_sign_in:
            return await self._consent.answer(request, checked, session)
        if "none" in checked.prompt:
            return self._responses.refused(
                checked.redirect_uri, checked.state, "login_required", "nobody is signed in"
            )
        return self._sign_in_page(request, checked, client)

    async def _checked(self, request: Request) -> tuple[CheckedRequest, Client]:
        try:
            parameters = (
                await form_parameters(request)
                if request.method == "POST"
                else query_parameters(request)
            )
        except ParametersError as error:
            raise PageError("invalid_request", status=error.status) from None
        return await checked_request(
            parameters,
            lambda client_id: self._clients.find(client_id, address_of(request)),
            resource_url=self._resource_url,
            existing_scopes=self._behind.supported_scopes,
            fetch_site=request.headers.get("sec-fetch-site"),
        )

    def _sign_in_page(self, request: Request, checked: CheckedRequest, client: Client) -> Response:
        form = Form(id=checked.id, request=checked)
        sealed, cookie = self._responses.forms.issued(SIGN_IN_FORM, form)
        view = SignIn(
            client=self._responses.client_view(client, checked.redirect_uri),
            scopes=checked.scopes,
            servers=server_views(self._behind, checked.scopes),
            form_token=sealed,
            reference=reference_of(request),
        )
        response = self._responses.page(self._responses.pages.sign_in(view))
        self._responses.forms.keep(request, response, form, cookie)
        return response
