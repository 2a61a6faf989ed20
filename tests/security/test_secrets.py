"""Secrets stay where they belong: all output of whole logins is searched for each that occurred.

The story is told twice: with the sandbox and an API token, and with an identity provider of the
test's own, which knows the server's side of the trip (verifier, nonce, tokens) as well.
"""

import base64
import contextlib
import importlib.metadata
import logging
import re
import secrets
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from okta_mcp.audit.writer import verified_lines
from okta_mcp.settings import Settings, SettingsError, load_settings
from okta_mcp.stores.sealing import Sealer, derived_key
from tests.vocabulary.browser import Browser
from tests.vocabulary.hostile_issuer import TOKEN_PATH, HostileIssuer, SignIn, hostile_issuer
from tests.vocabulary.in_process import LocalServer
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import (
    CHECKOUT,
    SECRET_KEY,
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)

PACKAGE = CHECKOUT / "okta_mcp"
SECRET_PARAMETERS = frozenset(
    "code state nonce code_verifier token refresh_token access_token client_secret id_token_hint"
    " form".split()
)


class Overheard:
    """Every secret that passed between browsers, clients, the server and Okta, by kind."""

    def __init__(self) -> None:
        self.by_kind: defaultdict[str, set[str]] = defaultdict(set)

    def listen(self, http: httpx.AsyncClient) -> None:
        http.event_hooks["response"].append(self._hear)

    def add(self, kind: str, value: str) -> None:
        # What is shorter proves nothing: it may occur by chance.
        if len(value) >= 12:
            self.by_kind[kind].add(value)

    def found_in(self, output: str) -> list[tuple[str, str]]:
        """Also as URLs write them, and the halves of what has a separator in it."""
        return [
            (kind, value)
            for kind, values in self.by_kind.items()
            for value in values
            for spelling in {value, quote(value, safe=""), quote_plus(value)}
            if spelling in output
        ]

    async def _hear(self, answer: httpx.Response) -> None:
        await answer.aread()
        request = answer.request
        pairs = parse_qsl(request.url.query.decode())
        if request.headers.get("content-type") == "application/x-www-form-urlencoded":
            pairs += parse_qsl(request.content.decode())
        pairs += parse_qsl(urlsplit(answer.headers.get("location", "")).query)
        for name, value in pairs:
            if name in SECRET_PARAMETERS:
                self.add(name, value)
        for value in request.headers.get_list("authorization"):
            scheme, _, credentials = value.partition(" ")
            self.add("authorization", credentials)
            if scheme == "Basic":
                with contextlib.suppress(ValueError):
                    self.add("basic", base64.b64decode(credentials).decode().partition(":")[2])
        for line in [*answer.headers.get_list("set-cookie"), request.headers.get("cookie", "")]:
            for pair in line.split(";"):
                name, _, value = pair.strip().partition("=")
                if "okta_mcp" in name or "sid" in name.lower():
                    self.add("cookie", value.strip('"'))
        with contextlib.suppress(ValueError):
            body = answer.json()
            for name in SECRET_PARAMETERS & body.keys() if isinstance(body, dict) else ():
                if isinstance(body[name], str):
                    self.add(name, body[name])


def all_output(server: ServerProcess) -> str:
    """The audit trail, and what went to standard output and standard error."""
    return server.audit_file.read_text() + server.log_file.read_text()


@pytest.fixture(params=["sandbox", "issuer"])
def okta(request: pytest.FixtureRequest) -> Iterator[SandboxProcess | HostileIssuer]:
    if request.param == "issuer":
        with hostile_issuer() as issuer:
            yield issuer
    else:
        port = request.getfixturevalue("own_port")
        with running_sandbox(f"http://localhost:{port}") as sandbox:
            yield sandbox


@pytest.fixture
def own_port() -> int:
    return free_port()


@pytest.fixture
def talkative(
    okta: SandboxProcess | HostileIssuer, own_port: int, tmp_path: Path
) -> Iterator[ServerProcess]:
    """A server of its own that logs as much as it can."""
    environment = okta.settings_for_server() | {"LOG_LEVEL": "DEBUG"}
    with running_server(tmp_path / "server", own_port, environment) as running:
        yield running


