"""The checks of a resource server, against the custom authorization server of the organisation."""

import pytest

from okta_mcp.doctor.checks import IDS
from tests.doctor.conftest import Found, examined, resource_server_of
from tests.vocabulary.processes import SandboxProcess

UNUSED = dict.fromkeys(
    ("okta.redirect_uri", "okta.groups_claim", "public_url.tls", "public_url.metadata"), "skipped"
)


async def found_by(sandbox: SandboxProcess, port: int, *only: str, **changes: str) -> Found:
    return await examined(resource_server_of(sandbox) | changes, port, *only)


async def test_a_resource_server_that_is_set_up_well_passes(
    sandbox: SandboxProcess, own_port: int
) -> None:
    found = await found_by(sandbox, own_port)
    assert found.statuses == dict.fromkeys(IDS, "ok") | UNUSED, found.text


async def test_with_published_keys_no_credentials_are_needed(
    sandbox: SandboxProcess, own_port: int
) -> None:
    changes = {"OKTA_TOKEN_CHECK": "jwks", "OKTA_CLIENT_ID": "", "OKTA_CLIENT_SECRET": ""}
    found = await found_by(sandbox, own_port, **changes)
    assert found.statuses == dict.fromkeys(IDS, "ok") | UNUSED | {"okta.client": "skipped"}


@pytest.mark.parametrize(
    ("check", "status", "words", "changes"),
    [
        ("settings", "failed", "OKTA_ISSUER=", {"OKTA_ISSUER": ""}),
        ("settings", "failed", "OKTA_OAUTH_AUDIENCE=", {"OKTA_OAUTH_AUDIENCE": ""}),
        ("okta.client", "failed", "copy the client secret", {"OKTA_CLIENT_SECRET": "not-the-one"}),
        ("okta.client", "failed", "copy OKTA_CLIENT_ID", {"OKTA_CLIENT_ID": "0oanobody"}),
        ("okta.scopes", "warning", "MCP_REQUIRED_SCOPES", {"MCP_REQUIRED_SCOPES": "mcp:other"}),
    ],
)
async def test_each_fault_is_found_by_its_check_with_its_fix_and_no_secret(
    sandbox: SandboxProcess,
    own_port: int,
    check: str,
    status: str,
    words: str,
    changes: dict[str, str],
) -> None:
    found = await found_by(sandbox, own_port, check, **changes)
    assert status in {each.status for each in found.of(check) if words in each.fix}, found.text
    assert [secret for secret in found.secrets if secret in found.text] == []


async def test_an_authorization_server_that_there_is_not_is_told(
    sandbox: SandboxProcess, own_port: int
) -> None:
    found = await found_by(
        sandbox, own_port, "okta.discovery", OKTA_ISSUER=f"{sandbox.url}/oauth2/none"
    )
    (finding,) = found.of("okta.discovery")
    assert finding.status == "failed"
    assert "no such authorization server" in finding.fix
