"""`/mcp`: the one way a request takes through it, and the MCP server behind."""
