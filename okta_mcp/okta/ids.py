"""Okta ids and logins, checked before they become a part of a path.

Percent-encoding alone does not help: `quote("..")` is still `..`, and an empty id turns "one user"
into "all users". Called by the tools; the result is the only thing that is ever put into a path.
"""

import re
from urllib.parse import quote

_ID = re.compile(r"[A-Za-z0-9]{10,64}", re.ASCII)
# Letters of every script, and the signs that an address may hold; no separator of a URL.
_LOGIN = re.compile(r"[\w.!$&'*+=^`{|}~@-]{1,100}")


class InvalidArgumentError(ValueError):
    """An argument that the server refuses itself: nothing was sent to Okta.

    `argument` is the parameter's name, `fix` what to do instead.
    """

    def __init__(self, argument: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.argument = argument
        self.message = message
        self.fix = fix


def is_okta_id(text: str) -> bool:
    """Whether `text` has the form of an Okta id (a login may have it too)."""
    return _ID.fullmatch(text) is not None


def id_segment(text: str, argument: str) -> str:
    """`text` as a path segment; raises `InvalidArgumentError` if it is not an Okta id."""
    if not is_okta_id(text):
        raise InvalidArgumentError(
            argument,
            f"{argument} is not an Okta id",
            f"give {argument} as the answers spell it in `id`: 10 to 64 letters and digits",
        )
    return text


def user_segment(text: str, argument: str = "user_id") -> str:
    """An id or a login as a path segment, for the places where Okta takes either.

    Raises `InvalidArgumentError`. `me` is refused: for Okta it is the owner of the server's
    credentials, not the person who asks.
    """
    if text == "me":
        raise InvalidArgumentError(
            argument,
            "me is not a person here: it would be the owner of the server's API token",
            "give the id or the login of the person",
        )
    if not _LOGIN.fullmatch(text) or not text.strip("."):
        raise InvalidArgumentError(
            argument,
            f"{argument} is neither an Okta id nor a login",
            f"give an id or a login such as ann@example.com as {argument}; find the id with"
            ' list_okta_users: q="Ann" by name, search=profile.login eq "…" by a login with other'
            " signs",
        )
    return quote(text, safe="")
