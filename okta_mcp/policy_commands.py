"""`okta-mcp policy check` and `policy explain`: what a policy says, before and beside a server.

Both use the code that a server uses and print for people; they start nothing and write nothing.
`explain` asks Okta with the server's own credentials, or nobody where groups are given. Exit
status: `check` 0 in order, 1 not; `explain` 0 may, 1 may not, 2 cannot tell.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import httpx

from okta_mcp.inventory import Inventory, named_only, policy_for
from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.directory import (
    DirectoryUnavailableError,
    Group,
    ManagementDirectory,
    Membership,
    PersonInactiveError,
)
from okta_mcp.okta.errors import OktaError
from okta_mcp.okta.ids import InvalidArgumentError, user_segment
from okta_mcp.okta.text import clean_text
from okta_mcp.rbac.explanation import Explanation, explained, explained_service
from okta_mcp.rbac.limits import suggestion
from okta_mcp.rbac.policy import COMPONENTS, NOBODY, Policy, Role
from okta_mcp.rbac.policy_file import PolicyError, groups_by_role
from okta_mcp.rbac.roles import is_group_id
from okta_mcp.serving.gateway_configuration import (
    McpConfigError,
    behind_of,
    configured_servers,
    mismatches,
)
from okta_mcp.serving.okta_access import own_api
from okta_mcp.settings import (
    GatewaySettings,
    Settings,
    SettingsError,
    comma_list,
    load_gateway_settings,
    load_role_settings,
    load_settings,
)

MAY, MAY_NOT, CANNOT_TELL = 0, 1, 2
_OKTA_TIMEOUT_SECONDS = 10.0
_OFFLINE = "or give the person's groups with --groups, and nobody is asked"


class CannotTellError(Exception):
    """The question has no answer; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Person:
    """Who was found; `membership` is None where the account may not act."""

    shown: str
    status: str
    membership: Membership | None


def check(file: Path, *, mcp_config: Path | None, env_file: Path | None) -> int:
    """Print what is wrong with a policy file, or what it says; the exit status.

    With `mcp_config` also the servers that it names: what the file says wrong, and who gets them.
    """
    offered = named_only()
    try:
        policy = policy_for(offered, file)
        if mcp_config is not None:
            overrides = {"mcp_config": mcp_config}
            _with_servers(policy, offered, load_gateway_settings(env_file, overrides))
    except (PolicyError, McpConfigError, SettingsError) as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        return 1
    click.echo(f"{file}: in order\n")
    for line in [*_counts(policy), *_nobodys(policy), *_limits(policy), *_services(policy)]:
        click.echo(line)
    for line in _servers(policy, is_known=mcp_config is not None):
        click.echo(line)
    differences = list(_differences(policy, policy_for(offered, None)))
    click.echo("\nDifferent from the shipped policy" + (":" if differences else ": nothing"))
    for line in differences:
        click.echo(f"  {line}")
    return 0


def explain(
    person: str,
    tool: str,
    *,
    policy_file: Path | None,
    groups: str | None,
    env_file: Path | None,
    mcp_config: Path | None = None,
) -> int:
    """Print why a person may or may not use a tool; the exit status.

    The name of a service in the policy is that service, unless groups are given: it has none.
    """
    try:
        settings = load_role_settings(env_file)
        path, offered = policy_file or settings.policy_file, named_only()
        policy = policy_for(offered, path)
        overrides = {"mcp_config": mcp_config} if mcp_config is not None else {}
        _with_servers(policy, offered, load_gateway_settings(env_file, overrides))
        mapped = groups_by_role(policy, settings.groups_by_role)
        if policy.least_role("tools", tool) is None and not policy.behind.owner("tools", tool):
            known = [*policy.table()["tools"], *(each.name for each in policy.behind.servers)]
            raise CannotTellError(
                f"there is no tool {tool}{suggestion(tool, known)}{_hint(policy)}"
            )
        service = policy.services.get(person) if groups is None else None
        if service is not None:
            explanation = explained_service(policy, service, tool)
            return _told(f"the service {service.name}", tool, explanation, path)
        if groups is None:
            found = asyncio.run(_in_okta(person, load_settings(env_file=env_file)))
        else:
            found = _Person(person, "not asked", _given(groups))
    except (SettingsError, PolicyError, McpConfigError) as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        return CANNOT_TELL
    except CannotTellError as error:
        click.echo(f"cannot tell: {error}", err=True)
        return CANNOT_TELL
    if found.membership is None:
        return _told_of_inactive(found, tool)
    explanation = explained(policy, mapped, found.membership, tool)
    with_status = replace(explanation, facts=(("status", found.status), *explanation.facts))
    return _told(found.shown, tool, with_status, path)


def _with_servers(policy: Policy, offered: Inventory, settings: GatewaySettings) -> None:
    """Tell the policy which servers `MCP_CONFIG` names; raises `McpConfigError`."""
    policy.behind.replace(behind_of(configured_servers(settings, offered)))


def _hint(policy: Policy) -> str:
    names = ", ".join(f"{each.name}_..." for each in policy.behind.servers)
    return f"; tools of servers are {names}" if names else ""


