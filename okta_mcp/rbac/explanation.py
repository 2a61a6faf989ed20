"""Why somebody may, or may not, use a tool: the same decision as a call would meet, in sentences.

Called by `okta-mcp policy explain`. It decides nothing itself: it asks the policy and the mapping,
and says which of their entries counted and which change would turn the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from okta_mcp.okta.directory import Membership
from okta_mcp.okta.text import clean_text
from okta_mcp.rbac.behind import BehindServer
from okta_mcp.rbac.policy import NOBODY, Policy, Role
from okta_mcp.rbac.policy_file import variable_of
from okta_mcp.rbac.roles import RoleDecision, RoleMapping
from okta_mcp.rbac.server_rules import ServerRule
from okta_mcp.rbac.services import Service

_MOST_NAMES = 20
_NOBODY_MAY = "nobody may use this tool; change its entry in POLICY_FILE"
_LOWER = "or name a lower role in the tool's entry in POLICY_FILE"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`facts` are name and sentence in the order of the decision; `fixes` is empty on a yes."""

    is_allowed: bool
    facts: tuple[tuple[str, str], ...]
    fixes: tuple[str, ...]


def explained(
    policy: Policy,
    groups_by_role: Mapping[Role, tuple[str, ...]],
    membership: Membership,
    tool: str,
) -> Explanation:
    """The decision about a tool that the policy knows, for somebody with these groups.

    A token of all scopes is assumed: which of them a client got, the person decided.
    """
    mapping = RoleMapping(groups_by_role, policy.server_groups)
    decided = mapping.decided(membership)
    facts = [
        ("groups", _named([group.name for group in membership.groups])),
        ("source", membership.source),
        ("role", _role(policy, groups_by_role, decided, membership)),
        *(
            (
                "no match",
                f"{_shown(group.name)} has the name of a role group and gives no role: it is of"
                f" type {group.type or 'unknown'}, and such a name is anybody's choice. If it is"
                f" meant, map its id {group.id}",
            )
            for group in mapping.look_alikes(membership)
        ),
        *_entry(policy, decided.role, tool, decided.member_of),
    ]
    scopes = policy.scopes_of(tool)
    decision = policy.decision("tools", tool, decided.role, scopes, decided.member_of)
    if decision.allowed:
        return Explanation(True, tuple(facts), ())
    owner = policy.behind.owner("tools", tool)
    if owner is not None:
        return Explanation(False, tuple(facts), _server_fixes(*owner, decision.reason))
    least = policy.least_role("tools", tool)
    return Explanation(False, tuple(facts), _fixes(policy, groups_by_role, least))


def explained_service(policy: Policy, service: Service, tool: str) -> Explanation:
    """The decision about a tool that the policy knows, for a service with all of its scopes."""
    at = f"[services.{service.name}]"
    decision = policy.decision("tools", tool, service.role, service.scopes)
    facts = (
        ("service", service.description or "without a description"),
        ("keys", "; ".join(str(key) for key in service.keys)),
        ("role", f"{service.role}, by {at} of the policy file"),
        ("may have", " ".join(service.scopes)),
        *_entry(policy, service.role, tool),
    )
    least = policy.least_role("tools", tool)
    owner = policy.behind.owner("tools", tool)
    match decision.reason:
        case "allowed":
            fixes: tuple[str, ...] = ()
        case "role" | "pattern" | "unknown" if owner is not None:
            fixes = _server_fixes(*owner, decision.reason)
        case "scope" if owner is not None:
            fixes = (f"add {owner[0].scope} to scopes in {at}, in POLICY_FILE",)
        case "scope":
            fixes = (f"add what the tool needs to scopes in {at}, in POLICY_FILE",)
        case _ if least == NOBODY:
            fixes = (_NOBODY_MAY,)
        case _:
            fixes = (f"give it the role {least} in {at}, in POLICY_FILE", _LOWER)
    return Explanation(decision.allowed, facts, fixes)


def _entry(
    policy: Policy, role: Role | None, tool: str, groups: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    scopes = policy.scopes_of(tool)
    owner = policy.behind.owner("tools", tool)
    if owner is not None:
        server, own = owner
        for_person = policy.rules_for(server.name, role, groups)
        return [
            ("server", f"{server.name} ({server.title}); its own name of the tool is {own}"),
            *(
                (
                    "rule",
                    f"[servers.{server.name}] {rule.sentence()}{_about(rule, for_person, own)}",
                )
                for rule in policy.servers.get(server.name, ())
            ),
            ("scopes", server.scope),
        ]
    limits = policy.limits(tool, role).sentences()
    return [
        ("entry", f'[tools] {tool} = "{policy.least_role("tools", tool)}"'),
        ("scopes", " ".join(scopes) if scopes else "none: the tool reads nothing of Okta"),
        ("limits", "; ".join(limits) or "none"),
    ]


def _about(rule: ServerRule, for_person: tuple[ServerRule, ...], own: str) -> str:
    if not any(rule is each for each in for_person):
        return " (not for this role and these groups)"
    return " (gives it)" if rule.allows("tools", own) else " (its patterns leave it out)"


def _server_fixes(server: BehindServer, own: str, reason: str) -> tuple[str, ...]:
    at = f"[servers.{server.name}]"
    if reason == "pattern":
        return (f"add {own} to tools in {at} of POLICY_FILE, or take it out of deny there",)
    if reason == "no_role":
        return ("put the person into a group that is mapped to a role; a server needs one too",)
    return (
        f"name the role, or a group of the person, in {at} of POLICY_FILE (role, roles, groups)",
    )


def _role(
    policy: Policy,
    groups_by_role: Mapping[Role, tuple[str, ...]],
    decided: RoleDecision,
    membership: Membership,
) -> str:
    role = decided.role
    if role is None:
        return "none: no group of the person is mapped to a role"
    in_file = policy.groups.get(role, ())
    in_variable = tuple(name for name in groups_by_role[role] if name not in in_file)
    where = [
        name
        for name, groups in (
            ("[groups] of the policy file", in_file),
            (variable_of(role), in_variable),
        )
        if RoleMapping({role: groups}).decided(membership).role
    ]
    return f"{role}, by {_named(list(decided.groups))} in {' and '.join(where)}"


def _fixes(
    policy: Policy, groups_by_role: Mapping[Role, tuple[str, ...]], least: Role | None
) -> tuple[str, ...]:
    if least is None or least == NOBODY:
        return (_NOBODY_MAY,)
    enough = policy.roles[policy.roles.index(least) :]
    groups = [name for role in enough for name in groups_by_role.get(role, ())]
    if not groups:
        return (f"map a group to {least} (no group is), and put the person into it", _LOWER)
    return (f"put the person into one of these groups in Okta: {_named(groups)}", _LOWER)


def _named(names: list[str]) -> str:
    shown = ", ".join(_shown(name) for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{shown}{more}" or "none"


def _shown(name: str) -> str:
    return f'"{clean_text(name, 80)}"'
