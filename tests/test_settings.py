"""Settings: a wrong value ends the start with a line that names it, the fix, and no secret."""

from pathlib import Path

import pytest

from okta_mcp.settings import Settings, SettingsError, is_loopback, load_settings

SECRET = "Zk3v9Qm1Xw8Rt5Lp2Ny7Hc4Bd6Fg0Js+"
CLIENT_SECRET = "client-secret-a1b2c3d4e5f6g7h8i9j0k1l2m3"
GOOD = {
    "OKTA_ORG_URL": "https://northwind.okta.com",
    "OKTA_CLIENT_ID": "0oa1b2c3d4e5f6g7h8i9",
    "OKTA_CLIENT_SECRET": CLIENT_SECRET,
    "GROUP_TO_ROLE_VIEWER": "staff",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)


class Loader:
    """Settings from a good environment with changes; None takes a variable away."""

    def __init__(self, environment: pytest.MonkeyPatch) -> None:
        self._environment = environment

    def settings(self, **changes: str | None) -> Settings:
        for name, value in (GOOD | changes).items():
            if value is None:
                self._environment.delenv(name, raising=False)
            else:
                self._environment.setenv(name, value)
        return load_settings(env_file=None)

    def problems(self, **changes: str | None) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            self.settings(**changes)
        return caught.value.problems


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Loader:
    return Loader(monkeypatch)


