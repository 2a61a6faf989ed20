"""How the sign-in endpoints answer: a page, or a redirect to the client that is never forged.

Answers to a client carry `iss` always and `state` exactly as it came (RFC 6749 section 4.1.2,
RFC 9207). The redirect URI was checked before it was stored, so parameters are appended to the raw
string and nothing is parsed again. Redirects are 303: the browser never repeats a POST elsewhere.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from okta_mcp.oauth_proxy.client_documents import document_host, is_document_url
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.forms import Form, Forms
from okta_mcp.oauth_proxy.redirect_uris import redirect_target
from okta_mcp.pages import Button, ClientView, Pages
from okta_mcp.serving.trace import reference_of
from okta_mcp.stores.records import Client

CONSENT_FORM = "consent"
SIGN_IN_FORM = "sign-in"
SIGN_OUT_FORM = "sign-out"
CONNECTIONS_FORM = "connections"


class Responses:
    """Pages with their forms, and the answers to clients.

    `issuer` is this server's own origin; `known_hosts` are those that the administrator listed.
    """

    def __init__(
        self, pages: Pages, forms: Forms, *, issuer: str, known_hosts: tuple[str, ...]
    ) -> None:
        self.pages = pages
        self.forms = forms
        self._issuer = issuer
        self._known_hosts = known_hosts

    def page(self, html: str, *, status: int = 200) -> Response:
        """A page; headers that hold for every page are added further out."""
        return HTMLResponse(html, status_code=status)

    def problem(self, request: Request, error: PageError) -> Response:
        """The page of an error; its button ends the client's request where there is one."""
        reference = reference_of(request)
        if error.finishes is None:
            return self.page(self._words(error, reference, None), status=error.status)
        form = Form(
            id=error.finishes.id,
            request=error.finishes,
            error=error.finish_code,
            reason=error.reason,
        )
        sealed, cookie = self.forms.issued(CONSENT_FORM, form)
        button = Button("Back to the application", form_action="/oauth/consent", form_token=sealed)
        response = self.page(self._words(error, reference, button), status=error.status)
        self.forms.keep(request, response, form, cookie)
        return response

    def client_view(self, client: Client, redirect_uri: str) -> ClientView:
        """What a page may say of a client and of where the answer goes."""
        target = redirect_target(redirect_uri)
        return ClientView(
            name=client.name,
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            redirect_host=target.host,
            kind=target.kind,
            document_host=(
                document_host(client.client_id) if is_document_url(client.client_id) else ""
            ),
            is_known_host=target.host.lower() in self._known_hosts,
        )

    def _words(self, error: PageError, reference: str, button: Button | None) -> str:
        return self.pages.problem(error.reason, reference=reference, button=button, **error.values)

    def granted(self, redirect_uri: str, state: str | None, code: str) -> Response:
        """The code, on its way to the client."""
        return self._to_client(redirect_uri, {"code": code}, state)

    def refused(
        self, redirect_uri: str, state: str | None, code: str, description: str
    ) -> Response:
        """An error, on its way to the client."""
        return self._to_client(
            redirect_uri, {"error": code, "error_description": description}, state
        )

    def _to_client(self, redirect_uri: str, answer: dict[str, str], state: str | None) -> Response:
        if state is not None:
            answer["state"] = state
        answer["iss"] = self._issuer
        joint = "&" if "?" in redirect_uri else "?"
        return RedirectResponse(f"{redirect_uri}{joint}{urlencode(answer)}", status_code=303)
