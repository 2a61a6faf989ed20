"""How many tools each role of the shipped policy has, for tests that only count them."""

import tomllib
from pathlib import Path

import okta_mcp

_ROLES = ("viewer", "security-admin", "super-admin")
_POLICY = Path(okta_mcp.__file__).parent / "rbac" / "default_policy.toml"


def _tools_of(role: str) -> int:
    entries = tomllib.loads(_POLICY.read_text(encoding="utf-8"))["tools"].values()
    return sum(_ROLES.index(least) <= _ROLES.index(role) for least in entries)


VIEWER_TOOLS, SECURITY_ADMIN_TOOLS, SUPER_ADMIN_TOOLS = map(_tools_of, _ROLES)
