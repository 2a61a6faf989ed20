"""The types of the system log's events: the names of Okta's catalogue, and what they are about.

The names are facts of Okta's event catalogue (release 2026.08); Okta adds names without notice, so
one that is not here may still exist. Sentences for the types that an investigation asks for first
are ours; for the others a phrase is made from the name itself.
"""

from collections import Counter
from functools import cache
from importlib.resources import files

_SENTENCES = {
    "user.session.start": "a person signed in, or failed to: the event to count sign-ins by",
    "user.session.end": "a person signed out",
    "user.session.clear": "somebody ended all sessions of a person",
    "user.session.impersonation.initiate": "an administrator or Okta's support acts as a person",
    "user.authentication.sso": "a person opened an application through Okta",
    "user.authentication.auth_via_mfa": "a second factor was asked for; the outcome says the rest",
    "user.authentication.auth_via_IDP": "a person came in through another identity provider",
    "user.authentication.verify": "a person was asked to prove who they are again",
    "user.mfa.okta_verify.deny_push": "a person pressed No on a push (Classic Engine only)",
    "user.mfa.attempt_bypass": "somebody tried to get around the second factor",
    "user.mfa.factor.activate": "a person enrolled a factor",
    "user.mfa.factor.deactivate": "one factor of a person was removed",
    "user.mfa.factor.reset_all": "all factors of a person were removed",
    "user.mfa.factor.update": "a factor of a person was changed",
    "user.account.lock": "an account was locked after failed attempts",
    "user.account.unlock": "a locked account was unlocked",
    "user.account.reset_password": "somebody reset a person's password",
    "user.account.update_password": "a person changed the password",
    "user.account.privilege.grant": "a person got an administrator's role",
    "user.account.privilege.revoke": "a person lost an administrator's role",
    "user.account.report_suspicious_activity_by_enduser": "a person said: that was not me",
    "user.lifecycle.create": "an account was made",
    "user.lifecycle.activate": "an account became active",
    "user.lifecycle.deactivate": "an account was deactivated",
    "user.lifecycle.suspend": "an account was suspended",
    "user.lifecycle.unsuspend": "a suspended account works again",
    "user.lifecycle.delete.initiated": "deleting an account began",
    "user.risk.change": "Okta sees another risk for a person than before",
    "user.risk.detect": "Okta detected a risk for a person",
    "group.user_membership.add": "a person was put into a group",
    "group.user_membership.remove": "a person was taken out of a group",
    "group.privilege.grant": "a group got an administrator's role",
    "group.privilege.revoke": "a group lost an administrator's role",
    "application.user_membership.add": "a person was assigned to an application",
    "application.user_membership.remove": "a person's assignment to an application ended",
    "application.lifecycle.create": "an application was added",
    "application.lifecycle.update": "an application was changed",
    "application.lifecycle.delete": "an application was deleted",
    "app.oauth2.token.detect_reuse": "a refresh token was used a second time: perhaps stolen",
    "app.oauth2.as.token.detect_reuse": "the same, at a custom authorization server",
    "policy.evaluate_sign_on": "a sign-on policy was evaluated; DENY and CHALLENGE are outcomes",
    "policy.lifecycle.update": "a policy was changed",
    "policy.lifecycle.deactivate": "a policy was switched off",
    "policy.rule.update": "a rule of a policy was changed",
    "policy.rule.add": "a rule was added to a policy",
    "policy.rule.deactivate": "a rule of a policy was switched off",
    "policy.rule.delete": "a rule of a policy was deleted",
    "zone.update": "a network zone was changed",
    "zone.delete": "a network zone was deleted",
    "system.api_token.create": "an administrator made an API token",
    "system.api_token.revoke": "an API token was revoked",
    "security.threat.detected": "ThreatInsight saw a request from a malicious address",
    "security.threat.configuration.update": "the settings of ThreatInsight were changed",
    "security.session.detect_client_roaming": "one session appeared from two places",
    "system.idp.lifecycle.create": "an identity provider was added",
    "system.idp.lifecycle.update": "an identity provider was changed",
}


@cache
def event_types() -> tuple[str, ...]:
    """Every name of the catalogue, in alphabetical order."""
    text = files("okta_mcp.guides").joinpath("event_types.txt").read_text(encoding="utf-8")
    return tuple(text.split())


def described(name: str) -> str:
    """What events of this type are about, in some words."""
    if name in _SENTENCES:
        return _SENTENCES[name]
    *thing, act = name.replace("_", " ").split(".")
    return f"{act}: {' '.join(thing)}"


def event_type_families() -> list[dict[str, object]]:
    """The beginnings of names with how many types begin so."""
    counts = Counter(name.partition(".")[0] for name in event_types())
    return [{"prefix": prefix, "types": count} for prefix, count in sorted(counts.items())]


def event_types_beginning(prefix: str) -> list[dict[str, str]]:
    """The types whose name begins so, described."""
    return [_entry(name) for name in event_types() if name.startswith(prefix)]


def event_types_asked_first() -> list[dict[str, str]]:
    """The types that an investigation asks for first."""
    return [_entry(name) for name in _SENTENCES]


def _entry(name: str) -> dict[str, str]:
    return {"type": name, "about": described(name)}
