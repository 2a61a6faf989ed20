"""The image: what its file says, that its install script works, and the image itself."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from okta_mcp import __version__
from okta_mcp.__main__ import main
from tests.vocabulary.processes import CHECKOUT, SECRET_KEY, free_port

DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
LAST_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
SCRIPT = "docker/install"


def instructions(name: str, text: str = DOCKERFILE) -> list[str]:
    """The arguments of every instruction of this name, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.+)$", joined, re.MULTILINE)


def copied_from_the_checkout() -> set[str]:
    """What COPY takes out of the build context."""
    words = {word for argument in instructions("COPY") for word in argument.split()[:-1]}
    return {word for word in words if not word.startswith(("--", "/"))}


# --- what the file says ---


def test_the_image_runs_without_rights() -> None:
    """S-04."""
    users = instructions("USER", LAST_STAGE)
    assert users
    assert all(int(part) > 0 for part in users[-1].split(":"))


def test_every_stage_has_the_same_slim_base_by_its_tag() -> None:
    (base,) = {base.split()[0] for base in instructions("FROM")}
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)


@pytest.mark.parametrize("argument", [*instructions("COPY"), *instructions("ADD")])
def test_the_image_copies_no_settings_and_no_history(argument: str) -> None:
    """S-04."""
    words = [word for word in argument.split() if not word.startswith("--")]
    for source in words[:-1]:
        assert source not in (".", "./", "*")
        assert ".env" not in source
        assert ".git" not in source


def test_the_image_holds_no_secret() -> None:
    """S-04."""
    told = " ".join(argument for name in ("ENV", "ARG", "RUN") for argument in instructions(name))
    assert re.findall(r"SECRET|TOKEN|PASSWORD|OKTA_[A-Z]+", told + script()) == []


def test_the_build_context_is_a_list_of_what_is_wanted() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert copied_from_the_checkout() == {rule[1:] for rule in rules if rule.startswith("!")}
    assert "**/.env*" in rules


def test_the_last_stage_runs_nothing_and_takes_only_what_was_installed() -> None:
    assert instructions("RUN", LAST_STAGE) == []
    assert instructions("COPY", LAST_STAGE) == ["--from=build /opt/okta-mcp /opt/okta-mcp"]


