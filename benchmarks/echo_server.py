"""The server that `benchmarks.gateway` puts behind the gateway: one tool that says its text again.

`python -m benchmarks.echo_server` speaks over stdio, with a port as argument over HTTP there.
"""

import sys

from fastmcp import FastMCP


def main() -> None:
    """Serve until the input closes, or the process is ended."""
    server = FastMCP("echo")

    @server.tool
    def echo(text: str) -> str:
        return text

    quiet = {"show_banner": False, "log_level": "CRITICAL"}
    if len(sys.argv) > 1:
        server.run("http", host="127.0.0.1", port=int(sys.argv[1]), **quiet)
    else:
        server.run("stdio", **quiet)


if __name__ == "__main__":
    main()
