"""The data families: what each scope lets an assistant read, in words that a person decides by.

A scope of this server is a family of Okta data and carries Okta's own name for it; the pages, the
metadata and the policy all read this one table. `offline_access` is not a family: it says how long,
not what.
"""

from collections.abc import Collection
from dataclasses import dataclass

OFFLINE_ACCESS = "offline_access"


@dataclass(frozen=True, slots=True)
class Family:
    """One scope: `title` names it in a list, `sentence` completes "It can ..." on a page.

    `addition` is true only for who has one of the tools `added_by`, all that show such a thing.
    `server` names the server behind the gateway that it stands for, empty for a family of Okta's.
    """

    scope: str
    title: str
    sentence: str
    server: str = ""
    addition: str = ""
    added_by: frozenset[str] = frozenset()

    def sentence_for(self, tools: Collection[str]) -> str:
        """The sentence for somebody who has these tools of the family and of the others."""
        return self.sentence + (self.addition if self.added_by.intersection(tools) else "")

    @property
    def inline(self) -> str:
        """The title within a sentence; one that begins with an abbreviation stays as it is."""
        is_name = bool(self.server) or self.title[:2].isupper()
        return self.title if is_name else self.title[0].lower() + self.title[1:]


_SHOW_FACTORS = frozenset(
    "list_okta_user_factors mfa_posture_report offboarding_check explain_user_app_access"
    " list_okta_admins".split()
)

FAMILIES: tuple[Family, ...] = (
    Family(
        "okta.users.read",
        "People",
        "look up people: their profile, status, groups and applications",
        addition=", and their sign-in factors",
        added_by=_SHOW_FACTORS,
    ),
    Family("okta.groups.read", "Groups", "look up groups and who belongs to them"),
    Family("okta.apps.read", "Applications", "look up applications and who is assigned to them"),
    Family(
        "okta.logs.read",
        "System log",
        "search the system log: sign-ins, changes and other events",
    ),
    Family(
        "okta.policies.read",
        "Policies",
        "read policies and their rules, such as who needs which factor",
    ),
    Family(
        "okta.networkZones.read",
        "Network zones",
        "read network zones: the addresses that are trusted or blocked",
    ),
    Family(
        "okta.devices.read",
        "Devices",
        "look up devices that are registered with Okta and who uses them",
    ),
    Family(
        "okta.roles.read",
        "Administrator roles",
        "see who holds which administrator role in Okta",
    ),
    Family(
        "okta.apiTokens.read",
        "API tokens",
        "see which API tokens exist, whose they are and from where they work, never the tokens"
        " themselves",
    ),
)

FAMILY_SCOPES: tuple[str, ...] = tuple(family.scope for family in FAMILIES)
SUPPORTED_SCOPES: tuple[str, ...] = (*FAMILY_SCOPES, OFFLINE_ACCESS)