async def to_consent(browser: Browser, client: OAuthClient, okta: object) -> None:
    """With a state that nobody else has."""
    state = f"state-{secrets.token_urlsafe(24)}"
    await browser.open(client.authorization_url(state=state, prompt="consent"))
    with contextlib.suppress(AssertionError):
        await browser.press("Sign in with Okta")
    if isinstance(okta, SandboxProcess) and "Sign in to" in browser.page.text:
        await browser.press("Hana Novak")


async def failures(browser: Browser, client: OAuthClient, okta: object, code: str) -> None:
    """Each way in which a step can fail, with secrets of good form in the wrong place."""
    url, http = client.url, client.http
    token, refresh_token = client.tokens["access_token"], client.tokens["refresh_token"]
    await client.redeem("omcp_code_" + secrets.token_urlsafe(32))
    await client.redeem(code, code_verifier=secrets.token_urlsafe(48))
    await client.token(grant_type="refresh_token", refresh_token=token)
    await client.token(grant_type="authorization_code", code=refresh_token, code_verifier="short")
    await client.token(grant_type=refresh_token, client_secret=secrets.token_urlsafe(24))
    await http.post(f"{url}/oauth/token", auth=(client.client_id, secrets.token_urlsafe(24)))
    await http.post(f"{url}/oauth/token?refresh_token={refresh_token}&code={code}")
    await http.post(f"{url}/oauth/token", json={"refresh_token": refresh_token})
    await client.revoke("omcp_at_" + secrets.token_urlsafe(32))
    await client.rpc("ping", token="omcp_at_" + secrets.token_urlsafe(32))
    await client.rpc("ping", token=refresh_token)
    await http.get(f"{url}/mcp?access_token={token}", headers={"authorization": f"Basic {token}"})
    await client.rpc("tools/call", {"name": "list_okta_users", "arguments": {"x": token}})
    await client.rpc("tools/call", {"name": "get_okta_user", "arguments": {"user_id": f"/{token}"}})
    await http.post(f"{url}/mcp", content=b"{" + token.encode(), headers={"authorization": token})
    await http.post(f"{url}/oauth/register", content=b'{"client_secret": "' + token.encode())
    for redirect_uri in (f"http://evil.example/?token={token}", f"javascript:{token}"):
        await client.register(redirect_uris=[redirect_uri])
    for changes in (
        {"redirect_uri": f"https://evil.example/{token}"},
        {"code_challenge_method": "plain", "state": f"bad-{secrets.token_urlsafe(16)}"},
        {"client_id": f"unknown-{token}"},
    ):
        await browser.open(client.authorization_url(**changes))
    for query in (
        f"code={code}&state={secrets.token_urlsafe(64)}",
        f"error=access_denied&error_description={token}&state={secrets.token_urlsafe(64)}",
        f"code={code}",
    ):
        await browser.open(f"{url}/oauth/callback?{query}")
    await browser.open(f"{url}/oauth/nowhere?code={code}&state={secrets.token_urlsafe(16)}")
    stale = {"form": secrets.token_urlsafe(80), "decision": "allow"}
    for path in ("consent", "login", "logout"):
        await browser.client.post(f"{url}/oauth/{path}", data=stale)


