"""What a person who starts the server reads: also what of the settings does nothing."""

from pathlib import Path

import pytest

from okta_mcp.doctor.configuration import settings_verdicts
from okta_mcp.serving.greeting import greeting
from okta_mcp.settings import Settings, load_settings

GOOD = {
    "OKTA_ORG_URL": "https://northwind.okta.com",
    "OKTA_CLIENT_ID": "0oa1b2c3d4e5f6g7h8i9",
    "OKTA_CLIENT_SECRET": "client-secret-a1b2c3d4e5f6g7h8i9j0k1l2m3",
    "GROUP_TO_ROLE_VIEWER": "staff",
}
AUDIENCE = "OKTA_OAUTH_AUDIENCE has no effect here; it is for resource-server mode."


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def settings(folder: Path, **changes: str) -> Settings:
    """Settings of an env file."""
    path = folder / "settings.env"
    path.write_text("".join(f"{name}={value}\n" for name, value in (GOOD | changes).items()))
    path.chmod(0o600)
    return load_settings(env_file=path)


def test_an_audience_that_has_no_effect_is_one_line(tmp_path: Path) -> None:
    lines = greeting(settings(tmp_path, OKTA_OAUTH_AUDIENCE="api://default"), None).splitlines()
    assert [line.strip() for line in lines if "OKTA_OAUTH_AUDIENCE" in line] == [AUDIENCE]


def test_an_audience_that_has_an_effect_is_none(tmp_path: Path) -> None:
    of_resource_server = {
        "AUTH_MODE": "resource-server",
        "OKTA_ISSUER": "https://northwind.okta.com/oauth2/default",
        "OKTA_OAUTH_AUDIENCE": "api://default",
    }
    assert "AUDIENCE" not in greeting(settings(tmp_path, **of_resource_server), None)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LOGLEVEL", "LOG_LEVEL"),
        ("GROUP_TO_ROLE_SUPERADMIN", "GROUP_TO_ROLE_SUPER_ADMIN"),
        ("okta_concurent_limit", "OKTA_CONCURRENT_LIMIT"),
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
    ],
)
def test_a_misspelt_name_in_the_file_is_told_at_the_start_and_by_doctor(
    tmp_path: Path, name: str, meant: str
) -> None:
    found = settings(tmp_path, **{name: "the-value"})
    text = f"{name} in the env file is no setting of this server and has no effect"
    assert f"{text}; perhaps {meant}?" in greeting(found, None)
    [verdict] = [each for each in settings_verdicts(found) if name in each.seen]
    assert (verdict.status, verdict.seen) == ("warning", text)
    assert meant in verdict.fix
    assert "the-value" not in greeting(found, None) + verdict.seen + verdict.fix


@pytest.mark.parametrize(
    ("name", "value"),
    [("TICKETS_TOKEN", "x"), ("log_level", "INFO"), ("LOGLEVEL", ""), ("HTTPS_PROXY", "x")],
)
def test_another_name_is_nobodys_mistake(tmp_path: Path, name: str, value: str) -> None:
    assert settings(tmp_path, **{name: value}).misspelt() == {}
