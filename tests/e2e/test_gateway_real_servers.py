"""Four kept servers behind the login: who sees and calls what, and what the servers can do."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import MCPError
from mcp_types import PromptReference, TextResourceContents

from tests.vocabulary.behind import eventually
from tests.vocabulary.browser import Browser
from tests.vocabulary.client_environments import Environments, needs_npm
from tests.vocabulary.over_stdio import Person
from tests.vocabulary.processes import CHECKOUT
from tests.vocabulary.real_gateway import Place, reached, running_place, text_of
from tests.vocabulary.real_servers import (
    GIVEN,
    LINE,
    NOT_OFFERED,
    SECURITY_ADMIN,
    SUPER_ADMIN,
    TOOLS,
    VIEWER,
    arguments_of,
    entries,
    prepared,
    shown_tools,
)

pytestmark = needs_npm

WAYS = ["auto", "legacy", "bridge"]
SECRET = "a-secret-of-the-gateway"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the filesystem server."""
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def running(
    environments: Environments, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("real-servers")
    with running_place(home, entries(environments, folder), A_VARIABLE=SECRET) as place:
        yield place
        assert not place.is_told("Traceback")


@pytest.fixture
async def place(running: Place) -> Place:
    """With all four up."""
    await eventually(lambda: all(running.is_told(f"server {name} is up") for name in TOOLS))
    return running


def is_behind(name: str) -> bool:
    server, _, tool = name.partition("_")
    return server in TOOLS and bool(tool)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("person", GIVEN)
async def test_each_person_sees_and_calls_exactly_what_the_policy_gives(
    place: Place, folder: Path, person: str, way: str
) -> None:
    prepared(folder)
    async with reached(place, person, way) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert {name for name in listed if is_behind(name)} == shown_tools(person)
        for server, tools in TOOLS.items():
            for tool in tools:
                name, arguments = f"{server}_{tool}", arguments_of(server, tool, folder)
                if tool not in GIVEN[person][server]:
                    with pytest.raises(MCPError, match=f"^Unknown tool: {name}$"):
                        await client.call_tool(name, arguments)
                    continue
                result = await client.call_tool(name, arguments)
                assert not result.is_error, (name, result)
    assert (folder / "movable.txt").exists()


@pytest.mark.parametrize("way", WAYS)
async def test_resources_and_prompts_follow_the_policy_too(place: Place, way: str) -> None:
    async with reached(place, VIEWER, way) as client:
        uris = {str(each.uri) for each in (await client.list_resources()).resources}
        start = "demo://everything/resource/static/document"
        assert f"{start}/features.md" in uris
        assert f"{start}/structure.md" not in uris
        templates = (await client.list_resource_templates()).resource_templates
        assert not [each for each in templates if each.uri_template.startswith("demo:")]
        [read] = (await client.read_resource(f"{start}/features.md")).contents
        assert isinstance(read, TextResourceContents)
        assert "Features" in read.text
        for refused in (f"{start}/structure.md", "demo://everything/resource/dynamic/text/1"):
            with pytest.raises(MCPError):
                await client.read_resource(refused)
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
        assert {name for name in prompts if is_behind(name)} == {"everything_simple-prompt"}
        prompt = await client.get_prompt("everything_simple-prompt")
        assert prompt.messages[0].content.text  # type: ignore[union-attr]
        with pytest.raises(MCPError):
            await client.get_prompt("everything_args-prompt", {"city": "Oslo"})


async def test_a_super_admin_reads_templates_and_prompts_with_arguments(place: Place) -> None:
    async with reached(place, SUPER_ADMIN) as client:
        templates = (await client.list_resource_templates()).resource_templates
        uris = {each.uri_template for each in templates}
        assert "demo://everything/resource/dynamic/text/{resourceId}" in uris
        uri = "demo://everything/resource/dynamic/text/7"
        [read] = (await client.read_resource(uri)).contents
        assert "7" in read.text  # type: ignore[union-attr]
        prompt = await client.get_prompt("everything_args-prompt", {"city": "Oslo"})
        assert "Oslo" in prompt.messages[0].content.text  # type: ignore[union-attr]
        ref = PromptReference(type="ref/prompt", name="everything_completable-prompt")
        offered = await client.complete(ref, {"name": "department", "value": "E"})
        assert offered.completion.values == ["Engineering"]
        result = await client.call_tool("everything_get-resource-links", {"count": 2})
        links = [str(part.uri) for part in result.content if part.type == "resource_link"]
        assert len(links) == 2
        for link in links:
            assert (await client.read_resource(link)).contents


@pytest.mark.parametrize("way", WAYS)
async def test_progress_of_a_long_operation_arrives_while_it_runs(place: Place, way: str) -> None:
    heard: list[tuple[float, float | None]] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total))

    async with reached(place, SUPER_ADMIN, way) as client:
        result = await client.call_tool(
            "everything_trigger-long-running-operation",
            {"duration": 4, "steps": 4},
            progress_callback=on_progress,
        )
    assert "completed" in text_of(result)
    steps = [done for done, total in heard if total == 4]
    assert steps
    assert steps == sorted(steps)


