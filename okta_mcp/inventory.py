"""What this server offers: every tool, resource, prompt and completion, and the policy over them.

The composition root and the `policy` commands both read policies through this module, so that
`policy check` refuses exactly what the start of a server would.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from okta_mcp.guides.completions import Completions
from okta_mcp.guides.prompts import Guide, guides
from okta_mcp.guides.resources import Readable, readables
from okta_mcp.okta.api import OktaApi
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.policy_file import Components, Schemas, policy_of_file, shipped_policy
from okta_mcp.tools import OktaTool, okta_tools
from okta_mcp.tools.cursors import Cursors, SealedCursors
from okta_mcp.tools.reader import Reader
from okta_mcp.tools.reports.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that a person could use here."""

    tools: Sequence[OktaTool]
    resources: Sequence[Readable]
    prompts: Sequence[Guide]
    completions: Completions

    @property
    def components(self) -> Components:
        """The data families of everything that a policy enters, none where no Okta data is read."""
        return {
            "tools": {tool.name: tool.scopes for tool in self.tools},
            "resources": {readable.uri: () for readable in self.resources},
            "prompts": {guide.name: () for guide in self.prompts},
        }

    @property
    def first_words(self) -> frozenset[str]:
        """How names here begin: a server behind the gateway of that name would mix with them."""
        named = (*(tool.name for tool in self.tools), *(guide.name for guide in self.prompts))
        uris = (readable.uri.partition("://")[2] for readable in self.resources)
        return frozenset(
            (
                *(name.partition("_")[0] for name in named),
                *(path.partition("/")[0] for path in uris),
            )
        )

    @property
    def schemas(self) -> Schemas:
        """The input schema of each tool, by which limits on parameters are checked."""
        return {tool.name: tool.tool.parameters for tool in self.tools}


def inventory(
    okta: OktaApi | None,
    cursors: Cursors,
    now: Callable[[], float],
    *,
    shelf: Shelf | None = None,
    who: Callable[[], Mapping[str, Any]] | None = None,
    who_may_use_what: Callable[[], Mapping[str, Any]] = dict,
    role_groups: Callable[[], tuple[str, ...]] = tuple,
) -> Inventory:
    """Everything there is; what is left out is only missing when it is used.

    `who` is `who_am_i` of the request that runs, `who_may_use_what` the policy as a table,
    `role_groups` the groups that give roles.
    """
    return Inventory(
        okta_tools(okta, cursors, now, shelf, who, role_groups),
        readables(shelf, who or dict, who_may_use_what),
        guides(),
        Completions(Reader(okta, cursors)),
    )


def named_only() -> Inventory:
    """What there is, for names and schemas; nothing of it is ever called."""
    return inventory(None, SealedCursors(bytes(32)), time.time)


def policy_for(offered: Inventory, path: Path | None) -> Policy:
    """The policy of the file at `path`, or the shipped one; raises `PolicyError`."""
    if path is None:
        return shipped_policy(offered.components)
    return policy_of_file(path, offered.components, offered.schemas)
