"""What ends a start: a line for each reason, and the check of `okta-mcp doctor` that looks at it.

Used by the command that serves. No line holds a secret: the errors' own texts hold none.
"""

import contextlib
import sys
from collections.abc import Iterator

import click

from okta_mcp.audit.writer import AuditFileError, BrokenChainError
from okta_mcp.rbac.policy_file import PolicyError
from okta_mcp.serving.gateway_configuration import McpConfigError
from okta_mcp.settings import SettingsError
from okta_mcp.stores.interface import StoreUnavailableError

EXIT_CONFIGURATION = 2
# Of what was asked for on the command line, the line itself says everything.
_OF_THIS_START = ("--port:", "--workers:", "--sandbox:")


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """What cannot work is said on standard error and ends the process."""
    try:
        yield
    except (
        SettingsError,
        PolicyError,
        McpConfigError,
        AuditFileError,
        BrokenChainError,
        StoreUnavailableError,
    ) as error:
        for line in lines_of(error):
            click.echo(line, err=True)
        sys.exit(EXIT_CONFIGURATION)


def lines_of(error: Exception) -> list[str]:
    """The reasons, each with an example, and last the command that checks them again."""
    lines, check = _reasons(error)
    return lines + ([f"Check: okta-mcp doctor --only {check}"] if check else [])


def _reasons(error: Exception) -> tuple[list[str], str]:
    match error:
        case SettingsError():
            can_be_checked = not all(line.startswith(_OF_THIS_START) for line in error.problems)
            return error.problems, "settings" if can_be_checked else ""
        case PolicyError():
            return [_of_policy(problem) for problem in error.problems], "policy"
        case McpConfigError():
            return [f"MCP_CONFIG: {problem}" for problem in error.problems], "gateway"
        case AuditFileError():
            example = "Example: AUDIT_LOG=/var/log/okta-mcp/audit.jsonl (the folder must exist)"
            return [f"AUDIT_LOG: {error}. {example}"], "audit"
        case BrokenChainError():
            return [f"AUDIT_LOG: {error}. Move the file away, keep it, and start again."], "audit"
    # What is wrong with the URL itself says so, with an example of its kind.
    if str(error).startswith("STORE_URL"):
        return [str(error)], "store"
    return [f"STORE_URL: {error}. Example: STORE_URL=sqlite:///okta-mcp.db"], "store"


def _of_policy(problem: str) -> str:
    return problem if problem.startswith("GROUP_TO_ROLE_") else f"POLICY_FILE: {problem}"