async def test_a_server_that_would_ask_or_log_gets_a_clear_answer(place: Place) -> None:
    async with asyncio.timeout(30), reached(place, SUPER_ADMIN) as client:
        for tool in NOT_OFFERED:
            with pytest.raises(MCPError, match=f"^Unknown tool: everything_{tool}$"):
                await client.call_tool(f"everything_{tool}", {"prompt": "hello"})
        for _ in range(2):
            result = await client.call_tool("everything_toggle-simulated-logging", {})
            assert not result.is_error


async def test_a_server_sees_nothing_of_the_environment_of_the_gateway(place: Place) -> None:
    async with reached(place, SUPER_ADMIN) as client:
        seen = json.loads(text_of(await client.call_tool("everything_get-env", {})))
    essentials = {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"}
    assert set(seen) <= essentials
    assert SECRET not in json.dumps(seen)


async def test_the_filesystem_server_stays_in_its_folder(place: Place, folder: Path) -> None:
    prepared(folder)
    secret = folder.parent / "secret.txt"
    secret.write_text("not for cases")
    link = folder / "link.txt"
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    async with reached(place, SECURITY_ADMIN) as client:
        inside = await client.call_tool("files_read_text_file", {"path": f"{folder}/note.txt"})
        assert text_of(inside).strip() == LINE
        for path in (secret, folder / ".." / "secret.txt", link, Path("/proc/self/environ")):
            answer = await client.call_tool("files_read_text_file", {"path": str(path)})
            assert answer.is_error, path
            assert "not for cases" not in text_of(answer)
    link.unlink()


async def test_people_with_processes_of_their_own_share_nothing(place: Place) -> None:
    people = {SECURITY_ADMIN: "of_sami", SUPER_ADMIN: "of_nora"}
    written = asyncio.Barrier(len(people))

    async def work(person: str, table: str) -> None:
        async with reached(place, person) as client:

            async def call(tool: str, **arguments: str) -> str:
                return text_of(await client.call_tool(f"sqlite_{tool}", arguments))

            for turn in range(5):
                await call("create_table", query=f"CREATE TABLE {table}_{turn} (x TEXT)")
            await call("append_insight", insight=f"an insight {table}")
            await written.wait()
            tables = await call("list_tables")
            [memo] = (await client.read_resource("memo://sqlite/insights")).contents
            for other in people.values():
                assert (f"{other}_4" in tables) == (other == table)
                assert (f"insight {other}" in memo.text) == (other == table)  # type: ignore[union-attr]

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(*each) for each in people.items()))


async def test_the_command_lists_tools_by_server(place: Place, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "okta_mcp", "tools", place.server.mcp_url, "--no-browser"),
        *("--store-dir", str(tmp_path)),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    somebody = Person(SECURITY_ADMIN)
    output, _ = await asyncio.gather(process.stdout.read(), somebody.watch(process.stderr))
    assert await process.wait() == 0, somebody.read
    _, *parts = re.split(r"^(\w+) \(up\)$", output.decode(), flags=re.MULTILINE)
    listed = {
        title: {word for word in part.split() if is_behind(word)}
        for title, part in zip(parts[::2], parts[1::2], strict=True)
    }
    titles = {"Time": "time", "Cases": "files", "Everything": "everything", "Notes": "sqlite"}
    assert listed == {
        title: {f"{server}_{tool}" for tool in GIVEN[SECURITY_ADMIN][server]}
        for title, server in titles.items()
    }


async def test_the_page_names_the_servers_of_a_person_and_their_state(place: Place) -> None:
    browser = Browser()
    await browser.open(f"{place.server.url}/oauth/login")
    await browser.press("Sign in with Okta")
    await browser.press(VIEWER)
    await browser.open(f"{place.server.url}/oauth/tools")
    text = browser.page.text
    await browser.close()
    assert "Time State up Tools time_get_current_time time_convert_time" in text
    assert "Everything State up Tools everything_echo" in text
    assert "Cases" not in text
    assert "Notes" not in text


async def test_the_trail_names_server_and_digest_and_no_argument(place: Place) -> None:
    async with reached(place, VIEWER) as client:
        await client.call_tool("everything_echo", {"message": "said-to-nobody-else"})
    line = place.server.events("tool.called")[-1]
    assert (line["subject"], line["server"]) == ("everything_echo", "everything")
    assert len(line["arguments_sha256"]) == 64
    assert "said-to-nobody-else" not in place.server.audit_file.read_text()
