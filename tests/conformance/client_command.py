"""Our client as the suite's client scenarios start it: the command, then the suite's URL.

The suite names its scenario and what to know of it in the environment. Its authorization pages ask
nobody and answer with a redirect, so the browser is one GET. What runs is what people type.
"""

import json
import os
import sys
import tempfile
from itertools import starmap
from typing import Any

import httpx

from okta_mcp.client.command_line import Surroundings
from okta_mcp.client.commands import client_command
from okta_mcp.client.registration import SECRET_VARIABLE
from tests.vocabulary.processes import free_port

# What each scenario wants done with its server; the others call `test-tool`.
VERBS: dict[str, tuple[tuple[str, ...], ...]] = {
    "initialize": (("tools",),),
    "tools_call": (("call", "add_numbers", "a=5", "b=3"),),
    "sse-retry": (("call", "test_reconnection"),),
    "request-metadata": (("tools",),),
    "json-schema-ref-no-deref": (("tools",),),
    "http-invalid-tool-headers": (("call", "valid_tool", "region=x"),),
    "http-standard-headers": (
        ("call", "test_headers"),
        ("resources",),
        ("resources", "file:///path/to/file%20name.txt"),
        ("prompts",),
        ("prompts", "test_prompt"),
    ),
}
# The suite knows its client by the URL of a document that says what the client is.
CLIENT_DOCUMENT = "https://conformance-test.local/client-metadata.json"


def browse(url: str) -> bool:
    """Follows the page's redirect to the client's callback."""
    httpx.get(url, follow_redirects=True, timeout=30)
    return True


def main() -> None:
    """Ends with the status of the last verb."""
    scenario, url = os.environ["MCP_CONFORMANCE_SCENARIO"], sys.argv[1]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    client_id = context.get("client_id", "")
    if scenario == "auth/basic-cimd":
        client_id = CLIENT_DOCUMENT
    secret = {SECRET_VARIABLE: context["client_secret"]} if "client_secret" in context else {}
    machine = Surroundings(open_browser=browse, environment=secret)
    with tempfile.TemporaryDirectory() as store:
        options = ["--store-dir", store]
        if client_id:
            # Several scenarios run at once, so none of them can have the usual port.
            options += ["--client-id", client_id, "--callback-port", str(free_port())]
        for verb in VERBS.get(scenario) or _calls(context) or (("call", "test-tool"),):
            try:
                client_command.main([url, *verb, *options], obj=machine)
            except SystemExit as ended:
                if ended.code:
                    raise


def _calls(context: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """The calls that the suite itself names, as they would be typed; null is typed as nothing."""
    return tuple(
        ("call", call["name"], *filter(None, starmap(_argument, call["arguments"].items())))
        for call in context.get("toolCalls", ())
    )


def _argument(name: str, value: object) -> str:
    if value is None:
        return ""
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"


if __name__ == "__main__":
    main()
