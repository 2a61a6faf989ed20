"""What can go wrong for the person at the terminal, and the exit status of each.

Raised by every module of the client, turned into one line on stderr by `command_line`. A text never
holds a token, a code or a verifier; what a server said is cleaned where it is printed.

    ClientError
     ├─ ToolError            1    the tool, resource or prompt: the server said no
     ├─ LoginError           2    no log-in: refused, timed out, not trustworthy
     │   ├─ DeniedError           the authorization server answered with an error
     │   └─ ForeignAnswerError    the browser's answer is not of this log-in
     ├─ UnreachableError     3    the server is not there or does not speak MCP
     ├─ WrongUsageError     64    the command cannot be meant so (sysexits' EX_USAGE)
     └─ LoginRequiredError   2    asks the session for a log-in, which most verbs then do
"""

from collections.abc import Mapping
from types import MappingProxyType

USAGE_STATUS = 64
INTERRUPTED_STATUS = 130
EXIT_STATUSES: Mapping[int, str] = MappingProxyType(
    {
        0: "done",
        1: "the tool, resource or prompt failed",
        2: "not logged in",
        3: "no connection",
        USAGE_STATUS: "wrong usage",
        INTERRUPTED_STATUS: "stopped with Ctrl-C",
    }
)


class ClientError(Exception):
    """The text is a sentence for the person; `exit_status` is for scripts."""

    exit_status = 1


class ToolError(ClientError):
    """The request reached the server and did not succeed."""

    exit_status = 1


class LoginError(ClientError):
    """There is no usable token, and the text says why."""

    exit_status = 2


class DeniedError(LoginError):
    """The authorization server ended the log-in with an error (RFC 6749 section 4.1.2.1)."""


class ForeignAnswerError(LoginError):
    """What the browser brought is not the answer to this log-in, or cannot be told to be."""


class UnreachableError(ClientError):
    """The server, or its authorization server, could not be reached or answered nonsense."""

    exit_status = 3


class WrongUsageError(ClientError):
    """An argument is wrong; nothing was sent because of it."""

    exit_status = USAGE_STATUS


class LoginRequiredError(ClientError):
    """The server answered 401, or 403 for want of scopes, and no stored token helps.

    `challenge` are its headers; `was_admitted` says that the token which it refuses now had opened
    something before.
    """

    exit_status = 2

    def __init__(self, challenge: Mapping[str, str], *, was_admitted: bool = False) -> None:
        super().__init__("The server asks for a log-in.")
        self.challenge = challenge
        self.was_admitted = was_admitted
