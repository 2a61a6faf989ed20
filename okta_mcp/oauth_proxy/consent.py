"""`/oauth/consent`: a signed-in person decides about one client.

`ConsentStep` is what happens to every checked request once somebody is signed in, whether the
browser came from the client or from Okta: role, scopes cut with the role, an earlier answer that
still holds, else the page. Only a press on `Allow` makes a code; whatever else arrives is a no.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.clients import Clients
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.forms import FORM_TTL_SECONDS, Form
from okta_mcp.oauth_proxy.grants import Grants
from okta_mcp.oauth_proxy.parameters import ParametersError, form_parameters, query_parameters
from okta_mcp.oauth_proxy.register import USED_CLIENT_SECONDS
from okta_mcp.oauth_proxy.responses import CONSENT_FORM, Responses
from okta_mcp.oauth_proxy.scopes import NoScopeLeftError, cut_with_role
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.okta.directory import (
    DirectoryUnavailableError,
    PersonInactiveError,
    SignInAgainError,
)
from okta_mcp.pages import Consent, server_views
from okta_mcp.rbac.families import OFFLINE_ACCESS
from okta_mcp.rbac.policy import Policy, Role
from okta_mcp.rbac.roles import LiveRoles
from okta_mcp.serving.rates import address_of
from okta_mcp.serving.refusals import Refusals
from okta_mcp.serving.trace import reference_of, trace
from okta_mcp.stores.interface import StoreFullError, StoreUnavailableError
from okta_mcp.stores.records import (
    CheckedRequest,
    Client,
    Mark,
    Records,
    RememberedConsent,
    Session,
    digest,
)

_NO_FAMILY = "Time"


class ConsentStep:
    """Answers a checked request of a signed-in person."""

    def __init__(
        self,
        records: Records,
        clients: Clients,
        sessions: Sessions,
        grants: Grants,
        roles: LiveRoles,
        policy: Policy,
        responses: Responses,
        audit: Audit,
        refusals: Refusals,
        *,
        consent_ttl_seconds: int,
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._clients = clients
        self._sessions = sessions
        self._grants = grants
        self._roles = roles
        self._policy = policy
        self._responses = responses
        self._audit = audit
        self._refusals = refusals
        self._consent_ttl_seconds = consent_ttl_seconds
        self._now = now

    async def answer(self, request: Request, checked: CheckedRequest, session: Session) -> Response:
        """A code where an earlier answer holds, else the page that asks."""
        try:
            client, standing, scopes = await self._subject(request, checked, session)
        except PageError as error:
            await self._refusals.write(request, "consent.refused", error.reason)
            raise
        if scopes is None:
            return self._no_scope_left(checked)
        if await self._is_remembered(checked, session, scopes):
            return await self._approved(
                request, client, checked, session, scopes, standing.role, "consent.remembered"
            )
        if "none" in checked.prompt:
            return self._responses.refused(
                checked.redirect_uri,
                checked.state,
                "consent_required",
                "the person has to be asked",
            )
        return self._page(request, client, checked, session, scopes, standing)

    async def allowed(
        self, request: Request, checked: CheckedRequest, session: Session
    ) -> Response:
        """The person pressed `Allow`: a grant and its code."""
        client, standing, scopes = await self._subject(request, checked, session)
        if scopes is None:
            return self._no_scope_left(checked)
        response = await self._approved(
            request, client, checked, session, scopes, standing.role, "consent.granted"
        )
        with contextlib.suppress(StoreFullError, StoreUnavailableError):
            # The code is made; without this the person is asked again next time.
            remembered = RememberedConsent(self._now() + self._consent_ttl_seconds)
            await self._records.consents.put(
                _consent_key(checked, session, scopes), remembered, self._consent_ttl_seconds
            )
        return response

    async def answer_once(self, checked: CheckedRequest) -> None:
        """The answer is given now: of two at one moment, the second raises `PageError`."""
        first = await self._records.answered_forms.put(
            checked.id, Mark(at=self._now()), FORM_TTL_SECONDS, if_absent=True
        )
        if not first:
            raise PageError("sign_in_used")

    async def check_unanswered(self, checked: CheckedRequest) -> None:
        """Raises `PageError` where the client has its answer to this request already."""
        if await self._records.answered_forms.get(checked.id) is not None:
            raise PageError("sign_in_used")

    async def _subject(
        self, request: Request, checked: CheckedRequest, session: Session
    ) -> tuple[Client, "_Standing", tuple[str, ...] | None]:
        """The client, the person's role, and the scopes it leaves; None where it leaves none.

        Raises `PageError` where the person has no role, or it cannot be known.
        """
        client = await self._clients.find(checked.client_id, address_of(request))
        if client is None:
            raise PageError("unknown_client")
        try:
            decision = await self._roles.current(session.user_id, session.upstream_id)
        except PersonInactiveError:
            raise PageError("account_inactive", status=403, finishes=checked) from None
        except SignInAgainError:
            # The session hangs on a sign-in that Okta has ended: keeping it would lead here again.
            await self._sessions.end(session)
            raise PageError("sign_in_expired", finishes=checked) from None
        except DirectoryUnavailableError:
            raise PageError(
                "roles_unavailable", status=502, finishes=checked, finish_code="server_error"
            ) from None
        if decision.role is None:
            raise PageError("no_role", status=403, finishes=checked, person=session.name)
        standing = _Standing(decision.role, decision.member_of)
        families = self._policy.families(decision.role, decision.member_of)
        try:
            return client, standing, cut_with_role(checked.scopes, families)
        except NoScopeLeftError:
            return client, standing, None

    def _no_scope_left(self, checked: CheckedRequest) -> Response:
        return self._responses.refused(
            checked.redirect_uri,
            checked.state,
            "invalid_scope",
            "the person's role gives none of the scopes that were asked for",
        )

    async def _is_remembered(
        self, checked: CheckedRequest, session: Session, scopes: tuple[str, ...]
    ) -> bool:
        """Whether an earlier answer may stand in for the person's press.

        Never when another site sent the browser, or when the browser does not say: a page that
        somebody opens by accident must not be able to connect a client.
        """
        if "consent" in checked.prompt or checked.fetch_site not in ("none", "same-origin"):
            return False
        key = _consent_key(checked, session, scopes)
        return await self._records.consents.get(key) is not None

    async def _approved(
        self,
        request: Request,
        client: Client,
        checked: CheckedRequest,
        session: Session,
        scopes: tuple[str, ...],
        role: Role,
        event: str,
    ) -> Response:
        try:
            await self._records.clients.put(
                client.client_id, replace(client, authorized=True), USED_CLIENT_SECONDS
            )
            code = await self._grants.open(session, client, checked, scopes, role)
        except StoreFullError:
            raise PageError(
                "server_busy", status=503, finishes=checked, finish_code="temporarily_unavailable"
            ) from None
        # The mark comes last: whatever failed before it, the person can press again, and the code
        # of an answer that was not given is known to nobody.
        try:
            await self.answer_once(checked)
        except PageError:
            await self._grants.withdraw(code)
            raise
        self._audit.write(
            event,
            user_id=session.user_id,
            login=session.login,
            role=role,
            client_id=client.client_id,
            client_name=client.name,
            redirect_uri=checked.redirect_uri,
            scopes=scopes,
            **trace(request),
        )
        return self._responses.granted(checked.redirect_uri, checked.state, code)

    def _page(
        self,
        request: Request,
        client: Client,
        checked: CheckedRequest,
        session: Session,
        scopes: tuple[str, ...],
        standing: "_Standing",
    ) -> Response:
        form = Form(id=checked.id, request=checked, user_id=session.user_id)
        sealed, cookie = self._responses.forms.issued(CONSENT_FORM, form)
        view = Consent(
            client=self._responses.client_view(client, checked.redirect_uri),
            person_name=session.name,
            person_login=session.login,
            role=standing.role,
            scopes=scopes,
            servers=server_views(self._policy.behind, scopes),
            tools=tools_by_family(self._policy, standing.role, scopes, standing.groups),
            access_ends_at=self._grants.end_of_access(scopes),
            now=self._now(),
            stays_connected=OFFLINE_ACCESS in scopes,
            remembered_seconds=self._consent_ttl_seconds,
            form_token=sealed,
            reference=reference_of(request),
        )
        response = self._responses.page(self._responses.pages.consent(view))
        self._responses.forms.keep(request, response, form, cookie)
        return response


@dataclass(frozen=True, slots=True)
class _Standing:
    """The person's role, and the groups that count for servers behind the gateway."""

    role: Role
    groups: tuple[str, ...]