REFUSED: list[tuple[str, dict[str, str | None]]] = [
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": None}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": ""}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "northwind.okta.com"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "http://northwind.okta.com"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://northwind.okta.com/admin"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://ann:pw@northwind.okta.com"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://northwind.okta.com?x=1"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://northwind.okta.com#x"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://north wind.okta.com"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://northwind.okta.com:0"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://northwind.okta.com:x"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://[northwind"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "javascript:alert(1)"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://your-org.okta.com"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://northwind-admin.okta.com"}),
    ("OKTA_ORG_URL", {"OKTA_ORG_URL": "https://northwind-admin.oktapreview.com"}),
    ("OKTA_ISSUER", {"OKTA_ISSUER": "https://northwind-admin.okta.com/oauth2/default"}),
    ("OKTA_ISSUER", {"OKTA_ISSUER": "http://northwind.okta.com/oauth2/default"}),
    ("OKTA_ISSUER", {"OKTA_ISSUER": "default"}),
    ("OKTA_CLIENT_ID", {"OKTA_CLIENT_ID": None}),
    ("OKTA_CLIENT_ID", {"OKTA_CLIENT_ID": "replace-with-client-id"}),
    ("OKTA_CLIENT_SECRET", {"OKTA_CLIENT_SECRET": None}),
    ("OKTA_CLIENT_SECRET", {"OKTA_CLIENT_SECRET": "replace-with-secret"}),
    ("OKTA_API_TOKEN", {"OKTA_API_TOKEN": "replace-with-token"}),
    ("OKTA_API_TOKEN", {"OKTA_API_AUTH": "ssws"}),
    ("OKTA_API_TOKEN", {"OKTA_API_TOKEN": "00t\u00f6ken"}),
    ("OKTA_API_TOKEN", {"OKTA_API_TOKEN": "00token\n00token"}),
    ("OKTA_API_AUTH", {"OKTA_API_AUTH": "none"}),
    ("OKTA_API_CLIENT_ID", {"OKTA_API_PRIVATE_KEY_FILE": "/nowhere/key"}),
    ("OKTA_API_CLIENT_ID", {"OKTA_API_AUTH": "service", "OKTA_API_PRIVATE_KEY_FILE": "/x"}),
    ("OKTA_API_CLIENT_ID", {"OKTA_API_AUTH": "service"}),
    ("OKTA_API_CLIENT_ID", {"OKTA_API_CLIENT_ID": "0oaservice"}),
    ("OKTA_API_CLIENT_ID", {"OKTA_API_CLIENT_ID": "0oaservice", "OKTA_API_TOKEN": "00token"}),
    ("OKTA_API_CLIENT_ID", {"OKTA_API_CLIENT_ID": "replace-with-client-id"}),
    ("OKTA_API_PRIVATE_KEY_FILE", {"OKTA_API_AUTH": "service"}),
    ("OKTA_API_PRIVATE_KEY_FILE", {"OKTA_API_PRIVATE_KEY_FILE": "/nowhere/key"}),
    (
        "OKTA_API_PRIVATE_KEY_FILE",
        {"OKTA_API_AUTH": "ssws", "OKTA_API_TOKEN": "x", "OKTA_API_PRIVATE_KEY_FILE": "/nowhere/k"},
    ),
    ("OKTA_API_PRIVATE_KEY_FILE", {"OKTA_TOKEN_ENDPOINT_AUTH_METHOD": "private_key_jwt"}),
    (
        "OKTA_ISSUER",
        {
            "OKTA_API_AUTH": "delegated",
            "OKTA_ISSUER": "https://northwind.okta.com/oauth2/default",
        },
    ),
    ("OKTA_ACR_VALUES", {"OKTA_ACR_VALUES": "urn:okta:löa"}),
    (
        "OKTA_TOKEN_ENDPOINT_AUTH_METHOD",
        {"OKTA_TOKEN_ENDPOINT_AUTH_METHOD": "client_secret_jwt"},
    ),
    ("OKTA_CONCURRENT_LIMIT", {"OKTA_CONCURRENT_LIMIT": "0"}),
    ("OKTA_CONCURRENT_LIMIT", {"OKTA_CONCURRENT_LIMIT": "76"}),
    ("OKTA_CONCURRENT_LIMIT", {"OKTA_CONCURRENT_LIMIT": "many"}),
    ("PORT", {"PORT": "-1"}),
    ("PORT", {"PORT": "65536"}),
    ("PUBLIC_URL", {"HOST": "0.0.0.0"}),
    ("PUBLIC_URL", {"HOST": "::"}),
    ("PUBLIC_URL", {"HOST": "mcp.example.com", "SESSION_SECRET_KEY": SECRET}),
    ("PUBLIC_URL", {"PUBLIC_URL": "http://mcp.example.com"}),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://mcp.example.com/base"}),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://mcp.example.com?"}),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://mcp.example.com#"}),
    ("OAUTH_REDIRECT_URI", {"OAUTH_REDIRECT_URI": "http://localhost:3002/oauth/callback"}),
    ("OAUTH_REDIRECT_URI", {"OAUTH_REDIRECT_URI": "http://127.0.0.1:3001/oauth/callback"}),
    ("OAUTH_REDIRECT_URI", {"OAUTH_REDIRECT_URI": "https://localhost:3001/oauth/callback"}),
    ("OAUTH_REDIRECT_URI", {"OAUTH_REDIRECT_URI": "http://localhost:3001/callback"}),
    ("OAUTH_REDIRECT_URI", {"OAUTH_REDIRECT_URI": "http://localhost:3001/oauth/callback/"}),
    ("OAUTH_REQUIRE_HTTPS", {"OAUTH_REQUIRE_HTTPS": "true"}),
    ("OAUTH_REQUIRE_HTTPS", {"OAUTH_REQUIRE_HTTPS": "perhaps"}),
    ("TLS_CERT_FILE", {"TLS_CERT_FILE": "/nowhere/tls.crt"}),
    ("TLS_CERT_FILE", {"TLS_KEY_FILE": "/nowhere/tls.key"}),
    ("TLS_CERT_FILE", {"TLS_CERT_FILE": "/nowhere/c", "TLS_KEY_FILE": "/nowhere/k"}),
    ("STORE_URL", {"STORE_URL": "mysql://localhost"}),
    ("SESSION_SECRET_KEY", {"SESSION_SECRET_KEY": "short"}),
    ("SESSION_SECRET_KEY", {"SESSION_SECRET_KEY": SECRET[:31]}),
    ("SESSION_SECRET_KEY", {"SESSION_SECRET_KEY": "a" * 64}),
    ("SESSION_SECRET_KEY", {"SESSION_SECRET_KEY": "replace-with-" + SECRET}),
    ("SESSION_SECRET_KEY", {"SESSION_SECRET_KEY": CLIENT_SECRET}),
    ("SESSION_SECRET_KEY", {"PUBLIC_URL": "https://mcp.example.com"}),
    ("GROUP_TO_ROLE_VIEWER", {"GROUP_TO_ROLE_VIEWER": None}),
    ("GROUP_TO_ROLE_VIEWER", {"GROUP_TO_ROLE_VIEWER": " , ,"}),
    ("ROLE_TTL_SECONDS", {"ROLE_TTL_SECONDS": "61"}),
    ("ROLE_TTL_SECONDS", {"ROLE_TTL_SECONDS": "0"}),
    ("CONSENT_TTL_SECONDS", {"CONSENT_TTL_SECONDS": "86401"}),
    ("SESSION_TTL_SECONDS", {"SESSION_TTL_SECONDS": "7201"}),
    ("CODE_TTL_SECONDS", {"CODE_TTL_SECONDS": "601"}),
    ("ACCESS_TOKEN_TTL_SECONDS", {"ACCESS_TOKEN_TTL_SECONDS": "3601"}),
    ("GRANT_TTL_SECONDS", {"GRANT_TTL_SECONDS": "604801"}),
    ("CONSENT_NOTICE", {"CONSENT_NOTICE": "x" * 501}),
    ("LOG_LEVEL", {"LOG_LEVEL": "LOUD"}),
]


