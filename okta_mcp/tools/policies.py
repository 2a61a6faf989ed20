"""The tools about policy rules.

Okta: /api/v1/policies/{policyId}/rules. The id of an application's access policy is in the answer
of `get_okta_application`.
"""

from typing import Annotated, Any

from pydantic import Field

from okta_mcp.okta.ids import id_segment
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader
from okta_mcp.tools.schemas import list_schema, object_schema
from okta_mcp.tools.shapes import POLICY_RULE


class PolicyTools:
    """The two tools of `okta.policies.read`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tools(self) -> list[OktaTool]:
        """The tools, ready to be registered."""
        scopes = ("okta.policies.read",)
        return [
            okta_tool(
                self.list_okta_policy_rules,
                title="Rules of a policy",
                description=(
                    "The rules of a policy: conditions and actions in order of priority. An"
                    " application's policy id is accessPolicyId of get_okta_application."
                ),
                scopes=scopes,
                output_schema=list_schema(POLICY_RULE.full),
            ),
            okta_tool(
                self.get_okta_policy_rule,
                title="Get a policy rule",
                description="One rule of a policy by id.",
                scopes=scopes,
                output_schema=object_schema(POLICY_RULE.full),
            ),
        ]

    async def list_okta_policy_rules(
        self,
        policy_id: str,
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_policy_rules",
                path=f"/api/v1/policies/{id_segment(policy_id, 'policy_id')}/rules",
                shape=POLICY_RULE.of(fields),
                params={"limit": limit},
                after=after,
            )
        )

    async def get_okta_policy_rule(
        self, policy_id: str, rule_id: str, fields: Fields = "default"
    ) -> dict[str, Any]:
        policy, rule = id_segment(policy_id, "policy_id"), id_segment(rule_id, "rule_id")
        return await self._reader.one(
            f"/api/v1/policies/{policy}/rules/{rule}", POLICY_RULE.of(fields)
        )
