"""`grant_type=client_credentials`: a service that has proven itself gets one access token.

RFC 6749 section 4.4. Called by the token endpoint. No refresh token and no person: the grant says
which service and which of its keys, and `entrance.py` asks the policy about both at each request.
"""

from typing import Any

from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.grants import Grants
from okta_mcp.oauth_proxy.parameters import Parameters
from okta_mcp.oauth_proxy.scopes import LONGEST_SCOPE
from okta_mcp.oauth_proxy.service_assertion import SignedAssertion
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.services import Service
from okta_mcp.stores.records import Grant


class ServiceTokens:
    """Issues the tokens of services."""

    def __init__(self, grants: Grants, policy: Policy) -> None:
        self._grants = grants
        self._policy = policy

    async def issued(
        self, signed: SignedAssertion, form: Parameters
    ) -> tuple[Grant, dict[str, Any]]:
        """The grant and the answer that carries its token; raises `TokenError` 400."""
        service = signed.service
        scopes = self._scopes(service, form.one("scope"))
        return await self._grants.open_for_service(service, signed.key.thumbprint, scopes)

    def _scopes(self, service: Service, scope: str | None) -> tuple[str, ...]:
        """What is asked for, cut with what the service may have and its role has tools in."""
        families = self._policy.families(service.role)
        may = tuple(name for name in service.scopes if name in families)
        if scope is None:
            return may
        asked = scope.split() if len(scope) <= LONGEST_SCOPE else []
        granted = tuple(name for name in may if name in asked)
        if not granted:
            raise TokenError(
                "invalid_scope", f"no scope left; the service may have {' '.join(may)}"
            )
        return granted
