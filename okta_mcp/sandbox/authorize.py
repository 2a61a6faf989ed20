"""Where a browser goes: authorize, the sign-in page, logout.

Checks run in Okta's order and answer in Okta's words (okta-facts 1.2, 1.8). What a client gets
wrong before its redirect URI is known is a page with status 400 and never a redirect.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import jwt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox.claims import MOST_GROUPS, group_names
from okta_mcp.sandbox.directory import full_name
from okta_mcp.sandbox.state import (
    ACR_VALUES,
    CODE_SECONDS,
    SIGN_IN_REFUSALS,
    AuthorizationServer,
    Code,
    Login,
    SandboxState,
    field_of,
)

_STATE: Final = re.compile(r"[A-Za-z0-9,._-]+")
_MOST_FOUND: Final = 10
# Where the sign-in form remembers which server it was asked by.
_SERVER: Final = "sandbox_server"


class _RedirectedError(Exception):
    """An error that goes to the redirect URI."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.parameters = {"error": error, "error_description": description}


@dataclass(frozen=True, slots=True)
class _Session:
    user_id: str
    auth_time: int


@dataclass(frozen=True, slots=True)
class _Authorization:
    server: AuthorizationServer
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str | None
    nonce: str | None
    prompt: tuple[str, ...]
    acr: str | None


def authorize_routes(state: SandboxState) -> list[Route]:
    """Of both servers; the sign-in is one for all, and only the organisation's own has a logout."""
    pages = _BrowserPages(state)
    return [
        Route("/oauth2/v1/authorize", pages.authorize, methods=["GET"]),
        Route(f"{state.custom.path}/v1/authorize", pages.authorize, methods=["GET"]),
        Route("/signin", pages.sign_in_page, methods=["GET"]),
        Route("/signin", pages.sign_in, methods=["POST"]),
        Route("/oauth2/v1/logout", pages.logout, methods=["GET"]),
    ]


class _BrowserPages:
    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._pages = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
        )

    async def authorize(self, request: Request) -> Response:
        asked_at = request.scope["path"].removesuffix("/v1/authorize")
        parameters = dict(request.query_params) | {_SERVER: asked_at}
        if self._state.application(parameters.get("client_id", "")) is None:
            return self._bad_request("Invalid value for 'client_id' parameter.")
        if not self._may_redirect(parameters):
            return self._bad_request(
                "The 'redirect_uri' parameter must be a Login redirect URI in the client app"
                " settings"
            )
        ended = self._ended(parameters, self._session(request))
        return ended or self._sign_in_page(request, urlencode(parameters))

    async def sign_in_page(self, request: Request) -> Response:
        return self._sign_in_page(request, "")

    async def sign_in(self, request: Request) -> Response:
        form = await request.form()
        csrf, cookie = field_of(form, "csrf"), request.cookies.get("sandbox_csrf", "")
        if not csrf or not hmac.compare_digest(csrf.encode(), cookie.encode()):
            return self._bad_request("This form has expired. Go back and reload the page.")
        query = field_of(form, "request")
        if "search" in form:
            return self._sign_in_page(request, query, search=field_of(form, "q"))
        parameters = dict(parse_qsl(query))
        is_request = self._may_redirect(parameters)
        if "deny" in form and is_request:
            denial = _RedirectedError("access_denied", "The resource owner denied the request.")
            return _redirected(parameters, denial.parameters)
        user = self._state.organisation.user(field_of(form, "login"))
        refusal = SIGN_IN_REFUSALS.get(user["status"]) if user else "Unable to sign in"
        if user is None or refusal:
            return self._sign_in_page(request, query, message=refusal or "")
        session_id, session = secrets.token_urlsafe(32), (user["id"], int(self._state.now()))
        self._state.sessions[session_id] = session
        ended = self._ended(parameters, _Session(*session), is_new=True) if is_request else None
        response = ended or self._page("signed_in.html", name=full_name(user))
        response.set_cookie("sid", session_id, httponly=True, samesite="lax", path="/")
        return response

    async def logout(self, request: Request) -> Response:
        query = request.query_params
        if not self._is_own_id_token(query.get("id_token_hint", "")):
            return self._bad_request("The 'id_token_hint' parameter is invalid.")
        target = query.get("post_logout_redirect_uri")
        if target and target not in self._state.registration.post_logout_redirect_uris:
            return self._bad_request(
                "The 'post_logout_redirect_uri' parameter must be a Logout redirect URI in the"
                " client app settings."
            )
        self._state.sessions.pop(request.cookies.get("sid", ""), None)
        target = target or f"{self._state.base_url}/signin"
        response = _redirected({"redirect_uri": target, "state": query.get("state", "")}, {})
        response.delete_cookie("sid", path="/")
        return response

    def _may_redirect(self, parameters: dict[str, str]) -> bool:
        application = self._state.application(parameters.get("client_id", ""))
        return (
            application is not None and parameters.get("redirect_uri") in application.redirect_uris
        )

    def _ended(
        self, parameters: dict[str, str], session: _Session | None, *, is_new: bool = False
    ) -> Response | None:
        """The redirect that ends the request; None where somebody has to sign in first."""
        try:
            asked = _checked(self._state, parameters)
            if session is not None and (is_new or "login" not in asked.prompt):
                return _redirected(parameters, {"code": self._code(asked, session)})
            if "none" in asked.prompt:
                raise _RedirectedError(
                    "login_required",
                    "The client specified not to prompt, but the user is not logged in.",
                )
        except _RedirectedError as error:
            return _redirected(parameters, error.parameters)
        return None

    def _code(self, asked: _Authorization, session: _Session) -> str:
        """A code, for a person who is signed in and may use the application."""
        if not self._state.settings["assigned"]:
            raise _RedirectedError(
                "access_denied", "User is not assigned to the client application."
            )
        user = self._state.organisation.users[session.user_id]
        custom_claim = self._state.settings["custom_groups_claim"] == "on"
        is_claimed = custom_claim if asked.server.is_custom else "groups" in asked.scopes
        if is_claimed and len(group_names(self._state, user)) > MOST_GROUPS:
            raise _RedirectedError(
                "server_error",
                "The groups claim matched too many groups and must be configured to match fewer"
                " groups.",
            )
        code = secrets.token_urlsafe(32)
        self._state.codes[code] = Code(
            server=asked.server.path,
            client_id=asked.client_id,
            login=Login(session.user_id, session.auth_time, self._granted_acr(asked.acr)),
            redirect_uri=asked.redirect_uri,
            scopes=asked.scopes,
            challenge=asked.challenge,
            nonce=asked.nonce,
            expires_at=self._state.now() + CODE_SECONDS,
        )
        return code

    def _granted_acr(self, asked: str | None) -> str | None:
        """What the ID token will say of the login; nothing where nothing was asked for."""
        granted = self._state.settings["acr_granted"]
        if asked is None or granted == "asked":
            return asked
        weaker = [None, *ACR_VALUES][list(ACR_VALUES).index(asked)]
        return weaker if granted == "weaker" else None

    def _is_own_id_token(self, id_token: str) -> bool:
        """Signed by a key that is published; an expired one still counts."""
        for key in self._state.keys:
            try:
                jwt.decode(
                    id_token,
                    key.private.public_key(),
                    algorithms=["RS256"],
                    audience=self._state.registration.client_id,
                    # The times are those of the sandbox's clock, which may be ahead.
                    options={"verify_exp": False, "verify_iat": False},
                )
            except jwt.PyJWTError:
                continue
            return True
        return False

    def _session(self, request: Request) -> _Session | None:
        found = self._state.sessions.get(request.cookies.get("sid", ""))
        if found is None:
            return None
        user = self._state.organisation.user(found[0])
        return _Session(*found) if user and user["status"] not in SIGN_IN_REFUSALS else None

    def _sign_in_page(
        self, request: Request, query: str, *, message: str = "", search: str = ""
    ) -> Response:
        found = [
            {"login": user["profile"]["login"], "name": full_name(user), "status": user["status"]}
            for user in self._state.organisation.users.values()
            if search
            and search.casefold() in f"{full_name(user)} {user['profile']['login']}".casefold()
        ][:_MOST_FOUND]
        csrf = request.cookies.get("sandbox_csrf") or secrets.token_urlsafe(16)
        response = self._page(
            "sign_in.html",
            personas=self._state.organisation.personas,
            found=found,
            search=search,
            request=query,
            message=message,
            csrf=csrf,
        )
        response.set_cookie("sandbox_csrf", csrf, httponly=True, samesite="lax", path="/")
        return response

    def _page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        html = self._pages.get_template(template).render(**values)
        headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
        return HTMLResponse(html, status_code=status, headers=headers)

    def _bad_request(self, text: str) -> Response:
        return self._page("bad_request.html", status=400, text=text)


