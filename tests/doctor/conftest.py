"""The organisation with a service application, and the checks run on it in the test's process."""

import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from okta_mcp.doctor.running import Finding, findings
from okta_mcp.settings import Settings
from tests.vocabulary.processes import SandboxProcess, free_port, running_sandbox

SERVICE_ID = "0oaserviceofthetests"


@dataclass(frozen=True)
class Found:
    """What a run found, and every secret of its settings."""

    all: list[Finding]
    secrets: tuple[str, ...] = field(repr=False)

    def of(self, check: str) -> list[Finding]:
        return [finding for finding in self.all if finding.id == check]

    def status(self, check: str) -> str:
        """The one status of its findings."""
        (status,) = {finding.status for finding in self.of(check)}
        return status

    @property
    def statuses(self) -> dict[str, str]:
        return {finding.id: finding.status for finding in self.all}

    @property
    def text(self) -> str:
        return "\n".join(f"{each.seen} {each.fix}" for each in self.all)


Examine = Callable[..., Awaitable[Found]]


@dataclass(frozen=True)
class Keys:
    """`known` is registered with the applications, `other` is not."""

    folder: Path

    def file(self, name: str) -> str:
        return str(self.folder / f"{name}.json")

    @property
    def public(self) -> Path:
        return self.folder / "public.json"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    to_jwk = jwt.algorithms.RSAAlgorithm.to_jwk
    for name in ("known", "other"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path = folder / f"{name}.json"
        path.write_text(json.dumps(to_jwk(key, as_dict=True) | {"kid": name}))
        path.chmod(0o600)
        if name == "known":
            public = to_jwk(key.public_key(), as_dict=True) | {"kid": name}
            (folder / "public.json").write_text(json.dumps({"keys": [public]}))
    return Keys(folder)


@pytest.fixture(scope="package")
def own_port() -> int:
    return free_port()


@pytest.fixture(scope="package")
def shared_sandbox(own_port: int, keys: Keys) -> Iterator[SandboxProcess]:
    url = f"http://localhost:{own_port}"
    with running_sandbox(url, service=(SERVICE_ID, keys.public)) as running:
        yield running


def environment_of(
    sandbox: SandboxProcess, keys: Keys, mode: str, key: str = "known"
) -> dict[str, str]:
    """The settings of a server that calls Okta's API in this mode, and no others."""
    settings = sandbox.settings_for_server()
    if mode != "ssws":
        del settings["OKTA_API_TOKEN"]
    if mode == "service":
        settings |= {"OKTA_API_CLIENT_ID": SERVICE_ID, "OKTA_API_PRIVATE_KEY_FILE": keys.file(key)}
    return settings | {"OKTA_API_AUTH": mode}


def resource_server_of(sandbox: SandboxProcess) -> dict[str, str]:
    """The settings of a resource server for tokens of the custom authorization server."""
    custom = sandbox.ready["custom"]
    return sandbox.settings_for_server() | {
        "AUTH_MODE": "resource-server",
        "OKTA_ISSUER": custom["issuer"],
        "OKTA_OAUTH_AUDIENCE": custom["audience"],
        "OKTA_CLIENT_ID": custom["client_id"],
        "OKTA_CLIENT_SECRET": custom["client_secret"],
    }


async def examined(environment: dict[str, str], port: int, *only: str) -> Found:
    """What the checks find in this environment and nothing else."""
    overrides = {name.lower(): value for name, value in environment.items() if value}
    overrides.setdefault("port", str(port))
    found = await findings(Path(".env"), overrides, only, time.time)
    secret = ("SECRET", "TOKEN", "STORE_URL")
    secrets = tuple(
        value
        for name, value in environment.items()
        if any(mark in name for mark in secret) and len(value) > 8 and "METHOD" not in name
    )
    return Found(found, secrets)


@pytest.fixture
def examine(sandbox: SandboxProcess, keys: Keys, own_port: int) -> Examine:
    """Runs the checks against the organisation, in a mode and with changed settings."""

    async def run(*only: str, mode: str = "ssws", key: str = "known", **changes: str) -> Found:
        return await examined(environment_of(sandbox, keys, mode, key) | changes, own_port, *only)

    return run


@pytest.fixture
def imported_group(sandbox: SandboxProcess) -> str:
    """A name that only a group of an application has."""
    answer = httpx.get(
        f"{sandbox.url}/api/v1/groups",
        params={"limit": 200},
        headers={"Authorization": f"SSWS {sandbox.ready['api_token']}"},
    )
    kinds: dict[str, set[str]] = {}
    for row in answer.json():
        kinds.setdefault(row["profile"]["name"], set()).add(row["type"])
    return next(name for name, types in kinds.items() if types == {"APP_GROUP"})
