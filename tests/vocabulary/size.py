"""How much the tests that generate their input do; the only reader of `TEST_SIZE`.

`person` (the default) is over in seconds, `ci` does a tenth of everything, `full` is run by hand.
"""

import os


def how_many(*, person: int, full: int) -> int:
    """The number for the size that is asked for."""
    sizes = {"person": person, "ci": max(person, full // 10), "full": full}
    return sizes[os.environ.get("TEST_SIZE", "person")]
