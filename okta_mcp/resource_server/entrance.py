"""The resource server's way into /mcp: an access token of Okta's stands for a person.

Data families do not apply, because scopes of a custom authorization server are no okta.* scopes:
the role alone decides. A token without the required scopes is told so with 403 (RFC 6750 section
3.1); no other refusal here is a 403, which some clients take as a reason to register again.
"""

from dataclasses import dataclass, replace

from starlette.requests import Request

from okta_mcp.mcp_endpoint.bearer import BearerHeader
from okta_mcp.mcp_endpoint.entrance import Admitted, EntranceUnavailableError
from okta_mcp.okta.access_tokens import (
    Access,
    AccessTokenError,
    CheckUnavailableError,
    TokenCheck,
)
from okta_mcp.okta.directory import Group, Membership, PersonInactiveError
from okta_mcp.rbac.principal import Principal
from okta_mcp.rbac.roles import LiveRoles, RoleMapping
from okta_mcp.serving.rates import Rate

_RETRY_SECONDS = 5


class ResourceServerEntrance:
    """`roles` is None where Okta's API is not called: then the token's groups give the role.

    `failures` bounds how often an address may make this server ask Okta in vain.
    """

    def __init__(
        self,
        header: BearerHeader,
        check: TokenCheck,
        required_scopes: tuple[str, ...],
        roles: LiveRoles | None,
        mapping: RoleMapping,
        failures: Rate,
    ) -> None:
        self._header = header
        self._check = check
        self._required_scopes = required_scopes
        self._roles = roles
        self._mapping = mapping
        self._failures = failures

    async def admitted(self, request: Request) -> Admitted:
        """The person of the token; raises also `TooManyRequestsError`."""
        token = self._header.token(request)
        has_asked = False

        async def before_asking() -> None:
            nonlocal has_asked
            await self._failures.look(request)
            has_asked = True

        try:
            access = await self._check.access(token, before_asking)
        except AccessTokenError as error:
            if has_asked:
                await self._failures.hit(request)
            raise self._header.refused(error.reason) from None
        except CheckUnavailableError as error:
            text = (
                "the token cannot be checked, because Okta does not answer; try again in a moment"
            )
            raise EntranceUnavailableError(text, _RETRY_SECONDS) from error
        if not access.scopes.issuperset(self._required_scopes):
            raise self._header.insufficient_scope(self._required_scopes)
        return _Person(access, self._header, self._roles, self._mapping)


@dataclass(frozen=True, slots=True)
class _Person:
    """A person behind a token of Okta's."""

    _access: Access
    _header: BearerHeader
    _roles: LiveRoles | None
    _mapping: RoleMapping

    @property
    def principal(self) -> Principal:
        access = self._access
        return Principal(
            user_id=access.user_id,
            login=access.login,
            name=access.login,
            client_id=access.client_id,
            client_name=access.client_id,
            grant_key=None,
            scopes=None,
        )

    async def with_role(self) -> Principal:
        if self._roles is None:
            groups = tuple(Group(name) for name in self._access.groups or ())
            decision = self._mapping.decided(Membership(groups, "access_token"))
            return replace(self.principal, decision=decision)
        try:
            decision = await self._roles.current(self._access.user_id, None)
        except PersonInactiveError:
            raise self._header.refused("the account is not active") from None
        return replace(self.principal, decision=decision)
