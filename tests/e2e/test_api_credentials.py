"""Every way to call Okta's API against the organisation: the login, a tool, and what goes wrong."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.settings import SettingsError
from tests.vocabulary.browser import Browser
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected, signed_in
from tests.vocabulary.processes import SandboxProcess, free_port, running_sandbox

SERVICE_ID = "0oaserviceofthetests"
NORA, COLE = "Nora Lind", "Cole Baker"
NORAS_LOGIN = "nora.super@northwind.example"


@dataclass(frozen=True)
class Keys:
    """Two keys that Okta knows, `one` and `two`, and one that it does not, `other`."""

    folder: Path

    def file(self, name: str) -> str:
        return str(self.folder / f"{name}.json")

    @property
    def public(self) -> Path:
        return self.folder / "public.json"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    known = []
    for name in ("one", "two", "other"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        to_jwk = jwt.algorithms.RSAAlgorithm.to_jwk
        path = folder / f"{name}.json"
        path.write_text(json.dumps(to_jwk(key, as_dict=True) | {"kid": name}))
        path.chmod(0o600)
        if name != "other":
            known.append(to_jwk(key.public_key(), as_dict=True) | {"kid": name})
    (folder / "public.json").write_text(json.dumps({"keys": known}))
    return Keys(folder)


@pytest.fixture(scope="module")
def own_url() -> str:
    return f"http://localhost:{free_port()}"


@pytest.fixture(scope="module")
def shared_sandbox(own_url: str, keys: Keys) -> Iterator[SandboxProcess]:
    with running_sandbox(own_url, service=(SERVICE_ID, keys.public)) as running:
        yield running


def environment(sandbox: SandboxProcess, keys: Keys, mode: str, key: str = "one") -> dict[str, str]:
    """The settings of a server with these credentials and no others."""
    settings = sandbox.settings_for_server()
    if mode != "ssws":
        del settings["OKTA_API_TOKEN"]
    if mode == "service":
        settings |= {"OKTA_API_CLIENT_ID": SERVICE_ID, "OKTA_API_PRIVATE_KEY_FILE": keys.file(key)}
    return settings | {"OKTA_API_AUTH": mode}


Serve = Callable[..., Any]


@pytest.fixture
async def serve(
    sandbox: SandboxProcess, keys: Keys, own_url: str, tmp_path: Path
) -> AsyncIterator[Serve]:
    """Starts the application in a mode, with a key and with changed settings."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(mode: str, key: str = "one", **changes: str) -> LocalServer:
            settings = environment(sandbox, keys, mode, key) | changes
            return await stack.enter_async_context(local_server(tmp_path, own_url, settings))

        yield start


async def connected_to(server: LocalServer, person: str = NORA) -> OAuthClient:
    client = await server.client()
    await connected(server.browser(), client, person)
    return client


async def refused_at(server: LocalServer, person: str = NORA) -> Browser:
    """The page on which a sign-in ends."""
    browser = server.browser()
    await signed_in(browser, await server.client(), person)
    return browser


def result_of(answer: dict[str, Any]) -> dict[str, Any]:
    return dict(answer["result"].get("structuredContent") or {})


