"""The documents say what the code does: every name that people rely on stands in both."""

import ast
import json
import re
import time
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

import okta_mcp
from benchmarks import readme
from benchmarks.context import description_rows
from okta_mcp.audit.catalogue import EVENTS
from okta_mcp.inventory import inventory, policy_for
from okta_mcp.okta.errors import OKTA_CODES
from okta_mcp.rbac.policy import SHIPPED_ROLES, Role
from okta_mcp.settings import PLACEHOLDER_MARKS, Settings, SettingsError, load_settings
from okta_mcp.stores.sealing import derived_key
from okta_mcp.tools.answers import TOOL_CODES
from okta_mcp.tools.cursors import SealedCursors

ROOT = Path(okta_mcp.__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
SAMPLE = (ROOT / ".env.sample").read_text(encoding="utf-8")
# Options of the command, which always wins over the environment.
OPTIONS = {"HOST", "PORT"}
SETTINGS = sorted({name.upper() for name in Settings.model_fields} - OPTIONS)

COMMANDS = [
    "python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt"
    " && python -m okta_mcp.oauth_proxy.server --sandbox",
    "python -m okta_mcp.client http://localhost:3001/mcp",
    "python -m okta_mcp.client http://localhost:3001/mcp call list_okta_users q=ann",
    "python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[dev]' && pytest",
    "cp .env.sample .env && chmod 600 .env",
]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables whose first cell is one name in code type, by that name."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = re.fullmatch(r"\| ?`([^`]+)`", line.split(" | ")[0])
        if name and len(cells) > 1:
            found[name[1]] = cells[1:]
    return found


def sample_lines() -> dict[str, tuple[bool, str]]:
    """Each setting of .env.sample: whether the line is in use, and its value."""
    lines = re.findall(r"^(#?)([A-Z][A-Z_]+)=(.*)$", SAMPLE, re.MULTILINE)
    return {name: (not mark, value) for mark, name, value in lines}


def sample_in_use() -> dict[str, str]:
    return {name: value for name, (used, value) in sample_lines().items() if used}


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def env_file(folder: Path, values: dict[str, str]) -> Path:
    path = folder / ".env"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    path.chmod(0o600)
    return path


# --- settings ---


def test_the_sample_holds_exactly_the_settings() -> None:
    assert sorted(sample_lines()) == SETTINGS


def test_the_configuration_page_holds_exactly_the_settings() -> None:
    assert sorted(rows(page("configuration.md"))) == SETTINGS


@pytest.mark.parametrize("name", SETTINGS)
def test_the_page_gives_the_default(name: str) -> None:
    field = Settings.model_fields[name.lower()]
    told = rows(page("configuration.md"))[name][0]
    if field.is_required():
        assert told == "required"
    elif isinstance(field.default, bool):
        assert told == f"`{str(field.default).lower()}`"
    elif isinstance(field.default, tuple) and field.default:
        assert told == f"`{','.join(field.default)}`"
    elif field.default:
        assert told == f"`{field.default}`"
    else:
        assert told not in ("", "required")


@pytest.mark.parametrize("name", SETTINGS)
def test_the_page_gives_the_bounds_of_numbers(name: str) -> None:
    field = Settings.model_fields[name.lower()]
    bounds = [
        getattr(rule, side)
        for rule in field.metadata
        for side in ("ge", "le")
        if hasattr(rule, side)
    ]
    told = rows(page("configuration.md"))[name][1]
    assert all(re.search(rf"\b{bound}\b", told) for bound in bounds)


@pytest.mark.usefixtures("bare_environment")
def test_each_placeholder_of_the_sample_is_refused(tmp_path: Path) -> None:
    placeholders = {
        name: value
        for name, value in sample_in_use().items()
        if any(mark in value for mark in PLACEHOLDER_MARKS)
    }
    assert {"OKTA_ORG_URL", "OKTA_CLIENT_ID", "OKTA_CLIENT_SECRET"} <= set(placeholders)
    values = sample_in_use() | {"GROUP_TO_ROLE_VIEWER": "staff"}
    with pytest.raises(SettingsError) as refusal:
        load_settings(env_file=env_file(tmp_path, values))
    refused = {line.partition(":")[0] for line in refusal.value.problems}
    assert refused == set(placeholders)
    assert not any(value in str(refusal.value) for value in placeholders.values())


def test_whatever_the_sample_uses_is_a_placeholder_or_empty() -> None:
    """Nobody's server runs on a value that somebody else published."""
    assert [
        name
        for name, value in sample_in_use().items()
        if value and not any(mark in value for mark in PLACEHOLDER_MARKS)
    ] == []


FILLED_IN = {
    "OKTA_ORG_URL": "https://northwind.okta.com",
    "OKTA_CLIENT_ID": "0oa1b2c3d4e5f6g7h8i9",
    "OKTA_CLIENT_SECRET": "from-the-application",
    "OKTA_API_TOKEN": "from-the-console",
    "SESSION_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
}


@pytest.mark.usefixtures("bare_environment")
def test_the_sample_without_a_role_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GROUP_TO_ROLE_VIEWER"):
        load_settings(env_file=env_file(tmp_path, sample_in_use() | FILLED_IN))


@pytest.mark.usefixtures("bare_environment")
def test_the_sample_with_its_required_values_starts(tmp_path: Path) -> None:
    values = sample_in_use() | FILLED_IN | {"GROUP_TO_ROLE_VIEWER": "staff"}
    settings = load_settings(env_file=env_file(tmp_path, values))
    assert settings.group_to_role_viewer == ("staff",)


@pytest.mark.usefixtures("bare_environment")
def test_the_quoting_that_the_page_shows_gives_two_groups(tmp_path: Path) -> None:
    shown = re.findall(r"`GROUP_TO_ROLE_VIEWER=('[^`]+')`", page("configuration.md"))
    values = FILLED_IN | {"GROUP_TO_ROLE_VIEWER": shown[0]}
    settings = load_settings(env_file=env_file(tmp_path, values))
    assert settings.group_to_role_viewer == ("Help Desk, EMEA", "staff")


# --- audit ---


_MAKES_FIELDS = ("audit_fields", "trace", "line_of")


def written_fields() -> set[str]:
    """The names of all fields that some call of the audit writer passes."""
    names: set[str] = set()
    for path in (ROOT / "okta_mcp").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and re.search(
                r"audit\.(write|record)$|line_of$|_dispatched$", ast.unparse(node.func)
            ):
                names.update(keyword.arg for keyword in node.keywords if keyword.arg)
            elif isinstance(node, ast.FunctionDef) and node.name in _MAKES_FIELDS:
                keys = (
                    key
                    for part in ast.walk(node)
                    if isinstance(part, ast.Dict)
                    for key in part.keys
                )
                names.update(key.value for key in keys if isinstance(key, ast.Constant))
    return names


def test_the_audit_page_holds_exactly_the_events() -> None:
    events = {name for name in rows(page("audit.md")) if "." in name}
    assert events == set(EVENTS)


def test_the_audit_page_explains_every_field() -> None:
    table = page("audit.md").partition("## Fields")[2].partition("## Events")[0]
    explained: set[str] = set()
    for line in table.splitlines():
        if line.startswith("| `"):
            explained.update(re.findall(r"`(\w+)`", line.split(" | ")[0]))
    written = written_fields()
    assert {"grant", "request_id", "subject", "milliseconds"} <= written
    assert written - explained == set()


