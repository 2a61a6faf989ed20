"""Which events of the log are changes by administrators, of what kind, and which deserve a look.

A table and a few conditions that the digest of changes and the timeline share. A flag says what
was done, never that it was wrong. Source: Okta's event catalogue.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from okta_mcp.tools.reports.events import LogEvent, equal
from okta_mcp.tools.reports.raw import at

# Kind of change: how its event types begin.
KINDS: Mapping[str, tuple[str, ...]] = {
    "policies": (
        *("policy.lifecycle.", "policy.rule.", "policy.mapping.", "policy.branch."),
        *("application.policy.sign_on.rule.", "application.policy.sign_on.update"),
    ),
    "zones": ("zone.", "network_zone.rule.", "security.zone."),
    "roles": (
        *("user.account.privilege.", "group.privilege.", "app.oauth2.client.privilege.", "iam."),
    ),
    "api_tokens": ("system.api_token.",),
    "applications": ("application.lifecycle.",),
    "identity_providers": ("system.idp.",),
    "mfa": (
        *("user.mfa.factor.reset_all", "user.mfa.factor.deactivate", "user.mfa.factor.suspend"),
        "security.authenticator.lifecycle.",
    ),
}
ROLE_GROUPS = "role_groups"
_MEMBERSHIP = ("group.user_membership.add", "group.user_membership.remove")
# These begin like changes, and are what Okta did by itself or refused.
_NO_CHANGES = ("policy.rule.action.", "policy.rule.invalidate", "system.api_token.request_outside")

FLAGS = {
    "protection_removed": "a policy, a rule, a zone or an authenticator switched off or deleted",
    "policy_changed": "a policy, a rule or a zone changed: compare it with what you expect",
    "rule_weakened": "Okta's own record of the change shows less protection than before",
    "new_admin_role": "an administrator role given to a person, a group or an application",
    "new_api_token": "a new API token",
    "mfa_reset_by_admin": "somebody else's factors reset, switched off or suspended",
    "by_new_api_token": "a change made with an API token that is itself new in the window",
}
_REMOVED = (".deactivate", ".delete", ".disabled", ".remove_blacklist")
_PROTECTIONS = ("policy.", "application.policy.", "zone.", "network_zone.", "security.")
_ROLE_GRANTS = (
    *("user.account.privilege.grant", "group.privilege.grant", "iam.resourceset.bindings.add"),
    "app.oauth2.client.privilege.grant",
)
# A value and what is weaker than it.
_WEAKER = {
    ("2FA", "1FA"),
    ("DENY", "ALLOW"),
    ("CHALLENGE", "ALLOW"),
    ("ACTIVE", "INACTIVE"),
    ("ALWAYS", "NEVER"),
    (True, False),
}
# Only for this name is the second of (True, False) the weaker one.
_SWITCHES = frozenset({"requireFactor"})


def changes_filter(role_groups: tuple[str, ...]) -> str:
    """The filter for all changes; `role_groups` are names or ids whose members gain a role."""
    prefixes = [prefix for prefixes in KINDS.values() for prefix in prefixes]
    expression = equal("eventType", prefixes, "sw")
    named = [group for group in role_groups if '"' not in group and "\\" not in group]
    if named:
        groups = f"{equal('target.displayName', named)} or {equal('target.id', named)}"
        expression += f" or (({equal('eventType', _MEMBERSHIP)}) and ({groups}))"
    return expression


def kind_of(event: LogEvent) -> str | None:
    """What kind of change the event is; None if it is none, one's own factors included."""
    if event.type in _MEMBERSHIP:
        return ROLE_GROUPS
    if event.type.startswith(_NO_CHANGES):
        return None
    for kind, prefixes in KINDS.items():
        if event.type.startswith(prefixes):
            is_own = kind == "mfa" and not _is_about_somebody_else(event)
            return None if is_own else kind
    return None


def flags_of(event: LogEvent) -> list[str]:
    """The flags that the event has by itself; `by_new_api_token` needs the events before it."""
    found = []
    if event.type.startswith(_PROTECTIONS) and event.type.endswith(_REMOVED):
        found.append("protection_removed")
    elif kind_of(event) in ("policies", "zones") and not event.type.endswith(".create"):
        found.append("policy_changed")
    if any(_is_weaker(*change) for change in _changed_values(event.changes)):
        found.append("rule_weakened")
    if event.type in _ROLE_GRANTS:
        found.append("new_admin_role")
    if event.type == "system.api_token.create":
        found.append("new_api_token")
    if event.type.startswith("user.mfa.factor.") and kind_of(event) == "mfa":
        found.append("mfa_reset_by_admin")
    return found


def _is_about_somebody_else(event: LogEvent) -> bool:
    people = [target.id for target in event.targets if target.type == "User"]
    return event.actor.id not in people


def _is_weaker(name: str, before: object, after: object) -> bool:
    if isinstance(before, bool):
        return name in _SWITCHES and (before, after) == (True, False)
    return isinstance(before, str) and (before, after) in _WEAKER


def _changed_values(changes: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """Name, value before and value after of every single value in both halves of the record."""
    waiting = [("", at(changes, "from"), at(changes, "to"))]
    while waiting:
        name, before, after = waiting.pop()
        if isinstance(before, dict) and isinstance(after, dict):
            waiting += [(key, value, after[key]) for key, value in before.items() if key in after]
        elif before != after and not isinstance(before, dict | list):
            yield name, before, after
