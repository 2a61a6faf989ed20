"""The control plane that tests use; without its secret it does not exist."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox.state import Fault, SandboxState, SigningKey

Verb = Callable[[Request, dict[str, Any]], Any]


def control_routes(state: SandboxState) -> list[Route]:
    """`POST /__sandbox/...` with a JSON object, and the request journal."""
    control = _Control(state)
    posts: dict[str, Verb] = {
        "/__sandbox/reset": control.reset,
        "/__sandbox/settings": control.change_settings,
        "/__sandbox/users/{login}": control.change_user,
        "/__sandbox/groups/{name}/members": control.change_members,
        "/__sandbox/faults": control.add_fault,
        "/__sandbox/clock": control.move_clock,
        "/__sandbox/rotate-keys": control.rotate_keys,
    }
    return [
        *(Route(path, control.guarded(verb), methods=["POST"]) for path, verb in posts.items()),
        Route("/__sandbox/requests", control.guarded(control.journal), methods=["GET", "DELETE"]),
    ]


class _Control:
    def __init__(self, state: SandboxState) -> None:
        self._state = state

    def guarded(self, verb: Verb) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            secret = request.headers.get("x-sandbox-control", "")
            if not hmac.compare_digest(secret.encode(), self._state.control_secret.encode()):
                return JSONResponse({"error": "not found"}, status_code=404)
            body = await request.body()
            outcome = verb(request, await request.json() if body else {})
            return JSONResponse(outcome if outcome is not None else {"done": True})

        return endpoint

    def reset(self, _: Request, __: dict[str, Any]) -> None:
        self._state.reset()

    def change_settings(self, _: Request, body: dict[str, Any]) -> dict[str, Any]:
        unknown = body.keys() - self._state.settings.keys()
        if unknown:
            raise ValueError(f"no such switch: {sorted(unknown)}")
        self._state.settings.update(body)
        return self._state.settings

    def change_user(self, request: Request, body: dict[str, Any]) -> None:
        user = self._user(request.path_params["login"])
        self._state.organisation.set_status(user["id"], body["status"])

    def change_members(self, request: Request, body: dict[str, Any]) -> None:
        organisation = self._state.organisation
        group = organisation.group_named(request.path_params["name"])
        if group is None:
            raise ValueError("no such group")
        for login in body.get("add", []):
            organisation.add_member(group["id"], self._user(login)["id"])
        for login in body.get("remove", []):
            organisation.remove_member(group["id"], self._user(login)["id"])

    def add_fault(self, _: Request, body: dict[str, Any]) -> None:
        self._state.faults.append(
            Fault(
                match=body["match"],
                kind=body.get("kind", "status"),
                status=body.get("status", 500),
                times=body.get("times", 1),
                seconds=body.get("seconds", 1.0),
            )
        )

    def move_clock(self, _: Request, body: dict[str, Any]) -> None:
        self._state.clock_offset += body["advance_seconds"]

    def rotate_keys(self, _: Request, __: dict[str, Any]) -> None:
        # As Okta does: the new key signs, the one before stays published for a while.
        self._state.keys = [SigningKey(), self._state.keys[0]]

    def journal(self, request: Request, _: dict[str, Any]) -> list[dict[str, Any]]:
        entries = list(self._state.journal)
        if request.method == "DELETE":
            self._state.journal.clear()
        return entries

    def _user(self, login: str) -> dict[str, Any]:
        user = self._state.organisation.user(login)
        if user is None:
            raise ValueError(f"no such user: {login}")
        return user
