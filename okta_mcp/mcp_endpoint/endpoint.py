"""The one way through `/mcp`, as an ordered list of steps (design 17).

    origin     a page of another site may not use a person's browser to get here
    principal  the entrance says whom the access token stands for; nothing else counts
    limits     the body is read and counted only now
    message    one JSON-RPC message in the form that the revision demands, or a batch, whose
               elements take the steps below each by itself
    role       live, for what depends on it; an account that may not act ends everything
    decision   the policy, by exact name
    dispatch   to FastMCP, or directly to a server behind, without the caller's credentials
    audit      one line for each call, list and refusal

No session is kept: `Mcp-Session-Id` is neither issued nor looked at, GET and DELETE are 405.
"""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    classify_inbound_request,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from okta_mcp.audit.writer import Audit, AuditFileError
from okta_mcp.mcp_endpoint.bearer import BearerError
from okta_mcp.mcp_endpoint.call_rates import CallRates
from okta_mcp.mcp_endpoint.decision import ROLE_METHODS, Verdict, unjudged, unknown, verdict
from okta_mcp.mcp_endpoint.direct import CallBehind, can_be_direct, direct_answer
from okta_mcp.mcp_endpoint.entrance import Admitted, Entrance, EntranceUnavailableError
from okta_mcp.mcp_endpoint.messages import (
    INVALID_REQUEST,
    UNAVAILABLE,
    Message,
    MessageError,
    RequestId,
    error_body,
    parsed,
)
from okta_mcp.mcp_endpoint.running import HungUpError, progress_token, run_call
from okta_mcp.okta.directory import DirectoryUnavailableError
from okta_mcp.rbac.limits import NO_LIMITS
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.principal import Principal, current_principal
from okta_mcp.serving.body import BodyTooLargeError, bounded_body
from okta_mcp.serving.refusals import Refusals
from okta_mcp.serving.trace import trace
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.tools.call import Call, current_call

LARGEST_MESSAGE = 1024 * 1024
_BATCH_VERSION = "2025-03-26"
_LONGEST_SUBJECT = 128
_RETRY_SECONDS = 5
# What a caller sends to prove who it is stays on this side of the dispatch.
_CREDENTIALS = frozenset({b"authorization", b"cookie", b"content-length", b"transfer-encoding"})


