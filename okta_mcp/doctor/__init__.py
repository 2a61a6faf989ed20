"""`okta-mcp doctor`: looks at all that a server depends on, and names each fix."""
