"""How deep JSON from outside is nested; what could not be walked or written is refused early."""

from typing import Any


def is_deeper(value: Any, levels: int) -> bool:
    """Whether containers are nested deeper than `levels`; walks level by level."""
    level = [value]
    for _ in range(levels):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