@pytest.mark.parametrize(("name", "changes"), REFUSED, ids=str)
def test_a_wrong_value_is_refused_with_its_name_and_an_example(
    loaded: Loader, name: str, changes: dict[str, str | None]
) -> None:
    """D-02, W-11, M-20, S-05, K-18, C-28, T-15."""
    problems = loaded.problems(**changes)
    assert any(line.startswith(f"{name}: ") for line in problems), problems
    for line in problems:
        assert "\n" not in line
        assert "Value error" not in line


@pytest.mark.parametrize(
    "changes",
    [
        {"SESSION_SECRET_KEY": "hunter2"},
        {"SESSION_SECRET_KEY": CLIENT_SECRET},
        {"OKTA_CLIENT_SECRET": "replace-with-hunter2"},
        {"OKTA_API_TOKEN": "replace-with-hunter2"},
        {"PORT": "x", "OKTA_API_TOKEN": "hunter2"},
    ],
    ids=str,
)
def test_no_line_of_a_refusal_holds_a_secret(loaded: Loader, changes: dict[str, str]) -> None:
    """S-07."""
    text = "\n".join(loaded.problems(**changes))
    assert "hunter2" not in text
    assert CLIENT_SECRET not in text


def test_every_problem_has_its_line(loaded: Loader) -> None:
    problems = loaded.problems(
        OKTA_CLIENT_ID=None, PORT="x", LOG_LEVEL="LOUD", OKTA_ORG_URL="nowhere"
    )
    assert {line.partition(":")[0] for line in problems} == {
        "OKTA_CLIENT_ID",
        "PORT",
        "LOG_LEVEL",
        "OKTA_ORG_URL",
    }


def test_what_is_wrong_between_settings_is_said_beside_what_is_wrong_by_itself(
    loaded: Loader,
) -> None:
    problems = loaded.problems(LOG_LEVEL="LOUD", OKTA_API_AUTH="ssws", GROUP_TO_ROLE_VIEWER=None)
    assert [line.partition(":")[0] for line in problems] == [
        "LOG_LEVEL",
        "OKTA_API_TOKEN",
        "GROUP_TO_ROLE_VIEWER",
    ]


def test_a_rule_has_no_say_about_a_value_that_is_wrong_by_itself(loaded: Loader) -> None:
    """Neither the redirect URI nor the secret is judged by a PUBLIC_URL that nobody can read."""
    problems = loaded.problems(
        PUBLIC_URL="mcp.example.com", OAUTH_REDIRECT_URI="https://mcp.example.com/oauth/callback"
    )
    assert [line.partition(":")[0] for line in problems] == ["PUBLIC_URL"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("https://northwind-admin.okta.com", "https://northwind.okta.com"),
        ("https://northwind-admin.okta-emea.com", "https://northwind.okta-emea.com"),
    ],
)
def test_the_console_is_refused_with_the_address_of_the_organisation(
    loaded: Loader, wrong: str, right: str
) -> None:
    (line,) = loaded.problems(OKTA_ORG_URL=wrong)
    assert f"the organisation is {right}." in line


