"""The policy's limits on parameters, applied to one call of a tool before the tool runs.

`AnswerTool` fills in what the caller left out and the tool's own default would exceed: a limit must
not make the tool useless. The values are held against the limits only after pydantic has made of
them what the tool gets, because "500" is a number to the tool as well.
"""

from collections.abc import Mapping
from typing import Any

from okta_mcp.okta.text import clean_text
from okta_mcp.rbac.limits import Limit, Limits


class ForbiddenParameterError(Exception):
    """The policy keeps a value of `parameter` from the caller's role; `allowed` says which not."""

    code = "forbidden_parameter"

    def __init__(self, parameter: str, allowed: str, fix: str) -> None:
        super().__init__(parameter)
        self.parameter = parameter
        self.message = clean_text(f"the policy limits your role: {allowed}", 400)
        self.fix = clean_text(fix, 400)


def with_defaults(
    arguments: dict[str, Any], schema: Mapping[str, Any], limits: Limits
) -> dict[str, Any]:
    """The caller's arguments, and for what is left out the nearest value that is allowed."""
    properties, required = schema.get("properties", {}), schema.get("required", ())
    filled = {
        name: allowed
        for name, limit in limits.parameters.items()
        if arguments.get(name) is None and name not in required
        for allowed in _instead(limit, properties.get(name, {}).get("default"))
    }
    return arguments | filled


def check_limits(arguments: Mapping[str, Any], defaults: Mapping[str, Any], limits: Limits) -> None:
    """Raises `ForbiddenParameterError` for the first value that the caller's role may not give.

    `arguments` are what the tool gets; `defaults` what it takes where the caller says nothing.
    """
    for name, limit in limits.parameters.items():
        value = arguments.get(name)
        if limit.is_forbidden:
            is_allowed = name not in arguments or value == defaults.get(name)
        else:
            is_allowed = _is_within(limit, value)
        if not is_allowed:
            raise ForbiddenParameterError(name, limit.sentence(name), _fix(name, limit))


def _instead(limit: Limit, default: Any) -> tuple[Any, ...]:
    """The value in the place of a default that is not allowed, if there is one."""
    if limit.is_forbidden or _is_within(limit, default):
        return ()
    if limit.one_of:
        return limit.one_of[:1]
    return (int(limit.most),) if limit.most == int(limit.most or 0) else (limit.most,)


def _is_within(limit: Limit, value: Any) -> bool:
    if limit.most is not None:
        return isinstance(value, int | float) and value <= limit.most
    return value in limit.one_of


def _fix(name: str, limit: Limit) -> str:
    if limit.is_forbidden:
        return f"leave {name} out"
    if limit.most is not None:
        return f"give {name} of at most {limit.most:g}"
    return f"give {name} as {' or '.join(limit.one_of)}"
