"""How much of a model's context the tools and their answers take.

Measures the descriptions of the tools, and answers of the sandbox organisation against the bytes
that Okta itself sends for the same rows. Bytes are those of compact JSON; `--write` puts the table
into docs/tools.md.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from benchmarks import servers
from benchmarks.figures import Report, benchmark, table
from benchmarks.organisation import organisation
from okta_mcp.inventory import Inventory
from okta_mcp.oauth_proxy.parts import Parts, assembled
from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.rbac.policy import Policy
from okta_mcp.settings import load_settings
from okta_mcp.tools import OktaTool
from okta_mcp.tools.call import Call, current_call

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


@benchmark("context", page="tools.md")
def main(short: bool) -> Report:  # noqa: ARG001 - nothing is repeated that could be shorter
    """Measure what tools and answers take of a model's context."""
    return asyncio.run(_measured())


async def _measured() -> Report:
    with tempfile.TemporaryDirectory() as folder, organisation(servers.free_port()) as okta:
        environment = okta.environment(Path(folder))
        overrides = {name.lower(): value for name, value in environment.items()}
        settings = load_settings(env_file=None, overrides=overrides)
        parts = assembled(settings, time.time, settings.okta_org_url)
        try:
            descriptions = description_rows(parts.offered, parts.policy)
            answers = await answer_rows(parts)
        finally:
            await parts.http.aclose()
    told = [f"| {what} | {size:,} |" for what, size in descriptions]
    answered = [
        f"| {what} | {ours:,} | {okta:,} | {ours / okta:.1%} |" for what, ours, okta in answers
    ]
    return Report(
        [],
        [
            table("what a client is told about tools | bytes", told),
            table(
                "answer in the default projection | bytes here | bytes of Okta | share", answered
            ),
        ],
    )


if __name__ == "__main__":
    main()
