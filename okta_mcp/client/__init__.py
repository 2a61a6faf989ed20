"""The command-line client: logs a person in at an MCP server, lists its tools and calls them.

`python -m okta_mcp.client URL [VERB …]` and the project's command tree start it. It works with any
MCP server that follows the authorization chapter of the specification. Direction of the imports:
commands → *_verbs → command_line → session → login → discovery, registration, callback, tokens →
store → errors. It imports nothing of the server, and it never prints a token.
"""