class McpEndpoint:
    """The ASGI application at /mcp; `dispatch` is FastMCP's, `call_behind` the gateway's."""

    def __init__(
        self,
        dispatch: ASGIApp,
        entrance: Entrance,
        policy: Policy,
        audit: Audit,
        refusals: Refusals,
        call_rates: CallRates,
        *,
        is_allowed_origin: Callable[[str], bool],
        call_behind: CallBehind | None = None,
    ) -> None:
        self._dispatch = dispatch
        self._call_behind = call_behind
        self._entrance = entrance
        self._policy = policy
        self._audit = audit
        self._refusals = refusals
        self._call_rates = call_rates
        self._is_allowed_origin = is_allowed_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked: RequestId = None
        send = answer = _Answer(send)
        try:
            self._check_origin(request)
            self._audit.check()
            admitted = await self._entrance.admitted(request)
            _check_method(request)
            incoming = await _incoming(request)
            if isinstance(incoming, Message):
                asked = incoming.request_id
                await self._answer(request, send, admitted, incoming)
            else:
                await self._answer_batch(request, send, admitted, incoming)
        except _RefusedError as refusal:
            await refusal.response(scope, receive, send)
        except BearerError as error:
            if error.was_presented:
                await self._refusals.write(request, "bearer.refused", error.reason)
            await _unauthorized(error)(scope, receive, send)
        except MessageError as error:
            body = error_body(error.code, error.message, error.request_id)
            await _json(body, status=400)(scope, receive, send)
        except EntranceUnavailableError as error:
            await _later(error.text, error.retry_after_seconds, asked)(scope, receive, send)
        except StoreUnavailableError:
            text = "the server's store does not answer; try again in a moment"
            await _later(text, _RETRY_SECONDS, asked)(scope, receive, send)
        except AuditFileError:
            # What is not on the record is not answered; a stream that has begun just ends.
            if answer.has_begun:
                await answer({"type": "http.response.body", "body": b""})
                return
            text = "the server cannot write its audit trail; try again in a moment"
            await _later(text, _RETRY_SECONDS, asked)(scope, receive, send)

    async def _answer(
        self, request: Request, send: Send, admitted: Admitted, message: Message
    ) -> None:
        """One message: role, decision, then the refusal or the dispatch, and the audit.

        Raises `BearerError` and `MessageError` before anything is sent.
        """
        principal = admitted.principal
        try:
            if message.method in ROLE_METHODS:
                principal = await admitted.with_role()
        except DirectoryUnavailableError:
            text = "Okta does not answer, so your groups cannot be checked; try again in a minute"
            refused = unjudged(message, "okta_unavailable")
            self._audited(request, message, principal, refused, None)
            answer = _json(error_body(UNAVAILABLE, text, message.request_id))
            await answer(request.scope, request.receive, send)
            return
        judged = verdict(message, principal, self._policy)
        if judged.answer is not None:
            self._audited(request, message, principal, judged, None)
            answer = _json(judged.answer, status=_status(request, judged.answer))
            await answer(request.scope, request.receive, send)
            return
        await self._dispatched(request, send, message, principal, judged)

    async def _answer_batch(
        self,
        request: Request,
        send: Send,
        admitted: Admitted,
        batch: tuple[Message | MessageError, ...],
    ) -> None:
        """A batch of revision 2025-03-26: each element by itself, the answers in one list."""
        if request.headers.get("mcp-protocol-version", _BATCH_VERSION) != _BATCH_VERSION:
            raise MessageError(INVALID_REQUEST, f"batches are of {_BATCH_VERSION} only")
        answers: list[Any] = []
        for element in batch:
            try:
                if isinstance(element, MessageError):
                    raise element
                # A batch may take long: what is revoked in the meantime ends it.
                admitted = await self._entrance.admitted(request)
                collected = _Collected()
                await self._answer(request, collected, admitted, element)
                answers += collected.answers()
            except MessageError as error:
                answers.append(error_body(error.code, error.message, error.request_id))
        response = JSONResponse(answers) if answers else Response(status_code=202)
        response.headers["Cache-Control"] = "no-store"
        await response(request.scope, request.receive, send)

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin is not None and not self._is_allowed_origin(origin):
            text = f"pages of {origin[:200]} may not call this server; see ALLOWED_ORIGINS"
            raise _RefusedError(_json(error_body(INVALID_REQUEST, text, None), status=403))

    async def _dispatched(
        self,
        request: Request,
        send: Send,
        message: Message,
        principal: Principal,
        judged: Verdict,
    ) -> None:
        name = judged.subject or message.method
        call = self._call(principal, message.method, name, judged.server)
        current_principal.set(principal)
        current_call.set(call)
        started = time.perf_counter()
        is_direct = judged.server is not None and can_be_direct(request, message)
        call_behind = self._call_behind if is_direct else None

        async def dispatched(send: Send) -> None:
            if call_behind is None:
                scope, receive = _handed_on(request, message)
                await self._dispatch(scope, receive, send)
                return
            result = await call_behind(name, message.params.get("arguments", {}))
            if result is None:
                call.error_code = "not_found"
                body = unknown(message)
            else:
                body = direct_answer(request, message, result)
            await _json(body)(request.scope, request.receive, send)

        answer: list[AsgiMessage] = []
        try:
            # Elements of a batch are answered together: none of them has a stream of its own.
            token = None if isinstance(send, _Collected) else progress_token(request, message)
            answer = await run_call(dispatched, request, _uncached(send), token, call.progress)
        except HungUpError:
            # The call was made and stands in the record; nobody is there to hear an answer.
            call.error_code = "interrupted"
        except BaseException:
            call.error_code = call.error_code or "interrupted"
            raise
        finally:
            milliseconds = round((time.perf_counter() - started) * 1000)
            self._audited(request, message, principal, judged, call, milliseconds=milliseconds)
        for part in answer:
            await _uncached(send)(part)

    def _call(self, principal: Principal, method: str, name: str, server: str | None) -> Call:
        role = principal.role

        def may(tool: str) -> bool:
            scopes, groups = principal.scopes, principal.server_groups
            return self._policy.decision("tools", tool, role, scopes, groups).allowed

        # What is read or completed is the caller's text, which must not choose what is counted.
        counted_as = name if method == "tools/call" else method

        async def counted() -> None:
            await self._call_rates.count(principal.user_id, counted_as, server)

        limits = self._policy.limits(name, role) if method == "tools/call" else NO_LIMITS

        return Call(
            user_id=principal.user_id,
            tool=name,
            upstream_id=principal.upstream_id,
            is_service=principal.service is not None,
            may=may,
            counted=counted,
            limits=limits,
            limits_of=lambda tool: self._policy.limits(tool, role),
            longest_window_days=limits.window_days,
        )

    def _audited(
        self,
        request: Request,
        message: Message,
        principal: Principal,
        judged: Verdict,
        call: Call | None,
        **measured: Any,
    ) -> None:
        if judged.event is None:
            return
        decision = principal.decision
        outcome = "refused" if call is None else ("failure" if call.error_code else "success")
        listed = {}
        if judged.event == "tools.listed" and decision is not None:
            scopes, groups = principal.scopes, principal.server_groups
            listed["count"] = len(self._policy.allowed("tools", decision.role, scopes, groups))
        self._audit.write(
            judged.event,
            outcome,
            reason=judged.reason if call is None else call.error_code,
            subject=judged.subject[:_LONGEST_SUBJECT] if judged.subject else None,
            server=judged.server,
            arguments_sha256=_digest(message) if judged.server and call is not None else None,
            method=message.method if judged.subject is None else None,
            role=decision.role if decision else None,
            **principal.audit_fields(),
            okta_request_ids=call.okta_request_ids or None if call else None,
            **listed,
            **measured,
            **trace(request),
        )