def test_a_domain_of_its_own_may_end_like_the_console(loaded: Loader) -> None:
    settings = loaded.settings(OKTA_ORG_URL="https://login-admin.northwind.example")
    assert settings.okta_org_url == "https://login-admin.northwind.example"


def test_an_env_file_that_was_named_has_to_be_there(loaded: Loader, tmp_path: Path) -> None:
    loaded.settings()
    with pytest.raises(SettingsError, match=r"--env-file: no such file: .*absent\.env"):
        load_settings(env_file=tmp_path / "absent.env")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_an_env_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """S-05."""
    path = tmp_path / "env"
    path.write_text("OKTA_CLIENT_ID=x\n")
    path.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_settings(env_file=path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_tls_key_that_others_can_read_is_refused(
    loaded: Loader, tmp_path: Path, mode: int
) -> None:
    """S-05."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    for path in (certificate, key):
        path.write_text("PEM")
        path.chmod(mode)
    problems = loaded.problems(TLS_CERT_FILE=str(certificate), TLS_KEY_FILE=str(key))
    assert [line.partition(":")[0] for line in problems] == ["TLS_KEY_FILE"]
    key.chmod(0o600)
    settings = loaded.settings(TLS_CERT_FILE=str(certificate), TLS_KEY_FILE=str(key))
    assert (settings.url, settings.is_https) == ("https://localhost:3001", True)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_private_key_that_others_can_read_is_refused(
    loaded: Loader, tmp_path: Path, mode: int
) -> None:
    """S-05."""
    key = tmp_path / "okta-api.key"
    key.write_text("PEM")
    key.chmod(mode)
    changes = {"OKTA_API_CLIENT_ID": "0oaservice", "OKTA_API_PRIVATE_KEY_FILE": str(key)}
    (line,) = loaded.problems(**changes)
    assert line.startswith("OKTA_API_PRIVATE_KEY_FILE: ")
    assert f"chmod 600 {key}" in line
    key.chmod(0o400)
    assert loaded.settings(**changes).api_auth == "service"


def test_people_may_sign_in_by_the_private_key_without_a_secret(
    loaded: Loader, tmp_path: Path
) -> None:
    key = tmp_path / "okta-api.key"
    key.write_text("PEM")
    key.chmod(0o600)
    settings = loaded.settings(
        OKTA_CLIENT_SECRET=None,
        OKTA_TOKEN_ENDPOINT_AUTH_METHOD="private_key_jwt",
        OKTA_API_PRIVATE_KEY_FILE=str(key),
        OKTA_API_AUTH="claims",
    )
    assert settings.signs_in_with_key
    assert settings.okta_client_secret is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("urn:okta:loa:2fa:any", ("urn:okta:loa:2fa:any",)),
        ("phr phrh", ("phr", "phrh")),
        (" phr, phrh ,", ("phr", "phrh")),
    ],
)
def test_acr_values_are_separated_by_spaces_or_commas(
    loaded: Loader, text: str, values: tuple[str, ...]
) -> None:
    assert loaded.settings(OKTA_ACR_VALUES=text).okta_acr_values == values


def test_the_smallest_environment_is_enough_on_loopback(loaded: Loader) -> None:
    """M-20: on loopback, with an address of its own for everything."""
    settings = loaded.settings()
    assert (settings.host, settings.port) == ("localhost", 3001)
    assert settings.url == "http://localhost:3001"
    assert settings.redirect_uri == "http://localhost:3001/oauth/callback"
    assert settings.issuer == "https://northwind.okta.com"
    assert settings.api_auth == "claims"
    assert not settings.is_https


def test_lifetimes_have_the_defaults_of_the_design(loaded: Loader) -> None:
    """K-18, C-28, T-15."""
    settings = loaded.settings()
    assert (
        settings.code_ttl_seconds,
        settings.consent_ttl_seconds,
        settings.session_ttl_seconds,
        settings.access_token_ttl_seconds,
        settings.grant_ttl_seconds,
        settings.role_ttl_seconds,
    ) == (60, 3600, 7200, 3600, 86_400, 60)


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({"HOST": "127.0.0.1", "PORT": "8080"}, "http://127.0.0.1:8080"),
        ({"HOST": "::1"}, "http://[::1]:3001"),
        ({"PORT": "80"}, "http://localhost"),
        ({"PUBLIC_URL": "http://localhost:9000/"}, "http://localhost:9000"),
        (
            {"PUBLIC_URL": "https://mcp.example.com/", "SESSION_SECRET_KEY": SECRET},
            "https://mcp.example.com",
        ),
        (
            {
                "PUBLIC_URL": "https://mcp.example.com",
                "HOST": "0.0.0.0",
                "SESSION_SECRET_KEY": SECRET,
                "OAUTH_REQUIRE_HTTPS": "true",
            },
            "https://mcp.example.com",
        ),
    ],
)
def test_the_servers_own_url_has_no_slash_at_its_end(
    loaded: Loader, changes: dict[str, str], url: str
) -> None:
    """D-01, D-02."""
    settings = loaded.settings(**changes)
    assert settings.url == url
    assert settings.redirect_uri == f"{url}/oauth/callback"


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://northwind.okta.com/oauth2/default", "https://northwind.okta.com/oauth2/default"),
        ("https://northwind.okta.com/", "https://northwind.okta.com"),
    ],
)
def test_oktas_issuer_has_no_slash_at_its_end(loaded: Loader, issuer: str, expected: str) -> None:
    assert loaded.settings(OKTA_ISSUER=issuer).issuer == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("staff", ("staff",)),
        ("staff,soc", ("staff", "soc")),
        (" staff , soc ", ("staff", "soc")),
        ("Help Desk EMEA,soc", ("Help Desk EMEA", "soc")),
        ('"Help Desk, EMEA", staff', ("Help Desk, EMEA", "staff")),
        ("'Help Desk, EMEA',staff", ("Help Desk, EMEA", "staff")),
        ("O'Brien's team,staff", ("O'Brien's team", "staff")),
        ('"O\'Brien, Ann"', ("O'Brien, Ann",)),
        ("staff,,soc,", ("staff", "soc")),
        ("Персонал,技術部", ("Персонал", "技術部")),
        ("00g1emaKYZTWRYYRRTSK", ("00g1emaKYZTWRYYRRTSK",)),
    ],
)
def test_a_list_of_groups_may_hold_spaces_and_quoted_commas(
    loaded: Loader, text: str, names: tuple[str, ...]
) -> None:
    """U-27: names stay as they are, case included."""
    assert loaded.settings(GROUP_TO_ROLE_VIEWER=text).group_to_role_viewer == names


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"OKTA_API_TOKEN": "00token"}, "ssws"),
        ({"OKTA_API_TOKEN": "00token", "OKTA_API_AUTH": "claims"}, "claims"),
        ({"OKTA_API_TOKEN": "00token", "OKTA_API_AUTH": "ssws"}, "ssws"),
        ({"OKTA_API_TOKEN": ""}, "claims"),
        ({"OKTA_API_AUTH": "delegated"}, "delegated"),
        ({"OKTA_API_AUTH": "delegated", "OKTA_API_TOKEN": "00token"}, "delegated"),
    ],
)
def test_how_oktas_api_is_called_follows_from_what_is_there(
    loaded: Loader, changes: dict[str, str], expected: str
) -> None:
    assert loaded.settings(**changes).api_auth == expected


def test_the_environment_counts_before_the_file_and_the_command_line_before_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "env"
    path.write_text("".join(f"{name}={value}\n" for name, value in GOOD.items()) + "PORT=1111\n")
    path.chmod(0o600)
    assert load_settings(env_file=path).port == 1111
    monkeypatch.setenv("PORT", "2222")
    assert load_settings(env_file=path).port == 2222
    assert load_settings(env_file=path, overrides={"port": 3333}).port == 3333


def test_a_secret_shows_in_no_representation(loaded: Loader) -> None:
    """S-07."""
    settings = loaded.settings(SESSION_SECRET_KEY=SECRET, OKTA_API_TOKEN="00token-of-okta")
    for shown in (
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
    ):
        for secret in (SECRET, CLIENT_SECRET, "00token-of-okta"):
            assert secret not in shown


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_computer_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost.evil.example",
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "LOCALHOST.",
        "127.0.0.1.x",
        "[::1]",
    ],
)
def test_everything_else_is_not_loopback(host: str) -> None:
    """M-20, W-11."""
    assert not is_loopback(host)
