"""The forms of the pages: sealed contents, a CSRF token each, and where a POST may come from.

A form carries what it is about sealed (AES-GCM), so a GET stores nothing and nothing in it can be
changed or read. Beside it the browser holds a signed cookie of that one form; the form knows the
cookie's digest. A POST therefore proves that this browser was shown this form, and a form of one
request approves no other. A browser keeps at most ten of these cookies, the oldest goes first.
"""

import hashlib
import hmac
import re
import secrets

import msgspec
from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.stores.records import CheckedRequest
from okta_mcp.stores.sealing import NotSealedHereError, Sealer

FORM_TTL_SECONDS = 600
_MOST_FORM_COOKIES = 10
_COOKIE = "form_"
_FORM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class Form(msgspec.Struct, frozen=True):
    """What a form is about: the request it belongs to, and to whom it was shown, if signed in.

    `error` is the code with which a no ends the client's request. `reason` is that of the problem
    which the page showed, None where the page asked the person.
    """

    id: str
    request: CheckedRequest | None = None
    user_id: str | None = None
    error: str = "access_denied"
    reason: str | None = None


class _Contents(msgspec.Struct, frozen=True):
    """What is sealed: the form, and the digest of the cookie that proves it."""

    cookie: str
    form: Form


class Forms:
    """Issues forms and reads them back.

    `keys` sign the cookies, the last is the current one; `origin` is this server's own.
    """

    def __init__(self, sealer: Sealer, keys: list[bytes], cookies: Cookies, *, origin: str) -> None:
        self._sealer = sealer
        self._signer = TimestampSigner(keys, digest_method=hashlib.sha256)
        self._cookies = cookies
        self._origin = origin

    def issued(self, purpose: str, form: Form) -> tuple[str, str]:
        """The sealed form for the page, and the value of the cookie that goes with it."""
        cookie = self._signer.sign(secrets.token_urlsafe(16)).decode()
        contents = msgspec.json.encode(_Contents(_digest(cookie), form)).decode()
        return self._sealer.seal(contents, purpose), cookie

    def keep(self, request: Request, response: Response, form: Form, cookie: str) -> None:
        """Give the browser the form's cookie, and make room for it."""
        # Only names that this server gives: what else a browser sends may not be a name at all.
        held = {
            name: value
            for name, value in self._cookies.named(request, _COOKIE).items()
            if _FORM_ID.fullmatch(name)
        }
        held.pop(form.id, None)
        by_age = sorted(held, key=lambda name: self._signed_at(held[name]))
        for name in by_age[: max(0, len(held) - _MOST_FORM_COOKIES + 1)]:
            self._cookies.delete(response, f"{_COOKIE}{name}")
        self._cookies.set(response, f"{_COOKIE}{form.id}", cookie, ttl_seconds=FORM_TTL_SECONDS)

    def read(self, request: Request, purpose: str, sealed: str | None) -> Form:
        """The form of a POST; raises `PageError` 403 `form_foreign` or 400 `form_expired`."""
        self._check_origin(request)
        try:
            opened = self._sealer.open(sealed or "", purpose)
        except NotSealedHereError:
            raise PageError("form_expired") from None
        contents = msgspec.json.decode(opened, type=_Contents)
        form = contents.form
        cookie = self._cookies.get(request, f"{_COOKIE}{form.id}")
        if cookie is None or not hmac.compare_digest(_digest(cookie), contents.cookie):
            raise PageError("form_foreign", status=403)
        try:
            self._signer.unsign(cookie, max_age=FORM_TTL_SECONDS)
        except BadSignature:
            raise PageError("form_expired") from None
        return form

    def forget(self, response: Response, form: Form) -> None:
        """The form has been answered: its cookie is of no more use."""
        self._cookies.delete(response, f"{_COOKIE}{form.id}")

    def _check_origin(self, request: Request) -> None:
        """Refuse a POST that another site's page caused, whatever cookies came along."""
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site")
        if origin == "null" and site == "same-origin":
            return
        if origin not in (None, self._origin) or site in ("cross-site", "same-site"):
            raise PageError("form_foreign", status=403)

    def _signed_at(self, cookie: str) -> float:
        try:
            _, moment = self._signer.unsign(cookie, return_timestamp=True)
        except BadSignature:
            return 0.0
        return moment.timestamp()


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
