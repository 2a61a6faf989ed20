"""The authorization server towards MCP clients: a module an endpoint, and what they share."""
