"""How much a sign-in factor is worth, for the reports that judge factors.

Weak ones can be phished or taken over with the telephone number or the mailbox; phishing-resistant
ones are bound to the site that asks. Only a factor of status ACTIVE counts: a pending enrolment
protects nobody. Source: Okta, "Factors", and its guide to phishing-resistant authentication.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from okta_mcp.tools.reports.raw import Raw, text

Posture = Literal["no_mfa", "weak_only", "strong", "phishing_resistant"]
POSTURES: tuple[Posture, ...] = ("no_mfa", "weak_only", "strong", "phishing_resistant")

WEAK = frozenset({"sms", "call", "question", "email"})
STRONG = frozenset({"push", "token", "token:software:totp", "token:hotp", "token:hardware", "web"})
PHISHING_RESISTANT = frozenset({"webauthn", "signed_nonce", "u2f"})

# The list is cut by the enrolment policy, as it holds for the network that asks.
HIDDEN = (
    "factors that the enrolment policy does not allow, as Okta judges it for this server's network:"
    " a person may have more than is shown"
)


def active_kinds(factors: Sequence[Raw]) -> list[str]:
    """The kinds of the factors that can be used, each once."""
    return _kinds(factor for factor in factors if factor.get("status") == "ACTIVE")


def pending_kinds(factors: Sequence[Raw]) -> list[str]:
    """The kinds whose enrolment has begun and not ended."""
    return _kinds(factor for factor in factors if factor.get("status") == "PENDING_ACTIVATION")


def posture_of(kinds: Sequence[str]) -> Posture:
    """The best of the active kinds decides; one that is not known here counts as weak."""
    if not kinds:
        return "no_mfa"
    if PHISHING_RESISTANT.intersection(kinds):
        return "phishing_resistant"
    return "strong" if STRONG.intersection(kinds) else "weak_only"


def unknown_kinds(kinds: Sequence[str]) -> list[str]:
    """Kinds that this server cannot judge."""
    return [kind for kind in kinds if kind not in WEAK | STRONG | PHISHING_RESISTANT]


def _kinds(factors: Iterable[Raw]) -> list[str]:
    return sorted({text(factor, "factorType") for factor in factors} - {""})
