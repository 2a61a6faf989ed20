"""The tools about policies and their rules.

Okta: /api/v1/policies, whose `type` is required; "ALL" asks for one type after the other and says
which the organisation does not have. The id of an application's access policy is also in the answer
of `get_okta_application`.
"""

from typing import Annotated, Any, Literal, get_args
from urllib.parse import parse_qs

from pydantic import Field

from okta_mcp.okta.errors import OktaError, OktaRateLimitedError, OktaRefusedError
from okta_mcp.okta.ids import id_segment, is_okta_id
from okta_mcp.okta.text import clean_text
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.call import current_call
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import list_schema, object_schema
from okta_mcp.tools.shapes import POLICY, POLICY_ROW, POLICY_RULE

PolicyType = Literal[
    "OKTA_SIGN_ON",
    "ACCESS_POLICY",
    "MFA_ENROLL",
    "PASSWORD",
    "IDP_DISCOVERY",
    "PROFILE_ENROLLMENT",
    "POST_AUTH_SESSION",
    "ENTITY_RISK",
    "SESSION_VIOLATION_DETECTION",
    "DEVICE_SIGNAL_COLLECTION",
    "CLIENT_UPDATE",
    "IDENTITY_CLAIM_SOURCING",
]
POLICY_TYPES: tuple[PolicyType, ...] = get_args(PolicyType)

# How an organisation says that it does not have a type of policy.
_NOT_HERE = frozenset({"feature_unavailable", "bad_request"})
_MOST_A_PAGE = 200
_MOST_MAPPING_PAGES = 5
_MOST_LABELS = 20


class PolicyTools:
    """The four tools of `okta.policies.read`."""

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
            okta_tool(
                self.list_okta_policies,
                title="List policies",
                description=(
                    "Policies of one type or of ALL, in order of priority within a type. q: text in"
                    " the name. left_out names the types that the organisation does not have."
                ),
                scopes=scopes,
                output_schema=list_schema(POLICY_ROW.full, {"left_out": {"type": "array"}}),
            ),
            okta_tool(
                self.get_okta_policy,
                title="Get a policy",
                description=(
                    "One policy by id, with the applications that it guards; its rules are in"
                    " list_okta_policy_rules."
                ),
                scopes=scopes,
                output_schema=object_schema(
                    {**POLICY.full, "applications": {}, "hint": {}}  # added to the policy itself
                ),
            ),
        ]

    async def list_okta_policies(
        self,
        type: Literal[PolicyType, "ALL"] = "ALL",  # noqa: A002
        status: Literal["ACTIVE", "INACTIVE"] | None = None,
        q: Text = None,
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        types = POLICY_TYPES if type == "ALL" else (type,)
        first, *others = ({"type": each, "limit": _MOST_A_PAGE} for each in types)
        answer = await self._reader.rows(
            Listing(
                tool="list_okta_policies",
                path="/api/v1/policies",
                shape=POLICY_ROW.of(fields),
                params=first,
                after=after,
                at_most=limit,
                where={"status": status},
                named=q,
                then=others,
                tolerated=_NOT_HERE,
            )
        )
        for each in answer.get("left_out", ()):
            each["type"] = parse_qs(each.pop("query")).get("type", [""])[0]
        return answer

    async def get_okta_policy(self, policy_id: str, fields: Fields = "default") -> dict[str, Any]:
        path = f"/api/v1/policies/{id_segment(policy_id, 'policy_id')}"
        policy = await self._reader.one(path, POLICY.of(fields))
        try:
            apps = await self._mapped_apps(f"{path}/mappings")
        except OktaRefusedError as error:
            return {**policy, "hint": f"Okta does not say which applications: {error.message}"}
        return policy | await self._labelled(apps)

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

    async def _mapped_apps(self, target: str | None) -> list[str]:
        """The ids of the applications; a mapping names its application in a link only."""
        apps: list[str] = []
        for _ in range(_MOST_MAPPING_PAGES):
            if target is None:
                break
            page = await self._reader.page(target)
            for mapping in page.body if isinstance(page.body, list) else []:
                links = mapping.get("_links") if isinstance(mapping, dict) else None
                link = links.get("application") if isinstance(links, dict) else None
                href = link.get("href") if isinstance(link, dict) else None
                app = href.rpartition("/")[2] if isinstance(href, str) else ""
                if is_okta_id(app):
                    apps.append(app)
            target = page.next_path
        return apps

    async def _labelled(self, apps: list[str]) -> dict[str, Any]:
        """The applications, the first of them by name where the caller may see applications."""
        labels: dict[str, str] = {}
        if current_call.get().may("get_okta_application"):
            for app in apps[:_MOST_LABELS]:
                try:
                    label = (await self._reader.raw(f"/api/v1/apps/{app}")).get("label")
                except OktaRateLimitedError:
                    break
                except OktaError:
                    continue
                if isinstance(label, str):
                    labels[app] = clean_text(label, 200)
        shown: dict[str, Any] = {
            "applications": [
                {"id": app, "label": labels[app]} if app in labels else {"id": app} for app in apps
            ]
        }
        if len(labels) < len(apps):
            shown["hint"] = "get_okta_application tells the labels that are missing here"
        return shown
