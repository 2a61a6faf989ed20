"""What a caller is told when a server behind does not answer as it should.

Raised by the running side of the gateway, answered by the tools like any other failure; the codes
stand in `tools/error_codes.py`. What a server says of itself is cleaned and bounded, and no text
here names its command, its address or its environment.
"""

from okta_mcp.okta.text import clean_text
from okta_mcp.tools.answers import ToolError

_LONGEST_TEXT = 500


class ServerError(ToolError):
    """A failure of the server `name`."""


class ServerUnavailableError(ServerError):
    """It is not there, not yet or not any more."""

    def __init__(self, name: str, reason: str) -> None:
        text = f"the server {name} cannot be reached: it {reason}"
        fix = "try again in a minute; it is started again by itself"
        super().__init__("server_unavailable", text, fix)


class ServerTimeoutError(ServerError):
    """It did not answer within its time."""

    def __init__(self, name: str, seconds: float) -> None:
        text = f"the server {name} did not answer within {seconds:g} seconds"
        super().__init__("server_timeout", text, "ask for less, or try again later")


class ServerAnswerTooLargeError(ServerError):
    """It answered more than it may."""

    def __init__(self, name: str, largest_bytes: int) -> None:
        text = f"the server {name} answered more than {largest_bytes} bytes"
        super().__init__("answer_too_large", text, "ask for less at once")


class ServerBusyError(ServerError):
    """As many people as may use it at once are using it."""

    def __init__(self, name: str) -> None:
        text = f"as many people as may use the server {name} at once are using it"
        super().__init__("server_busy", text, "try again in a minute")


class ServerRefusedError(ServerError):
    """It answered with a JSON-RPC error, or with something that is no answer."""

    def __init__(self, name: str, said: str) -> None:
        text = f"the server {name} refused: {clean_text(said, _LONGEST_TEXT)}"
        super().__init__("server_refused", text, "check the arguments against the input schema")