# --- tools ---


def test_the_tools_page_holds_exactly_the_tools_with_role_and_scope() -> None:
    offered = inventory(None, SealedCursors(derived_key(b"docs", "cursors")), time.time)
    scopes = offered.components["tools"]
    policy = policy_for(offered, None)
    every_scope = {scope for needed in scopes.values() for scope in needed}

    def least_role(name: str) -> Role:
        return next(
            role
            for role in SHIPPED_ROLES
            if policy.decision("tools", name, role, every_scope).allowed
        )

    expected = {
        name: [least_role(name), ", ".join(f"`{scope}`" for scope in needed) or "none"]
        for name, needed in scopes.items()
    }
    tools, _, _ = page("tools.md").partition("## Resources")
    told = {name: cells[-2:] for name, cells in rows(tools).items()}
    assert told == expected


@pytest.mark.parametrize("role", SHIPPED_ROLES)
def test_the_readme_counts_the_tools_of_each_role(role: Role) -> None:
    offered = inventory(None, SealedCursors(derived_key(b"docs", "cursors")), time.time)
    scopes = offered.components["tools"]
    policy = policy_for(offered, None)
    every_scope = {scope for needed in scopes.values() for scope in needed}
    count = len(policy.allowed("tools", role, every_scope))
    assert f"| {role} | {count} |" in README


