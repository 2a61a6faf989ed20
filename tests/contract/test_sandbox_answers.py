"""What the sandbox answers, held against the response schemas that Okta publishes.

Relaxed, each because the published description cannot be applied as it stands:
- any property may be null: Okta sends null for what has no value (`detailEntry`, `externalId`) and
  the description seldom says `nullable`, which JSON Schema would not know anyhow.
- two values are missing from the description's lists although organisations send them: the factor
  type `signed_nonce` (Okta FastPass) and the identity provider type `OKTA`.
- a `oneOf` with a discriminator becomes the one schema that the discriminator names, because Okta's
  subtypes overlap and a row would match several.
- additional properties of the form `{type: object, properties: {}}` are how the description says
  "anything": an embedded user or the list of rules of a policy could not be told otherwise.
- the pattern of a duration has lost its lookaheads, so that only the letter P would fit.
- `format` is not checked: Okta's own values break `uri` and `email`.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from okta_mcp.sandbox.directory import identifier
from tests.sandbox.organisation import Context

DESCRIPTION = json.loads(Path(__file__).with_name("okta-openapi.json").read_text(encoding="utf-8"))
APP = identifier("0oa", "Okta MCP")
POLICY = identifier("rst", "ACCESS_POLICY/Administrators")
USER = identifier("00u", "nils.newjoiner@northwind.example")
GROUP = identifier("00g", "OKTA_GROUP/sso-viewers")
EVERYONE = identifier("00g", "BUILT_IN/Everyone")
LENA = identifier("00u", "lena.leaver@northwind.example")
HANA = identifier("00u", "hana.help@northwind.example")
UNLISTED = {"factorType": ("signed_nonce",)}
TYPES = "OKTA_SIGN_ON PASSWORD MFA_ENROLL IDP_DISCOVERY ACCESS_POLICY PROFILE_ENROLLMENT".split()
FAMILIES = "users groups apps logs policies networkZones roles apiTokens devices".split()
ANSWERS = [
    ("/api/v1/users", "users"),
    ("/api/v1/users/{id}", f"users/{USER}"),
    ("/api/v1/users/{id}/groups", "users/cole.contractor/groups"),
    ("/api/v1/users/{id}/appLinks", f"users/{USER}/appLinks"),
    ("/api/v1/users/{userId}/factors", f"users/{USER}/factors"),
    ("/api/v1/groups", "groups"),
    ("/api/v1/groups/{groupId}", f"groups/{GROUP}"),
    ("/api/v1/groups/{groupId}/users", f"groups/{GROUP}/users"),
    ("/api/v1/apps", "apps?limit=200"),
    ("/api/v1/apps/{appId}", f"apps/{APP}"),
    ("/api/v1/apps/{appId}/users", f"apps/{APP}/users?expand=user"),
    ("/api/v1/apps/{appId}/groups", f"apps/{APP}/groups?expand=group"),
    ("/api/v1/logs", "logs?limit=300"),
    ("/api/v1/policies/{policyId}", f"policies/{POLICY}"),
    ("/api/v1/zones", "zones"),
    ("/api/v1/policies/{policyId}/rules", f"policies/{POLICY}/rules"),
    *(("/api/v1/policies", f"policies?type={kind}&expand=rules") for kind in TYPES),
    ("/api/v1/policies/{policyId}/mappings", f"policies/{POLICY}/mappings"),
    ("/api/v1/groups", "groups?expand=stats"),
    ("/api/v1/groups/rules", "groups/rules"),
    ("/api/v1/groups/rules", "groups/rules?expand=groupIdToGroupNameMap"),
    ("/api/v1/groups/{groupId}/apps", f"groups/{EVERYONE}/apps"),
    ("/api/v1/groups/{groupId}/roles", f"groups/{GROUP}/roles"),
    ("/api/v1/apps", f'apps?filter=user.id eq "{USER}"&expand=user/{USER}'),
    ("/api/v1/apps/{appId}/users/{userId}", f"apps/{APP}/users/{USER}?expand=user"),
    ("/api/v1/users/{userId}/roles", f"users/{LENA}/roles?expand=targets/catalog/apps"),
    ("/api/v1/users/{userId}/roles", f"users/{HANA}/roles?expand=targets/groups"),
    ("/api/v1/users/{userId}/devices", f"users/{LENA}/devices"),
    ("/api/v1/iam/assignees/users", "iam/assignees/users?limit=3"),
    ("/api/v1/api-tokens", "api-tokens"),
    ("/api/v1/devices", "devices"),
    ("/api/v1/devices", "devices?expand=user"),
    ("/api/v1/devices", "devices?expand=userSummary"),
]


def relaxed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [relaxed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    mapping = schema.get("discriminator", {}).get("mapping") if "oneOf" in schema else None
    if mapping:
        name = schema["discriminator"]["propertyName"]
        return {
            "required": [name],
            "properties": {name: {"enum": [*mapping, *UNLISTED.get(name, ())]}},
            "allOf": [
                {
                    "if": {"properties": {name: {"const": value}}},
                    "then": {"$ref": target},
                }
                for value, target in mapping.items()
            ],
        }
    if schema.get("additionalProperties") == {"type": "object", "properties": {}}:
        schema = schema | {"additionalProperties": True}
    plain = {key: relaxed(value) for key, value in schema.items()}
    if isinstance(plain.get("properties"), dict):
        plain["properties"] = {
            name: {"anyOf": [value, {"type": "null"}]}
            for name, value in plain["properties"].items()
        }
    return plain


RELAXED = relaxed(DESCRIPTION)
RELAXED["components"]["schemas"]["IdentityProviderType"]["enum"].append("OKTA")
DURATION = RELAXED["components"]["schemas"]["TimeDuration"]
DURATION["pattern"] = DURATION["pattern"].replace("(?:$)", "(?!$)").replace(r"(?:\d)", r"(?=\d)")


def check(template: str, body: object) -> None:
    answer = RELAXED["paths"][template]["get"]["responses"]["200"]
    (content,) = answer["content"].values()
    schema = {**content["schema"], "components": RELAXED["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


@pytest.mark.parametrize(("template", "path"), ANSWERS)
async def test_an_answer_fits_the_published_schema(template: str, path: str) -> None:
    async with Context().client() as http:
        body = (await http.get(path)).json()
    assert body
    check(template, body)


async def test_every_rule_fits_the_published_schema() -> None:
    context = Context()
    async with context.client() as http:
        for policy, rules in context.organisation.rules.items():
            listed = (await http.get(f"policies/{policy}/rules")).json()
            check("/api/v1/policies/{policyId}/rules", listed)
            single = (await http.get(f"policies/{policy}/rules/{rules[0]['id']}")).json()
            check("/api/v1/policies/{policyId}/rules/{ruleId}", single)


async def test_an_embedded_block_fits_the_published_schema() -> None:
    async with Context().client() as http:
        body = (await http.get("users/edgar.exec?expand=blocks")).json()
    check("/api/v1/users/{id}", body)
    check("/api/v1/users/{id}/blocks", body["_embedded"]["blocks"])


async def test_every_role_fits_the_published_schema() -> None:
    context = Context()
    async with context.client() as http:
        for holder in context.organisation.roles:
            kind = "users" if holder.startswith("00u") else "groups"
            template = f"/api/v1/{kind}/{{{kind[:-1]}Id}}/roles"
            check(template, (await http.get(f"{kind}/{holder}/roles")).json())


@pytest.mark.parametrize(("template", "path"), dict(ANSWERS).items())
async def test_an_endpoint_asks_for_the_published_scope_and_no_other(
    template: str, path: str
) -> None:
    security = DESCRIPTION["paths"][template]["get"]["security"]
    (scopes,) = [row["oauth2"] for row in security if "oauth2" in row]
    context = Context()
    nora = context.organisation.user("nora.super")["id"]
    every = {f"okta.{family}.read" for family in FAMILIES}
    context.bearers |= {
        "right": (nora, frozenset(scopes)),
        "wrong": (nora, frozenset(every - {*scopes})),
    }
    async with context.client() as http:
        right, wrong = [
            await http.get(path, headers={"Authorization": f"Bearer {token}"})
            for token in ("right", "wrong")
        ]
    assert (right.status_code, wrong.status_code) == (200, 403)


async def test_every_factor_fits_the_published_schema() -> None:
    context = Context()
    async with context.client() as http:
        for user in context.organisation.factors:
            listed = (await http.get(f"users/{user}/factors")).json()
            check("/api/v1/users/{userId}/factors", listed)


def test_an_answer_that_does_not_fit_is_noticed() -> None:
    with pytest.raises(jsonschema.ValidationError):
        check("/api/v1/users", [{"id": "00u1", "status": "SLEEPING"}])
    with pytest.raises(jsonschema.ValidationError):
        check("/api/v1/apps", [{"label": "x", "signOnMode": "MAGIC"}])


async def test_a_refusal_fits_the_published_schema() -> None:
    async with Context().client() as http:
        body = (await http.get("users/nobody")).json()
    error = {"$ref": "#/components/schemas/Error", "components": RELAXED["components"]}
    jsonschema.Draft202012Validator(error).validate(body)
