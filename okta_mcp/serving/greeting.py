"""What a person who has started the server reads first."""

from typing import Any

from okta_mcp.serving.sandbox_process import Sandbox
from okta_mcp.settings import Settings


def greeting(settings: Settings, sandbox: Sandbox | None) -> str:
    """What a person who starts the server wants to know first."""
    lines = ["", f"  MCP URL         {settings.url}/mcp"]
    if sandbox is not None:
        lines.append(
            f"  Sandbox login   {sandbox.org_url}  (a stand-in for Okta: no tenant needed)"
        )
        lines += ["", "  Log in as", *_persona_lines(sandbox.personas)]
        if sandbox.set_aside:
            lines += [
                "",
                f"  Set aside, because the sandbox sets it: {', '.join(sandbox.set_aside)}",
            ]
    lines += [
        f"\n  {name} in the env file is no setting of this server and has no effect;"
        f" perhaps {meant}?"
        for name, meant in settings.misspelt().items()
    ]
    if settings.is_resource_server:
        lines += ["", f"  Tokens from     {settings.issuer}", "", *_first_login(settings, sandbox)]
    else:
        if settings.okta_oauth_audience:
            text = "OKTA_OAUTH_AUDIENCE has no effect here; it is for resource-server mode."
            lines += ["", f"  {text}"]
        lines += ["", f"  Try it now      python -m okta_mcp.client {settings.url}/mcp"]
    return "\n".join([*lines, ""])


def _first_login(settings: Settings, sandbox: Sandbox | None) -> list[str]:
    """Okta registers no clients by itself: ours needs the id of an application there."""
    client_id = sandbox.native_client_id if sandbox else "CLIENT_ID"
    command = f"python -m okta_mcp login {settings.url}/mcp --client-id {client_id}"
    if sandbox is not None:
        return [f"  Try it now      {command}"]
    return [
        f"  Try it now      {command}",
        "                  with a native application of Okta's (docs/resource-server.md)",
    ]


def _persona_lines(personas: list[dict[str, Any]]) -> list[str]:
    """Login, role and note in columns."""
    width = max(len(person["login"]) for person in personas)
    columns = f"    {{login:<{width}}}  {{role:<14}}  {{note}}"
    return [
        columns.format(**(person | {"role": person["role"] or "no role"})).rstrip()
        for person in personas
    ]
