"""`store check`, `stats`, `backup` and `restore` as a person runs them: text and exit status."""

import asyncio
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from okta_mcp.__main__ import main
from okta_mcp.stores.interface import Kind
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.opening import opened_store, opened_upkeep
from okta_mcp.stores.records import SAFE_TO_BRING_BACK, Records
from okta_mcp.stores.sealing import Sealer
from tests.stores.test_record_versions import KEPT
from tests.vocabulary.processes import SECRET_KEY
from tests.vocabulary.redis_server import RedisServer, running_redis

SETTINGS = {
    "OKTA_ORG_URL": "http://127.0.0.1:9",
    "OKTA_CLIENT_ID": "0oa1",
    "OKTA_CLIENT_SECRET": "a-client-secret-that-must-not-be-shown",
    "GROUP_TO_ROLE_VIEWER": "staff",
    "SESSION_SECRET_KEY": SECRET_KEY,
}
SEALED = {
    "legs": ("verifier_sealed", "okta code verifier"),
    "sessions": ("id_token_sealed", "id token"),
    "upstreams": ("refresh_token_sealed", "okta refresh token"),
    "grants": ("answer_sealed", "refresh answer k"),
    "reports": ("sealed", "report k"),
    "known_keys": ("sealed", "keys of k"),
}
_PREFIXES = itertools.count()

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings of an empty store."""
    if request.param == "sqlite":
        return {"STORE_URL": f"sqlite:///{tmp_path / 'kept' / 'store.db'}"}
    server: RedisServer = request.getfixturevalue("redis_server")
    return {"STORE_URL": server.url, "STORE_PREFIX": f"commands{next(_PREFIXES)}"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `okta-mcp`; the environment is the given one and nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("OKTA_", "GROUP_TO_ROLE_", "STORE_", "SESSION_", "DB_PATH")):
            monkeypatch.delenv(name)

    def run(*words: str, **environment: str) -> Result:
        result = CliRunner().invoke(main, words, env=SETTINGS | environment)
        shown = result.stdout + result.stderr
        assert SECRET_KEY not in shown
        assert SETTINGS["OKTA_CLIENT_SECRET"] not in shown
        return result

    return run


def filled(store: dict[str, str], *, secret: str = SECRET_KEY, seconds: float = 600) -> None:
    """A value of every kind; what is sealed is sealed with `secret`."""

    async def fill() -> None:
        opened = opened_store(store["STORE_URL"], store.get("STORE_PREFIX", "okta-mcp"), time.time)
        sealer = Sealer((secret.encode(),), "sealing")
        for kind, kept in KEPT.items():
            value = json.loads(kept)
            if kind in SEALED:
                field, purpose = SEALED[kind]
                value[field] = sealer.seal("a secret", purpose)
            if kind == "refresh_tokens":
                value |= {"grant_key": "k", "generation": 1}
            encoded = json.dumps(value).encode()
            await opened.put(Kind(kind, 10), "k", encoded, ttl_seconds=seconds)
        await opened.close()

    asyncio.run(fill())


def living(store: dict[str, str]) -> set[str]:
    """The kinds of which something lives."""

    async def look() -> set[str]:
        prefix = store.get("STORE_PREFIX", "okta-mcp")
        upkeep = opened_upkeep(store["STORE_URL"], prefix, time.time)
        found = {entry.kind async for entry in upkeep.entries() if entry.expires_at > time.time()}
        await upkeep.close()
        return found

    return asyncio.run(look())


def put(store: dict[str, str], kind: str, key: str, value: bytes) -> None:
    async def write() -> None:
        opened = opened_store(store["STORE_URL"], store.get("STORE_PREFIX", "okta-mcp"), time.time)
        await opened.put(Kind(kind, 100_000), key, value, ttl_seconds=600)
        await opened.close()

    asyncio.run(write())


# --- what every command refuses ---

COMMANDS = [
    ("store", "check"),
    ("store", "stats"),
    ("store", "backup", "copy.db"),
    ("store", "restore", "copy.db"),
    ("keys", "rotate"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"STORE_URL": "memory:"}, "lives in the server's own process"),
        ({"STORE_URL": "redis://:pass-word@127.0.0.1:9/0"}, "Redis does not answer"),
        ({"STORE_URL": "mysql://x"}, "STORE_URL: no store of the kind"),
        ({"STORE_URL": "sqlite:////proc/no/store.db"}, "store.db"),
        ({"OKTA_ORG_URL": ""}, "OKTA_ORG_URL: is required"),
    ],
)
def test_a_store_that_cannot_be_used_is_one_line_and_status_2(
    run: Run, tmp_path: Path, words: tuple[str, ...], changes: dict[str, str], told: str
) -> None:
    if "restore" in words:
        store = {"STORE_URL": f"sqlite:///{tmp_path / 'other.db'}"}
        filled(store)
        assert run("store", "backup", "copy.db", **store).exit_code == 0
    result = run(*words, **changes)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert told in result.stderr
    assert "pass-word" not in result.stderr


@pytest.mark.parametrize("words", [words for words in COMMANDS if "restore" not in words])
def test_a_file_that_no_server_has_made_is_told_and_not_made(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    result = run(*words, STORE_URL="sqlite:///absent.db")
    assert result.exit_code == 2
    assert "absent.db: no such file" in result.stderr
    assert list(tmp_path.iterdir()) == []


# --- check ---


def test_a_store_in_order_is_summed_up(run: Run, store: dict[str, str]) -> None:
    filled(store)
    result = run("store", "check", **store)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "in order: 1 access_tokens, 1 answered_forms" in result.stdout


FAULTS = [
    ("sessions", "other", b"{", "sessions: 1 values are no records"),
    ("access_tokens", "other", b'{"grant_key": "a"}', "access_tokens: 1 values are no records"),
    ("upstreams", "other", KEPT["upstreams"].encode(), "upstreams: 1 sealed values open with none"),
]


@pytest.mark.parametrize(("kind", "key", "value", "told"), FAULTS)
def test_a_value_that_nobody_could_use_is_a_fault(
    run: Run, store: dict[str, str], kind: str, key: str, value: bytes, told: str
) -> None:
    filled(store)
    put(store, kind, key, value)
    result = run("store", "check", **store)
    assert result.exit_code == 1
    assert [line.startswith(f"fault: {told}") for line in result.stderr.splitlines()] == [True]


def test_values_of_a_secret_that_was_dropped_are_faults(run: Run, store: dict[str, str]) -> None:
    filled(store, secret="another-secret-of-the-tests-0123456789abcdef")
    result = run("store", "check", **store)
    assert result.exit_code == 1
    assert {line.split()[1].rstrip(":") for line in result.stderr.splitlines()} == set(SEALED)


def test_values_of_an_earlier_secret_are_in_order_and_told(run: Run, store: dict[str, str]) -> None:
    filled(store)
    secrets = f"another-secret-of-the-tests-0123456789abcdef,{SECRET_KEY}"
    result = run("store", "check", **store, SESSION_SECRET_KEY=secrets)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"note: {len(SEALED)} values are sealed with an earlier secret" in result.stdout


def test_a_kind_beyond_its_bound_is_a_fault(run: Run, tmp_path: Path) -> None:
    store = {"STORE_URL": f"sqlite:///{tmp_path / 'store.db'}"}

    async def fill() -> None:
        opened = opened_store(store["STORE_URL"], "", time.time)
        for n in range(501):
            await opened.put(Kind("reports", 501), str(n), b"{}", ttl_seconds=600)
        await opened.close()

    asyncio.run(fill())
    assert "reports: 501 live, and at most 500 may be" in run("store", "check", **store).stderr


def test_a_file_that_others_can_read_is_a_fault(run: Run, tmp_path: Path) -> None:
    store = {"STORE_URL": f"sqlite:///{tmp_path / 'kept' / 'store.db'}"}
    filled(store)
    (tmp_path / "kept" / "store.db").chmod(0o644)
    result = run("store", "check", **store)
    assert result.exit_code == 1
    assert "chmod 600" in result.stderr


# --- stats ---


def test_stats_count_every_kind(run: Run, store: dict[str, str]) -> None:
    filled(store)
    put(store, "clients", "other", KEPT["clients"].encode())
    result = run("store", "stats", **store)
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split()[:4] == ["kind", "live", "bound", "bytes"]
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert set(rows) == set(KEPT)
    assert rows["clients"][:2] == ["2", "10000"]
    assert int(rows["clients"][2]) > 2 * len(KEPT["clients"])
    assert rows["clients"][3].startswith("20")


# --- backup and restore ---


def test_a_backup_is_for_its_owner_and_never_replaces_a_file(
    run: Run, store: dict[str, str], tmp_path: Path
) -> None:
    filled(store)
    result = run("store", "backup", "copy.db", **store)
    assert result.exit_code == 0
    assert result.stdout.startswith("copy.db: 1 access_tokens")
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    again = run("store", "backup", "copy.db", **store)
    assert (again.exit_code, "there already" in again.stderr) == (2, True)


def test_a_backup_checks_as_a_store(run: Run, store: dict[str, str]) -> None:
    filled(store)
    run("store", "backup", "copy.db", **store)
    assert run("store", "check", STORE_URL="sqlite:///copy.db").exit_code == 0


def test_without_more_words_nothing_that_gives_access_comes_back(
    run: Run, store: dict[str, str]
) -> None:
    """S-06: a grant that was revoked after the backup stays revoked."""
    filled(store)
    run("store", "backup", "copy.db", **store)
    result = run("store", "restore", "copy.db", "--replace", **store)
    assert result.exit_code == 0
    assert living(store) == SAFE_TO_BRING_BACK
    assert "left out: 1 access_tokens" in result.stdout
    assert set(Records(MemoryStore(time.time)).repositories) > SAFE_TO_BRING_BACK


def test_with_access_everything_comes_back_and_a_warning_with_it(
    run: Run, store: dict[str, str]
) -> None:
    filled(store)
    run("store", "backup", "copy.db", **store)
    result = run("store", "restore", "copy.db", "--replace", "--with-access", **store)
    assert result.exit_code == 0
    assert living(store) == set(KEPT)
    assert "what was ended since then works again" in result.stdout
    assert run("store", "check", **store).exit_code == 0


def test_a_store_that_holds_something_is_left_alone(run: Run, store: dict[str, str]) -> None:
    filled(store)
    run("store", "backup", "copy.db", **store)
    put(store, "clients", "other", KEPT["clients"].encode())
    result = run("store", "restore", "copy.db", "--with-access", **store)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not empty" in result.stderr
    assert "2 clients" in result.stderr
    assert "2 clients" in run("store", "check", **store).stdout


def test_what_has_expired_never_comes_back(
    run: Run, store: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, seconds=600)
    run("store", "backup", "copy.db", **store)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 601)
    result = run("store", "restore", "copy.db", "--with-access", "--replace", **store)
    assert result.exit_code == 0
    assert "brought back: nothing" in result.stdout
    monkeypatch.undo()
    assert living(store) == set()


def test_a_kind_that_this_version_does_not_know_is_left_out(
    run: Run, store: dict[str, str]
) -> None:
    put(store, "surprises", "k", b"{}")
    run("store", "backup", "copy.db", **store)
    result = run("store", "restore", "copy.db", "--with-access", "--replace", **store)
    assert "left out: 1 surprises" in result.stdout
    assert living(store) == set()


def test_a_file_that_is_no_backup_deletes_nothing(
    run: Run, store: dict[str, str], tmp_path: Path
) -> None:
    filled(store)
    (tmp_path / "copy.db").write_bytes(b"no database at all" * 100)
    result = run("store", "restore", "copy.db", "--replace", **store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert living(store) == set(KEPT)


def test_what_is_not_a_record_makes_no_store_full(run: Run, store: dict[str, str]) -> None:
    """A server at work leaves a mark of its own, by which it sees that the store can be written."""
    filled(store)
    run("store", "backup", "copy.db", **store)
    empty = store | {"STORE_URL": "sqlite:///empty.db"}
    put(empty, "health", "-", b"-")
    assert run("store", "check", **empty).exit_code == 0
    assert run("store", "restore", "copy.db", **empty).exit_code == 0
    assert living(empty) == SAFE_TO_BRING_BACK | {"health"}


# --- keys ---


def test_keys_rotate_says_what_was_done_and_when_the_old_secret_may_go(
    run: Run, store: dict[str, str]
) -> None:
    filled(store)
    new = "another-secret-of-the-tests-0123456789abcdef"
    result = run("keys", "rotate", **store, SESSION_SECRET_KEY=f"{new},{SECRET_KEY}")
    assert result.exit_code == 0
    assert result.stdout.split()[:6] == [
        "re-sealed",
        f"{len(SEALED)}",
        "current",
        "0",
        "unreadable",
        "0",
    ]
    assert "drop the earlier secrets 2 hours" in " ".join(result.stdout.split())
    assert run("store", "check", **store, SESSION_SECRET_KEY=new).exit_code == 0
    again = run("keys", "rotate", **store, SESSION_SECRET_KEY=new)
    assert (again.exit_code, "none to drop" in again.stdout) == (0, True)


def test_keys_rotate_ends_with_1_where_something_opens_with_no_secret(
    run: Run, store: dict[str, str]
) -> None:
    filled(store)
    new = "another-secret-of-the-tests-0123456789abcdef"
    result = run("keys", "rotate", **store, SESSION_SECRET_KEY=new)
    assert result.exit_code == 1
    assert f"{len(SEALED)} values open with none of the secrets" in result.stdout