async def test_no_secret_of_a_whole_login_is_in_any_output(
    talkative: ServerProcess,
    okta: SandboxProcess | HostileIssuer,
    browser: Browser,
    attacker: Browser,
) -> None:
    """S-01, S-07, W-13, U-25, U-26: of a good way, of its failures, and of both sides."""
    overheard = Overheard()
    client, confidential = OAuthClient(talkative.url), OAuthClient(talkative.url)
    for http in (browser.client, attacker.client, client.http, confidential.http):
        overheard.listen(http)
    await confidential.register(token_endpoint_auth_method="client_secret_post")
    await client.register()
    if isinstance(okta, HostileIssuer):
        okta.coming.append(SignIn(claims={"nonce": "of another sign-in"}))
        await to_consent(browser, client, okta)
    await to_consent(browser, client, okta)
    consent_page = browser.response
    await browser.press("Allow")
    code = browser.answer["code"]
    assert (await client.redeem(code)).status_code == 200
    overheard.add("code_verifier", client.verifier)
    assert (await client.rpc("tools/list")).status_code == 200
    await client.call("get_current_time")
    await client.call("list_okta_users", limit=1)
    assert (await client.refresh()).status_code == 200
    attacker.response = consent_page
    await attacker.press("Allow")
    browser.response = consent_page
    await browser.press("Allow")
    await to_consent(browser, client, okta)
    await browser.press("Deny")
    await to_consent(browser, confidential, okta)
    await browser.press("Allow")
    await confidential.redeem(browser.answer["code"], client_secret=confidential.client_secret)
    await failures(browser, client, okta, code)
    await client.revoke(client.tokens["refresh_token"])
    await browser.open(f"{talkative.url}/oauth/logout")
    await browser.press("Sign out")
    for http in (client.http, confidential.http):
        await http.aclose()

    environment = talkative.environment
    for name in ("OKTA_CLIENT_SECRET", "OKTA_API_TOKEN", "SESSION_SECRET_KEY"):
        overheard.add(name, environment.get(name, ""))
    if isinstance(okta, HostileIssuer):
        add_what_only_okta_knows(overheard, okta)
    for kind in ("code", "state", "code_verifier", "access_token", "refresh_token", "form"):
        assert overheard.by_kind[kind], kind
    for kind in ("authorization", "cookie", "client_secret", "basic", "token"):
        assert overheard.by_kind[kind], kind
    assert len(overheard.by_kind["state"]) >= 8
    output = all_output(talkative)
    assert overheard.found_in(output) == []
    # The search would find something: what is no secret is there.
    assert client.client_id in output
    assert {"login.refused", "token.refused", "bearer.refused"} <= {
        event["event"] for event in talkative.events()
    }


def add_what_only_okta_knows(overheard: Overheard, issuer: HostileIssuer) -> None:
    for secret in issuer.secrets:
        overheard.add("upstream", secret)
    for asked in issuer.asked(TOKEN_PATH):
        overheard.add("upstream verifier", asked.form.get("code_verifier", ""))
        overheard.add("upstream authorization", asked.headers["authorization"].split()[-1])
    for asked in issuer.asked("/oauth2/v1/authorize"):
        overheard.add("upstream nonce", dict(asked.query)["nonce"])
        overheard.add("upstream state", dict(asked.query)["state"])
    assert len(overheard.by_kind["upstream verifier"]) >= 2


FORGED = '{"schema": 1, "seq": 1, "event": "consent.granted", "outcome": "success"}'
NEW_LINES = ("\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")


@pytest.mark.parametrize("new_line", NEW_LINES, ids=ascii)
async def test_no_name_forges_a_line_of_the_audit_trail_or_the_log(
    browser: Browser, client: OAuthClient, server: ServerProcess, new_line: str
) -> None:
    """S-02: by client names, tools, resources, methods, parameters and headers."""
    forged = f"x{new_line}{FORGED}{new_line}\x1b[2J\x07"
    granted = len(server.events("consent.granted"))
    await client.register(client_name=forged)
    await browser.open(client.authorization_url(client_id=forged, state=forged))
    await browser.open(client.authorization_url(scope=forged, state=forged))
    await browser.open(f"{client.url}/oauth/callback?error={quote(forged)}&state=x")
    await client.token(grant_type=forged, client_id=forged)
    await client.rpc("ping", token="x", headers={"user-agent": quote(forged)})
    await client.register()
    state = secrets.token_urlsafe(16)
    await browser.open(client.authorization_url(state=state))
    await browser.press("Sign in with Okta")
    await browser.press("Hana Novak")
    await browser.press("Deny")
    await assert_calls_forge_nothing(client, browser, forged)
    lines = server.audit_file.read_text().split("\n")
    assert lines.pop() == ""
    events = list(verified_lines(lines))
    assert len(events) == len(lines)
    # One was granted in between, by the person.
    assert len(server.events("consent.granted")) == granted + 1
    for text in (server.audit_file.read_text(), server.log_file.read_text()):
        assert "\x1b" not in text
        assert f"\n{FORGED}" not in text.replace("\r", "\n")
    assert server.audit_file.read_text().isascii()


