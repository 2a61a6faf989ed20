"""The checks against the organisation: each fault, the check that finds it, the fix it names."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from okta_mcp.doctor.checks import CHECKS, IDS
from okta_mcp.rbac.families import FAMILY_SCOPES
from tests.doctor.conftest import SERVICE_ID, Examine
from tests.vocabulary.processes import SandboxProcess

NOT_RUNNING = {"public_url.tls": "skipped", "public_url.metadata": "skipped"}
OWN_TOKENS = dict.fromkeys(
    ("okta.groups_claim", "okta.api_token", "okta.api_rights", "roles.mapping"), "skipped"
)
HEALTHY = {
    "ssws": {"okta.groups_claim": "skipped"},
    "service": {"okta.groups_claim": "skipped"},
    "delegated": OWN_TOKENS,
    "claims": OWN_TOKENS,
}


@pytest.mark.parametrize("mode", HEALTHY)
async def test_a_server_that_is_set_up_well_passes(examine: Examine, mode: str) -> None:
    """What only a sign-in or a running server could tell is skipped, and nothing else."""
    found = await examine(mode=mode)
    assert found.statuses == dict.fromkeys(IDS, "ok") | NOT_RUNNING | HEALTHY[mode], found.text


@dataclass(frozen=True)
class Fault:
    """What is wrong, the check that says so, and words of what it says to do."""

    check: str
    words: str
    change: dict[str, str] = field(default_factory=dict)
    control: tuple[tuple[str, dict[str, Any]], ...] = ()
    mode: str = "ssws"
    key: str = "known"
    status: str = "failed"

    def __str__(self) -> str:
        return f"{self.check} {self.words}"


def switched(**settings: Any) -> tuple[tuple[str, dict[str, Any]], ...]:
    return (("settings", settings),)


def broken(match: str, kind: str = "status", status: int = 500) -> tuple[Any, ...]:
    return (("faults", {"match": match, "kind": kind, "status": status, "times": 20}),)


def granted_without(application: str, scope: str) -> tuple[str, dict[str, Any]]:
    left = [each for each in FAMILY_SCOPES if each != scope]
    return (f"scopes/{application}", {"granted": left})


BY_KEY = {"OKTA_TOKEN_ENDPOINT_AUTH_METHOD": "private_key_jwt"}
DISCOVERY, TOKEN = "GET /.well-known", "POST /oauth2/v1/token"
FAULTS = [
    Fault("settings", "for example LOG_LEVEL=INFO", {"LOG_LEVEL": "LOUD"}),
    Fault("settings", "OKTA_API_CLIENT_ID=0oa", {"OKTA_API_AUTH": "service"}),
    Fault("settings", "chmod 600", {"OKTA_API_PRIVATE_KEY_FILE": "/etc/passwd"}),
    Fault("settings", "the organisation is", {"OKTA_ORG_URL": "https://northwind-admin.okta.com"}),
    Fault("settings", "METRICS_LISTEN=127.0.0.1:9464", {"METRICS_LISTEN": "192.0.2.1:9464"}),
    Fault("settings", "openssl rand", {"SESSION_SECRET_KEY": ""}, status="warning"),
    Fault("policy", "policy check FILE", {"POLICY_FILE": "/no/such/policy.toml"}),
    Fault("store", "make the folder", {"STORE_URL": "sqlite:////no/such/folder/store.db"}),
    Fault("store", "STORE_URL", {"STORE_URL": "redis://:a-redis-password@127.0.0.1:9/0"}),
    Fault("audit", "make the folder", {"AUDIT_LOG": "/no/such/folder/audit.jsonl"}),
    # A label that no name can have, so that nobody is asked.
    Fault("okta.dns", "correct OKTA_ORG_URL", {"OKTA_ORG_URL": f"https://{'a' * 64}.example"}),
    Fault("okta.tls", "HTTPS_PROXY", {"OKTA_ORG_URL": "http://127.0.0.1:9"}),
    Fault("clock", "NTP", control=(("clock", {"advance_seconds": 300}),)),
    Fault("clock", "NTP", control=(("clock", {"advance_seconds": 40}),), status="warning"),
    Fault("okta.discovery", "ask again later", control=broken(DISCOVERY)),
    Fault("okta.discovery", "no Okta organisation", control=broken(DISCOVERY, status=404)),
    Fault("okta.discovery", "what stands between", control=broken(DISCOVERY, "not_json")),
    Fault("okta.discovery", "what stands between", control=broken(DISCOVERY, "truncate")),
    Fault("okta.keys", "ask again", control=broken("GET /oauth2/v1/keys")),
    Fault("okta.keys", "ask again", control=broken("GET /oauth2/v1/keys", "not_json")),
    Fault("okta.client", "copy the client secret", {"OKTA_CLIENT_SECRET": "not-the-secret"}),
    Fault("okta.client", "copy OKTA_CLIENT_ID", {"OKTA_CLIENT_ID": "0oanobody"}),
    Fault("okta.client", "OKTA_TOKEN_ENDPOINT_AUTH_METHOD", {"OKTA_CLIENT_ID": SERVICE_ID}),
    Fault("okta.client", "add the public key", BY_KEY, mode="service"),
    Fault(
        "okta.client",
        "OIDC web application",
        BY_KEY | {"OKTA_CLIENT_ID": SERVICE_ID},
        mode="service",
    ),
    Fault("okta.client", "ask again", control=broken(TOKEN, status=429), status="warning"),
    Fault("okta.redirect_uri", "Sign-in redirect URIs", {"PORT": "3999"}),
    Fault(
        "okta.scopes",
        "under Okta API Scopes",
        control=(granted_without("web", "okta.devices.read"),),
        mode="delegated",
    ),
    Fault(
        "okta.scopes",
        "under Okta API Scopes: okta.logs.read",
        control=(granted_without("service", "okta.logs.read"),),
        mode="service",
    ),
    Fault(
        "okta.scopes",
        "under Okta API Scopes: okta.logs.read",
        control=(
            *switched(ungranted_scopes="dropped"),
            granted_without("service", "okta.logs.read"),
        ),
        mode="service",
        status="warning",
    ),
    Fault("okta.scopes", "active there", mode="service", key="other"),
    Fault("okta.api_token", "make a new API token", {"OKTA_API_TOKEN": "00not-the-token"}),
    Fault("okta.api_token", "make a new API token", control=switched(api_token_active=False)),
    Fault("okta.api_token", "active there", mode="service", key="other"),
    Fault(
        "okta.api_token",
        "grants the application",
        control=(("scopes/service", {"granted": []}),),
        mode="service",
    ),
    Fault("okta.api_rights", "Read-only Administrator", control=switched(api_token_role="none")),
    Fault(
        "okta.api_rights",
        "Super Administrator, or do without",
        control=switched(api_token_role="READ_ONLY_ADMIN"),
        status="warning",
    ),
    Fault(
        "okta.api_rights",
        "give the service application",
        control=switched(service_role="none"),
        mode="service",
    ),
    Fault("roles.mapping", "correct the name", {"GROUP_TO_ROLE_VIEWER": "sso-viewers,typo"}),
    Fault("roles.mapping", "the name exactly so", {"GROUP_TO_ROLE_VIEWER": "SSO-Viewers"}),
    Fault("roles.mapping", "resource set", {"GROUP_TO_ROLE_VIEWER": "00gnosuchgroup000000"}),
    Fault("roles.mapping", "resource set", control=switched(api_token_role="CUSTOM")),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_each_fault_is_found_by_its_check_with_its_fix_and_no_secret(
    examine: Examine, sandbox: SandboxProcess, fault: Fault
) -> None:
    for verb, body in fault.control:
        sandbox.control(verb, body)
    found = await examine(fault.check, mode=fault.mode, key=fault.key, **fault.change)
    told = [each for each in found.of(fault.check) if fault.words in each.fix + each.seen]
    assert fault.status in {each.status for each in told}, found.text
    assert all(each.fix for each in found.all if each.status in ("failed", "warning"))
    output = json.dumps([asdict(each) for each in found.all])
    assert found.secrets
    assert [secret for secret in found.secrets if secret in output] == []
    assert "a-redis-password" not in output


async def test_a_name_that_only_groups_of_applications_have_gives_nobody_a_role(
    examine: Examine, imported_group: str
) -> None:
    found = await examine("roles.mapping", GROUP_TO_ROLE_VIEWER=f'"{imported_group}"')
    (finding,) = found.of("roles.mapping")
    assert finding.status == "failed"
    assert "groups of applications" in finding.seen


async def test_a_name_that_an_application_copied_is_no_fault(examine: Examine) -> None:
    """The organisation has the name twice, once imported; the group of Okta's own counts."""
    found = await examine("roles.mapping", GROUP_TO_ROLE_SUPER_ADMIN="sso-super-admins")
    assert found.status("roles.mapping") == "ok"


