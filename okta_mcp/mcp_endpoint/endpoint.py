"""The one way through `/mcp`, as an ordered list of steps (design 17).

    origin     a page of another site may not use a person's browser to get here
    principal  the entrance says whom the access token stands for; nothing else counts
    limits     the body is read and counted only now
    message    one JSON-RPC message in the form that the revision demands, or a batch, whose
               elements take the steps below each by itself
    role       live, for what depends on it; an account that may not act ends everything
    decision   the policy, by exact name
    dispatch   to FastMCP, or directly to a tool, without the caller's credentials; a list that
               was made before for such a principal is not made again
    audit      one line for each call, list and refusal

No session is kept: `Mcp-Session-Id` is neither issued nor looked at, GET and DELETE are 405.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp_types.jsonrpc import HEADER_MISMATCH
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from okta_mcp.audit.writer import Audit, AuditFileError
from okta_mcp.mcp_endpoint.answers import (
    Answer,
    HeaderPairs,
    send_json,
    send_later,
    send_refusal,
    send_unauthorized,
)
from okta_mcp.mcp_endpoint.bearer import BearerError
from okta_mcp.mcp_endpoint.call_rates import CallRates
from okta_mcp.mcp_endpoint.decision import ROLE_METHODS, Verdict, unjudged, verdict
from okta_mcp.mcp_endpoint.dispatch import Dispatch
from okta_mcp.mcp_endpoint.entrance import Admitted, Entrance, EntranceUnavailableError
from okta_mcp.mcp_endpoint.messages import (
    INVALID_REQUEST,
    UNAVAILABLE,
    Message,
    MessageError,
    error_body,
    parsed,
)
from okta_mcp.mcp_endpoint.record import line_of
from okta_mcp.mcp_endpoint.remembered_lists import RememberedLists
from okta_mcp.mcp_endpoint.revisions import VERSION_HEADER, is_modern
from okta_mcp.mcp_endpoint.running import HungUpError, progress_token, run_call
from okta_mcp.okta.directory import DirectoryUnavailableError
from okta_mcp.rbac.limits import NO_LIMITS
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.principal import Principal, current_principal
from okta_mcp.serving.body import BodyTooLargeError, bounded_body
from okta_mcp.serving.rates import TooManyRequestsError
from okta_mcp.serving.refusals import Refusals
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.tools.call import Call, current_call

LARGEST_MESSAGE = 1024 * 1024
# Those of MCP, with which a client may ask for the challenge. Only POST is then served.
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})
_BATCH_VERSION = "2025-03-26"
_RETRY_SECONDS = 5
# By which something in between may choose where a request goes.
_ROUTING_HEADERS = frozenset({b"mcp-protocol-version", b"mcp-method", b"mcp-name"})


class McpEndpoint:
    """The ASGI application at /mcp."""

    def __init__(
        self,
        dispatch: Dispatch,
        entrance: Entrance,
        policy: Policy,
        audit: Audit,
        refusals: Refusals,
        call_rates: CallRates,
        *,
        is_allowed_origin: Callable[[str], bool],
    ) -> None:
        self._dispatch = dispatch
        self._entrance = entrance
        self._policy = policy
        self._audit = audit
        self._refusals = refusals
        self._call_rates = call_rates
        self._is_allowed_origin = is_allowed_origin
        self._lists = RememberedLists(policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = Answer(send)
        try:
            await self._serve(Request(scope, receive), answer)
        except AuditFileError:
            # What is not on the record is not answered; a stream that has begun just ends.
            if answer.has_begun:
                await answer({"type": "http.response.body", "body": b""})
                return
            text = "the server cannot write its audit trail; try again in a moment"
            await send_later(answer, text, _RETRY_SECONDS, answer.to)
        except StoreUnavailableError:
            # Also of the count of refusals, which is asked while a refusal is answered.
            text = "the server's store does not answer; try again in a moment"
            await send_later(answer, text, _RETRY_SECONDS, answer.to)
        except ClientDisconnect:
            # Nobody is there to hear an answer.
            return

    async def _serve(self, request: Request, send: Answer) -> None:
        """One request; raises `AuditFileError`, `StoreUnavailableError`, `ClientDisconnect`."""
        try:
            _check_method(request, _METHODS)
            self._check_origin(request)
            self._audit.check()
            admitted = await self._entrance.admitted(request)
            _check_method(request, frozenset({"POST"}))
            incoming = await _incoming(request)
            if isinstance(incoming, Message):
                send.to = incoming.request_id
                await self._answer(request, send, admitted, incoming)
            else:
                await self._answer_batch(request, send, admitted, incoming)
        except _RefusedError as refusal:
            body = error_body(INVALID_REQUEST, refusal.text, None)
            await send_json(send, body, status=refusal.status, headers=refusal.headers)
        except BearerError as error:
            if error.was_presented:
                await self._refusals.write(request, "bearer.refused", error.reason)
            await send_unauthorized(send, error)
        except MessageError as error:
            body = error_body(error.code, error.message, error.request_id)
            await send_json(send, body, status=400)
        except EntranceUnavailableError as error:
            await send_later(send, error.text, error.retry_after_seconds, send.to)
        except TooManyRequestsError as error:
            await send_later(send, str(error), error.retry_after_seconds, send.to, status=429)

    async def _answer(
        self, request: Request, send: Send, admitted: Admitted, message: Message
    ) -> None:
        """One message: role, decision, then the refusal or what was asked for, and the audit.

        Raises `BearerError` and `MessageError` before anything is sent.
        """
        principal = admitted.principal
        try:
            if message.method in ROLE_METHODS:
                principal = await admitted.with_role()
        except DirectoryUnavailableError:
            text = "Okta does not answer, so your groups cannot be checked; try again in a minute"
            refused = unjudged(message, "okta_unavailable")
            await self._record(line_of(request, message, principal, refused))
            await send_json(send, error_body(UNAVAILABLE, text, message.request_id))
            return
        judged = verdict(message, principal, self._policy)
        if judged.answer is not None:
            await self._record(line_of(request, message, principal, judged))
            await send_refusal(send, request, judged.answer)
        elif message.method.endswith("/list"):
            await self._answer_list(request, send, message, principal, judged)
        else:
            for part in await self._dispatched(request, send, message, principal, judged):
                await send(part)

    async def _answer_list(
        self,
        request: Request,
        send: Send,
        message: Message,
        principal: Principal,
        judged: Verdict,
    ) -> None:
        began_at = time.perf_counter()
        key = self._lists.key(request, message, principal)
        kept = self._lists.get(key)
        if kept is None:
            made_from = self._policy.behind.listed
            tools = self._tools_of(principal)
            parts = await self._dispatched(request, send, message, principal, judged, count=tools)
            if key is not None:
                self._lists.keep(key, parts, made_from, tools)
            for part in parts:
                await send(part)
            return
        call = self._call(principal, message.method, judged)
        taken = _milliseconds_since(began_at)
        await self._record(
            line_of(
                *(request, message, principal, judged, call), count=kept.tools, milliseconds=taken
            )
        )
        await send_json(send, kept.answer(message.request_id))

    async def _answer_batch(
        self,
        request: Request,
        send: Send,
        admitted: Admitted,
        batch: tuple[Message | MessageError, ...],
    ) -> None:
        """A batch of revision 2025-03-26: each element by itself, the answers in one list."""
        if request.headers.get(VERSION_HEADER, _BATCH_VERSION) != _BATCH_VERSION:
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
        if answers:
            await send_json(send, answers)
        else:
            await send({"type": "http.response.start", "status": 202, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin is not None and not self._is_allowed_origin(origin):
            text = f"pages of {origin[:200]} may not call this server; see ALLOWED_ORIGINS"
            raise _RefusedError(403, text)

    async def _dispatched(
        self,
        request: Request,
        send: Send,
        message: Message,
        principal: Principal,
        judged: Verdict,
        **measured: Any,
    ) -> list[AsgiMessage]:
        """The answer, on the record; of one that has begun as a stream, the rest."""
        call = self._call(principal, message.method, judged)
        current_principal.set(principal)
        current_call.set(call)
        began_at = time.perf_counter()

        def line() -> dict[str, Any] | None:
            taken = _milliseconds_since(began_at)
            return line_of(
                *(request, message, principal, judged, call), milliseconds=taken, **measured
            )

        async def dispatched(send: Send) -> None:
            await self._dispatch(request, message, call, send)

        # Elements of a batch are answered together: none of them has a stream of its own.
        token = None if isinstance(send, _Collected) else progress_token(request, message)
        try:
            answer = await run_call(dispatched, request, send, token, call.progress)
        except HungUpError:
            # The call was made and stands in the record; nobody is there to hear an answer.
            call.error_code, answer = "interrupted", []
        except BaseException:
            call.error_code = call.error_code or "interrupted"
            # At once: whoever is cancelled may not get to wait for anything any more.
            if (interrupted := line()) is not None:
                self._audit.write(**interrupted)
            raise
        await self._record(line())
        return answer

    async def _record(self, line: dict[str, Any] | None) -> None:
        if line is not None:
            await self._audit.record(**line)

    def _tools_of(self, principal: Principal) -> int | None:
        """How many tools the principal sees; None where no role is known."""
        if principal.decision is None:
            return None
        role, groups = principal.role, principal.server_groups
        return len(self._policy.allowed("tools", role, principal.scopes, groups))

    def _call(self, principal: Principal, method: str, judged: Verdict) -> Call:
        role, name = principal.role, judged.subject or method

        def may(tool: str) -> bool:
            scopes, groups = principal.scopes, principal.server_groups
            return self._policy.decision("tools", tool, role, scopes, groups).allowed

        # What is read or completed is the caller's text, which must not choose what is counted.
        counted_as = name if method == "tools/call" else method

        async def counted() -> None:
            await self._call_rates.count(principal.user_id, counted_as, judged.server)

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


class _RefusedError(Exception):
    """Answered with `status` before there is a message."""

    def __init__(self, status: int, text: str, headers: HeaderPairs = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


def _check_method(request: Request, methods: frozenset[str]) -> None:
    if request.method not in methods:
        text = "this server keeps no session and opens no stream; send POST"
        raise _RefusedError(405, text, [(b"allow", b"POST")])


async def _incoming(request: Request) -> Message | tuple[Message | MessageError, ...]:
    try:
        incoming = parsed(await bounded_body(request, LARGEST_MESSAGE))
    except BodyTooLargeError as error:
        raise _RefusedError(413, error.reason) from None
    _check_headers_once(request, incoming)
    if isinstance(incoming, Message) and not incoming.is_notification:
        _check_routing_headers(request, incoming)
    return incoming


def _check_headers_once(request: Request, incoming: object) -> None:
    """Something in between that reads the last of two headers would read another request."""
    named = [name for name, _ in request.scope["headers"] if name in _ROUTING_HEADERS]
    if len(named) != len(set(named)):
        request_id = incoming.request_id if isinstance(incoming, Message) else None
        names = ", ".join(sorted(name.decode() for name in _ROUTING_HEADERS))
        raise MessageError(HEADER_MISMATCH, f"send each header of {names} once", request_id)


def _check_routing_headers(request: Request, message: Message) -> None:
    """Where a revision repeats the body in headers, both must say the same (MCP 2026-07-28).

    The decision is on the body; something in between may have decided on the headers.
    """
    if not is_modern(request):
        return
    route = classify_inbound_request(message.raw, headers=request.headers)
    if isinstance(route, InboundLadderRejection):
        raise MessageError(route.code, route.message, message.request_id)


class _Collected:
    """Takes the answer to one element of a batch in the place of the connection."""

    def __init__(self) -> None:
        self._body = b""

    async def __call__(self, message: AsgiMessage) -> None:
        self._body += message.get("body", b"")

    def answers(self) -> list[Any]:
        """The answer as a list of one, empty for a notification."""
        return [json.loads(self._body)] if self._body else []


def _milliseconds_since(began_at: float) -> int:
    return round((time.perf_counter() - began_at) * 1000)
