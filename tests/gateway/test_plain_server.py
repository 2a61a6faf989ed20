"""A server without `mcp.json` has nothing of the gateway."""

import json
import subprocess
import sys

import pytest

from tests.vocabulary.processes import CHECKOUT

BUILT = """
import json, sys
from okta_mcp.settings import load_settings
settings = load_settings(env_file=None, overrides=json.loads(sys.argv[1]))
if settings.auth_mode == "proxy":
    from okta_mcp.oauth_proxy.app import build_app
else:
    from okta_mcp.resource_server.app import build_app
build_app(settings)
print([name for name in sys.modules if name.startswith("okta_mcp.gateway")])
"""
PROXY = {
    "okta_org_url": "https://acme.okta.com",
    "okta_client_id": "0oaclient",
    "okta_client_secret": "a-secret-of-the-client-0123456789",
    "session_secret_key": "a-session-secret-of-the-tests-0123456789abcdef",
    "audit_log": "-",
    "group_to_role_viewer": "MCP viewers",
}
RESOURCE_SERVER = {
    **PROXY,
    "auth_mode": "resource-server",
    "okta_issuer": "https://acme.okta.com/oauth2/aus1",
    "okta_oauth_audience": "api://okta-mcp",
}


@pytest.mark.parametrize("settings", [PROXY, RESOURCE_SERVER], ids=["proxy", "resource-server"])
def test_without_a_file_the_gateway_is_not_even_imported(settings: dict[str, str]) -> None:
    command = [sys.executable, "-c", BUILT, json.dumps(settings)]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"
