"""The Inspector's web page in Chromium, from another origin than the server's.

Version 2 leaves every request to the program that serves the page, and only the login is the
browser's. Version 1 is the last whose page can ask the server itself ("Direct"), so it shows that
CORS lets a page do all that a client does. Its one gap is its own: with "Direct" it refreshes with
two content types at once, which no token endpoint can read, so it logs in again instead.
"""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.support.wait import WebDriverWait

from tests.vocabulary.chromium import HOW_TO_GET_IT, chromium, paths, press, requested_urls
from tests.vocabulary.client_environments import Environments, needs_npm
from tests.vocabulary.driven_clients import Trail, disconnects_all
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)

pytestmark = [
    needs_npm,
    pytest.mark.skipif(paths() is None and not os.environ.get("CI"), reason=HOW_TO_GET_IT),
]

PERSON, LOGIN = "Hana Novak", "hana.help@northwind.example"
# The page is pressed by a driver, so it needs longer than a program.
TTL_SECONDS = 15
_HOUR_SECONDS = 3600
_START_SECONDS = 120
_WAIT_SECONDS = 90
_TRIES = 3
# The last element that says just that, or begins with it, and that a person could press.
_FIND = """
const said = (element) => (element.ariaLabel || element.textContent || "").trim();
const all = [...document.querySelectorAll("button, label, [role=switch], [role=tab], span, div")];
const same = all.filter((element) => said(element) === arguments[0]);
const similar = all.filter((element) => said(element).startsWith(arguments[0]));
const element = (same.length ? same : similar).at(-1);
if (!element || element.closest("button:disabled")) return null;
element.scrollIntoView({ block: "center" });
return element;
"""
_CHALLENGE = """
const done = arguments[1];
fetch(arguments[0], { method: "POST", body: "{}" })
  .then((answer) => done([answer.status, answer.headers.get("WWW-Authenticate")]))
  .catch((error) => done([0, String(error)]));
"""


@dataclass(frozen=True)
class Here:
    """One Inspector's page, its origin, and the server that allows that origin."""

    driver: Chrome
    server: ServerProcess
    origin: str
    trail: Trail

    def press(self, text: str) -> None:
        """Press it with the mouse, once it is there: some buttons heed nothing else."""

        def is_pressed() -> bool:
            element = self.driver.execute_script(_FIND, text)
            if element is not None:
                ActionChains(self.driver).move_to_element(element).click().perform()
            return element is not None

        self.wait(is_pressed)

    def opens(self, text: str, first: str) -> None:
        """Press it until the page has what it leads to: a page still being drawn loses a press."""

        def is_open() -> bool:
            if self.driver.execute_script(_FIND, first) is not None:
                return True
            self.press(text)
            return False

        self.wait(is_open)

    def shows(self, text: str) -> None:
        """Wait until the page says so."""
        self.wait(lambda: text in self.driver.find_element("tag name", "body").text)

    def wait(self, until: Callable[[], object]) -> None:
        try:
            WebDriverWait(
                self.driver, _WAIT_SECONDS, ignored_exceptions=[WebDriverException]
            ).until(lambda _: until())
        except TimeoutException as error:
            shown = self.driver.find_element("tag name", "body").text
            error.add_note(f"{self.driver.current_url} shows: {shown[-2000:]}")
            error.add_note(
                f"{self.server.events()[-3:]} {self.server.log_file.read_text()[-1000:]}"
            )
            raise

    def connects(self, button: str) -> None:
        """Press it, log in, and be connected with a new token.

        Version 1 may begin two logins at once and then redeem one with the other's verifier, which
        is refused; a person presses again.
        """
        before = len(self.trail.of("token.issued"))
        for _ in range(_TRIES):
            answers = self._token_answers() + 1
            self.press(button)
            self.logs_in()
            self.wait(partial(self._has_answered, answers))
            if len(self.trail.of("token.issued")) > before:
                return
            button = "Connect"
        raise AssertionError(self.trail.of("token.refused"))

    def _has_answered(self, count: int) -> bool:
        return self._token_answers() >= count

    def _token_answers(self) -> int:
        return len(self.trail.of("token.issued") + self.trail.of("token.refused"))

    def logs_in(self) -> None:
        """The person at the server's own pages, to which the Inspector has led.

        A remembered answer is asked for again, because the way here began at another site.
        """
        self.wait(lambda: self.driver.current_url.startswith(f"{self.server.url}/oauth/"))
        self.wait(lambda: self.driver.find_elements("css selector", "main button"))
        if "Sign in with Okta" in self.driver.find_element("tag name", "main").text:
            press(self.driver, "Sign in with Okta")
            press(self.driver, PERSON)
        press(self.driver, "Allow")
        self.wait(lambda: self.driver.current_url.startswith(self.origin))


