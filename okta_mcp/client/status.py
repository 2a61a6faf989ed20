"""The state of one log-in: what is kept here, and what the server makes of it.

Called by the verb `status`. It may refresh a token, as any call would, and never logs anybody in.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from okta_mcp.client import calls
from okta_mcp.client.address import answers_mcp
from okta_mcp.client.errors import ClientError, LoginError, LoginRequiredError, UnreachableError
from okta_mcp.client.output import clean, identity_lines
from okta_mcp.client.session import Session
from okta_mcp.client.store import LoginStore


async def status_of(
    session: Session, store: LoginStore, server_url: str, now: Callable[[], float]
) -> tuple[dict[str, Any], str, int]:
    """The state as a record, as text, and the exit status that it means.

    The record has `server`, `usable`, `answers`, `person`, `role`, `access_until` (UTC, ISO 8601),
    `renews`, `kept_in` (`keyring`, `file` or null), `file`, `client_id`, `authorization_server`.
    Status: 0 usable, 2 not logged in, 3 the server does not answer.
    """
    me, error = await _asked(session)
    # After the question, which may have refreshed the tokens or ended the log-in.
    login = store.load(server_url) if not isinstance(error, LoginError) else None
    tokens = login.tokens if login else None
    until = tokens.expires_at if tokens else None
    answers = error is None or isinstance(error, LoginRequiredError)
    if isinstance(error, LoginError):
        answers = await _answers(server_url)
    person = (me or {}).get("person") or {}
    file = store.path(server_url)
    record: dict[str, Any] = {
        "server": server_url,
        "usable": error is None,
        "answers": answers,
        "person": person.get("login") or person.get("name"),
        "role": (me or {}).get("role"),
        "access_until": None if until is None else datetime.fromtimestamp(until, UTC).isoformat(),
        "renews": bool(tokens and tokens.refresh_token),
        "kept_in": None if login is None else _place(store, server_url),
        "file": str(file) if file.exists() else None,
        "client_id": login.registration.client_id if login else None,
        "authorization_server": login.server.issuer if login else None,
    }
    lines = [identity_lines(me)] if me else []
    if error is None:
        lines.append("Login   " + ("valid" if tokens else "this server asks for none"))
    elif isinstance(error, LoginRequiredError):
        ended = "the log-in has ended" if tokens else "not logged in"
        lines.append(f"Login   {ended}; the verb `login` logs in")
    else:
        lines.append(f"Login   {clean(str(error), keep_lines=False)}")
    if until is not None:
        lines.append(f"Until   {_local(until)}{_renewal(record['renews'], until <= now())}")
    if login is not None:
        kept = "the system keyring" if record["kept_in"] == "keyring" else str(file)
        lines.append(f"Kept    in {kept}")
    lines.append(f"Server  {server_url} {'answers' if answers else 'does not answer'}")
    return record, "\n".join(lines), 0 if error is None else error.exit_status


async def _asked(session: Session) -> tuple[dict[str, Any] | None, ClientError | None]:
    try:
        return await session.attempt(calls.identity), None
    except ClientError as error:
        return None, error


async def _answers(server_url: str) -> bool:
    try:
        return await answers_mcp(server_url)
    except UnreachableError:
        return False


def _place(store: LoginStore, server_url: str) -> str:
    return "keyring" if store.is_in_keyring(server_url) else "file"


def _local(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z")


def _renewal(renews: bool, is_over: bool) -> str:
    if renews:
        return ", renewed by itself while the server allows it"
    return ", which is over" if is_over else ", then you log in again"
