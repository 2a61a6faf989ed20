"""Reads a file that gives rights: one that others than its owner may write is refused unread.

Used for the policy file and for the keys that it names.
"""

import os
import stat
from pathlib import Path


class WritableByOthersError(Exception):
    """Whoever may write the file could give rights with it."""


class TooLargeError(Exception):
    """The file is longer than anything that could be meant."""


def owned_bytes(path: Path, *, most: int) -> bytes:
    """The content; raises `WritableByOthersError`, `TooLargeError` and `OSError`."""
    with path.open("rb") as stream:
        if os.fstat(stream.fileno()).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise WritableByOthersError
        content = stream.read(most + 1)
    if len(content) > most:
        raise TooLargeError
    return content
