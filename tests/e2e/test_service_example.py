"""A service from its key pair to an answer, as docs/services.md says, with two workers."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.vocabulary.processes import (
    CHECKOUT,
    SandboxProcess,
    ServerProcess,
    free_port,
    running_server,
)
from tests.vocabulary.service import NAME, Signer, policy_file

EXAMPLE = CHECKOUT / "docs" / "examples" / "service.py"
GUIDE = (CHECKOUT / "docs" / "services.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of code in that language in the guide, as it would be pasted."""
    indented = re.search(rf"   ```{language}\n(.*?)   ```", GUIDE, re.DOTALL)
    assert indented is not None
    return re.sub(r"^   ", "", indented[1], flags=re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the policy file and the key pair of the guide are."""
    made = tmp_path_factory.mktemp("service")
    subprocess.run(["sh", "-ec", block("sh")], cwd=made, check=True, timeout=30)
    policy_file(made, block("toml"))
    return made


@pytest.fixture(scope="module")
def server(shared_sandbox: SandboxProcess, folder: Path) -> Iterator[ServerProcess]:
    environment = shared_sandbox.settings_for_server() | {
        "POLICY_FILE": str(folder / "policy.toml"),
        "STORE_URL": f"sqlite:///{folder}/store/store.db",
    }
    with running_server(folder / "run", free_port(), environment, "--workers", "2") as running:
        yield running


def run(server: ServerProcess, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE), server.url, NAME, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_example_calls_a_tool(server: ServerProcess, folder: Path) -> None:
    done = run(server, folder, "service.key", "list_okta_users", '{"q": "ann"}')
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["count"] >= 1
    [called] = server.events("tool.called")
    assert (called["service"], called["role"]) == (NAME, "viewer")


def test_the_example_says_why_it_has_no_token(server: ServerProcess, folder: Path) -> None:
    made = "openssl ecparam -name prime256v1 -genkey -noout -out other.key"
    subprocess.run(["sh", "-ec", made], cwd=folder, check=True, timeout=30)
    done = run(server, folder, "other.key", "whoami")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not signed with a key that it has here" in done.stderr


WRONG_WORDS = {
    "nobody there": (["http://127.0.0.1:{port}", NAME, "service.key", "whoami"], "Cannot reach"),
    "no URL": (["nonsense", NAME, "service.key", "whoami"], "Cannot reach nonsense"),
    "no key": (["{url}", NAME, "missing.key", "whoami"], "missing.key"),
    "not a private key": (["{url}", NAME, "service.pub", "whoami"], "Error: "),
    "not JSON": (["{url}", NAME, "service.key", "whoami", "{{bad"], "JSONDecodeError: "),
}


@pytest.mark.parametrize(("words", "said"), WRONG_WORDS.values(), ids=WRONG_WORDS)
def test_the_example_says_what_is_wrong_in_a_line(
    server: ServerProcess, folder: Path, words: list[str], said: str
) -> None:
    given = [word.format(url=server.url, port=free_port()) for word in words]
    command = [sys.executable, str(EXAMPLE), *given]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
    assert said in done.stderr


def test_the_example_fails_where_the_tool_does(server: ServerProcess, folder: Path) -> None:
    done = run(server, folder, "service.key", "list_okta_network_zones")
    assert done.returncode == 1
    assert "Unknown tool" in done.stdout


async def test_an_assertion_works_once_whichever_worker_it_meets(
    server: ServerProcess, folder: Path
) -> None:
    key = load_pem_private_key((folder / "service.key").read_bytes(), password=None)
    form = Signer(server.url, time.time, key=key).form()

    async def asked() -> int:
        # A connection of its own: the kernel gives each to some worker.
        async with httpx.AsyncClient(timeout=30) as http:
            return (await http.post(f"{server.url}/oauth/token", data=form)).status_code

    codes = await asyncio.gather(*(asked() for _ in range(20)))
    assert sorted(codes) == [200] + [401] * 19
