"""Grants and everything that hangs on them: codes, access tokens, refresh tokens, their end.

A grant is made when a person allows a client, together with the code. Redeeming the code and each
refresh is one atomic swap on the grant. What is used stays known until
its grant would have ended anyway, so that reuse is recognised: it ends the grant (RFC 9700 section
4.14.2). One exception: an answer that was lost on its way is repeated to the client that lost it.
"""

import contextlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN, CODE, REFRESH_TOKEN, new_secret
from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.okta.oidc import s256
from okta_mcp.rbac.families import OFFLINE_ACCESS
from okta_mcp.rbac.policy import Role
from okta_mcp.rbac.services import Service
from okta_mcp.stores.interface import StoreFullError, StoreUnavailableError
from okta_mcp.stores.records import (
    AccessToken,
    CheckedRequest,
    Client,
    Code,
    Grant,
    Records,
    RefreshToken,
    Session,
    digest,
)
from okta_mcp.stores.sealing import NotSealedHereError, Sealer

# A refresh answer is repeated for this long in any case (parallel requests), and for the longer
# time while nothing of it has been used (an answer that never arrived).
_REPEAT_SECONDS = 10
_REPEAT_UNUSED_SECONDS = 600
_ANSWER = "refresh answer"
_USE_NOTED_SECONDS = 60
# A service proves itself anew as often as it likes: its token need not outlive a playbook's run.
SERVICE_TOKEN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds; each a setting."""

    code: int
    access_token: int
    grant: int


@dataclass(frozen=True, slots=True)
class Bearer:
    """What an access token stands for."""

    grant: Grant
    scopes: tuple[str, ...]


class Grants:
    """Opens, redeems, refreshes and ends grants. `resource_url` is the public URL of /mcp."""

    def __init__(
        self,
        records: Records,
        sealer: Sealer,
        upstreams: Upstreams,
        audit: Audit,
        *,
        lifetimes: Lifetimes,
        resource_url: str,
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._sealer = sealer
        self._upstreams = upstreams
        self._audit = audit
        self._lifetimes = lifetimes
        self._resource_url = resource_url
        self._now = now

    def end_of_access(self, scopes: tuple[str, ...]) -> float:
        """When access that is allowed now would end by itself (epoch seconds)."""
        stays = OFFLINE_ACCESS in scopes
        return self._now() + (self._lifetimes.grant if stays else self._lifetimes.access_token)

    async def open(
        self,
        session: Session,
        client: Client,
        request: CheckedRequest,
        scopes: tuple[str, ...],
        role: Role,
    ) -> str:
        """A grant and its code; the code is returned, the grant waits for its redemption."""
        now = self._now()
        grant = Grant(
            key=f"{session.user_id}/{secrets.token_urlsafe(16)}",
            user_id=session.user_id,
            login=session.login,
            name=session.name,
            client_id=client.client_id,
            client_name=client.name,
            redirect_uri=request.redirect_uri,
            scopes=scopes,
            resource=self._resource_url,
            role=role,
            created_at=now,
            expires_at=self.end_of_access(scopes),
            upstream_id=session.upstream_id,
        )
        code = new_secret(CODE)
        await self._records.grants.put(grant.key, grant, self._lifetimes.code)
        await self._records.codes.put(
            digest(code),
            Code(
                grant_key=grant.key,
                client_id=client.client_id,
                redirect_uri=request.redirect_uri,
                code_challenge=request.code_challenge,
                resource=request.resource,
            ),
            self._lifetimes.code,
        )
        return code

    async def open_for_service(
        self, service: Service, key_thumbprint: str, scopes: tuple[str, ...]
    ) -> tuple[Grant, dict[str, Any]]:
        """A grant that no person gave, with its one access token; it ends with that."""
        now = self._now()
        grant = Grant(
            key=f"{service.user_id}/{secrets.token_urlsafe(16)}",
            user_id=service.user_id,
            login="",
            name=service.name,
            client_id=service.name,
            client_name=service.name,
            redirect_uri="",
            scopes=scopes,
            resource=self._resource_url,
            role=service.role,
            created_at=now,
            expires_at=now + min(SERVICE_TOKEN_SECONDS, self._lifetimes.access_token),
            redeemed=True,
            service=service.name,
            service_key=key_thumbprint,
        )
        answer = await self._new_pair(grant, scopes, generation=0)
        await self._records.grants.put(grant.key, grant, grant.expires_at - now)
        return grant, answer

    async def withdraw(self, code: str) -> None:
        """Take back a code that nobody has received, and its grant."""
        stored = await self._records.codes.take(digest(code))
        if stored is not None:
            await self._records.grants.delete(stored.grant_key)

    async def redeemed(
        self, client: Client, code: str, *, verifier: str, redirect_uri: str | None
    ) -> tuple[Grant, dict[str, Any]]:
        """The grant and the first tokens for a code; raises `TokenError`.

        Everything is checked before the code is used up, so a wrong client, verifier or redirect
        URI harms nobody.
        """
        key = digest(code)
        stored = await self._records.codes.get(key)
        if stored is None:
            raise invalid_grant("code_unknown", "the code is unknown or has expired")
        if stored.client_id != client.client_id:
            raise invalid_grant("code_of_other_client", "the code was not issued to this client")
        if redirect_uri is not None and redirect_uri != stored.redirect_uri:
            raise invalid_grant("redirect_uri_differs", "redirect_uri differs from the request's")
        if not hmac.compare_digest(s256(verifier), stored.code_challenge):
            raise invalid_grant("verifier_wrong", "code_verifier does not match the challenge")
        grant = await self._records.grants.get(stored.grant_key)
        if grant is None or grant.redeemed:
            raise await self._code_reused(stored, grant)
        left = grant.expires_at - self._now()
        # The tokens first: a store that is full or away then refuses before the code is used up.
        answer = await self._new_pair(grant, grant.scopes, generation=0)
        # The one step that uses the code up. A server that is killed after it has given no answer,
        # and the code does not work again.
        if not await self._records.grants.swap(
            grant.key, grant, replace(grant, redeemed=True), left
        ):
            await self._drop(answer)
            raise await self._code_reused(stored, await self._records.grants.get(grant.key))
        with contextlib.suppress(StoreUnavailableError):
            # The mark lives as long as the grant can, so that reuse is known. Where it cannot be
            # written reuse is known for as long as the code lives; the tokens are good.
            await self._records.mark_used(key, stored, left)
        return grant, answer

    async def refresh_token_grant(
        self, client: Client, refresh_token: str
    ) -> tuple[RefreshToken, Grant]:
        """The grant of a refresh token of this client, current or old; raises `TokenError`."""
        stored = await self._records.refresh_tokens.get(digest(refresh_token))
        grant = await self._records.grants.get(stored.grant_key) if stored else None
        if stored is None or grant is None or not self._is_live(grant):
            raise invalid_grant("refresh_token_unknown", "the refresh token is unknown or ended")
        if grant.client_id != client.client_id:
            raise invalid_grant(
                "refresh_token_of_other_client", "the refresh token was not issued to this client"
            )
        return stored, grant

    async def refreshed(
        self, token: RefreshToken, grant: Grant, refresh_token: str, scopes: tuple[str, ...]
    ) -> tuple[dict[str, Any], bool]:
        """The next tokens, and whether they are the repetition of an answer given before.

        However many equal requests arrive at once, one makes the new pair; the others find the
        swap lost and repeat its answer. Raises `TokenError`; reuse ends the grant.
        """
        if token.generation == grant.generation:
            generation = grant.generation + 1
            answer = await self._new_pair(grant, scopes, generation)
            rotated = replace(
                grant,
                generation=generation,
                rotated_at=self._now(),
                pair_used=False,
                answer_sealed=self._sealer.seal(
                    json.dumps({"scopes": scopes, "answer": answer}), _answer_of(refresh_token)
                ),
            )
            left = grant.expires_at - self._now()
            if await self._records.grants.swap(grant.key, grant, rotated, left):
                return answer, False
            await self._drop(answer)
            current = await self._records.grants.get(grant.key)
            if current is None:
                raise invalid_grant("grant_ended", "the grant has ended")
            return await self.refreshed(token, current, refresh_token, scopes)
        repeated = self._repeated_answer(token, grant, refresh_token, scopes)
        if repeated is not None:
            return repeated, True
        await self.end(grant, "refresh_token_reused")
        self._audit.write("refresh_token.reused", "refused", **audit_fields(grant))
        raise invalid_grant("refresh_token_reused", "the refresh token was used before")

    async def by_access_token(self, access_token: str) -> Bearer | None:
        """What an access token stands for now, or None. Costs one read of the store."""
        if not access_token.startswith(ACCESS_TOKEN):
            return None
        found = await self._records.access_tokens.with_grant(digest(access_token))
        if found is None or not self._is_live(found[1]):
            return None
        stored, grant = found
        await self._note_use(stored, grant)
        return Bearer(grant, stored.scopes)

    async def revoke(self, client_id: str, token: str) -> Grant | None:
        """Give back an access token (alone) or a refresh token (with its grant), RFC 7009.

        The grant it belonged to; None where there is no such token of this client, which is no
        error.
        """
        if token.startswith(REFRESH_TOKEN):
            refresh = await self._records.refresh_tokens.get(digest(token))
            grant = await self._records.grants.get(refresh.grant_key) if refresh else None
            if grant is None or grant.client_id != client_id:
                return None
            await self.end(grant, "revoked_by_client")
            return grant
        access = await self._records.access_tokens.get(digest(token))
        grant = await self._records.grants.get(access.grant_key) if access else None
        if grant is None or grant.client_id != client_id:
            return None
        await self._records.access_tokens.delete(digest(token))
        return grant

    async def end(self, grant: Grant, reason: str) -> None:
        """End a grant and, with it, everything that points at it, Okta's refresh token included."""
        if await self._records.grants.delete(grant.key):
            self._audit.write("grant.ended", reason=reason, **audit_fields(grant))
            await self._upstreams.release(grant.user_id, grant.upstream_id)

    async def end_all(self, user_id: str, reason: str) -> int:
        """End every grant of a person; how many there were."""
        ended = [grant async for _, grant in self._records.grants.scan(f"{user_id}/")]
        for grant in ended:
            await self.end(grant, reason)
        return len(ended)

    def _is_live(self, grant: Grant) -> bool:
        """Whether it has not ended, and is for this server: a store may be shared by several."""
        return grant.expires_at > self._now() and grant.resource == self._resource_url

    async def _note_use(self, token: AccessToken, grant: Grant) -> None:
        """Write down that a token is in use: at its first use after a refresh, then once a minute.

        After the first use the answer that carried it has arrived, and need not be repeated for
        long. A swap that is lost to another request loses nothing but a minute.
        """
        now = self._now()
        arrived = 0 < token.generation == grant.generation and not grant.pair_used
        if arrived or grant.last_used_at is None or now - grant.last_used_at >= _USE_NOTED_SECONDS:
            used = replace(grant, pair_used=grant.pair_used or arrived, last_used_at=now)
            await self._records.grants.swap(grant.key, grant, used, grant.expires_at - now)

    async def _code_reused(self, code: Code, grant: Grant | None) -> TokenError:
        """Ends the grant of a code that is used up; the refusal."""
        if grant is not None:
            await self.end(grant, "code_reused")
            self._audit.write("code.reused", "refused", **audit_fields(grant))
        is_reused = code.used or grant is not None
        return invalid_grant(
            "code_reused" if is_reused else "grant_ended", "the code was used before"
        )

    async def _new_pair(
        self, grant: Grant, scopes: tuple[str, ...], generation: int
    ) -> dict[str, Any]:
        """Store new tokens and write the answer that carries them (RFC 6749 section 5.1)."""
        now = self._now()
        expires_at = min(now + self._lifetimes.access_token, grant.expires_at)
        access_token = new_secret(ACCESS_TOKEN)
        answer: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(expires_at - now),
            "scope": " ".join(scopes),
        }
        await self._records.access_tokens.put(
            digest(access_token),
            AccessToken(grant.key, scopes, generation, expires_at),
            expires_at - now,
        )
        if OFFLINE_ACCESS in grant.scopes:
            refresh_token = answer["refresh_token"] = new_secret(REFRESH_TOKEN)
            kept = RefreshToken(grant.key, generation)
            try:
                await self._records.refresh_tokens.put(
                    digest(refresh_token), kept, grant.expires_at - now
                )
            except StoreFullError:
                await self._records.access_tokens.delete(digest(access_token))
                raise
        return answer

    async def _drop(self, answer: dict[str, Any]) -> None:
        """Take back a pair that lost the race and was never given to anybody."""
        await self._records.access_tokens.delete(digest(answer["access_token"]))
        if "refresh_token" in answer:
            await self._records.refresh_tokens.delete(digest(answer["refresh_token"]))

    def _repeated_answer(
        self, token: RefreshToken, grant: Grant, refresh_token: str, scopes: tuple[str, ...]
    ) -> dict[str, Any] | None:
        """The last answer, where this is the request that led to it and it may have been lost."""
        age = self._now() - grant.rotated_at
        in_time = age <= _REPEAT_SECONDS or (age <= _REPEAT_UNUSED_SECONDS and not grant.pair_used)
        if token.generation != grant.generation - 1 or not in_time or not grant.answer_sealed:
            return None
        try:
            kept = json.loads(self._sealer.open(grant.answer_sealed, _answer_of(refresh_token)))
        except NotSealedHereError:
            return None
        answer: dict[str, Any] = kept["answer"]
        return answer if tuple(kept["scopes"]) == scopes else None


def audit_fields(grant: Grant) -> dict[str, Any]:
    """Who and what a grant is, for the audit trail."""
    if grant.service is not None:
        return {"service": grant.service, "grant": grant.key.partition("/")[2]}
    return {
        "user_id": grant.user_id,
        "login": grant.login,
        "client_id": grant.client_id,
        "client_name": grant.client_name,
        "grant": grant.key.partition("/")[2],
    }


def invalid_grant(reason: str, description: str) -> TokenError:
    """400 `invalid_grant`, after which clients log in again."""
    return TokenError("invalid_grant", description, reason=reason)


def _answer_of(refresh_token: str) -> str:
    return f"{_ANSWER} {digest(refresh_token)}"
