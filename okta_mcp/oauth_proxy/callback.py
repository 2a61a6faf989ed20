"""`GET /oauth/callback`: a browser comes back from Okta.

The steps, in this order: the state is used up; the browser must be the one that started; Okta's
error, if any, becomes a page of ours; the code becomes tokens and the ID token is verified; the
person's role is resolved; only then a session begins. A bad sign-in makes no session and no code.
"""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.legs import LEG_TTL_SECONDS, Legs
from okta_mcp.oauth_proxy.parameters import Parameters, ParametersError, query_parameters
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.okta.authorization_server import (
    LoginRefusedError,
    LoginUnavailableError,
    OktaLoginError,
)
from okta_mcp.okta.directory import DirectoryUnavailableError, PersonInactiveError
from okta_mcp.okta.oidc import OktaLogin, UpstreamTokens, callback_refusal
from okta_mcp.okta.sign_ins import SignIns
from okta_mcp.rbac.roles import LiveRoles, RoleDecision
from okta_mcp.serving.refusals import Refusals
from okta_mcp.serving.trace import trace
from okta_mcp.stores.records import CheckedRequest, Leg, Mark, PendingConsent, Records, digest

# Reasons that lie with Okta or with this server's configuration, not with the person.
_SERVER_ERRORS = frozenset(
    "okta_unreachable wrong_client_secret too_many_groups id_token_refused roles_unavailable"
    " refresh_grant_missing scopes_not_granted".split()
)


@dataclass(frozen=True, slots=True)
class _Person:
    """Who has come back from Okta, and what Okta said of them."""

    user_id: str
    login: str
    name: str
    tokens: UpstreamTokens
    upstream_id: str | None
    decision: RoleDecision


class CallbackEndpoint:
    """Finishes a sign-in for which `okta_scopes` were asked.

    `keeps_upstream`: roles or calls depend on Okta's tokens of the person.
    """

    def __init__(
        self,
        records: Records,
        legs: Legs,
        login: OktaLogin,
        upstreams: Upstreams,
        sign_ins: SignIns,
        roles: LiveRoles,
        sessions: Sessions,
        audit: Audit,
        refusals: Refusals,
        *,
        keeps_upstream: bool,
        okta_scopes: tuple[str, ...],
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._legs = legs
        self._login = login
        self._upstreams = upstreams
        self._sign_ins = sign_ins
        self._roles = roles
        self._sessions = sessions
        self._audit = audit
        self._refusals = refusals
        self._keeps_upstream = keeps_upstream
        self._api_scopes = " ".join(name for name in okta_scopes if name.startswith("okta."))
        self._now = now

    async def get(self, request: Request) -> Response:
        """To the consent page, or to the start page where no client asked."""
        leg: Leg | None = None
        try:
            parameters = _parameters(request)
            leg = await self._used_leg(parameters)
            if not self._legs.is_bound(request, leg):
                leg = None
                raise PageError("wrong_browser")
            tokens = await self._tokens(parameters, leg)
            person = await self._person_or_release(tokens, await self._kept_upstream(tokens))
        except PageError as error:
            await self._refusals.write(request, "login.refused", error.reason)
            raise
        except OktaLoginError as error:
            await self._refusals.write(request, "login.refused", error.reason)
            raise _page_of(
                error.reason, leg.request if leg else None, scopes=self._api_scopes
            ) from error
        return await self._signed_in(request, leg, person)

    async def _used_leg(self, parameters: Parameters) -> Leg:
        """The trip of this state, which works only once."""
        state = parameters.one("state")
        if not state:
            raise PageError("invalid_request")
        key = digest(state)
        leg = await self._records.legs.take(key)
        if leg is None:
            used = await self._records.used_states.get(key)
            raise PageError("sign_in_used" if used else "sign_in_expired")
        await self._records.used_states.put(key, Mark(at=self._now()), LEG_TTL_SECONDS)
        return leg

    async def _tokens(self, parameters: Parameters, leg: Leg) -> UpstreamTokens:
        issuer = parameters.one("iss")
        if issuer is not None and issuer.rstrip("/") != self._login.issuer:
            raise PageError("id_token_refused")
        error = parameters.one("error")
        if error is not None:
            raise callback_refusal(error, parameters.one("error_description") or "")
        code = parameters.one("code")
        if code is None:
            raise PageError("invalid_request")
        return await self._login.exchanged(code, self._legs.verifier(leg), leg.nonce)

    async def _kept_upstream(self, tokens: UpstreamTokens) -> str | None:
        if not self._keeps_upstream:
            return None
        if tokens.refresh_token is None:
            raise LoginRefusedError("refresh_grant_missing")
        upstream_id = await self._upstreams.keep(tokens.refresh_token)
        self._sign_ins.learned(upstream_id, tokens)
        return upstream_id

    async def _person_or_release(self, tokens: UpstreamTokens, upstream_id: str | None) -> _Person:
        """Who it is and which role; where that is not to be had, Okta's refresh token goes back."""
        user_id = str(tokens.claims["sub"])
        try:
            login, name = await self._login.profile(tokens)
            decision = await self._role(user_id, upstream_id, tokens)
        except OktaLoginError:
            await self._upstreams.release(user_id, upstream_id)
            raise
        return _Person(user_id, login, name, tokens, upstream_id, decision)

    async def _role(
        self, user_id: str, upstream_id: str | None, tokens: UpstreamTokens
    ) -> RoleDecision:
        try:
            return await self._roles.at_sign_in(user_id, upstream_id, tokens)
        except PersonInactiveError:
            raise LoginRefusedError("account_inactive") from None
        except DirectoryUnavailableError as error:
            raise LoginUnavailableError("roles_unavailable") from error

    async def _signed_in(self, request: Request, leg: Leg, person: _Person) -> Response:
        if leg.request is not None:
            # Of no use without the session, which is written after it.
            await self._records.pending.put(
                leg.request.id, PendingConsent(leg.request, person.user_id), LEG_TTL_SECONDS
            )
        target = "/"
        if leg.request is not None:
            target = f"/oauth/consent?request={leg.request.id}"
        # Not the consent page itself: its URL would be this one, with Okta's code in it.
        response = RedirectResponse(target, status_code=303)
        await self._sessions.start(
            response,
            user_id=person.user_id,
            login=person.login,
            name=person.name,
            id_token=person.tokens.id_token,
            upstream_id=person.upstream_id,
        )
        # Last: where this fails, the person is still signed in as before.
        earlier = await self._sessions.of(request)
        if earlier is not None:
            await self._sessions.end(earlier)
            await self._upstreams.release(earlier.user_id, earlier.upstream_id)
        self._audit.write(
            "login.succeeded",
            user_id=person.user_id,
            login=person.login,
            role=person.decision.role,
            groups=person.decision.groups,
            source=person.decision.source,
            amr=person.tokens.claims.get("amr"),
            client_id=leg.request.client_id if leg.request else None,
            **trace(request),
        )
        return response


def _parameters(request: Request) -> Parameters:
    try:
        parameters = query_parameters(request)
        parameters.check_no_repetition()
    except ParametersError as error:
        raise PageError("invalid_request", status=error.status) from None
    return parameters


def _page_of(reason: str, checked: CheckedRequest | None, *, scopes: str) -> PageError:
    """403 where Okta refused the person, 502 where Okta or the configuration is at fault."""
    at_fault = reason in _SERVER_ERRORS
    return PageError(
        reason,
        status=502 if at_fault else 403,
        finishes=checked,
        finish_code="server_error" if at_fault else "access_denied",
        scopes=scopes,
    )
