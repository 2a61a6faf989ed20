"""Live roles: which role a person has by the groups that Okta shows, at most a minute old.

`RoleMapping` turns groups into a role. `LiveRoles` asks the directory, keeps the answer in the
store for `ROLE_TTL_SECONDS`, lets all who ask at once share one lookup, also those of other
processes, and never answers from what is kept beyond that time: Okta away means the known role
until its time is over, then a refusal.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from okta_mcp.okta.directory import Directory, Group, Membership, PersonInactiveError
from okta_mcp.okta.oidc import UpstreamTokens
from okta_mcp.rbac.policy import Role
from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.leases import Leases
from okta_mcp.stores.records import KnownRole, Records

# Groups that Okta itself masters. A group imported by an application may carry any name, so a
# name match on it would let the owner of that application hand out our roles.
_TRUSTED_TYPES = frozenset({"OKTA_GROUP", "BUILT_IN", None})

# Longer than the interval, so that another role than before is noticed after a pause too.
_REMEMBERED_SECONDS = 3600
# For how long one process may ask for all, and for how long the others wait before they ask too.
_LEASE_SECONDS = 20
_PATIENCE_SECONDS = 5
# By how much the clock of another machine may be ahead.
_SKEW_SECONDS = 2
_ATTEMPTS = 3

_GROUP_ID = re.compile(r"00g[A-Za-z0-9]{17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RoleDecision:
    """A person's role, None without a mapped group; the groups that gave it, and their source.

    `member_of` are the groups named for servers behind the gateway that the person is in, as the
    policy file writes them.
    """

    role: Role | None
    groups: tuple[str, ...]
    source: str
    member_of: tuple[str, ...] = ()


# User id, and the id of the sign-in where roles depend on it.
_Person: TypeAlias = tuple[str, str | None]
_Running: TypeAlias = dict[_Person, "asyncio.Future[RoleDecision]"]


class RoleMapping:
    """Exact group names and Okta group ids of each role, from the least role to the most.

    `server_groups` are those that rules of servers name; membership in them is kept, no role.
    """

    def __init__(
        self,
        groups_by_role: Mapping[Role, tuple[str, ...]],
        server_groups: tuple[str, ...] = (),
    ) -> None:
        self._groups_by_role = dict(groups_by_role)
        self._server_groups = server_groups

    def decided(self, membership: Membership) -> RoleDecision:
        """The highest role that any group of `membership` gives."""
        member_of = tuple(
            wanted
            for wanted in self._server_groups
            if any(_matches(group, (wanted,)) for group in membership.groups)
        )
        for role, wanted in reversed(self._groups_by_role.items()):
            matched = tuple(group.name for group in membership.groups if _matches(group, wanted))
            if matched:
                return RoleDecision(role, matched, membership.source, member_of)
        return RoleDecision(None, (), membership.source, member_of)

    def look_alikes(self, membership: Membership) -> tuple[Group, ...]:
        """Groups with the name of a mapped one that give nothing, because of what they are."""
        return tuple(
            group
            for group in membership.groups
            for wanted in (*self._groups_by_role.values(), self._server_groups)
            if group.name in wanted and not _matches(group, wanted)
        )


def is_group_id(text: str) -> bool:
    """Whether `text` has the form of the id of a group."""
    return _GROUP_ID.fullmatch(text) is not None


def _matches(group: Group, wanted: tuple[str, ...]) -> bool:
    if group.id is not None and group.id in wanted:
        return True
    # An entry in the form of an id is an id: a group that somebody names so must not match it.
    is_name = group.name in wanted and not is_group_id(group.name)
    return is_name and group.type in _TRUSTED_TYPES


class LiveRoles:
    """One lookup per person and interval, however many calls and processes run at once.

    A person is known by user id and, where the directory works with the person's own sign-in, by
    the id of that sign-in. `on_inactive` ends everything of a person whose account may not act any
    more; `on_change` hears of another role than before. Every verb raises `StoreUnavailableError`.
    """

    def __init__(
        self,
        directory: Directory,
        mapping: RoleMapping,
        records: Records,
        *,
        ttl_seconds: int,
        now: Callable[[], float],
        on_inactive: Callable[[str], Awaitable[None]],
        on_change: Callable[[str, RoleDecision, RoleDecision], None],
    ) -> None:
        self._directory = directory
        self._mapping = mapping
        self._known = records.roles
        self._leases = Leases(records, now)
        self._ttl_seconds = ttl_seconds
        self._now = now
        self._on_inactive = on_inactive
        self._on_change = on_change
        self._shared_lookups: _Running = {}
        self._lookups: _Running = {}

    async def at_sign_in(
        self, user_id: str, upstream_id: str | None, tokens: UpstreamTokens
    ) -> RoleDecision:
        """The role of somebody who has just signed in; remembered for the interval.

        Raises `PersonInactiveError`, `DirectoryUnavailableError` and `LoginRefusedError`.
        """
        asked_at = self._now()
        try:
            membership = await self._directory.at_sign_in(user_id, tokens)
        except PersonInactiveError:
            await self._ended((user_id, upstream_id))
            raise
        return await self._learned((user_id, upstream_id), membership, asked_at)

    async def current(self, user_id: str, upstream_id: str | None) -> RoleDecision:
        """The role by an answer of Okta's that is at most the interval old.

        Raises `PersonInactiveError`, `SignInAgainError` and `DirectoryUnavailableError`.
        """
        person = (user_id, upstream_id)
        known = await self._fresh(person)
        if known is not None:
            return known
        return await _joined(self._shared_lookups, person, self._looked_up_once)

    async def asked(self, user_id: str, upstream_id: str | None) -> RoleDecision:
        """The role by a lookup of this process that runs now, shared with all who wait for it."""
        return await _joined(self._lookups, (user_id, upstream_id), self._looked_up)

    async def _looked_up_once(self, person: _Person) -> RoleDecision:
        """The answer to this process's question, or to another's that was under way already."""
        lease = self._leases.held(
            f"role {_key(person)}",
            ttl_seconds=_LEASE_SECONDS,
            patience_seconds=_PATIENCE_SECONDS,
        )
        async with lease:
            return await self._fresh(person) or await self.asked(*person)

    async def _looked_up(self, person: _Person) -> RoleDecision:
        # The interval counts from the question: the answer may already be old when it arrives.
        asked_at = self._now()
        try:
            membership = await self._directory.now(*person)
        except PersonInactiveError:
            await self._ended(person)
            raise
        return await self._learned(person, membership, asked_at)

    async def _fresh(self, person: _Person) -> RoleDecision | None:
        known = await self._known.get(_key(person))
        # An answer from the future, by a clock that is wrong, would live too long.
        if known is None or not -_SKEW_SECONDS <= self._now() - known.asked_at < self._ttl_seconds:
            return None
        return _decision(known)

    async def _ended(self, person: _Person) -> None:
        await self._known.delete(_key(person))
        await self._on_inactive(person[0])

    async def _learned(
        self, person: _Person, membership: Membership, asked_at: float
    ) -> RoleDecision:
        decision, key = self._mapping.decided(membership), _key(person)
        learned = KnownRole(
            decision.role, decision.groups, decision.source, asked_at, decision.member_of
        )
        for _ in range(_ATTEMPTS):
            before = await self._known.get(key)
            if before is not None and asked_at < before.asked_at <= self._now() + _SKEW_SECONDS:
                # A question that was put later has been answered first: this answer is the older.
                return _decision(before)
            if await self._replaced(key, before, learned):
                if before is not None and before.role != decision.role:
                    self._on_change(person[0], _decision(before), decision)
                break
        return decision

    async def _replaced(self, key: str, before: KnownRole | None, learned: KnownRole) -> bool:
        if before is not None:
            return await self._known.swap(key, before, learned, _REMEMBERED_SECONDS)
        try:
            return await self._known.put(key, learned, _REMEMBERED_SECONDS, if_absent=True)
        except StoreFullError:
            # The answer holds all the same; the next call asks again.
            return True


def _key(person: _Person) -> str:
    return f"{person[0]}/{person[1] or ''}"


def _decision(known: KnownRole) -> RoleDecision:
    return RoleDecision(known.role, known.groups, known.source, known.member_of)


async def _joined(
    running: _Running, person: _Person, lookup: Callable[[_Person], Awaitable[RoleDecision]]
) -> RoleDecision:
    """The result of the lookup that runs for the person, or of one that begins now."""
    task = running.get(person)
    if task is None:
        task = asyncio.ensure_future(lookup(person))
        running[person] = task
        task.add_done_callback(lambda _: running.pop(person, None))
    # A caller that goes away must not end the lookup of the others.
    return await asyncio.shield(task)