def test_every_step_of_the_build_is_one_of_the_script_which_ci_runs_too() -> None:
    steps = [argument.split() for argument in instructions("RUN")]
    assert [step[0] for step in steps] == [SCRIPT] * len(steps)
    ci = (CHECKOUT / ".ci" / "image").read_text(encoding="utf-8")
    assert ".ci/image" in (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    for _, step, _ in steps:
        assert re.search(rf"^{step}\)$", script(), re.MULTILINE)
        assert f"{SCRIPT} {step} " in ci
    assert "setpriv --reuid" in ci


def test_the_image_needs_no_shell_to_start_or_to_be_checked() -> None:
    (entry,) = instructions("ENTRYPOINT")
    (start,) = (line for line in instructions("CMD") if line.startswith("["))
    assert json.loads(entry) == ["python", "-m", "okta_mcp"]
    serve = main.get_command(click.Context(main), json.loads(start)[0])
    assert serve is not None
    assert json.loads(start)[1:] == ["--host", "0.0.0.0", "--port", "3001"]
    (check,) = instructions("HEALTHCHECK")
    assert json.loads(check.partition(" CMD ")[2]) == [*json.loads(entry), "health"]


def script() -> str:
    return (CHECKOUT / SCRIPT).read_text(encoding="utf-8")


# --- the health check ---


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server that answers everything with the status of the parameter."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param)
            self.end_headers()
            self.wfile.write(b'{"status":"a word"}')

        def log_message(self, *_: object) -> None:
            """Not on the terminal of the tests."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/health"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answering", "status"), [(503, 1), (302, 1), (200, 0)], indirect=["answering"]
)
def test_only_an_answer_of_200_is_healthy(answering: str, status: int) -> None:
    ended = CliRunner().invoke(main, ["health", answering])
    assert ended.exit_code == status
    assert "a word" in ended.output


@pytest.mark.parametrize("url", [f"http://127.0.0.1:{free_port()}/health", "localhost:3001", ""])
def test_where_nobody_answers_is_not_healthy_and_says_which_url(url: str) -> None:
    ended = CliRunner().invoke(main, ["health", url])
    assert ended.exit_code == 1
    assert url in ended.output


# --- the script ---


def test_the_script_refuses_a_step_that_it_does_not_have(tmp_path: Path) -> None:
    ended = subprocess.run(
        [CHECKOUT / SCRIPT, "everything", tmp_path], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "there are: dependencies, server" in ended.stderr


def test_what_the_image_copies_is_enough_to_build_the_server(tmp_path: Path) -> None:
    """In a tree that holds nothing else. The packages are those of this environment, because a
    test has no network; CI runs the whole script with one."""
    for name in copied_from_the_checkout():
        source, target = CHECKOUT / name, tmp_path / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    build = "import setuptools; setuptools.setup()"
    built = subprocess.run(
        [sys.executable, "-c", build, "egg_info", "build", "--build-lib", tmp_path / "built"],
        cwd=tmp_path / "tree",
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    served = {path.relative_to(CHECKOUT) for path in (CHECKOUT / "okta_mcp").rglob("*.html")}
    assert served
    assert {path for path in served if not (tmp_path / "built" / path).exists()} == set()
    said = subprocess.run(
        [sys.executable, "-m", "okta_mcp", "--version"],
        cwd=tmp_path / "built",
        capture_output=True,
        text=True,
        check=True,
    )
    assert __version__ in said.stdout


# --- the image ---


def container_engine() -> str | None:
    """An engine that answers; a client without its daemon is none."""
    for found in filter(None, map(shutil.which, ("docker", "podman"))):
        answered = subprocess.run([found, "info"], capture_output=True, check=False)
        if answered.returncode == 0:
            return found
    return None


@pytest.fixture(scope="module")
def image() -> tuple[str, str]:
    """The engine, and the name of the image that it has built."""
    engine = container_engine()
    if engine is None:
        pytest.skip("no container engine answers here (docker info, podman info)")
    subprocess.run([engine, "build", "--tag", "okta-mcp-test", CHECKOUT], check=True)
    return engine, "okta-mcp-test"


def test_the_image_runs_on_a_read_only_file_system_and_is_healthy(image: tuple[str, str]) -> None:
    """S-04."""
    engine, name = image
    settings = {
        "OKTA_ORG_URL": "https://northwind.okta.com",
        "OKTA_CLIENT_ID": "0oa1b2c3d4e5f6g7h8i9",
        "OKTA_CLIENT_SECRET": "a-client-secret-of-the-tests",
        "GROUP_TO_ROLE_VIEWER": "staff",
        "PUBLIC_URL": "https://mcp.example.com",
        "SESSION_SECRET_KEY": SECRET_KEY,
    }
    told = [word for pair in settings.items() for word in ("--env", "=".join(pair))]
    rights = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    started = [engine, "run", "--detach", "--rm", *rights, *told, name]
    container = subprocess.run(started, capture_output=True, text=True, check=True).stdout.strip()
    try:
        deadline = time.monotonic() + 60
        check = [engine, "exec", container, "python", "-m", "okta_mcp", "health"]
        while subprocess.run(check, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        who = [engine, "exec", container, "python", "-c", "import os; print(os.getuid())"]
        assert int(subprocess.run(who, capture_output=True, check=True).stdout) > 0
    finally:
        subprocess.run([engine, "stop", container], capture_output=True, check=False)


def test_no_layer_of_the_image_holds_settings_or_history(image: tuple[str, str]) -> None:
    """S-04."""
    engine, name = image
    program = (
        "import pathlib; print([str(p) for top in ('/srv', '/build', '/opt')"
        " for p in pathlib.Path(top).rglob('.*') if p.name.startswith(('.env', '.git'))])"
    )
    command = [engine, "run", "--rm", "--entrypoint", "python", name, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    layers = [engine, "history", "--no-trunc", "--format", "{{.CreatedBy}}", name]
    history = subprocess.run(layers, capture_output=True, text=True, check=True).stdout
    assert not re.search(r"SECRET|TOKEN|PASSWORD", history)
