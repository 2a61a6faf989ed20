"""`POST /oauth/token`: codes and refresh tokens become access tokens (RFC 6749 sections 4.1.3, 6).

So do the assertions of services (section 4.4), a way that no registered client can go.

Errors are 400 JSON, and 401 only where the client did not authenticate. A refresh asks Okta about
the person before anything is used up: an account that may not act any more ends the grant, and an
Okta that does not answer leaves the refresh token good.
"""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.authorization_request import is_resource
from okta_mcp.oauth_proxy.client_authentication import authenticated_client
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.grants import Grants, audit_fields, invalid_grant
from okta_mcp.oauth_proxy.parameters import Parameters, ParametersError, form_parameters
from okta_mcp.oauth_proxy.register import USED_CLIENT_SECONDS
from okta_mcp.oauth_proxy.scopes import LONGEST_SCOPE, still_existing
from okta_mcp.oauth_proxy.service_assertion import (
    ServiceAssertions,
    SignedAssertion,
    has_assertion,
)
from okta_mcp.oauth_proxy.service_tokens import ServiceTokens
from okta_mcp.okta.directory import (
    DirectoryUnavailableError,
    PersonInactiveError,
    SignInAgainError,
)
from okta_mcp.rbac.behind import Behind
from okta_mcp.rbac.roles import LiveRoles
from okta_mcp.serving.rates import Rate
from okta_mcp.serving.trace import trace
from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.records import Client, Grant, Records

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CODE_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_LONGEST_TOKEN = 512


class TokenEndpoint:
    """Answers with tokens or with the error that tells the client what to do."""

    def __init__(
        self,
        records: Records,
        grants: Grants,
        roles: LiveRoles,
        audit: Audit,
        failures: Rate,
        assertions: ServiceAssertions,
        service_tokens: ServiceTokens,
        behind: Behind,
        *,
        resource_url: str,
    ) -> None:
        self._records = records
        self._grants = grants
        self._roles = roles
        self._audit = audit
        self._failures = failures
        self._assertions = assertions
        self._service_tokens = service_tokens
        self._behind = behind
        self._resource_url = resource_url

    async def post(self, request: Request) -> Response:
        """200 with the tokens; 400, 401, 413, 415, 429 or 503 with an error, all `no-store`.

        Only failures count against an address: whoever works is never limited.
        """
        # Once it is known: the field of the audit trail, and the value.
        asking: dict[str, str] = {}
        try:
            form = await token_form(request, besides=frozenset({"resource"}))
            if has_assertion(form):
                signed = self._assertions.signed(request, form)
                asking = {"service": signed.service.name}
                await self._assertions.accept(signed, form)
                answer = await self._service_answer(request, signed, form)
            else:
                client = await authenticated_client(request, form, self._records)
                asking = {"client_id": client.client_id}
                answer = await self._answer(request, client, form)
        except StoreFullError:
            error = unavailable("the server holds too many tokens")
            self._refused(request, asking, error)
            raise error from None
        except TokenError as error:
            if error.status < 500:
                # Beyond the rate this is 429 in place of the error, before a line is written. Good
                # requests of the same address go on: any page can make a browser send bad ones.
                await self._failures.hit(request)
            self._refused(request, asking, error)
            raise
        return JSONResponse(answer, headers=NO_STORE)

    async def _answer(self, request: Request, client: Client, form: Parameters) -> dict[str, Any]:
        grant_type = _grant_type(form)
        if grant_type == "authorization_code":
            return await self._code(request, client, form)
        if grant_type == "refresh_token":
            return await self._refresh(request, client, form)
        if grant_type == "client_credentials":
            raise TokenError(
                "unauthorized_client",
                "client_credentials is for services of this server's policy file; a client that"
                " registered itself uses authorization_code",
            )
        raise TokenError(
            "unsupported_grant_type", "grant_type must be authorization_code or refresh_token"
        )

    async def _service_answer(
        self, request: Request, signed: SignedAssertion, form: Parameters
    ) -> dict[str, Any]:
        grant_type = _grant_type(form)
        if grant_type != "client_credentials":
            raise TokenError("unauthorized_client", "a service uses client_credentials alone")
        self._check_resource(form)
        grant, answer = await self._service_tokens.issued(signed, form)
        self._issued(request, "token.issued", grant, answer, grant_type=grant_type)
        return answer

    async def _code(self, request: Request, client: Client, form: Parameters) -> dict[str, Any]:
        code, verifier = _required(form, "code"), _required(form, "code_verifier")
        if not _CODE_VERIFIER.fullmatch(verifier):
            raise TokenError("invalid_request", "code_verifier must be 43 to 128 unreserved chars")
        self._check_resource(form)
        grant, answer = await self._grants.redeemed(
            client, code, verifier=verifier, redirect_uri=form.one("redirect_uri")
        )
        self._issued(request, "token.issued", grant, answer)
        return answer

    async def _refresh(self, request: Request, client: Client, form: Parameters) -> dict[str, Any]:
        refresh_token = _required(form, "refresh_token")
        self._check_resource(form)
        token, grant = await self._grants.refresh_token_grant(client, refresh_token)
        existing = self._behind.supported_scopes
        # The server behind the gateway that a scope stood for may have been taken away.
        scopes = still_existing(_narrowed(form.one("scope"), grant), existing)
        if token.generation == grant.generation:
            await self._check_person(grant)
            # A client in use keeps its registration, however long ago its person was asked.
            await self._records.clients.put(client.client_id, client, USED_CLIENT_SECONDS)
        answer, is_repeated = await self._grants.refreshed(token, grant, refresh_token, scopes)
        event = "token.repeated" if is_repeated else "token.refreshed"
        self._issued(request, event, grant, answer)
        return answer

    async def _check_person(self, grant: Grant) -> None:
        """Okta is always asked at a refresh; equal requests at one time share the question."""
        try:
            await self._roles.asked(grant.user_id, grant.upstream_id)
        except PersonInactiveError:
            raise invalid_grant("account_inactive", "the person's account is not active") from None
        except SignInAgainError:
            await self._grants.end(grant, "okta_sign_in_ended")
            raise invalid_grant("okta_sign_in_ended", "the person has to sign in again") from None
        except DirectoryUnavailableError:
            raise unavailable("Okta does not answer; the refresh token stays good") from None

    def _check_resource(self, form: Parameters) -> None:
        if not all(is_resource(name, self._resource_url) for name in form.every("resource")):
            raise TokenError("invalid_target", f"tokens are for {self._resource_url} only")

    def _issued(
        self,
        request: Request,
        event: str,
        grant: Grant,
        answer: dict[str, Any],
        *,
        grant_type: str | None = None,
    ) -> None:
        self._audit.write(
            event,
            **audit_fields(grant),
            grant_type=grant_type,
            scopes=answer["scope"].split(),
            expires_in=answer["expires_in"],
            **trace(request),
        )

    def _refused(self, request: Request, asking: dict[str, str], error: TokenError) -> None:
        self._audit.write(
            "token.refused",
            "refused",
            reason=error.reason,
            **asking,
            **trace(request),
        )


