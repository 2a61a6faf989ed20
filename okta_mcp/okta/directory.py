"""Who a person is to Okta right now: the account's status and the groups, from one source.

The source is chosen by configuration and never by failure (okta-facts 1.7): the Management API
where this server has credentials for it, otherwise the claims of the person's own sign-in. Sources
are never mixed, and a source that cannot answer gives an error, not an empty list.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.authorization_server import LoginRefusedError, OktaLoginError
from okta_mcp.okta.errors import OktaError
from okta_mcp.okta.ids import is_okta_id
from okta_mcp.okta.oidc import OktaLogin, UpstreamTokens

# okta-facts 1.7: these accounts may not act at all ...
_INACTIVE_STATUSES = frozenset({"SUSPENDED", "DEPROVISIONED", "STAGED", "PROVISIONED"})
# ... and these may go on with what runs, even where they cannot sign in anew: an outsider can lock
# an account by guessing passwords. A status that is in neither list is refused, and ends nothing.
_ACTING_STATUSES = frozenset({"ACTIVE", "LOCKED_OUT", "PASSWORD_EXPIRED", "RECOVERY"})
_MOST_GROUP_PAGES = 50


class DirectoryUnavailableError(Exception):
    """Okta did not say; what was known before stays true until its time is over."""


class PersonInactiveError(Exception):
    """The account is suspended, deactivated, not yet active, or gone."""


class SignInAgainError(Exception):
    """What this server holds of the person's sign-in no longer works at Okta."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group by name, and by id and type where the source knows them."""

    name: str
    id: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """The groups of a person; `source` is management_api, id_token or userinfo."""

    groups: tuple[Group, ...]
    source: str


class Directory(Protocol):
    """One source of memberships."""

    async def at_sign_in(self, user_id: str, tokens: UpstreamTokens) -> Membership:
        """For somebody who has just signed in."""

    async def now(self, user_id: str, upstream_id: str | None) -> Membership:
        """For somebody who signed in earlier; `upstream_id` names what was kept of that sign-in."""


class ManagementDirectory:
    """The Management API: complete, live, typed, and the only source that knows the status."""

    def __init__(self, api: OktaApi) -> None:
        self._api = api

    async def at_sign_in(self, user_id: str, tokens: UpstreamTokens) -> Membership:  # noqa: ARG002
        return await self.now(user_id, None)

    async def now(self, user_id: str, upstream_id: str | None) -> Membership:  # noqa: ARG002
        if not is_okta_id(user_id):
            raise DirectoryUnavailableError("a subject that is not an Okta id")
        try:
            _check_status((await self._api.get(f"/api/v1/users/{user_id}")).body, user_id)
            groups = await self._groups(user_id)
        except OktaError as error:
            if error.code == "not_found":
                raise PersonInactiveError(user_id) from error
            raise DirectoryUnavailableError(error.code) from error
        return Membership(groups, "management_api")

    async def _groups(self, user_id: str) -> tuple[Group, ...]:
        groups: list[Group] = []
        next_path: str | None = None
        async for page in self._api.pages(
            f"/api/v1/users/{user_id}/groups", at_most_pages=_MOST_GROUP_PAGES
        ):
            if not isinstance(page.body, list):
                raise DirectoryUnavailableError("groups in a form that is not Okta's")
            groups += [_group(entry) for entry in page.body]
            next_path = page.next_path
        if next_path is not None:
            raise DirectoryUnavailableError("more groups than this server reads")
        return tuple(groups)


class ClaimsDirectory:
    """The claims of the sign-in itself: ID token first, else userinfo; absent is not empty.

    Between sign-ins Okta's refresh token brings new claims: `refreshed` gives the tokens of a user
    id and `upstream_id` by a question that is put now, and raises `SignInAgainError` where there is
    nothing left to ask with.
    """

    def __init__(
        self, login: OktaLogin, refreshed: Callable[[str, str], Awaitable[UpstreamTokens]]
    ) -> None:
        self._login = login
        self._refreshed = refreshed

    async def at_sign_in(self, user_id: str, tokens: UpstreamTokens) -> Membership:
        claims, source = tokens.claims, "id_token"
        if "groups" not in claims:
            try:
                claims = await self._login.userinfo(tokens.access_token, user_id)
            except LoginRefusedError:
                raise
            except OktaLoginError as error:
                raise DirectoryUnavailableError(error.reason) from error
            source = "userinfo"
        return Membership(_claimed_groups(claims), source)

    async def now(self, user_id: str, upstream_id: str | None) -> Membership:
        if upstream_id is None:
            raise SignInAgainError(user_id)
        try:
            tokens = await self._refreshed(user_id, upstream_id)
        except OktaLoginError as error:
            raise DirectoryUnavailableError(error.reason) from error
        try:
            return await self.at_sign_in(user_id, tokens)
        except LoginRefusedError as error:
            raise SignInAgainError(user_id) from error


def _check_status(user: Any, user_id: str) -> None:
    """Whether the account may act; raises what `Directory` raises."""
    status = user.get("status") if isinstance(user, dict) else None
    if status in _INACTIVE_STATUSES:
        raise PersonInactiveError(user_id)
    if status not in _ACTING_STATUSES:
        raise DirectoryUnavailableError("a user in a form that is not Okta's")


def _group(entry: Any) -> Group:
    """With all three: a group whose type is missing would be taken for one that claims name."""
    match entry:
        case {"id": str(group_id), "type": str(kind), "profile": {"name": str(name)}}:
            return Group(name, group_id, kind)
    raise DirectoryUnavailableError("a group in a form that is not Okta's")


def _claimed_groups(claims: dict[str, Any]) -> tuple[Group, ...]:
    """Anything but a list of names (missing, null, one string) is no group at all."""
    listed = claims.get("groups")
    if not isinstance(listed, list):
        return ()
    return tuple(Group(name=name) for name in listed if isinstance(name, str))
