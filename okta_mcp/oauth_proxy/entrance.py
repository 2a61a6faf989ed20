"""The proxy's way into /mcp: an access token of ours stands for a grant, a grant for a person.

Or for a service, whose role and scopes are those of the policy file as this server has read it,
and whose groups nobody asks for. A browser session opens nothing here. An unknown token costs two
reads of the store at most and never a call to Okta.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from starlette.requests import Request

from okta_mcp.mcp_endpoint.bearer import BearerHeader
from okta_mcp.mcp_endpoint.entrance import Admitted
from okta_mcp.oauth_proxy.grants import Bearer, Grants
from okta_mcp.okta.directory import PersonInactiveError, SignInAgainError
from okta_mcp.rbac.principal import Principal
from okta_mcp.rbac.roles import LiveRoles, RoleDecision
from okta_mcp.rbac.services import Service


class ProxyEntrance:
    """Admits the access tokens that this server has issued."""

    def __init__(
        self,
        header: BearerHeader,
        grants: Grants,
        roles: LiveRoles,
        services: Mapping[str, Service],
    ) -> None:
        self._header = header
        self._grants = grants
        self._roles = roles
        self._services = services

    async def admitted(self, request: Request) -> Admitted:
        """Who stands behind the token's grant; raises `BearerError` 400 or 401."""
        bearer = await self._grants.by_access_token(self._header.token(request))
        if bearer is None:
            raise self._header.refused("unknown, expired or revoked")
        if bearer.grant.service is not None:
            return await self._service(bearer, bearer.grant.service)
        return _Person(bearer, self._header, self._grants, self._roles)

    async def _service(self, bearer: Bearer, name: str) -> "_Service":
        service = self._services.get(name)
        if service is None or not service.has_key(bearer.grant.service_key):
            await self._grants.end(bearer.grant, "service_removed")
            raise self._header.refused("the service, or its key, is not in the policy any more")
        return _Service(bearer, service)


@dataclass(frozen=True, slots=True)
class _Person:
    """A person behind a grant."""

    _bearer: Bearer
    _header: BearerHeader
    _grants: Grants
    _roles: LiveRoles

    @property
    def principal(self) -> Principal:
        grant = self._bearer.grant
        return Principal(
            user_id=grant.user_id,
            login=grant.login,
            name=grant.name,
            client_id=grant.client_id,
            client_name=grant.client_name,
            grant_key=grant.key,
            upstream_id=grant.upstream_id,
            scopes=frozenset(self._bearer.scopes),
        )

    async def with_role(self) -> Principal:
        grant = self._bearer.grant
        try:
            decision = await self._roles.current(grant.user_id, grant.upstream_id)
        except PersonInactiveError:
            raise self._header.refused("the account is not active") from None
        except SignInAgainError:
            await self._grants.end(grant, "okta_sign_in_ended")
            raise self._header.refused("the sign-in at Okta has ended") from None
        return replace(self.principal, decision=decision)


@dataclass(frozen=True, slots=True)
class _Service:
    """A service of the policy file: no person, no groups, no sign-in at Okta."""

    _bearer: Bearer
    _service: Service

    @property
    def principal(self) -> Principal:
        service = self._service
        return Principal(
            user_id=service.user_id,
            login="",
            name=service.description or service.name,
            client_id=service.name,
            client_name=service.name,
            grant_key=self._bearer.grant.key,
            scopes=frozenset(self._bearer.scopes) & frozenset(service.scopes),
            service=service.name,
        )

    async def with_role(self) -> Principal:
        return replace(self.principal, decision=RoleDecision(self._service.role, (), "policy_file"))
