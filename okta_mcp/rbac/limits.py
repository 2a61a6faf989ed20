"""Limits on the parameters of a tool, for one role: what they are, and which make sense.

A policy file writes them, `tools/parameter_limits.py` applies them. A limit that could never have
an effect is refused with the file, because its author believes that it protects something.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

WINDOW_DAYS = "window_days"
# Okta refuses windows of the system log that begin earlier.
_LONGEST_WINDOW_DAYS = 180


@dataclass(frozen=True, slots=True)
class Limit:
    """On one parameter: at most a number, or one of some texts; neither: it may not be given."""

    most: float | None = None
    one_of: tuple[str, ...] = ()

    @property
    def is_forbidden(self) -> bool:
        """Whether the parameter may not be given at all."""
        return self.most is None and not self.one_of

    def sentence(self, parameter: str) -> str:
        """What is allowed, in words."""
        if self.most is not None:
            return f"{parameter} may be at most {self.most:g}"
        if self.one_of:
            return f"{parameter} may be {' or '.join(self.one_of)}"
        return f"{parameter} may not be given"


@dataclass(frozen=True, slots=True)
class Limits:
    """On one tool: `window_days` is the longest time from `since` to `until`, None for any."""

    parameters: Mapping[str, Limit] = field(default_factory=dict)
    window_days: float | None = None

    def sentences(self) -> tuple[str, ...]:
        """What is allowed, in words."""
        window = (
            (f"since may be at most {self.window_days:g} days before until",)
            if self.window_days is not None
            else ()
        )
        return (*window, *(limit.sentence(name) for name, limit in self.parameters.items()))


NO_LIMITS = Limits()


def checked_window(value: Any, schema: Mapping[str, Any]) -> float:
    """`window_days` for a tool of this input schema; raises `ValueError` with the reason."""
    if "since" not in schema.get("properties", {}):
        raise ValueError("the tool takes no since, so it has no window")
    if not _is_number(value) or not 0 < value <= _LONGEST_WINDOW_DAYS:
        raise ValueError(
            f"must be a number of days, more than 0 and at most {_LONGEST_WINDOW_DAYS}"
        )
    return float(value)


def checked_limit(parameter: str, value: Any, schema: Mapping[str, Any]) -> Limit:
    """A limit on a parameter of a tool of this input schema; raises `ValueError`."""
    properties = schema.get("properties", {})
    if parameter not in properties:
        raise ValueError(f"the tool has no such parameter{suggestion(parameter, properties)}")
    of_parameter = properties[parameter]
    if value is False:
        if parameter in schema.get("required", ()):
            raise ValueError(
                "the tool cannot be called without it; let nobody use the tool instead"
            )
        return Limit()
    if _is_number(value):
        return Limit(most=_checked_most(value, of_parameter))
    if isinstance(value, list):
        return Limit(one_of=_checked_choice(value, of_parameter))
    raise ValueError(
        "must be a number (at most), a list of texts (one of them), or false (may not be given)"
    )


def suggestion(name: str, known: Any) -> str:
    """`; did you mean x?` where a known name is near, else nothing."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _checked_most(value: float, schema: Mapping[str, Any]) -> float:
    kind = schema.get("type")
    if kind not in ("integer", "number"):
        raise ValueError("the parameter is no number, so it has no most")
    if kind == "integer" and value != int(value):
        raise ValueError("the parameter is a whole number")
    if value < schema.get("minimum", -math.inf):
        raise ValueError(
            f"the tool takes {schema['minimum']} at least, so nothing would be allowed"
        )
    if value > schema.get("maximum", math.inf):
        raise ValueError(f"the tool takes {schema['maximum']} at most, so this limits nothing")
    return value


def _checked_choice(value: list[Any], schema: Mapping[str, Any]) -> tuple[str, ...]:
    if not value or not all(isinstance(text, str) and text for text in value):
        raise ValueError("must be a list of texts with at least one")
    if len(set(value)) != len(value):
        raise ValueError("names a text twice")
    kinds = schema.get("anyOf", [schema])
    if any(kind.get("type") != "string" and "enum" not in kind for kind in kinds):
        raise ValueError("the parameter is no text, so it cannot be one of a list")
    listed = [kind.get("enum", [kind["const"]] if "const" in kind else value) for kind in kinds]
    choices = [text for texts in listed for text in texts]
    for text in value:
        if text not in choices:
            raise ValueError(f"the tool does not take {text!r}; it takes {', '.join(choices)}")
    return tuple(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
