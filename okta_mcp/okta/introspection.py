"""Asking the authorization server what an access token is worth (RFC 7662).

The answer is kept for half a minute and never past the token's end, a refusal for less, by the
digest of the token and in bounded number; equal questions at the same time are one, and of others
only so many are asked at once. Without an answer nobody gets in. Source of the fields: okta-facts
1.8.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import jwt

from okta_mcp.okta.access_tokens import (
    Access,
    AccessTokenError,
    BeforeAsking,
    CheckUnavailableError,
    Expected,
)
from okta_mcp.okta.authorization_server import AuthorizationServer, OktaLoginError, json_object
from okta_mcp.okta.client_authentication import ClientAuthentication

KEPT_SECONDS = 30.0
REFUSAL_KEPT_SECONDS = 5.0
MOST_KEPT = 10_000
# Strangers' tokens must not take all connections to Okta, and each refusal must be counted before
# many more are asked about.
MOST_ASKED_AT_ONCE = 32
LONGEST_WAIT_SECONDS = 5.0

log = logging.getLogger("okta_mcp")


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer, or the reason of a refusal; good until `until` (epoch seconds)."""

    answer: Access | str
    until: float


class Introspection:
    """One application of ours asks one server. Fits `TokenCheck`."""

    def __init__(
        self,
        server: AuthorizationServer,
        authentication: ClientAuthentication,
        expected: Expected,
    ) -> None:
        self._server = server
        self._authentication = authentication
        self._expected = expected
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[_Known]] = {}
        self._is_refused = False
        self._places = asyncio.Semaphore(MOST_ASKED_AT_ONCE)

    async def access(self, token: str, before_asking: BeforeAsking) -> Access:
        key = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        known = self._still_known(key)
        if known is None:
            known = await self._in_turn(key, token, before_asking)
        if isinstance(known.answer, str):
            raise AccessTokenError(known.answer)
        return known.answer

    def _still_known(self, key: bytes) -> _Known | None:
        known = self._known.get(key)
        return known if known is not None and known.until > self._expected.now() else None

    async def _in_turn(self, key: bytes, token: str, before_asking: BeforeAsking) -> _Known:
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise CheckUnavailableError("too many tokens wait to be asked about") from None
        try:
            # Whoever went before may have asked about the same, or used the caller's rate up.
            known = self._still_known(key)
            if known is None:
                await before_asking()
                known = await self._joined(key, token)
            return known
        finally:
            self._places.release()

    async def _joined(self, key: bytes, token: str) -> _Known:
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._learned(key, token))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        # A caller that goes away must not end the question of the others.
        return await asyncio.shield(task)

    async def _learned(self, key: bytes, token: str) -> _Known:
        # Both count from the question: the answer may already be old when it arrives.
        now = self._expected.now()
        try:
            answer = self._expected.access(await self._claims(token))
        except AccessTokenError as error:
            known = _Known(error.reason, now + REFUSAL_KEPT_SECONDS)
        else:
            known = _Known(answer, min(now + KEPT_SECONDS, answer.expires_at))
        self._known[key] = known
        self._known.move_to_end(key)
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return known

    async def _claims(self, token: str) -> dict[str, Any]:
        """The answer under the names that the token itself would use."""
        body = await self._answer(token)
        if body.get("active") is not True:
            raise AccessTokenError("the token is unknown, expired or revoked")
        if body.get("token_type", "Bearer") != "Bearer":
            raise AccessTokenError("a token of another type")
        scope = body.get("scope")
        claims = {name: body[name] for name in ("iss", "aud", "exp", "iat", "nbf") if name in body}
        return claims | {
            "cid": body.get("client_id"),
            "uid": body.get("uid"),
            "sub": body.get("username") or body.get("sub"),
            "scp": scope.split() if isinstance(scope, str) else None,
            **_claimed_groups(body, token),
        }

    async def _answer(self, token: str) -> dict[str, Any]:
        try:
            url = (await self._server.endpoints()).introspection
            if url is None:
                raise CheckUnavailableError("the authorization server has no introspection")
            form = {"token": token, "token_type_hint": "access_token"}
            fields, headers = self._authentication.fields(url), self._authentication.headers()
            answer = await self._server.post(url, form | fields, headers)
        except OktaLoginError as error:
            raise CheckUnavailableError("Okta does not answer") from error
        body = json_object(answer) if answer.status_code == 200 else None
        self._note(answer.status_code)
        if body is None or not isinstance(body.get("active"), bool):
            raise CheckUnavailableError(f"Okta answered {answer.status_code} to an introspection")
        return body

    def _note(self, status: int) -> None:
        """Say once that nobody gets in because of a setting of ours."""
        is_refused = status in (400, 401, 403)
        if is_refused and not self._is_refused:
            log.error(
                "Okta does not let this server introspect tokens (%d): nobody gets in. Check"
                " OKTA_CLIENT_ID, OKTA_CLIENT_SECRET and OKTA_TOKEN_ENDPOINT_AUTH_METHOD, or use"
                " OKTA_TOKEN_CHECK=jwks, which needs none of them. Check: okta-mcp doctor --only"
                " okta.client",
                status,
            )
        self._is_refused = is_refused


def _claimed_groups(body: dict[str, Any], token: str) -> dict[str, Any]:
    """A groups claim: of the answer, else of the token, which Okta has just said is its own."""
    if "groups" in body:
        return {"groups": body["groups"]}
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    return {"groups": claims["groups"]} if "groups" in claims else {}
