"""The system keyring: when it is not used, and that a log-in in it is found again."""

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keyring.backends.chainer
import keyring.backends.fail
import keyring.backends.null
import pytest
from keyring.backend import KeyringBackend

from okta_mcp.client import keyring_process
from okta_mcp.client.errors import LoginError
from okta_mcp.client.keyring_access import KeyringUnavailableError, SystemKeyring
from okta_mcp.client.store import LoginStore
from tests.client.test_store import LOGIN, URL

# Keeps entries as files of its folder, and does what the file `mood` there says.
SCRIPTED = """
import sys, time, pathlib
folder, verb, entry = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with (folder / "asked").open("a") as asked:
    asked.write(verb + "\\n")
mood = (folder / "mood").read_text()
if mood == "stuck":
    time.sleep(60)
if mood == "locked":
    sys.exit("at-secret")
file = folder / entry.replace("/", "_")
if verb == "set":
    file.write_text(sys.stdin.read())
elif verb == "delete":
    file.unlink(missing_ok=True)
elif file.exists():
    print(file.read_text(), end="")
"""


class ScriptedKeyring(SystemKeyring):
    """A keyring in `folder`; `mood` is `open`, `locked` or `stuck`."""

    def __init__(self, folder: Path, timeout_seconds: float = 20) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.mood("open")
        super().__init__((sys.executable, "-c", SCRIPTED, str(folder)), timeout_seconds)

    def mood(self, mood: str) -> None:
        (self.folder / "mood").write_text(mood)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().split()

    @property
    def content(self) -> str:
        return "".join(file.read_text() for file in self.folder.glob("http*"))


@pytest.fixture
def system(tmp_path: Path) -> ScriptedKeyring:
    return ScriptedKeyring(tmp_path / "keyring")


def test_a_locked_keyring_leaves_the_file(tmp_path: Path, system: ScriptedKeyring) -> None:
    system.mood("locked")
    store = LoginStore(tmp_path / "logins", system)
    store.save(LOGIN)
    assert not store.is_in_keyring(URL)
    assert store.load(URL) == LOGIN


def test_a_keyring_that_never_answers_is_asked_once(tmp_path: Path) -> None:
    system = ScriptedKeyring(tmp_path / "keyring", timeout_seconds=0.01)
    system.mood("stuck")
    store = LoginStore(tmp_path / "logins", system)
    store.save(LOGIN)
    store.save(replace(LOGIN, tokens=None))
    system.mood("open")
    system._timeout_seconds = 20
    with pytest.raises(KeyringUnavailableError):
        system.get("any")
    assert store.load(URL) == replace(LOGIN, tokens=None)


@pytest.mark.parametrize("obstacle", ["locked", "no keyring"])
def test_a_login_that_the_keyring_does_not_give_is_an_error_that_names_the_file(
    tmp_path: Path, system: ScriptedKeyring, obstacle: str
) -> None:
    LoginStore(tmp_path / "logins", system).save(LOGIN)
    system.mood(obstacle)
    store = LoginStore(tmp_path / "logins", system if obstacle == "locked" else None)
    with pytest.raises(LoginError, match="does not give it") as raised:
        store.load(URL)
    assert str(store.path(URL)) in str(raised.value)


def test_an_entry_that_is_gone_is_no_login(tmp_path: Path, system: ScriptedKeyring) -> None:
    LoginStore(tmp_path / "logins", system).save(LOGIN)
    next(system.folder.glob("http*")).unlink()
    assert LoginStore(tmp_path / "logins", system).load(URL) is None


def test_a_login_in_the_keyring_is_nowhere_else(tmp_path: Path, system: ScriptedKeyring) -> None:
    store = LoginStore(tmp_path / "logins", system)
    store.save(LOGIN)
    assert store.is_in_keyring(URL)
    assert "at-secret" in system.content
    assert b"secret" not in store.path(URL).read_bytes()
    assert LoginStore(tmp_path / "logins", system).load(URL) == LOGIN


def test_the_keyring_is_asked_only_after_a_change(tmp_path: Path, system: ScriptedKeyring) -> None:
    LoginStore(tmp_path / "logins", system).save(LOGIN)
    store = LoginStore(tmp_path / "logins", system)
    assert [store.load(URL), store.load(URL)] == [LOGIN, LOGIN]
    assert system.asked == ["set", "get"]
    LoginStore(tmp_path / "logins", system).save(replace(LOGIN, tokens=None))
    assert store.load(URL) == replace(LOGIN, tokens=None)
    assert system.asked == ["set", "get", "set", "get"]


def test_deleting_empties_keyring_and_file(tmp_path: Path, system: ScriptedKeyring) -> None:
    store = LoginStore(tmp_path / "logins", system)
    store.save(LOGIN)
    store.delete(URL)
    assert (system.content, store.path(URL).exists(), store.load(URL)) == ("", False, None)


# --- the process that touches it ---


class MemoryKeyring(KeyringBackend):
    """A keyring as the library knows one; the module of its class says whose it is."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def of_the_system(monkeypatch: pytest.MonkeyPatch) -> MemoryKeyring:
    monkeypatch.setattr(MemoryKeyring, "__module__", keyring_process.SYSTEM_KEYRINGS[0])
    return MemoryKeyring()


@pytest.mark.parametrize(
    "backend", [keyring.backends.fail.Keyring, keyring.backends.null.Keyring, MemoryKeyring]
)
def test_other_keyrings_than_the_systems_are_not_used(backend: type[KeyringBackend]) -> None:
    assert keyring_process.main("get", "x", backend()) == keyring_process.UNUSABLE_STATUS


def test_the_process_says_by_its_status_that_there_is_none() -> None:
    done = subprocess.run(
        [sys.executable, "-P", keyring_process.__file__, "get", "x"],
        env={**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (keyring_process.UNUSABLE_STATUS, b"")


def test_the_systems_keyring_is_set_read_and_deleted(
    of_the_system: MemoryKeyring,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("s"))
    assert keyring_process.main("set", "x", of_the_system) == 0
    assert keyring_process.main("get", "x", of_the_system) == 0
    assert capsys.readouterr().out == "s"
    assert keyring_process.main("delete", "x", of_the_system) == 0
    assert keyring_process.main("delete", "x", of_the_system) == 0
    assert of_the_system.entries == {}
