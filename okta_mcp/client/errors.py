"""What can go wrong for the person at the terminal, and the exit status of each.

Raised by every module of the client, turned into one line on stderr by `commands`. A text never
holds a token, a code or a verifier; what a server said is cleaned where it is printed.

    ClientError
     ├─ ToolError            1    the tool, or the server about the tool, said no
     ├─ LoginError           2    no log-in: refused, denied, timed out, not trustworthy
     ├─ UnreachableError     3    the server is not there or does not speak MCP
     ├─ WrongUsageError     64    the command cannot be meant so (sysexits' EX_USAGE)
     └─ LoginRequiredError   -    asks the session for a log-in; never reaches the person
"""

from collections.abc import Mapping

USAGE_STATUS = 64


class ClientError(Exception):
    """The text is a sentence for the person; `exit_status` is for scripts."""

    exit_status = 1


class ToolError(ClientError):
    """The call reached the server and did not succeed."""

    exit_status = 1


class LoginError(ClientError):
    """There is no usable token, and the text says why."""

    exit_status = 2


class UnreachableError(ClientError):
    """The server, or its authorization server, could not be reached or answered nonsense."""

    exit_status = 3


class WrongUsageError(ClientError):
    """An argument is wrong; nothing was sent because of it."""

    exit_status = USAGE_STATUS


class LoginRequiredError(ClientError):
    """The server answered 401 and no stored token helps; `challenge` are its headers."""

    def __init__(self, challenge: Mapping[str, str]) -> None:
        super().__init__("The server asks for a log-in.")
        self.challenge = challenge
