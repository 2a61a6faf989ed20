"""The short door to the client: `python -m okta_mcp.client URL [VERB …]`."""

from okta_mcp.client.commands import client_command

if __name__ == "__main__":
    client_command(prog_name="python -m okta_mcp.client")