@contextlib.contextmanager
def page_of(
    command: list[str], port: int, folder: Path, environments: Environments
) -> Iterator[str]:
    """The program that serves the page; what it said when it was ready."""
    log = folder / "inspector.log"
    environment = {
        "PATH": f"{environments.node.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "HOST": "127.0.0.1",
        "CLIENT_PORT": str(port),
        "MCP_SANDBOX_PORT": "0",
        "MCP_APP_ORIGIN_PORT": "0",
        "MCP_AUTO_OPEN_ENABLED": "false",
        "MCP_INSPECTOR_SECRET_STORE": "memory",
    }
    with (
        log.open("w") as output,
        subprocess.Popen(
            [str(environments.node), *command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            ends = time.monotonic() + _START_SECONDS
            while "up and running at" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < ends, log.read_text()
                time.sleep(0.05)
            yield log.read_text()
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.fixture
def organisation() -> Iterator[tuple[int, SandboxProcess]]:
    port = free_port()
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        yield port, sandbox


@contextlib.contextmanager
def allowing(
    origin: str,
    organisation: tuple[int, SandboxProcess],
    folder: Path,
    ttl_seconds: int = _HOUR_SECONDS,
) -> Iterator[ServerProcess]:
    port, sandbox = organisation
    settings = sandbox.settings_for_server() | {
        "ALLOWED_ORIGINS": origin,
        "ACCESS_TOKEN_TTL_SECONDS": str(ttl_seconds),
    }
    with running_server(folder / "server", port, settings) as server:
        yield server


async def test_the_page_of_version_2_by_the_whole_way(
    organisation: tuple[int, SandboxProcess],
    environments: Environments,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("client", "Inspector, web page")
    packages, port = environments.npm / "node_modules" / "@modelcontextprotocol", free_port()
    launcher = packages / "inspector" / "clients" / "launcher" / "build" / "index.js"
    origin = f"http://127.0.0.1:{port}"
    with allowing(origin, organisation, tmp_path, TTL_SECONDS) as server:
        command = [str(launcher), "--web", "--server-url", server.mcp_url, "--transport", "http"]
        with page_of(command, port, tmp_path, environments) as said, chromium(width=1400) as driver:
            here = Here(driver, server, origin, Trail(server, TTL_SECONDS))
            address = re.search(rf"{origin}\S*", said)
            assert address is not None, said
            driver.get(address[0])
            here.connects("Connect or disconnect")
            here.shows("Connected")
            here.opens("Tools", "Who am I")
            here.opens("Who am I", "Execute Tool")
            here.press("Execute Tool")
            here.shows(LOGIN)
            [issued] = here.trail.of("token.issued")
            assert [line["subject"] for line in here.trail.of("tool.called")] == ["whoami"]

            await here.trail.until_expired()
            here.press("Current time")
            here.press("Execute Tool")
            here.wait(lambda: here.trail.of("token.refreshed"))
            here.wait(lambda: len(here.trail.of("tool.called")) == 2)

            await disconnects_all(server.url, PERSON)
            assert [line["grant"] for line in here.trail.of("grant.ended")] == [issued["grant"]]
            here.press("Who am I")
            here.connects("Execute Tool")
            here.press("Who am I")
            here.press("Execute Tool")
            here.shows(LOGIN)


async def test_the_page_of_version_1_asks_the_server_itself(
    organisation: tuple[int, SandboxProcess],
    environments: Environments,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("client", "Inspector 1, web page, direct")
    packages, port = environments.npm / "node_modules" / "@modelcontextprotocol", free_port()
    origin = f"http://127.0.0.1:{port}"
    program = [str(packages / "inspector-client" / "bin" / "client.js")]
    with (
        allowing(origin, organisation, tmp_path) as server,
        page_of(program, port, tmp_path, environments),
        chromium(width=1400) as driver,
    ):
        here = Here(driver, server, origin, Trail(server, _HOUR_SECONDS))
        driver.get(f"{origin}/mcp.svg")
        driver.execute_script("localStorage.setItem('lastConnectionType', 'direct')")
        driver.get(f"{origin}/?transport=streamable-http&serverUrl={server.mcp_url}")
        status, challenge = driver.execute_async_script(_CHALLENGE, server.mcp_url)
        assert (status, challenge.startswith("Bearer ")) == (401, True), challenge
        named = f'resource_metadata="{server.url}/.well-known/oauth-protected-resource/mcp"'
        assert named in challenge
        requested_urls(driver)

        here.connects("Connect")
        here.shows("Connected")
        asked = set(requested_urls(driver))
        direct = (
            "/mcp",
            "/oauth/register",
            "/oauth/token",
            "/.well-known/oauth-protected-resource/mcp",
        )
        assert {f"{server.url}{path}" for path in direct} <= asked
        here.opens("Tools", "List Tools")
        here.opens("List Tools", "Who am I")
        here.opens("Who am I", "Run Tool")
        here.press("Run Tool")
        here.shows(LOGIN)
        assert [line["subject"] for line in here.trail.of("tool.called")] == ["whoami"]

        await disconnects_all(server.url, PERSON)
        here.connects("Reconnect")
        here.shows("Connected")
        assert len({line["grant"] for line in here.trail.of("token.issued")}) == 2


@pytest.mark.parametrize("is_listed", [False, True], ids=["not listed", "listed"])
async def test_a_page_from_elsewhere_reads_the_challenge_only_where_its_origin_is_listed(
    organisation: tuple[int, SandboxProcess],
    environments: Environments,
    tmp_path: Path,
    is_listed: bool,
) -> None:
    packages, port = environments.npm / "node_modules" / "@modelcontextprotocol", free_port()
    program = [str(packages / "inspector-client" / "bin" / "client.js")]
    origin = f"http://inspector.example.com:{port}"
    listed = origin if is_listed else "https://other.example.com"
    with (
        allowing(listed, organisation, tmp_path) as server,
        page_of(program, port, tmp_path, environments),
        chromium("--host-resolver-rules=MAP inspector.example.com 127.0.0.1") as driver,
    ):
        driver.get(f"{origin}/mcp.svg")
        status, said = driver.execute_async_script(_CHALLENGE, server.mcp_url)
        assert status == (401 if is_listed else 0)
        assert said.startswith("Bearer " if is_listed else "TypeError: Failed to fetch")
