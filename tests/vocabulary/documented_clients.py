"""What clients that cannot be run here are documented to send, each as one record.

A record names where its facts are written, and what in it is assumed: read nowhere, and taken from
its kind or from the SDK it is built with. tests/e2e/test_documented_clients.py walks them all.
"""

import base64
from dataclasses import dataclass
from typing import Any, Literal

Method = Literal["none", "client_secret_post", "client_secret_basic"]
# Random bytes as several of them write a state: with all three signs that a URL has to escape.
STATE = "o+8/Zm9v/YmFyK2Jheg=="
_PRM, _SERVER, _OPENID = (
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
)
_GRANTS = {"grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}


@dataclass(frozen=True, slots=True)
class DocumentedClient:
    """One client in one of its ways to be sent back.

    `redirect_uri` is the one that it uses, of those in `registration`. `asks_for` are the paths
    that it asks before it registers, after the document that the challenge names. `scope` is the
    scope of its authorization request: `"listed"` for all that the authorization server lists.
    """

    name: str
    registration: dict[str, Any]
    redirect_uri: str
    documented_at: tuple[str, ...]
    assumed: str
    user_agent: str
    revision: str
    asks_for: tuple[str, ...] = (_SERVER,)
    scope: Literal["listed"] | None = "listed"
    prompt: str | None = "consent"
    state: str = STATE
    opens_stream: bool = False

    @property
    def method(self) -> Method:
        """How it proves itself to the token endpoint."""
        method: Method = self.registration["token_endpoint_auth_method"]
        return method

    def __str__(self) -> str:
        return f"{self.name}, {self.redirect_uri.partition('?')[0]}"


def _vs_code(redirect_uri: str, state: str) -> DocumentedClient:
    return DocumentedClient(
        name="VS Code",
        registration={
            "client_name": "Visual Studio Code",
            "client_uri": "https://code.visualstudio.com",
            **_GRANTS,
            "redirect_uris": [
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
            ],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        },
        redirect_uri=redirect_uri,
        documented_at=(
            # The body of the registration, and the order of the documents.
            "https://github.com/microsoft/vscode/blob/main/src/vs/base/common/oauth.ts",
            # The first request, and the stream that it tries to open.
            "https://github.com/microsoft/vscode/blob/main/src/vs/workbench/api/common/extHostMcp.ts",
            # `resource` in the three requests.
            "https://github.com/microsoft/vscode/blob/main/src/vs/workbench/api/common/extHostAuthentication.ts",
        ),
        assumed="User-Agent; prompt=consent beside offline_access",
        user_agent="Visual Studio Code/1.128.0",
        revision="2025-11-25",
        state=state,
        opens_stream=True,
    )


def _claude(callback: str, method: Method) -> DocumentedClient:
    return DocumentedClient(
        name="Claude on the web",
        registration={
            "client_name": "Claude",
            **_GRANTS,
            "redirect_uris": [callback],
            "token_endpoint_auth_method": method,
        },
        redirect_uri=callback,
        documented_at=(
            # Both callbacks, discovery, and that a dead registration is replaced.
            "https://claude.com/docs/connectors/building/authentication",
            # A registration as a server received it, with client_secret_post.
            "https://github.com/anthropics/claude-code/issues/5826",
            # Credentials in the body, whatever the metadata offers.
            "https://github.com/anthropics/claude-ai-mcp/issues/667",
        ),
        assumed="User-Agent; revision; that it also registers without a secret; the form of state",
        user_agent="Claude-User",
        revision="2025-06-18",
        asks_for=(f"{_PRM}/mcp", _PRM, _SERVER),
        prompt=None,
    )


def claude_code(port: int, **registration: Any) -> DocumentedClient:
    """Claude Code, which listens on a port of the moment."""
    return DocumentedClient(
        name="Claude Code",
        registration={
            "client_name": "Claude Code",
            **_GRANTS,
            "redirect_uris": [f"http://localhost:{port}/callback"],
            "token_endpoint_auth_method": "none",
        }
        | registration,
        redirect_uri=f"http://localhost:{port}/callback",
        documented_at=(
            # Its document: redirect URIs without a port, no application_type; and a port in use.
            "https://github.com/anthropics/claude-code/issues/64705",
            "https://github.com/anthropics/claude-code/issues/42301",
            # It registers where documents are not taken.
            "https://code.claude.com/docs/en/mcp",
        ),
        assumed="User-Agent; revision; the body of a registration; prompt=consent",
        user_agent="claude-code/2.1.0",
        revision="2025-11-25",
        opens_stream=True,
    )


def _cursor(redirect_uri: str) -> DocumentedClient:
    state = base64.b64encode(b'{"id":"okta","workspace":"a>b?c"}').decode()
    return DocumentedClient(
        name="Cursor",
        registration={
            "client_name": "Cursor",
            "client_uri": "https://cursor.com",
            **_GRANTS,
            "redirect_uris": [
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "http://localhost:8787/callback",
            ],
            "token_endpoint_auth_method": "none",
        },
        redirect_uri=redirect_uri,
        documented_at=(
            "https://cursor.com/docs/mcp",
            # All three in one registration.
            "https://github.com/erp-mafia/accounted/pull/2225",
            # token_endpoint_auth_method none, and PKCE.
            "https://github.com/different-ai/openwork/pull/3059",
        ),
        assumed="User-Agent; revision; client_uri; prompt=consent; the form of state",
        user_agent="Cursor/3.4.0",
        revision="2025-06-18",
        asks_for=(f"{_PRM}/mcp", _SERVER),
        state=state,
        opens_stream=True,
    )


def _chatgpt(redirect_uri: str, method: Method) -> DocumentedClient:
    return DocumentedClient(
        name="ChatGPT",
        registration={
            "client_name": "ChatGPT",
            **_GRANTS,
            "redirect_uris": [redirect_uri],
            "token_endpoint_auth_method": method,
        },
        redirect_uri=redirect_uri,
        documented_at=(
            # Discovery, registration, and `resource` in both requests.
            "https://developers.openai.com/apps-sdk/build/auth",
            # The fixed callback and the one of each connector, and that it asks for offline_access.
            "https://github.com/danielealbano/android-remote-control-mcp/pull/166",
            # A connector's callback, and that it is a public client there.
            "https://github.com/BasedHardware/omi/issues/8824",
        ),
        assumed="User-Agent; revision; a secret in the older way; the form of state",
        user_agent="openai-mcp/1.0.0",
        revision="2025-06-18",
        asks_for=(_PRM, f"{_PRM}/mcp", _SERVER, _OPENID),
        prompt=None,
        state="oauth_s_6ab0d1f2e3c44b58",
    )


CLIENTS = (
    # The port that it prefers, one that it takes where that is taken, and its page on the web.
    _vs_code("http://127.0.0.1:33418/", STATE),
    _vs_code("http://127.0.0.1:52163/", STATE),
    _vs_code(
        "https://vscode.dev/redirect",
        "vscode://dynamicauthprovider/localhost/authorize?nonce=abc%3D&windowId=1",
    ),
    _claude("https://claude.ai/api/mcp/auth_callback", "client_secret_post"),
    _claude("https://claude.com/api/mcp/auth_callback", "none"),
    claude_code(52163),
    _cursor("cursor://anysphere.cursor-mcp/oauth/callback"),
    _cursor("https://www.cursor.com/agents/mcp/oauth/callback"),
    _cursor("http://localhost:8787/callback"),
    _chatgpt("https://chatgpt.com/connector_platform_oauth_redirect", "client_secret_basic"),
    _chatgpt("https://chatgpt.com/connector/oauth/OUbdUMlL15Ct", "none"),
)
