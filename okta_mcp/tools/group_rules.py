"""The tool about group rules: why somebody is in a group without being put there by hand.

Okta: /api/v1/groups/rules. Rules hold ids of groups; Okta adds their names where it is asked to.
"""

from typing import Annotated, Any

from pydantic import Field

from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import list_schema
from okta_mcp.tools.shapes import GROUP_RULE


class GroupRuleTools:
    """One more tool of `okta.groups.read`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.list_okta_group_rules,
                title="List group rules",
                description=(
                    "Rules that put people into groups by their attributes: expression, groups"
                    " and exceptions. INVALID rules put nobody anywhere. search: a word in them."
                ),
                scopes=("okta.groups.read",),
                output_schema=list_schema(GROUP_RULE.full),
            )
        ]

    async def list_okta_group_rules(
        self,
        search: Text = None,
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_group_rules",
                path="/api/v1/groups/rules",
                shape=GROUP_RULE.of(fields),
                params={"search": search, "limit": limit, "expand": "groupIdToGroupNameMap"},
                after=after,
                prepare=_with_named_groups,
            )
        )


def _with_named_groups(rule: dict[str, Any]) -> dict[str, Any]:
    """The rule with the groups that it assigns as `groups`, each by id and, if known, by name."""
    assigned = _inner(_inner(rule, "actions"), "assignUserToGroups").get("groupIds")
    names = _inner(_inner(rule, "_embedded"), "groupIdToGroupNameMap")
    ids = assigned if isinstance(assigned, list) else []
    return rule | {
        "groups": [
            {"id": each, "name": names[each]} if each in names else {"id": each}
            for each in ids
            if isinstance(each, str)
        ]
    }


def _inner(source: dict[str, Any], name: str) -> dict[str, Any]:
    found = source.get(name)
    return found if isinstance(found, dict) else {}
