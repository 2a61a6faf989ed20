"""Who makes the principal of a request: all in which the modes differ at /mcp (design 17).

The endpoint asks the entrance of its server who stands behind a request, and what is admitted for
its live role where a message depends on it. An entrance takes nothing but the access token as
proof.
"""

from typing import Protocol

from starlette.requests import Request

from okta_mcp.rbac.principal import Principal


class EntranceUnavailableError(Exception):
    """Whoever could tell what a token is worth does not answer; `text` says so to the caller."""

    def __init__(self, text: str, retry_after_seconds: int) -> None:
        super().__init__(text)
        self.text = text
        self.retry_after_seconds = retry_after_seconds


class Admitted(Protocol):
    """What an access token stands for, for the length of one request or element of a batch."""

    @property
    def principal(self) -> Principal:
        """Who asks, without a role."""
        ...

    async def with_role(self) -> Principal:
        """Who asks, with the role of now.

        Raises `BearerError` where the account may not act any more, and
        `DirectoryUnavailableError`.
        """
        ...


class Entrance(Protocol):
    """The way in of one mode."""

    async def admitted(self, request: Request) -> Admitted:
        """What the request's token stands for now.

        Raises `BearerError`, `EntranceUnavailableError`, `TooManyRequestsError` and
        `StoreUnavailableError`.
        """
        ...