class _RefusedError(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _check_method(request: Request) -> None:
    if request.method != "POST":
        text = "this server keeps no session and opens no stream; send POST"
        body = error_body(INVALID_REQUEST, text, None)
        raise _RefusedError(_json(body, status=405, headers={"Allow": "POST"}))


async def _incoming(request: Request) -> Message | tuple[Message | MessageError, ...]:
    try:
        incoming = parsed(await bounded_body(request, LARGEST_MESSAGE))
    except BodyTooLargeError as error:
        body = error_body(INVALID_REQUEST, error.reason, None)
        raise _RefusedError(_json(body, status=413)) from None
    if isinstance(incoming, Message) and not incoming.is_notification:
        _check_routing_headers(request, incoming)
    return incoming


def _check_routing_headers(request: Request, message: Message) -> None:
    """Where a revision repeats the body in headers, both must say the same (MCP 2026-07-28).

    The decision is on the body; something in between may have decided on the headers.
    """
    if not _is_modern(request):
        return
    route = classify_inbound_request(message.raw, headers=request.headers)
    if isinstance(route, InboundLadderRejection):
        raise MessageError(route.code, route.message, message.request_id)


class _Answer:
    """The connection, and whether an answer has begun on it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: AsgiMessage) -> None:
        self.has_begun = True
        await self._send(message)


def _is_modern(request: Request) -> bool:
    """Whether the request names a revision without a handshake, 2026-07-28 or later."""
    return request.headers.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS


def _status(request: Request, refusal: dict[str, Any]) -> int:
    """The status of a refusal: its code's in the revisions that give codes one, else 200.

    What is behind answers so too: a refused tool must look like one that does not exist.
    """
    code = refusal["error"]["code"]
    return ERROR_CODE_HTTP_STATUS.get(code, 200) if _is_modern(request) else 200


def _digest(message: Message) -> str | None:
    """Of the arguments of a call, as JSON with sorted keys and without spaces (UTF-8)."""
    if message.method != "tools/call":
        return None
    arguments = message.params.get("arguments") or {}
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class _Collected:
    """Takes the answer to one element of a batch in the place of the connection."""

    def __init__(self) -> None:
        self._body = b""

    async def __call__(self, message: AsgiMessage) -> None:
        self._body += message.get("body", b"")

    def answers(self) -> list[Any]:
        """The answer as a list of one, empty for a notification."""
        return [json.loads(self._body)] if self._body else []


def _handed_on(request: Request, message: Message) -> tuple[Scope, Receive]:
    """The request for the dispatch: the message as it was decided on, no credentials.

    The body is written again, so that no second reading of the same bytes can mean another call.
    """
    body = json.dumps(message.raw, separators=(",", ":")).encode()
    headers = [pair for pair in request.scope["headers"] if pair[0] not in _CREDENTIALS]
    headers.append((b"content-length", str(len(body)).encode()))
    pending: list[AsgiMessage] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> AsgiMessage:
        return pending.pop() if pending else await request.receive()

    return {**request.scope, "headers": headers}, receive


def _uncached(send: Send) -> Send:
    async def sent(message: AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", ())}
            if b"cache-control" not in names:
                pair = (b"cache-control", b"no-store")
                message = {**message, "headers": [*message.get("headers", ()), pair]}
        await send(message)

    return sent


def _json(
    body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    uncached = {"Cache-Control": "no-store"}
    return JSONResponse(body, status_code=status, headers=uncached | (headers or {}))


def _later(text: str, retry_after_seconds: int, asked: RequestId) -> Response:
    headers = {"Retry-After": str(retry_after_seconds)}
    return _json(error_body(UNAVAILABLE, text, asked), status=503, headers=headers)


def _unauthorized(error: BearerError) -> Response:
    body = {"error": error.code, "error_description": error.reason}
    return _json(body, status=error.status, headers={"WWW-Authenticate": error.challenge})
