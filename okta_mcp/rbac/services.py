"""Services of the policy file: playbooks and other programs that call without a person.

`[services.NAME]` gives a name, which is the client id, a role, and the public keys of whoever may
act as the service. Services come from nowhere else: no registration makes one. Names have a form
that no client id of ours and no URL has, so the two can never be taken for each other.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from okta_mcp.rbac.behind import is_server_scope
from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.rbac.limits import suggestion
from okta_mcp.rbac.owned_file import TooLargeError, WritableByOthersError, owned_bytes
from okta_mcp.rbac.public_keys import (
    PublicKey,
    PublicKeyError,
    public_key_of_jwk,
    public_key_of_text,
)

_KEYS = ("role", "public_key", "scopes", "description")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_LARGEST_KEY_BYTES = 16 * 1024
_MOST_KEYS = 4
_LONGEST_DESCRIPTION = 200

# Notes what is wrong: the path of keys in the file, and the reason.
Problem: TypeAlias = Callable[[tuple[str, ...], str], None]


@dataclass(frozen=True, slots=True)
class Service:
    """`scopes` are what it may have at the most; those of servers only where they are named."""

    name: str
    role: str
    keys: tuple[PublicKey, ...]
    scopes: tuple[str, ...] = FAMILY_SCOPES
    description: str = ""

    @property
    def user_id(self) -> str:
        """What stands in the place of a person's id; no id of Okta's has a colon."""
        return f"service:{self.name}"

    def has_key(self, thumbprint: str | None) -> bool:
        """Whether the key is still one of its own."""
        return any(key.thumbprint == thumbprint for key in self.keys)


def checked_services(
    table: Mapping[str, Any], roles: tuple[str, ...], folder: Path, problem: Problem
) -> dict[str, Service]:
    """The services of the file's table by name, without those that `problem` was told of.

    Paths of keys are relative to `folder`.
    """
    services: dict[str, Service] = {}
    owners: dict[str, str] = {}
    for name, given in table.items():
        at = ("services", name)
        if not _NAME.fullmatch(name):
            problem(
                at,
                "a service's name, which is its client_id, is 1 to 63 lower-case letters, digits"
                " and hyphens, and begins with a letter",
            )
        elif not isinstance(given, dict):
            problem(at, "must be a table with role and public_key")
        else:
            for key in given:
                if key not in _KEYS:
                    known = f"{suggestion(key, _KEYS)}; there are {', '.join(_KEYS)}"
                    problem((*at, key), f"no such key{known}")
            services[name] = Service(
                name,
                _role(given, roles, at, problem),
                _public_keys(name, given.get("public_key"), folder, owners, problem),
                _scopes(given.get("scopes", list(FAMILY_SCOPES)), (*at, "scopes"), problem),
                _description(given.get("description", ""), (*at, "description"), problem),
            )
    return services


def _role(
    given: Mapping[str, Any], roles: tuple[str, ...], at: tuple[str, ...], problem: Problem
) -> str:
    role = given.get("role")
    if isinstance(role, str) and role in roles:
        return role
    near = suggestion(role, roles) if isinstance(role, str) else ""
    problem((*at, "role"), f"must be the service's role{near}; one of {', '.join(roles)}")
    return roles[0]


def _public_keys(
    name: str, value: Any, folder: Path, owners: dict[str, str], problem: Problem
) -> tuple[PublicKey, ...]:
    at = ("services", name, "public_key")
    entries = value if isinstance(value, list) else [value]
    if value is None or not 1 <= len(entries) <= _MOST_KEYS:
        problem(at, f"must be a public key (a path, PEM or JWK), or a list of 1 to {_MOST_KEYS}")
        return ()
    keys: list[PublicKey] = []
    for entry in entries:
        try:
            key = _public_key(entry, folder)
        except PublicKeyError as error:
            problem(at, str(error))
            continue
        owner = owners.setdefault(key.thumbprint, name)
        if owner != name:
            problem(at, f"is the key of {owner} too; whoever holds it could act as both")
        elif any(key.thumbprint == other.thumbprint for other in keys):
            problem(at, "names a key twice")
        keys.append(key)
    return tuple(keys)


def _public_key(entry: Any, folder: Path) -> PublicKey:
    if isinstance(entry, dict):
        return public_key_of_jwk(entry)
    if not isinstance(entry, str) or not entry.strip():
        raise PublicKeyError("must be the path of a file, PEM text or a JWK")
    if "-----BEGIN " in entry or entry.lstrip().startswith("{"):
        return public_key_of_text(entry)
    path = folder / entry
    try:
        return public_key_of_text(owned_bytes(path, most=_LARGEST_KEY_BYTES).decode())
    except WritableByOthersError:
        reason = "can be written by others than its owner, who could then act as the service"
        raise PublicKeyError(f"{path} {reason}; run: chmod go-w {path}") from None
    except OSError as error:
        raise PublicKeyError(f"{path} cannot be read: {error.strerror}") from None
    except (TooLargeError, UnicodeDecodeError):
        raise PublicKeyError(f"{path} holds no public key in PEM or JWK form") from None
    except PublicKeyError as error:
        raise PublicKeyError(f"{path} {error}") from None


def _scopes(value: Any, at: tuple[str, ...], problem: Problem) -> tuple[str, ...]:
    names = value if isinstance(value, list) else []
    servers = [name for name in names if isinstance(name, str) and is_server_scope(name)]
    unknown = [name for name in names if name not in FAMILY_SCOPES and name not in servers]
    if not names or len(set(map(str, names))) != len(names):
        problem(at, "must be a list of data families, each once; leave it out for all")
    elif unknown:
        near = suggestion(str(unknown[0]), FAMILY_SCOPES)
        problem(at, f"no data family {unknown[0]!r}{near}; there are {', '.join(FAMILY_SCOPES)}")
    return (*(name for name in FAMILY_SCOPES if name in names), *servers)


def _description(value: Any, at: tuple[str, ...], problem: Problem) -> str:
    if isinstance(value, str) and len(value) <= _LONGEST_DESCRIPTION and value.isprintable():
        return value
    problem(at, f"must be one line of text of at most {_LONGEST_DESCRIPTION} characters")
    return ""