def tools_by_family(
    policy: Policy, role: Role, scopes: tuple[str, ...], groups: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The title of each family, or server, and the names of the tools in it."""
    titles = {family.scope: family.title for family in policy.behind.families}
    grouped: dict[str, tuple[str, ...]] = {}
    for name in policy.allowed("tools", role, scopes, groups):
        title = titles[home[0]] if (home := policy.scopes_of(name)) else _NO_FAMILY
        grouped[title] = (*grouped.get(title, ()), name)
    return tuple(grouped.items())


class ConsentEndpoint:
    """GET shows the page to the browser that came from Okta; POST takes the answer."""

    def __init__(
        self,
        step: ConsentStep,
        records: Records,
        sessions: Sessions,
        responses: Responses,
        audit: Audit,
        refusals: Refusals,
        *,
        now: Callable[[], float],
    ) -> None:
        self._step = step
        self._records = records
        self._sessions = sessions
        self._responses = responses
        self._audit = audit
        self._refusals = refusals
        self._now = now

    async def get(self, request: Request) -> Response:
        """May be reloaded; approves nothing by itself."""
        try:
            request_id = query_parameters(request).one("request")
        except ParametersError as error:
            raise PageError("invalid_request", status=error.status) from None
        session = await self._sessions.of(request)
        pending = await self._records.pending.get(request_id) if request_id else None
        if pending is None or session is None:
            raise PageError("sign_in_expired")
        if pending.user_id != session.user_id:
            raise PageError("other_person", finishes=pending.request)
        await self._step.check_unanswered(pending.request)
        response = await self._step.answer(request, pending.request, session)
        if response.status_code == 303:
            # The client has its answer; a reload must not make another one.
            await self._records.pending.delete(pending.request.id)
        return response

    async def post(self, request: Request) -> Response:
        """Back to the client, with a code for `Allow` and with an error for everything else."""
        try:
            parameters = await form_parameters(request)
            sealed, decision = parameters.one("form"), parameters.one("decision")
        except ParametersError as error:
            raise PageError("invalid_request", status=error.status) from None
        try:
            form = self._responses.forms.read(request, CONSENT_FORM, sealed)
            checked = form.request
            if checked is None:
                raise PageError("invalid_request")
            if decision == "allow":
                session = await self._session_of_form(request, form)
                await self._step.check_unanswered(checked)
                response = await self._step.allowed(request, checked, session)
            else:
                denying = await self._sessions.of(request)
                await self._step.answer_once(checked)
                response = self._denied(request, form, checked, denying)
        except PageError as error:
            await self._refusals.write(request, "consent.refused", error.reason)
            raise
        self._responses.forms.forget(response, form)
        return response

    async def _session_of_form(self, request: Request, form: Form) -> Session:
        """The session of the person to whom the form was shown, who must still be signed in."""
        session = await self._sessions.of(request)
        if session is None or form.user_id is None:
            raise PageError("sign_in_expired", finishes=form.request)
        if session.user_id != form.user_id:
            raise PageError("other_person", finishes=form.request)
        return session

    def _denied(
        self, request: Request, form: Form, checked: CheckedRequest, session: Session | None
    ) -> Response:
        self._audit.write(
            "consent.denied",
            "refused",
            reason=form.reason or form.error,
            user_id=session.user_id if session else None,
            login=session.login if session else None,
            client_id=checked.client_id,
            redirect_uri=checked.redirect_uri,
            **trace(request),
        )
        return self._responses.refused(
            checked.redirect_uri, checked.state, form.error, _what_ended(form)
        )


def _what_ended(form: Form) -> str:
    """What the client hears of it: no more than that, the page has told the person."""
    if form.reason is None:
        return "the person did not allow it"
    if form.reason == "no_role":
        return "none of the person's groups gives access to this server"
    if form.error == "access_denied":
        return "the person was not let in"
    return "the sign-in could not be finished"


def _consent_key(checked: CheckedRequest, session: Session, scopes: tuple[str, ...]) -> str:
    what = "\n".join((checked.client_id, checked.redirect_uri, " ".join(sorted(scopes))))
    return f"{session.user_id}/{digest(what)}"
