"""`python -m okta_mcp.resource_server`, the short door to `okta-mcp serve` in this mode."""

from okta_mcp.serving.command import serve


def main() -> None:
    """Serve as with AUTH_MODE=resource-server."""
    serve(prog_name="python -m okta_mcp.resource_server", obj="resource-server")


if __name__ == "__main__":
    main()
