"""The gateway: other MCP servers behind the same login, named by an `mcp.json`.

Imported only where such a file is configured; the plain server never loads it.
"""