async def assert_calls_forge_nothing(client: OAuthClient, browser: Browser, forged: str) -> None:
    await browser.open(client.authorization_url(prompt="consent"))
    await browser.press("Allow")
    await client.redeem(browser.answer["code"])
    for method, params in (
        ("tools/call", {"name": forged}),
        ("resources/read", {"uri": forged}),
        (forged, {}),
        ("tools/call", {"name": "get_okta_user", "arguments": {"user_id": forged}}),
    ):
        assert (await client.rpc(method, params)).status_code == 200


async def test_an_event_says_when_what_who_by_which_client_from_where(
    browser: Browser, client: OAuthClient, server: ServerProcess
) -> None:
    """S-02: time in UTC, event, subject, client, address, outcome."""
    await browser.open(client.authorization_url())
    await browser.press("Sign in with Okta")
    await browser.press("Hana Novak")
    await browser.press("Allow")
    await client.redeem(browser.answer["code"])
    await client.call("get_current_time")
    # The line is written when the answer has been sent.
    await client.refresh()
    [event] = [
        event for event in server.events("tool.called") if event["client_id"] == client.client_id
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
    assert (event["outcome"], event["subject"]) == ("success", "get_current_time")
    assert event["user_id"].startswith("00u")
    assert event["client_id"] == client.client_id
    assert event["ip"] in ("127.0.0.1", "::1")


def test_the_audit_file_is_for_its_owner_only(server: ServerProcess) -> None:
    """S-03: whatever the umask of the one who started it."""
    assert server.audit_file.stat().st_mode & 0o077 == 0


GOOD = {
    "OKTA_ORG_URL": "https://northwind.okta.com",
    "OKTA_CLIENT_ID": "0oa1b2c3d4e5f6g7h8i9",
    "OKTA_CLIENT_SECRET": "client-secret-that-nobody-may-see",
    "OKTA_API_TOKEN": "00api-token-that-nobody-may-see",
    "SESSION_SECRET_KEY": SECRET_KEY,
    "GROUP_TO_ROLE_VIEWER": "staff",
}
SECRET_SETTINGS = ("OKTA_CLIENT_SECRET", "OKTA_API_TOKEN", "SESSION_SECRET_KEY")


def settings_of(**changes: Any) -> Settings:
    overrides = {name.lower(): value for name, value in (GOOD | changes).items()}
    return load_settings(env_file=None, overrides=overrides)


def test_settings_do_not_show_their_secrets() -> None:
    """S-07: however they are printed."""
    settings = settings_of()
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert "https://northwind.okta.com" in shown
    assert not [name for name in SECRET_SETTINGS if GOOD[name] in shown]


@pytest.mark.parametrize("name", SECRET_SETTINGS)
def test_a_wrong_setting_is_told_without_any_secret(name: str) -> None:
    """S-05, S-07: neither the wrong value nor the good ones beside it."""
    wrong = f"replace-with-{secrets.token_urlsafe(8)}"
    with pytest.raises(SettingsError) as refused:
        settings_of(**{name: wrong, "PORT": "no port"})
    said = f"{refused.value} {refused.value!r} {refused.getrepr(style='long')}"
    assert name in str(refused.value)
    assert wrong not in str(refused.value)
    assert not [other for other in SECRET_SETTINGS if other != name and GOOD[other] in str(said)]


async def test_health_says_one_word(client: OAuthClient) -> None:
    """S-07, W-05."""
    answer = await client.http.get(f"{client.url}/health")
    assert answer.json() in ({"status": "ok"}, {"status": "degraded"})


async def test_a_crash_shows_a_reference_and_its_traceback_no_secret(
    local: LocalServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-07, K-16: the answer tells nothing, the log no value of the request."""
    browser, client = local.browser(), await local.client()
    for http in (browser.client, client.http):
        [transport] = http._mounts.values()
        assert isinstance(transport, httpx.ASGITransport)
        transport.raise_app_exceptions = False

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a fault inside")

    monkeypatch.setattr("okta_mcp.oauth_proxy.token.authenticated_client", fails)
    monkeypatch.setattr("okta_mcp.oauth_proxy.callback.CallbackEndpoint._used_leg", fails)
    sent = f"secret-{secrets.token_urlsafe(24)}"
    with caplog.at_level(logging.DEBUG):
        refused = await client.token(
            grant_type="authorization_code", code=sent, code_verifier=sent, client_secret=sent
        )
        await browser.open(f"{client.url}/oauth/callback?code={sent}&state={sent}")
    assert (refused.status_code, browser.status) == (500, 500)
    assert refused.json().keys() == {"error", "error_description"}
    told = [record.getMessage() for record in caplog.records if record.name == "okta_mcp"]
    assert any("failed" in text for text in told)
    for text in (refused.text, browser.page.text):
        assert "a fault inside" not in text
        assert "Traceback" not in text
    # The test's own client logs the URLs that it asks for; the server's loggers are the others.
    ours = [record for record in caplog.records if not record.name.startswith("http")]
    formatted = "\n".join(logging.Formatter().format(record) for record in ours)
    assert "a fault inside" in formatted
    assert sent not in formatted + refused.text + browser.page.text


def labels() -> list[str]:
    """Every label under which the server derives keys from its secrets."""
    roots = (PACKAGE / "serving" / "core.py", PACKAGE / "oauth_proxy" / "parts.py")
    return [
        label
        for root in roots
        for label in re.findall(
            r'(?:derived_key|signing_keys|Sealer)\(\s*secrets?(?:\[0\])?,\s*"([^"]+)"',
            root.read_text(),
        )
    ]


def test_every_key_has_a_label_of_its_own() -> None:
    """S-05, C-29: HKDF, so that who learns one key learns no other, nor the secret."""
    found = labels()
    assert len(found) >= 5
    assert len(set(found)) == len(found)
    secret = SECRET_KEY.encode()
    keys = {derived_key(secret, label) for label in found}
    assert len(keys) == len(found)
    assert secret not in keys
    sealed = Sealer((secret,), found[0]).seal("text", "purpose")
    assert SECRET_KEY[:16] not in sealed


def test_no_key_comes_of_oktas_secret() -> None:
    """C-29, T-12: the client secret is known to Okta, and to whoever configures the app there."""
    users = [
        path.name
        for path in sorted(PACKAGE.rglob("*.py"))
        if re.search(
            r"derived_key\([^)]*client_secret|Sealer\([^)]*client_secret", path.read_text()
        )
    ]
    assert users == []
    with pytest.raises(SettingsError):
        settings_of(SESSION_SECRET_KEY=GOOD["OKTA_CLIENT_SECRET"])


def test_the_memory_store_says_at_start_what_a_restart_means(server: ServerProcess) -> None:
    """S-06: also with a secret of the administrator's."""
    assert "a restart forgets" in server.log_file.read_text()


FLOORS = {
    "fastmcp": "3.2.0",
    "mcp": "1.23",
    "starlette": "1.0.1",
    "python-multipart": "0.0.26",
    "authlib": "1.6.11",
}


@pytest.mark.parametrize("name", FLOORS)
def test_no_dependency_is_older_than_its_last_known_hole(name: str) -> None:
    """S-08: neither the installed one nor the least that is allowed."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        assert Version(importlib.metadata.version(name)) >= Version(FLOORS[name])
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    least = {
        requirement.name: min(
            (
                Version(one.version)
                for one in requirement.specifier
                if one.operator in (">=", "==", "~=")
            ),
            default=Version("0"),
        )
        for requirement in map(Requirement, project["dependencies"])
    }
    assert least.get(name, Version(FLOORS[name])) >= Version(FLOORS[name])
    assert least["fastmcp"] >= Version("4")


async def test_what_a_good_sign_in_returns_is_the_same_without_its_secrets(
    browser: Browser, server: ServerProcess
) -> None:
    """S-07: no page of ours repeats a code, a state of Okta's leg, or a cookie."""
    overheard, client = Overheard(), OAuthClient(server.url)
    overheard.listen(browser.client)
    pages: list[str] = []

    async def keep(answer: httpx.Response) -> None:
        if str(answer.request.url).startswith(server.url):
            await answer.aread()
            pages.append(answer.text)

    browser.client.event_hooks["response"].append(keep)
    await client.register()
    await browser.open(client.authorization_url(state=f"state-{secrets.token_urlsafe(16)}"))
    await browser.press("Sign in with Okta")
    await browser.press("Hana Novak")
    overheard.by_kind.pop("form")
    assert overheard.by_kind.keys() >= {"code", "state", "nonce", "cookie"}
    assert overheard.found_in("\n".join(pages)) == []
    await client.close()
