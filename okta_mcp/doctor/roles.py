"""Who may do what: the policy, and whether the groups that give roles exist in Okta."""

import asyncio
from collections.abc import Mapping

from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok, skipped
from okta_mcp.inventory import policy_for
from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.directory import Group, Membership
from okta_mcp.okta.errors import OktaError
from okta_mcp.okta.text import clean_text
from okta_mcp.rbac.policy import Role
from okta_mcp.rbac.policy_file import PolicyError, groups_by_role
from okta_mcp.rbac.roles import RoleMapping, is_group_id

_MOST_FOUND = 200


async def policy(subject: Subject) -> list[Verdict]:
    """The policy as the start of a server would read it."""
    settings = subject.settings
    try:
        read = policy_for(subject.offered, settings.policy_file)
        groups_by_role(read, settings.groups_by_role)
    except PolicyError as error:
        fix = "correct it; okta-mcp policy check FILE says what it then allows"
        return [failed(problem, fix) for problem in error.problems]
    named = settings.policy_file or "the shipped policy"
    return [ok(f"{named}: {len(read.roles)} roles, {len(read.table()['tools'])} tools")]


async def roles_mapping(subject: Subject) -> list[Verdict]:
    """Each mapped group: there, by exactly this name or id, and of a kind that may give a role."""
    if subject.api is None:
        return [
            skipped(
                "only Okta's API could tell whether the groups exist; here roles come from the"
                " groups claim, by exact names"
            )
        ]
    read = policy_for(subject.offered, subject.settings.policy_file)
    mapped = groups_by_role(read, subject.settings.groups_by_role)
    entries = [(role, name) for role, names in mapped.items() for name in names]
    try:
        found = await asyncio.gather(*(_found(subject.api, name) for _, name in entries))
    except OktaError as error:
        return [failed(f"the groups cannot be read: {error.message}", "look at okta.api_rights")]
    verdicts = [
        verdict
        for (role, name), groups in zip(entries, found, strict=True)
        if (verdict := _verdict(role, name, groups)) is not None
    ]
    return verdicts or [ok(_shown(mapped))]


async def _found(api: OktaApi, name: str) -> list[Group]:
    """Groups of that id, or whose name Okta takes for the same."""
    if is_group_id(name):
        try:
            return [_group((await api.get(f"/api/v1/groups/{name}")).body)]
        except OktaError as error:
            if error.code == "not_found":
                return []
            raise
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    page = await api.get(
        "/api/v1/groups", {"search": f'profile.name eq "{quoted}"', "limit": _MOST_FOUND}
    )
    return [_group(row) for row in page.body] if isinstance(page.body, list) else []


def _group(row: Mapping[str, object]) -> Group:
    profile = row.get("profile")
    name = profile.get("name") if isinstance(profile, dict) else None
    return Group(str(name), str(row.get("id")), str(row.get("type")))


def _verdict(role: Role, name: str, groups: list[Group]) -> Verdict | None:
    """None where the entry gives its role to somebody."""
    membership = Membership(tuple(groups), "management_api")
    if RoleMapping({role: (name,)}).decided(membership).role is not None:
        return None
    shown, fix = f'{role}: "{name}"', "correct the name, or give the group's id"
    if is_group_id(name):
        return failed(f"{shown}: Okta shows no group of this id to this server", f"{fix}; {_SEEN}")
    exact = [group for group in groups if group.name == name]
    if exact:
        return failed(
            f"{shown}: only groups of applications have this name, and those give no role",
            "make a group in Okta itself and map its name or id",
        )
    if groups:
        other = clean_text(groups[0].name, 100)
        return failed(f'{shown}: Okta has the group as "{other}"', "write the name exactly so")
    return failed(f"{shown}: Okta shows no group of this name to this server", f"{fix}; {_SEEN}")


_SEEN = (
    "if the group is there, an administrator role with a resource set hides it: add it to the"
    " resource set"
)


def _shown(mapped: Mapping[Role, tuple[str, ...]]) -> str:
    counts = ", ".join(f"{role} {len(names)}" for role, names in mapped.items())
    return f"every mapped group exists: {counts}"