def error_of(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["result"]["isError"] is True, answer
    return dict(json.loads(answer["result"]["content"][0]["text"])["error"])


def credentials(sandbox: SandboxProcess) -> set[str | None]:
    """With what kinds of credential the API was called."""
    asked = [entry for entry in sandbox.requests() if entry["path"].startswith("/api/v1/")]
    return {entry["credential"] for entry in asked}


def token_requests(sandbox: SandboxProcess) -> list[int]:
    """The answers of the token endpoint, by status."""
    asked = [entry for entry in sandbox.requests() if entry["path"] == "/oauth2/v1/token"]
    return [entry["status"] for entry in asked]


# --- what goes wrong with a service application ---


async def test_a_key_that_okta_does_not_know_ends_the_login_and_names_the_fix(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    browser = await refused_at(await serve("service", key="other"))
    assert browser.status == 502
    assert "could not find out what you may see" in browser.page.text
    assert "OKTA_API_PRIVATE_KEY_FILE" in caplog.text


async def test_a_file_that_holds_no_key_ends_the_start(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "empty.key"
    path.touch(mode=0o600)
    with pytest.raises(SettingsError, match=r"^OKTA_API_PRIVATE_KEY_FILE: .*Example: "):
        await serve("service", OKTA_API_PRIVATE_KEY_FILE=str(path))


async def test_scopes_that_are_not_granted_are_named_in_the_log(
    serve: Serve, sandbox: SandboxProcess, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.control("scopes/service", {"granted": ["okta.users.read"]})
    browser = await refused_at(await serve("service"))
    assert browser.status == 502
    assert "Okta API Scopes" in caplog.text
    assert "okta.groups.read" in caplog.text


async def test_one_scope_that_is_missing_stops_only_the_tools_that_need_it(
    serve: Serve, sandbox: SandboxProcess, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.control("settings", {"ungranted_scopes": "dropped"})
    granted = [scope for scope in FAMILY_SCOPES if scope != "okta.networkZones.read"]
    sandbox.control("scopes/service", {"granted": granted})
    client = await connected_to(await serve("service"))
    assert result_of(await client.call("list_okta_users"))["count"] > 0
    error = error_of(await client.call("list_okta_network_zones"))
    assert (error["code"], "scope" in error["fix"]) == ("okta_forbidden", True)
    assert "okta.networkZones.read" in caplog.text


@pytest.mark.parametrize(("mode", "switch"), [("service", "service"), ("ssws", "api_token")])
async def test_without_an_admin_role_okta_shows_nothing(
    mode: str, switch: str, serve: Serve, sandbox: SandboxProcess
) -> None:
    server = await serve(mode)
    client = await connected_to(server)
    sandbox.control("settings", {f"{switch}_role": "none"})
    error = error_of(await client.call("list_okta_users"))
    assert (error["code"], "role" in error["fix"]) == ("okta_forbidden", True)
    assert (await refused_at(server)).status == 502


async def test_an_api_token_that_ended_is_unauthorized(
    serve: Serve, sandbox: SandboxProcess
) -> None:
    client = await connected_to(await serve("ssws"))
    sandbox.control("settings", {"api_token_active": False})
    error = error_of(await client.call("list_okta_users"))
    assert (error["code"], "OKTA_API_TOKEN" in error["fix"]) == ("okta_unauthorized", True)


# --- what goes wrong with people's own tokens ---


async def test_a_person_without_an_admin_role_is_refused_by_okta(
    serve: Serve, sandbox: SandboxProcess
) -> None:
    """The role here comes from the claim; the one in Okta is Okta's to ask for."""
    sandbox.control("settings", {"groups_claim": "too_many"})
    server = await serve("delegated", GROUP_TO_ROLE_VIEWER="contractors")
    client = await connected_to(server, COLE)
    error = error_of(await client.call("list_okta_users"))
    assert (error["code"], "the person" in error["fix"]) == ("okta_forbidden", True)


async def test_ungranted_scopes_are_a_page_that_tells_which_to_grant(
    serve: Serve, sandbox: SandboxProcess
) -> None:
    sandbox.control("scopes/web", {"granted": []})
    server = await serve("delegated")
    browser = server.browser()
    await browser.open((await server.client()).authorization_url())
    await browser.press("Sign in with Okta")
    assert browser.status == 502
    assert "Okta API Scopes" in browser.page.text
    assert all(scope in browser.page.text for scope in FAMILY_SCOPES)
    assert server.events("login.refused")[0]["reason"] == "scopes_not_granted"


async def test_a_sign_in_that_okta_ended_is_begun_anew(
    serve: Serve, sandbox: SandboxProcess
) -> None:
    server = await serve("delegated")
    client = await connected_to(server)
    sandbox.control(f"users/{NORAS_LOGIN}", {"status": "SUSPENDED"})
    server.clock.pass_seconds(61)
    assert (await client.rpc("tools/list")).status_code == 401


# --- each mode as it should be ---


@pytest.mark.parametrize(
    ("mode", "dpop", "credential"),
    [
        ("ssws", "off", "ssws"),
        ("service", "required", "dpop"),
        ("service", "optional", "dpop"),
        ("service", "off", "bearer"),
        ("delegated", "off", "bearer"),
    ],
)
async def test_each_mode_logs_in_and_reads(
    mode: str, dpop: str, credential: str, serve: Serve, sandbox: SandboxProcess
) -> None:
    """A list with its next page, and a path with a character that stands encoded in it."""
    sandbox.control("settings", {"service_dpop": dpop})
    client = await connected_to(await serve(mode))
    first = result_of(await client.call("list_okta_users", limit=5))
    second = result_of(await client.call("list_okta_users", after=first["next_cursor"]))
    assert first["count"] == 5
    assert {row["id"] for row in first["items"]}.isdisjoint(row["id"] for row in second["items"])
    nora = result_of(await client.call("get_okta_user", user_id=NORAS_LOGIN))
    assert NORAS_LOGIN in json.dumps(nora)
    assert credentials(sandbox) == {credential}


async def test_a_key_is_changed_by_a_restart(serve: Serve) -> None:
    """Both are registered for a while, each under its key id."""
    await connected_to(await serve("service", key="one"))
    await connected_to(await serve("service", key="two"))


async def test_one_token_serves_everybody(serve: Serve, sandbox: SandboxProcess) -> None:
    server = await serve("service")
    client = await connected_to(server)
    await asyncio.gather(*(client.call("list_okta_users", limit=1) for _ in range(10)))
    # The code of the login, the refusal for want of a nonce, and the one token.
    assert sorted(token_requests(sandbox)) == [200, 200, 400]


async def test_a_token_that_okta_ended_is_renewed_by_oktas_clock(
    serve: Serve, sandbox: SandboxProcess
) -> None:
    """Okta's clock runs away by an hour: token, assertion and proof of before are all too old."""
    server = await serve("service")
    client = await connected_to(server)
    await client.call("list_okta_users", limit=1)
    sandbox.control("clock", {"advance_seconds": 3700})
    server.clock.pass_seconds(20)
    assert result_of(await client.call("list_okta_users", limit=1))["count"] == 1


async def test_a_nonce_that_is_over_is_followed_by_the_new_one(
    serve: Serve, sandbox: SandboxProcess
) -> None:
    server = await serve("service", ACCESS_TOKEN_TTL_SECONDS="3600")
    client = await connected_to(server)
    sandbox.control("rotate-dpop-nonce")
    server.clock.pass_seconds(3545)
    assert result_of(await client.call("list_okta_users", limit=1))["count"] == 1
    assert token_requests(sandbox)[-2:] == [400, 200]


@pytest.mark.parametrize("rotation", ["STATIC", "ROTATE"])
async def test_a_persons_token_is_renewed_before_its_end_and_once_for_all_calls(
    rotation: str, serve: Serve, sandbox: SandboxProcess
) -> None:
    sandbox.control("settings", {"refresh_rotation": rotation})
    server = await serve("delegated")
    client = await connected_to(server)
    for _ in range(2):
        before = len(token_requests(sandbox))
        server.clock.pass_seconds(61)
        answers = await asyncio.gather(
            *(client.call("list_okta_users", limit=1) for _ in range(10))
        )
        assert [result_of(answer)["count"] for answer in answers] == [1] * 10
        # The question for the role, which brings the access token too.
        assert len(token_requests(sandbox)) == before + 1


async def test_people_read_with_their_own_tokens(serve: Serve, sandbox: SandboxProcess) -> None:
    """Of two who ask at once, each is answered by Okta as who they are."""
    sandbox.control("settings", {"groups_claim": "too_many"})
    server = await serve("delegated", GROUP_TO_ROLE_VIEWER="contractors")
    nora, cole = await connected_to(server, NORA), await connected_to(server, COLE)
    answers = await asyncio.gather(
        *(client.call("list_okta_users", limit=1) for client in (nora, cole) * 5)
    )
    assert [answer["result"]["isError"] for answer in answers] == [False, True] * 5


@pytest.mark.parametrize("mode", ["service", "delegated"])
async def test_no_token_of_okta_is_in_an_answer_a_record_or_a_log(
    mode: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """U-26: all of Okta's access tokens begin like a JWT."""
    caplog.set_level("DEBUG", "okta_mcp")
    server = await serve(mode)
    client = await connected_to(server)
    shown = json.dumps(await client.call("list_okta_users")) + json.dumps(client.tokens)
    for text in (shown, server.audit_file.read_text(), caplog.text):
        assert "eyJ" not in text


# --- a stronger sign-in ---


@pytest.mark.parametrize("granted", ["weaker", "none"])
async def test_a_sign_in_that_is_too_weak_ends_on_a_page(
    granted: str, serve: Serve, sandbox: SandboxProcess
) -> None:
    sandbox.control("settings", {"acr_granted": granted})
    server = await serve("ssws", OKTA_ACR_VALUES="phr")
    browser = await refused_at(server)
    assert browser.status == 403
    assert "not strong enough" in browser.page.text
    assert server.events("login.refused")[0]["reason"] == "sign_in_too_weak"
    await browser.press("Back to the application")
    assert browser.answer["error"] == "access_denied"


async def test_a_weak_sign_in_leaves_no_refresh_token_at_okta(
    serve: Serve, sandbox: SandboxProcess
) -> None:
    sandbox.control("settings", {"acr_granted": "weaker"})
    await refused_at(await serve("delegated", OKTA_ACR_VALUES="phr"))
    assert "/oauth2/v1/revoke" in [entry["path"] for entry in sandbox.requests()]


async def test_a_sign_in_that_is_strong_enough_goes_on_and_refreshes(
    serve: Serve, sandbox: SandboxProcess
) -> None:
    client = await connected_to(await serve("delegated", OKTA_ACR_VALUES="phr phrh"))
    assert (await client.refresh()).status_code == 200
    (asked,) = (
        entry["query"]["acr_values"]
        for entry in sandbox.requests()
        if "acr_values" in entry["query"] and "prompt" not in entry["query"]
    )
    assert asked == "phr phrh"


# --- the sign-in without a secret ---


async def test_one_key_may_sign_for_the_sign_in_and_for_the_service_application(
    keys: Keys, own_url: str, tmp_path: Path
) -> None:
    options = ("--client-jwks", str(keys.public))
    with running_sandbox(own_url, *options, service=(SERVICE_ID, keys.public)) as okta:
        settings = environment(okta, keys, "service") | {
            "OKTA_CLIENT_SECRET": "",
            "OKTA_TOKEN_ENDPOINT_AUTH_METHOD": "private_key_jwt",
        }
        del settings["OKTA_CLIENT_SECRET"]
        async with local_server(tmp_path, own_url, settings) as server:
            client = await connected_to(server)
            assert result_of(await client.call("list_okta_users", limit=1))["count"] == 1
