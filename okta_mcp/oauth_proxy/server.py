"""`python -m okta_mcp.oauth_proxy.server`, the short door to `okta-mcp serve`."""

from okta_mcp.serving.command import serve


def main() -> None:
    """Serve, in the mode that AUTH_MODE names."""
    serve(prog_name="python -m okta_mcp.oauth_proxy.server")


if __name__ == "__main__":
    main()