def test_the_errors_page_holds_only_codes_that_exist() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", page("errors.md"), re.MULTILINE))
    assert listed
    assert listed - {*OKTA_CODES, *TOOL_CODES} == set()


# --- dependencies ---


def test_the_dependencies_page_holds_exactly_the_dependencies() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0] for line in wanted}
    assert set(rows(page("dependencies.md"))) == names


# --- README ---


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 300


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_has_the_commands_literally(command: str) -> None:
    assert command in README.splitlines()


def test_the_readme_shows_figures_as_the_benchmarks_wrote_them() -> None:
    shown = README.partition("<!-- figures -->\n")[2].partition("\n<!-- end of figures -->")[0]
    assert shown == readme.figures(), "run: python -m benchmarks.readme"


def test_the_readme_quotes_the_javascript_example() -> None:
    example = (DOCS / "examples" / "client.mjs").read_text(encoding="utf-8").splitlines()
    quoted = "\n".join(re.findall(r"```js\n(.*?)```", README, re.DOTALL)).splitlines()
    assert quoted
    assert [line for line in quoted if line and line not in example] == []


def test_the_links_for_vs_code_hold_the_configuration_beside_them() -> None:
    url = "http://localhost:3001/mcp"
    entry = {"type": "http", "url": url}
    web = re.search(r"\(https://vscode\.dev/redirect/mcp/install\?([^)]+)\)", README)
    own = re.search(r"^vscode:mcp/install\?(\S+)$", README, re.MULTILINE)
    assert web is not None
    assert own is not None
    query = dict(parse_qsl(web.group(1)))
    assert (query["name"], json.loads(query["config"])) == ("okta", entry)
    assert json.loads(unquote(own.group(1))) == {"name": "okta"} | entry
    assert f'"okta": {{ "type": "http", "url": "{url}" }}' in README


PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    relative = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in relative if not (path.parent / target).exists()] == []


def test_the_page_lists_every_resource_and_prompt_with_its_role() -> None:
    offered = inventory(None, SealedCursors(bytes(32)), time.time)
    policy = policy_for(offered, None)
    rows = dict(re.findall(r"^\| `([^`]+)` \| .+ \| ([\w-]+) \|$", page("tools.md"), re.MULTILINE))
    for component in ("resources", "prompts"):
        for name in offered.components[component]:
            assert rows[name] == policy.least_role(component, name), name


def test_the_figures_on_the_page_are_those_of_the_tools() -> None:
    offered = inventory(None, SealedCursors(bytes(32)), time.time)
    for what, size in description_rows(offered, policy_for(offered, None)):
        assert f"| {what} | {size:,} |" in page("tools.md"), (
            "run: python -m benchmarks.context --write"
        )


def test_the_readme_links_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/([^)#]+)\)", README))
    assert {path.name for path in DOCS.glob("*.md")} - linked == set()