def _servers(policy: Policy, *, is_known: bool) -> list[str]:
    """Who gets which server; where the configuration is known, also what does not fit it."""
    told = [
        f"  {name}: {clean_text(rule.sentence(), 400)}"
        for name, rules in policy.servers.items()
        for rule in rules
    ]
    told += [f"  note: {line}" for line in (mismatches(policy) if is_known else ())]
    return ["", "Servers: none"] if not told else ["", "Servers:", *told]


def _given(groups: str) -> Membership:
    given = tuple(Group(name, name if is_group_id(name) else None) for name in comma_list(groups))
    return Membership(given, "given by --groups; Okta was not asked")


async def _in_okta(person: str, settings: Settings) -> _Person:
    """The person as Okta knows them now; raises `CannotTellError`."""
    async with httpx.AsyncClient(timeout=_OKTA_TIMEOUT_SECONDS, follow_redirects=False) as http:
        api = own_api(settings, http, time.time)
        if api is None:
            raise CannotTellError(
                "this server asks Okta about people only by their own sign-ins; set OKTA_API_TOKEN"
                f" or a service application, {_OFFLINE}"
            )
        return await _found(api, person)


async def _found(api: OktaApi, person: str) -> _Person:
    try:
        body = (await api.get(f"/api/v1/users/{user_segment(person, 'PERSON')}")).body
        user_id, status = str(body["id"]), str(body["status"])
        shown = f"{body['profile']['login']} ({user_id})"
        membership = await ManagementDirectory(api).now(user_id, None)
    except InvalidArgumentError as error:
        raise CannotTellError(f"{error.message}; {error.fix}") from None
    except OktaError as error:
        if error.code == "not_found":
            raise CannotTellError(
                f"Okta knows nobody as {person}; give the login or the id"
            ) from None
        fix = error.details.get("fix", "check OKTA_ORG_URL and the credentials")
        raise CannotTellError(f"{error.message} ({error.code}); {fix}, {_OFFLINE}") from None
    except DirectoryUnavailableError as error:
        raise CannotTellError(f"Okta did not say the groups: {error}; ask again later") from None
    except PersonInactiveError:
        return _Person(shown, status, None)
    except (KeyError, TypeError):
        raise CannotTellError("Okta's answer is not of the expected form; ask again") from None
    return _Person(shown, status, membership)


def _told_of_inactive(found: _Person, tool: str) -> int:
    click.echo(f"{clean_text(found.shown, 200)} may not use {tool}.\n")
    click.echo(f"  status    {clean_text(found.status, 40)}: the account may not act, and its next")
    click.echo("            call or refresh ends what it was given before")
    click.echo("\nTo change it: activate the account in Okta; the person then connects again.")
    return MAY_NOT


def _told(shown: str, tool: str, explanation: Explanation, path: Path | None) -> int:
    verdict = "may" if explanation.is_allowed else "may not"
    click.echo(f"{clean_text(shown, 200)} {verdict} use {tool}.\n")
    policy = "the shipped policy" if path is None else str(path)
    for name, fact in (*explanation.facts, ("policy", policy)):
        click.echo(f"  {name:<9} {clean_text(fact, 2000)}")
    if explanation.is_allowed:
        click.echo("\nA client has the tool only if its token has the scopes.")
    else:
        click.echo(f"\nTo change it: {'; '.join(explanation.fixes)}.")
    return MAY if explanation.is_allowed else MAY_NOT


def _counts(policy: Policy) -> list[str]:
    every = [scope for tool in policy.table()["tools"] for scope in policy.scopes_of(tool)]
    rows = [("role", *COMPONENTS, "groups of the file")]
    rows += [
        (
            role,
            *(str(len(policy.allowed(component, role, every))) for component in COMPONENTS),
            clean_text(", ".join(policy.groups.get(role, ())), 200) or "none",
        )
        for role in policy.roles
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _nobodys(policy: Policy) -> list[str]:
    names = [
        name
        for component in COMPONENTS
        for name, least in policy.table()[component].items()
        if least == NOBODY
    ]
    return ["", f"Nobody may use: {', '.join(names) or 'nothing, each has a role'}"]


def _limits(policy: Policy) -> list[str]:
    limits: Mapping[Role, Mapping[str, Sequence[str]]] = policy.table()["limits"]
    told = [
        f"  {role}, {tool}: {'; '.join(sentences)}"
        for role, tools in limits.items()
        for tool, sentences in tools.items()
    ]
    return ["", "Limits: none"] if not told else ["", "Limits:", *told]


def _services(policy: Policy) -> list[str]:
    told = [
        f"  {service.name}: {service.role}; {' '.join(service.scopes)};"
        f" {'; '.join(str(key) for key in service.keys)}"
        + (f"; {service.description}" if service.description else "")
        for service in policy.services.values()
    ]
    return ["", "Services: none"] if not told else ["", "Services:", *told]


def _differences(policy: Policy, shipped: Policy) -> list[str]:
    told = []
    if policy.roles != shipped.roles:
        told.append(f"roles: {', '.join(policy.roles)} (shipped: {', '.join(shipped.roles)})")
    for component in COMPONENTS:
        before = shipped.table()[component]
        told += [
            f"[{component}] {name}: {least} (shipped: {before[name]})"
            for name, least in policy.table()[component].items()
            if least != before[name]
        ]
    return told
