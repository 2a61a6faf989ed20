"""What AUTH_MODE=resource-server needs, and what it does without."""

import pytest

from okta_mcp.settings import Settings, SettingsError, load_settings

GOOD = {
    "auth_mode": "resource-server",
    "okta_org_url": "https://northwind.okta.com",
    "okta_issuer": "https://northwind.okta.com/oauth2/default",
    "okta_oauth_audience": "api://default",
    "okta_client_id": "0oachecker",
    "okta_client_secret": "a-client-secret-of-the-tests",
    "group_to_role_viewer": "staff",
}


def loaded(**changes: str | None) -> Settings:
    given = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return load_settings(env_file=None, overrides=given)


@pytest.mark.parametrize(
    ("changes", "variable", "reason"),
    [
        ({"okta_issuer": None}, "OKTA_ISSUER", "the organisation's own"),
        ({"okta_issuer": "https://northwind.okta.com/"}, "OKTA_ISSUER", "cannot name this server"),
        ({"okta_oauth_audience": None}, "OKTA_OAUTH_AUDIENCE", "is required"),
        ({"okta_oauth_audience": ""}, "OKTA_OAUTH_AUDIENCE", "is required"),
        ({"okta_api_auth": "delegated"}, "OKTA_API_AUTH", "AUTH_MODE=proxy only"),
        ({"okta_client_id": None}, "OKTA_CLIENT_ID", "is required"),
        ({"okta_client_secret": None}, "OKTA_CLIENT_SECRET", "is required"),
        ({"okta_token_check": "guess"}, "OKTA_TOKEN_CHECK", "must be"),
        ({"auth_mode": "gateway"}, "AUTH_MODE", "must be"),
        ({"mcp_required_scopes": 'mcp:access" x="'}, "MCP_REQUIRED_SCOPES", "must be scopes"),
        ({"mcp_required_scopes": " "}, "MCP_REQUIRED_SCOPES", "must be scopes"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(
    changes: dict[str, str | None], variable: str, reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(**changes)
    lines = [line for line in caught.value.problems if line.startswith(f"{variable}: ")]
    assert [reason in line for line in lines] == [True]
    assert "Example: " in lines[0]


def test_a_check_by_keys_needs_no_application() -> None:
    settings = loaded(okta_token_check="jwks", okta_client_id=None, okta_client_secret=None)
    assert settings.okta_client_id == ""


def test_several_scopes_are_separated_by_spaces() -> None:
    assert loaded().mcp_required_scopes == ("mcp:access",)
    several = loaded(mcp_required_scopes="mcp:access mcp:logs").mcp_required_scopes
    assert several == ("mcp:access", "mcp:logs")


def test_the_proxy_goes_with_the_organisations_own_server() -> None:
    assert loaded(auth_mode=None, okta_issuer=None, okta_oauth_audience=None).auth_mode == "proxy"
