"""The whole organisation in this process: a browser at it, and a client that signs in."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from okta_mcp.sandbox.app import build_app
from okta_mcp.sandbox.clients import public_keys
from okta_mcp.sandbox.state import Registration, SandboxState, ServiceRegistration
from tests.sandbox.organisation import NOW, ORG, TOKEN, fresh
from tests.sandbox.service import SERVICE, ServiceKey

CALLBACK = "http://localhost:3001/oauth/callback"
SIGNED_OUT = "http://localhost:3001/oauth/signed-out"
CONTROL_SECRET = "control-secret"
CLIENT = ("0oaclient", "client-secret")
# The native application of a command line, and the one of a resource server.
NATIVE, NATIVE_CALLBACK = "0oanative", "http://localhost:3030/oauth/callback"
CHECKER = ("0oachecker", "checker-secret")
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
SCOPE = "openid profile email groups offline_access"


@cache
def _state() -> SandboxState:
    return SandboxState(
        base_url=ORG,
        registration=Registration(*CLIENT, (CALLBACK,), (SIGNED_OUT,)),
        api_token=TOKEN,
        control_secret=CONTROL_SECRET,
        wall_clock=lambda: NOW,
        id_token_style="fat",
        rate_profile="off",
        service=ServiceRegistration(SERVICE, public_keys(json.dumps(ServiceKey.shared().jwks))),
        others=(Registration(NATIVE, "", (NATIVE_CALLBACK,)), Registration(*CHECKER)),
    )


@contextmanager
def fresh_state() -> Iterator[SandboxState]:
    """The organisation as at its start; making the keys and seeding again would take long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("okta_mcp.sandbox.state.seeded", lambda now: fresh())
        _state().reset()
        yield _state()


class Person(httpx.AsyncClient):
    """A browser at the organisation, with the client's own calls beside it."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        super().__init__(transport=httpx.ASGITransport(build_app(state)), base_url=ORG)

    async def authorize(self, **changes: str | None) -> httpx.Response:
        """The authorization request; a change to None leaves the parameter out."""
        parameters: dict[str, str | None] = {
            "client_id": CLIENT[0],
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": SCOPE,
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": CHALLENGE.decode(),
            "code_challenge_method": "S256",
            **changes,
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        return await self.get("/oauth2/v1/authorize", params=given)

    async def press(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """One of the page's forms, with its hidden fields."""
        _, _, rest = page.text.partition('name="request" value="')
        request = rest.partition('"')[0].replace("&amp;", "&")
        csrf = self.cookies["sandbox_csrf"]
        return await self.post("/signin", data={"csrf": csrf, "request": request} | fields)

    async def code(self, login: str = "hana.help", **changes: str | None) -> str:
        answer = await self.press(await self.authorize(**changes), login=login)
        return answered(answer)["code"]

    async def token(self, auth: tuple[str, str] | None = CLIENT, **form: str) -> httpx.Response:
        return await self.post("/oauth2/v1/token", data=form, auth=auth)

    async def redeem(self, code: str, **changes: str) -> httpx.Response:
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER} | changes
        return await self.token(grant_type="authorization_code", **form)

    async def refresh(self, token: str, **form: str) -> httpx.Response:
        return await self.token(grant_type="refresh_token", refresh_token=token, **form)

    async def signed_in(self, login: str = "hana.help", **changes: str | None) -> dict[str, Any]:
        """The token answer of a whole login."""
        answer = await self.redeem(await self.code(login, **changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def userinfo(self, access_token: str) -> httpx.Response:
        return await self.get(
            "/oauth2/v1/userinfo", headers={"Authorization": f"Bearer {access_token}"}
        )


def answered(response: httpx.Response) -> dict[str, str]:
    """What came back to the client's redirect URI."""
    assert response.status_code == 302, response.text
    location = urlsplit(response.headers["location"])
    assert location._replace(query="").geturl() == CALLBACK
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def claims_of(id_token: str) -> dict[str, Any]:
    return dict(jwt.decode(id_token, options={"verify_signature": False}))
