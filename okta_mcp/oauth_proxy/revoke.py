"""`POST /oauth/revoke`: a client gives a token back (RFC 7009). Public clients may, too."""

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.client_authentication import authenticated_client
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.grants import Grants, audit_fields
from okta_mcp.oauth_proxy.token import NO_STORE, token_form
from okta_mcp.oauth_proxy.trace import trace
from okta_mcp.stores.records import Records


class RevocationEndpoint:
    """Ends what the token stands for, if it is the caller's."""

    def __init__(self, records: Records, grants: Grants, audit: Audit) -> None:
        self._records = records
        self._grants = grants
        self._audit = audit

    async def post(self, request: Request) -> Response:
        """200 whether or not there was such a token; 400 without `token`, 401 for no client."""
        form = await token_form(request)
        client = await authenticated_client(request, form, self._records)
        token = form.one("token")
        if token is None:
            raise TokenError("invalid_request", "token is missing")
        grant = await self._grants.revoke(client, token)
        if grant is not None:
            self._audit.write("token.revoked", **audit_fields(grant), **trace(request))
        return Response(status_code=200, headers=NO_STORE)