async def test_what_a_missing_right_stops_is_named(
    examine: Examine, sandbox: SandboxProcess
) -> None:
    sandbox.control("settings", {"api_token_role": "READ_ONLY_ADMIN"})
    seen = {each.seen for each in (await examine("okta.api_rights")).of("okta.api_rights")}
    assert any("okta.apiTokens.read" in text and "list_okta_api_tokens" in text for text in seen)
    assert any("okta.roles.read" in text and "list_okta_admins" in text for text in seen)
    assert len(seen) == 2


async def test_the_issuer_is_compared_as_it_is_written(
    examine: Examine, sandbox: SandboxProcess
) -> None:
    """The organisation calls itself by its address; by a name of it nobody could sign in."""
    other = sandbox.url.replace("127.0.0.1", "localhost")
    found = await examine("okta.issuer", OKTA_ORG_URL=other)
    assert found.statuses == {"okta.discovery": "failed", "okta.issuer": "skipped"}
    assert sandbox.url in found.of("okta.discovery")[0].fix


async def test_another_program_at_the_public_url_is_told_from_this_server(
    examine: Examine, sandbox: SandboxProcess
) -> None:
    changes = {"PUBLIC_URL": sandbox.url, "OAUTH_REDIRECT_URI": f"{sandbox.url}/oauth/callback"}
    found = await examine("public_url.metadata", **changes)
    (finding,) = found.of("public_url.metadata")
    assert finding.status == "failed"
    assert "another program" in finding.seen


async def test_a_store_and_a_trail_that_are_not_there_yet_are_not_made(
    examine: Examine, tmp_path: Any
) -> None:
    changes = {
        "STORE_URL": f"sqlite:///{tmp_path}/store.db",
        "AUDIT_LOG": f"{tmp_path}/audit.jsonl",
    }
    found = await examine("store", "audit", **changes)
    assert found.statuses == {"store": "ok", "audit": "ok"}
    assert list(tmp_path.iterdir()) == []


def test_every_check_needs_only_earlier_ones() -> None:
    assert len(set(IDS)) == len(IDS)
    for place, check in enumerate(CHECKS):
        assert set(check.needs) <= set(IDS[:place]), check.id
