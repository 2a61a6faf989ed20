"""How much of a model's context the tools and their answers take.

Measures the descriptions of the tools, and answers of the sandbox organisation against what Okta
itself sends for the same rows. Bytes are those of compact JSON, tokens those of o200k_base, a
vocabulary that is published (other models' count differs a little): they are shown where the
package `bpe-openai` is installed. `--write` puts the tables into docs/tools.md.
"""

import asyncio
import importlib
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable, Iterable
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


def _without_output(tools: Iterable[OktaTool]) -> Any:
    """Names, titles, descriptions, input schemas and annotations, as a list shows them."""
    return [_described(each, "outputSchema") for each in tools]


def _outputs(tools: Iterable[OktaTool]) -> Any:
    """The output schemas alone."""
    return [each.tool.output_schema for each in tools]


def _described(tool: OktaTool, *without: str) -> dict[str, Any]:
    shown = tool.tool.to_mcp_tool().model_dump(by_alias=True, exclude_none=True)
    return {name: value for name, value in shown.items() if name not in without}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _bytes(value: Any) -> int:
    return len(_compact(value).encode())


def token_counter() -> Callable[[str], int] | None:
    """How many tokens a text has; None where `bpe-openai` is not installed."""
    if importlib.util.find_spec("bpe_openai") is None:
        return None
    encoding = importlib.import_module("bpe_openai").get_encoding("o200k_base")
    return lambda text: len(encoding.encode(text))


def description_rows(offered: Inventory, policy: Policy) -> list[tuple[str, int]]:
    """What is described, and in how many bytes."""
    return [(what, _bytes(value)) for what, value in _descriptions(offered, policy)]


def _descriptions(offered: Inventory, policy: Policy) -> list[tuple[str, Any]]:
    the_18 = [each for each in offered.tools if each.name in THE_18]
    rows = [
        (f"the 18 tools, at most {MOST_BYTES_OF_THE_18:,}", _without_output(the_18)),
        (f"all {len(offered.tools)} tools", _without_output(offered.tools)),
        ("output schemas of the 18", _outputs(the_18)),
        (f"output schemas of all {len(offered.tools)}", _outputs(offered.tools)),
    ]
    for role in policy.roles:
        names = policy.allowed("tools", role, FAMILY_SCOPES)
        seen = [_described(each) for each in offered.tools if each.name in names]
        rows.append((f"tools/list of {role}, {len(seen)} tools, everything", seen))
    return rows


async def _answers(parts: Parts) -> list[tuple[str, Any, Any]]:
    """What is answered here, and by Okta."""
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
        rows.append((f"{answer['count']} {title.split()[1]}", answer, okta.json()))
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
            descriptions = _descriptions(parts.offered, parts.policy)
            answers = await _answers(parts)
        finally:
            await parts.http.aclose()
    return report(descriptions, answers, token_counter())


def report(
    descriptions: list[tuple[str, Any]],
    answers: list[tuple[str, Any, Any]],
    count: Callable[[str], int] | None,
) -> Report:
    """The tables, with tokens where `count` can tell them."""
    told, answered = [], []
    for what, value in descriptions:
        tokens = f" {count(_compact(value)):,} |" if count else ""
        told.append(f"| {what} | {_bytes(value):,} |{tokens}")
    for what, here, okta in answers:
        ours, theirs = _bytes(here), _bytes(okta)
        tokens = f" {count(_compact(here)):,} | {count(_compact(okta)):,} |" if count else ""
        answered.append(f"| {what} | {ours:,} | {theirs:,} | {ours / theirs:.1%} |{tokens}")
    more, more_of_both = (" | tokens", " | tokens here | tokens of Okta") if count else ("", "")
    answer = "answer in the default projection | bytes here | bytes of Okta | share"
    return Report(
        [],
        [
            table(f"what a client is told about tools | bytes{more}", told),
            table(answer + more_of_both, answered),
        ],
    )


if __name__ == "__main__":
    main()
