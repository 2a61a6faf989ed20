"""The audit lines of /mcp: one for each call, list and refusal."""

import hashlib
import json
from typing import Any

from starlette.requests import Request

from okta_mcp.mcp_endpoint.decision import Verdict
from okta_mcp.mcp_endpoint.messages import Message
from okta_mcp.rbac.principal import Principal
from okta_mcp.serving.trace import trace
from okta_mcp.tools.call import Call

_LONGEST_SUBJECT = 128


def line_of(
    request: Request,
    message: Message,
    principal: Principal,
    judged: Verdict,
    call: Call | None = None,
    **measured: Any,
) -> dict[str, Any] | None:
    """The fields of `Audit.write`; None for a message that leaves no line.

    Without `call` the message was refused.
    """
    if judged.event is None:
        return None
    decision = principal.decision
    is_of_server = judged.server is not None and call is not None
    return {
        "event": judged.event,
        "outcome": _outcome(call),
        "reason": judged.reason if call is None else call.error_code,
        "subject": judged.subject[:_LONGEST_SUBJECT] if judged.subject else None,
        "server": judged.server,
        "arguments_sha256": _digest(message) if is_of_server else None,
        "method": message.method if judged.subject is None else None,
        "role": decision.role if decision else None,
        **principal.audit_fields(),
        "okta_request_ids": call.okta_request_ids or None if call else None,
        **measured,
        **trace(request),
    }


def _outcome(call: Call | None) -> str:
    if call is None:
        return "refused"
    return "failure" if call.error_code else "success"


def _digest(message: Message) -> str | None:
    """Of the arguments of a call, as JSON with sorted keys and without spaces (UTF-8)."""
    if message.method != "tools/call":
        return None
    arguments = message.params.get("arguments") or {}
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
