"""How much of a model's context the tools and their answers take.

Measures the descriptions of the tools, and answers of the sandbox organisation against the bytes
that Okta itself sends for the same rows. Bytes are those of compact JSON; `--write` puts the table
into docs/tools.md.
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from okta_mcp.inventory import Inventory
from okta_mcp.oauth_proxy.parts import Parts, assembled
from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.rbac.policy import Policy
from okta_mcp.serving.sandbox_process import running_sandbox
from okta_mcp.settings import load_settings
from okta_mcp.tools import OktaTool
from okta_mcp.tools.call import Call, current_call

PAGE = Path(__file__).parents[1] / "docs" / "tools.md"
MOST_BYTES_OF_THE_18 = 12 * 1024

# The tools that every Okta MCP server is measured by; the others came later.
THE_18 = (
    *("get_okta_user", "list_okta_users", "list_okta_user_groups", "list_okta_user_applications"),
    *("list_okta_user_factors", "get_okta_group", "list_okta_groups", "list_okta_group_users"),
    *("get_okta_application", "list_okta_applications", "list_okta_application_users"),
    *("list_okta_application_groups", "get_okta_event_logs", "list_okta_policy_rules"),
    *("get_okta_policy_rule", "list_okta_network_zones", "get_current_time"),
    "parse_relative_time",
)
# A tool, its arguments, and the same page as Okta's own URL.
ANSWERS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "200 people",
        "list_okta_users",
        {"search": "status pr", "limit": 200},
        "/api/v1/users?search=status+pr&limit=200",
    ),
    (
        "50 people",
        "list_okta_users",
        {"search": "status pr", "limit": 50},
        "/api/v1/users?search=status+pr&limit=50",
    ),
    ("50 groups", "list_okta_groups", {"limit": 50}, "/api/v1/groups?limit=50"),
    ("30 applications", "list_okta_applications", {"limit": 50}, "/api/v1/apps?limit=50"),
    (
        "50 events",
        "get_okta_event_logs",
        {"since": "last 30 days", "sortOrder": "ASCENDING", "limit": 50},
        "/api/v1/logs?{window}&sortOrder=ASCENDING&limit=50",
    ),
)


def described_bytes(tools: Iterable[OktaTool]) -> int:
    """Names, titles, descriptions, input schemas and annotations, as a list shows them."""
    return _bytes([_described(each, "outputSchema") for each in tools])


def output_schema_bytes(tools: Iterable[OktaTool]) -> int:
    """The output schemas alone."""
    return _bytes([each.tool.output_schema for each in tools])


def _described(tool: OktaTool, *without: str) -> dict[str, Any]:
    shown = tool.tool.to_mcp_tool().model_dump(by_alias=True, exclude_none=True)
    return {name: value for name, value in shown.items() if name not in without}


def _bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def description_rows(offered: Inventory, policy: Policy) -> list[tuple[str, int]]:
    """What is described, and in how many bytes."""
    the_18 = [each for each in offered.tools if each.name in THE_18]
    rows = [
        (f"the 18 tools, at most {MOST_BYTES_OF_THE_18:,}", described_bytes(the_18)),
        (f"all {len(offered.tools)} tools", described_bytes(offered.tools)),
        ("output schemas of the 18", output_schema_bytes(the_18)),
        (
            f"output schemas of all {len(offered.tools)}",
            output_schema_bytes(offered.tools),
        ),
    ]
    for role in policy.roles:
        names = policy.allowed("tools", role, FAMILY_SCOPES)
        seen = [_described(each) for each in offered.tools if each.name in names]
        rows.append((f"tools/list of {role}, {len(seen)} tools, everything", _bytes(seen)))
    return rows


async def answer_rows(parts: Parts) -> list[tuple[str, int, int]]:
    """What is answered, in how many bytes here and at Okta."""
    tools = {each.name: each for each in parts.offered.tools}
    token = parts.settings.okta_api_token
    headers = {"Authorization": f"SSWS {token.get_secret_value() if token else ''}"}
    rows = []
    for title, name, arguments, path in ANSWERS:
        current_call.set(Call(user_id="00ubenchmark", tool=name))
        answer = (await tools[name].tool.run(arguments)).structured_content
        if answer is None:
            raise click.ClickException(f"{name} failed against the sandbox")
        window = "&".join(f"{end}={answer[end]}" for end in ("since", "until") if end in answer)
        okta = await parts.http.get(
            parts.settings.okta_org_url + path.format(window=window), headers=headers
        )
        if len(okta.json()) != answer["count"]:
            raise click.ClickException(f"{name}: not the same rows as Okta's")
        rows.append((f"{answer['count']} {title.split()[1]}", _bytes(answer), _bytes(okta.json())))
    return rows


async def _measured() -> list[str]:
    with running_sandbox("localhost", 0, Path("no.env")) as sandbox:
        settings = load_settings(
            env_file=None, overrides={**sandbox.settings, "audit_log": os.devnull, "port": 3001}
        )
        parts = assembled(settings, time.time, sandbox.org_url)
        try:
            return _table(description_rows(parts.offered, parts.policy), await answer_rows(parts))
        finally:
            await parts.http.aclose()


def _table(
    descriptions: Sequence[tuple[str, int]], answers: Sequence[tuple[str, int, int]]
) -> list[str]:
    return [
        "| what a client is told about tools | bytes |",
        "|---|---|",
        *(f"| {what} | {size:,} |" for what, size in descriptions),
        "",
        "| answer in the default projection | bytes here | bytes of Okta | share |",
        "|---|---|---|---|",
        *(f"| {what} | {ours:,} | {okta:,} | {ours / okta:.1%} |" for what, ours, okta in answers),
    ]


@click.command()
@click.option("--write", is_flag=True, help="Put the table into docs/tools.md.")
def main(write: bool) -> None:
    """Measure what tools and answers take of a model's context."""
    table = "\n".join(asyncio.run(_measured()))
    click.echo(table)
    if write:
        page = PAGE.read_text(encoding="utf-8")
        between = re.compile("(?<=<!-- figures -->\n).*(?=\n<!-- end of figures -->)", re.DOTALL)
        PAGE.write_text(between.sub(lambda _: table, page, count=1), encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.context")
