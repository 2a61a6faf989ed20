"""okta_mcp: an MCP server for Okta with its own login, consent, roles and record."""

__version__ = "0.1.0"
