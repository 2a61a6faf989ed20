"""What makes the start short, put around the imports and the building of the parts.

Used by the command that serves, never at import time. The figures are in
docs/adr/2026-11-21-cold-start.md.
"""

import contextlib
import gc
import sys
from collections.abc import Iterator

# What httpx and httpcore load only if it is there, and a server never uses: the other event loop,
# and the colours of httpx's own command line.
OPTIONAL = ("trio", "pygments")


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """What is made in the block stays until the end, and the garbage collector never looks at it.

    It would look at all of it several times, and in a serving process again and again: what a full
    collection takes is a pause for every request. Workers that are forked later share those pages.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def not_installed(*modules: str) -> Iterator[None]:
    """An import in the block does not find `modules`, unless they have been loaded before."""
    hidden = [module for module in modules if module not in sys.modules]
    # None is how Python marks what cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for module in hidden:
            del sys.modules[module]


def load_http_client() -> None:
    """httpx and httpcore, as in an installation that has nothing but what the server needs."""
    with not_installed(*OPTIONAL):
        import httpcore  # noqa: F401
        import httpx  # noqa: F401
