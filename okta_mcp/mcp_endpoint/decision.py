"""What a person may do at /mcp, message by message, before anything is dispatched.

The policy decides by name; a refused tool, resource or prompt is answered in exactly the words for
one that does not exist, from here, so nothing behind can make a difference visible. Methods that
are not listed do not exist.
"""

from dataclasses import dataclass
from typing import Any

from okta_mcp.mcp_endpoint.messages import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Message,
    MessageError,
    error_body,
)
from okta_mcp.rbac.policy import Component, Policy
from okta_mcp.rbac.principal import Principal

# Methods that show or use something that depends on the role.
ROLE_METHODS = frozenset(
    "tools/list tools/call resources/list resources/templates/list resources/read prompts/list"
    " prompts/get completion/complete".split()
)
_OTHER_METHODS = frozenset("initialize ping server/discover logging/setLevel".split())
_NO_TOOL, _NO_RESOURCE, _NO_PROMPT = "tool.refused", "resource.refused", "prompt.refused"
# The lists by the beginning of their method.
_NO_LIST = {"tools": _NO_TOOL, "resources": _NO_RESOURCE, "prompts": _NO_PROMPT}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`answer` is the refusal to send, None to dispatch; `event` and the rest go to the audit.

    `server` is the one behind the gateway whose name this is, None for a name of this server's own.
    """

    answer: dict[str, Any] | None = None
    event: str | None = None
    reason: str | None = None
    subject: str | None = None
    server: str | None = None


def verdict(message: Message, principal: Principal, policy: Policy) -> Verdict:
    """The decision about one message of `principal`."""
    method = message.method
    if message.is_notification or method in _OTHER_METHODS:
        return Verdict()
    if method not in ROLE_METHODS:
        answer = error_body(METHOD_NOT_FOUND, "Method not found", message.request_id, method)
        return Verdict(answer)
    if method == "tools/list":
        return Verdict(event="tools.listed")
    used = _used(message)
    if used is None:
        return Verdict()
    decision = policy.decision(
        used.component, used.name, principal.role, principal.scopes, principal.server_groups
    )
    owner = policy.behind.owner(used.component, used.name)
    server = owner[0].name if owner is not None else None
    if decision.allowed:
        return Verdict(event=used.event, subject=used.name, server=server)
    answer = _unknown(used, message)
    return Verdict(answer, used.refusal, decision.reason, used.name, server)


def unjudged(message: Message, reason: str) -> Verdict:
    """The refusal, without its answer, of a message of `ROLE_METHODS` where no role is known."""
    used = _used(message)
    if used is None:
        return Verdict(event=_NO_LIST[message.method.partition("/")[0]], reason=reason)
    return Verdict(event=used.refusal, reason=reason, subject=used.name)


def unknown(message: Message) -> dict[str, Any]:
    """The answer to a call of a tool that there is not after all."""
    name = message.text_param("name")
    return _unknown(_Used("tools", name, "tool.called", _NO_TOOL), message)


@dataclass(frozen=True, slots=True)
class _Used:
    """What a message uses, and the event of the use and of its refusal."""

    component: Component
    name: str
    event: str
    refusal: str


def _used(message: Message) -> _Used | None:
    """None for a list, which is cut to the role where it is made; raises `MessageError`."""
    match message.method:
        case "tools/call":
            return _Used("tools", message.text_param("name"), "tool.called", _NO_TOOL)
        case "resources/read":
            return _Used("resources", message.text_param("uri"), "resource.read", _NO_RESOURCE)
        case "prompts/get":
            return _Used("prompts", message.text_param("name"), "prompt.given", _NO_PROMPT)
        case "completion/complete":
            return _completed(message)
        case _:
            return None


def _completed(message: Message) -> _Used:
    """What is completed: an argument of a prompt, or a variable of a resource template."""
    ref = message.params.get("ref")
    if isinstance(ref, dict):
        match ref:
            case {"type": "ref/prompt", "name": str(name)}:
                return _Used("prompts", name, "completion.given", _NO_PROMPT)
            case {"type": "ref/resource", "uri": str(uri)}:
                return _Used("resources", uri, "completion.given", _NO_RESOURCE)
    text = "params.ref must name a prompt (ref/prompt) or a resource template (ref/resource)"
    raise MessageError(INVALID_REQUEST, text, message.request_id)


def _unknown(used: _Used, message: Message) -> dict[str, Any]:
    """The answer for a thing that does not exist."""
    match used.component:
        case "tools":
            return error_body(INVALID_PARAMS, f"Unknown tool: {used.name}", message.request_id)
        case "prompts":
            return error_body(INVALID_PARAMS, f"Unknown prompt: {used.name}", message.request_id)
        case "resources":
            text, where = f"Resource not found: {used.name!r}", {"uri": used.name}
            return error_body(INVALID_PARAMS, text, message.request_id, where)