def _checked(state: SandboxState, parameters: dict[str, str]) -> _Authorization:
    """In the order in which Okta finds fault."""
    if parameters.get("response_type") != "code":
        raise _RedirectedError(
            "unsupported_response_type",
            "The response type is not supported by the authorization server.",
        )
    if parameters.get("response_mode", "query") != "query":
        raise _RedirectedError("invalid_request", "The response mode is not supported.")
    if not _STATE.fullmatch(parameters.get("state", "")):
        raise _RedirectedError(
            "invalid_request", "The authentication request has an invalid 'state' parameter."
        )
    server = state.server(parameters[_SERVER])
    scopes = tuple(parameters.get("scope", "").split())
    if not scopes or not set(scopes) <= set(server.scopes):
        raise _RedirectedError(
            "invalid_scope",
            "One or more scopes are not configured for the authorization server resource.",
        )
    scopes = state.allowed("web", scopes)
    if not scopes:
        raise _RedirectedError(
            "consent_required", "You are not allowed any of the requested scopes."
        )
    challenge = parameters.get("code_challenge")
    application = state.application(parameters["client_id"])
    if challenge is None and application is not None and not application.client_secret:
        raise _RedirectedError(
            "invalid_request", "PKCE code challenge is required by the application."
        )
    if challenge is not None and parameters.get("code_challenge_method") != "S256":
        raise _RedirectedError("invalid_request", "The 'code_challenge_method' is not supported.")
    acr_values = parameters.get("acr_values", "").split()
    if not set(acr_values) <= ACR_VALUES.keys():
        raise _RedirectedError("invalid_request", "The 'acr_values' parameter is not supported.")
    return _Authorization(
        server=server,
        client_id=parameters["client_id"],
        redirect_uri=parameters["redirect_uri"],
        scopes=scopes,
        challenge=challenge,
        nonce=parameters.get("nonce"),
        prompt=tuple(parameters.get("prompt", "").split()),
        # In the order in which the client would have them; every login here can be made.
        acr=acr_values[0] if acr_values else None,
    )


def _redirected(parameters: dict[str, str], answer: dict[str, str]) -> Response:
    """To the redirect URI of the request, with its state."""
    if parameters.get("state"):
        answer = answer | {"state": parameters["state"]}
    query = f"?{urlencode(answer)}" if answer else ""
    return RedirectResponse(f"{parameters['redirect_uri']}{query}", status_code=302)
