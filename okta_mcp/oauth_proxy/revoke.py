"""`POST /oauth/revoke`: a client gives a token back (RFC 7009); public clients and services too."""

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.client_authentication import authenticated_client
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.grants import Grants, audit_fields
from okta_mcp.oauth_proxy.parameters import Parameters
from okta_mcp.oauth_proxy.service_assertion import ServiceAssertions, has_assertion
from okta_mcp.oauth_proxy.token import NO_STORE, token_form
from okta_mcp.serving.trace import trace
from okta_mcp.stores.records import Records


class RevocationEndpoint:
    """Ends what the token stands for, if it is the caller's."""

    def __init__(
        self, records: Records, grants: Grants, assertions: ServiceAssertions, audit: Audit
    ) -> None:
        self._records = records
        self._grants = grants
        self._assertions = assertions
        self._audit = audit

    async def post(self, request: Request) -> Response:
        """200 whether or not there was such a token; 400 without `token`, 401 for no client."""
        form = await token_form(request)
        client_id = await self._client_id(request, form)
        token = form.one("token")
        if token is None:
            raise TokenError("invalid_request", "token is missing")
        grant = await self._grants.revoke(client_id, token)
        if grant is not None:
            self._audit.write("token.revoked", **audit_fields(grant), **trace(request))
        return Response(status_code=200, headers=NO_STORE)

    async def _client_id(self, request: Request, form: Parameters) -> str:
        if not has_assertion(form):
            return (await authenticated_client(request, form, self._records)).client_id
        signed = self._assertions.signed(request, form)
        await self._assertions.accept(signed, form)
        return signed.service.name
