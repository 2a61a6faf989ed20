"""Live roles: which role a person has by the groups that Okta shows, at most a minute old.

`RoleMapping` turns groups into a role. `LiveRoles` asks the directory, remembers the answer for
`ROLE_TTL_SECONDS`, lets all who ask at once share one lookup, and never answers from memory beyond
that time: Okta away means the known role until its time is over, then a refusal.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from okta_mcp.okta.directory import Directory, Group, Membership, PersonInactiveError
from okta_mcp.okta.oidc import UpstreamTokens
from okta_mcp.rbac.policy import Role

# Groups that Okta itself masters. A group imported by an application may carry any name, so a
# name match on it would let the owner of that application hand out our roles.
_TRUSTED_TYPES = frozenset({"OKTA_GROUP", "BUILT_IN", None})

_GROUP_ID = re.compile(r"00g[A-Za-z0-9]{17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RoleDecision:
    """A person's role, None without a mapped group; the groups that gave it, and their source."""

    role: Role | None
    groups: tuple[str, ...]
    source: str


class RoleMapping:
    """Exact group names and Okta group ids of each role, from the least role to the most."""

    def __init__(self, groups_by_role: Mapping[Role, tuple[str, ...]]) -> None:
        self._groups_by_role = dict(groups_by_role)

    def decided(self, membership: Membership) -> RoleDecision:
        """The highest role that any group of `membership` gives."""
        for role, wanted in reversed(self._groups_by_role.items()):
            matched = tuple(group.name for group in membership.groups if _matches(group, wanted))
            if matched:
                return RoleDecision(role, matched, membership.source)
        return RoleDecision(None, (), membership.source)

    def look_alikes(self, membership: Membership) -> tuple[Group, ...]:
        """Groups with the name of a mapped one that give nothing, because of what they are."""
        return tuple(
            group
            for group in membership.groups
            for wanted in self._groups_by_role.values()
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


@dataclass(slots=True)
class _Known:
    decision: RoleDecision
    until: float


class LiveRoles:
    """One lookup per person and interval, however many calls run at once.

    A person is known by user id and, where the directory works with the person's own sign-in, by
    the id of that sign-in. `on_inactive` ends everything of a person whose account may not act any
    more; `on_change` hears of another role than before.
    """

    def __init__(
        self,
        directory: Directory,
        mapping: RoleMapping,
        *,
        ttl_seconds: int,
        now: Callable[[], float],
        on_inactive: Callable[[str], Awaitable[None]],
        on_change: Callable[[str, RoleDecision, RoleDecision], None],
    ) -> None:
        self._directory = directory
        self._mapping = mapping
        self._ttl_seconds = ttl_seconds
        self._now = now
        self._on_inactive = on_inactive
        self._on_change = on_change
        self._known: dict[tuple[str, str | None], _Known] = {}
        self._running: dict[tuple[str, str | None], asyncio.Task[RoleDecision]] = {}

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
        return self._learned((user_id, upstream_id), membership, asked_at)

    async def current(self, user_id: str, upstream_id: str | None) -> RoleDecision:
        """The role by an answer of Okta's that is at most the interval old.

        Raises `PersonInactiveError`, `SignInAgainError` and `DirectoryUnavailableError`.
        """
        known = self._known.get((user_id, upstream_id))
        if known is not None and self._now() < known.until:
            return known.decision
        return await self.asked(user_id, upstream_id)

    async def asked(self, user_id: str, upstream_id: str | None) -> RoleDecision:
        """The role by a lookup that runs now, shared with all who wait for the same person."""
        key = (user_id, upstream_id)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._looked_up(key))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        # A caller that goes away must not end the lookup of the others.
        return await asyncio.shield(task)

    def sweep(self) -> None:
        """Forget people who have not been here for an hour."""
        oldest = self._now() - 3600
        self._known = {key: known for key, known in self._known.items() if known.until > oldest}

    async def _looked_up(self, key: tuple[str, str | None]) -> RoleDecision:
        # The interval counts from the question: the answer may already be old when it arrives.
        asked_at = self._now()
        try:
            membership = await self._directory.now(*key)
        except PersonInactiveError:
            await self._ended(key)
            raise
        return self._learned(key, membership, asked_at)

    async def _ended(self, key: tuple[str, str | None]) -> None:
        self._known.pop(key, None)
        await self._on_inactive(key[0])

    def _learned(
        self, key: tuple[str, str | None], membership: Membership, asked_at: float
    ) -> RoleDecision:
        decision, before = self._mapping.decided(membership), self._known.get(key)
        until = asked_at + self._ttl_seconds
        if before is not None and before.until > until:
            # A question that was put later has been answered first: this answer is the older one.
            return before.decision
        if before is not None and before.decision.role != decision.role:
            self._on_change(key[0], before.decision, decision)
        self._known[key] = _Known(decision, until)
        return decision