async def token_form(request: Request, *, besides: frozenset[str] = frozenset()) -> Parameters:
    """The form of a token or revocation request; raises `TokenError`.

    Only names of `besides` may be repeated.
    """
    try:
        form = await form_parameters(request)
        form.check_no_repetition(besides=besides)
    except ParametersError as error:
        raise TokenError("invalid_request", str(error), status=error.status) from None
    return form


def unavailable(description: str) -> TokenError:
    """503 `temporarily_unavailable`; nothing was used up."""
    return TokenError(
        "temporarily_unavailable", description, status=503, headers={"Retry-After": "5"}
    )


def _grant_type(form: Parameters) -> str:
    grant_type = form.one("grant_type")
    if grant_type is None:
        raise TokenError("invalid_request", "grant_type is missing")
    return grant_type


def _required(form: Parameters, name: str) -> str:
    value = form.one(name)
    if value is None:
        raise TokenError("invalid_request", f"{name} is missing")
    if len(value) > _LONGEST_TOKEN:
        raise TokenError("invalid_grant", f"{name} is too long to be one of ours")
    return value


def _narrowed(scope: str | None, grant: Grant) -> tuple[str, ...]:
    """The scopes of the new access token: those of the grant, or fewer (RFC 6749 section 6)."""
    if scope is None:
        return grant.scopes
    names = scope.split()
    if len(scope) > LONGEST_SCOPE or not names or not set(names) <= set(grant.scopes):
        raise TokenError("invalid_scope", f"scope must be among: {' '.join(grant.scopes)}")
    return tuple(name for name in grant.scopes if name in names)
