"""What an assistant can read and start from besides the tools: resources, prompts, completions.

Everything here is under the same policy as the tools; the MCP server registers it. Nothing here
reads Okta but the completions, and they only what the person could list.
"""
