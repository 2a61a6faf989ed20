"""The control plane that tests use; without its secret it looks like any unknown path.

`POST /__sandbox/VERB` with a JSON object (header X-Sandbox-Control holds the secret):

    reset                 everything as at the start; keys and secrets stay
    settings              {switch: value}, the switches below
    users/{login}         {"status": one of STATUSES}
    groups/{name}/members {"add": [login], "remove": [login]}
    faults                a Fault, matched by prefix of "METHOD /path", see faults
    clock                 {"advance_seconds": number}: Date header, resets and expiries move along
    rotate-keys           a new key signs, the one before stays published
    rotate-dpop-nonce     no nonce of before is good: the next proof is sent back for a new one
    scopes/{application}  {"granted": [okta.* scopes]}, of `web` or `service`; all at the start
    requests              (GET) the journal of what was asked, and by which kind of credential

What is wrong with a call is answered with 400 and {"error": text}. The switches, with the value at
the start first:

    id_token_style        fat | thin: whether ID tokens carry profile and groups
    rate_profile          workforce | integrator | off: the limits of the Management API
    groups_claim          on | off | too_many: the filter of the application's groups claim
    custom_groups_claim   off | on: whether the custom server's access tokens have that claim
    refresh_rotation      STATIC | ROTATE
    assigned              true | false: whether people may use the application
    acr_granted           asked | weaker | none: what the ID token says where acr_values are asked
    ungranted_scopes      refused | dropped: what becomes of okta.* scopes that are not granted
    service_dpop          required | optional | off: whether the service application's tokens are
                          bound to a key; optional binds what comes with a proof
    service_role          SUPER_ADMIN | READ_ONLY_ADMIN | CUSTOM | none: its administrator role;
                          CUSTOM has a resource set without the role groups, see access
    api_token_role        the same for the owner of the API token
    api_token_active      true | false; the token also ends when nora.super is deactivated
"""

import hmac
import json
import math
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from okta_mcp.sandbox.access import API_SCOPES
from okta_mcp.sandbox.faults import KINDS, Fault
from okta_mcp.sandbox.state import SETTINGS, STATUSES, SandboxState, SigningKey

CONTROL_PREFIX = "/__sandbox/"
_LONGEST_SECONDS = 366 * 86_400


class ControlError(Exception):
    """A call that cannot be followed; the text says why."""


def control_route(state: SandboxState) -> Route:
    """Every method and path of the control plane: the secret is asked before anything else."""
    return Route(f"{CONTROL_PREFIX}{{verb:path}}", _Control(state))


class _Control:
    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        secret = request.headers.get("x-sandbox-control", "")
        if not hmac.compare_digest(secret.encode(), self._state.control_secret.encode()):
            raise HTTPException(404)
        try:
            outcome = self._followed(request, _object(await request.body()))
        except ControlError as error:
            response = JSONResponse({"error": str(error)}, status_code=400)
        else:
            response = JSONResponse({"done": True} if outcome is None else outcome)
        await response(scope, receive, send)

    def _followed(self, request: Request, body: dict[str, Any]) -> Any:
        match request.method, *request.path_params["verb"].split("/"):
            case "GET", "requests":
                return list(self._state.journal)
            case "POST", "reset":
                self._state.reset()
            case "POST", "settings":
                return self._change_settings(body)
            case "POST", "users", login:
                user = self._user(login)
                status = _one_of("status", body.get("status"), STATUSES)
                self._state.organisation.set_status(user["id"], status)
            case "POST", "groups", name, "members":
                self._change_members(name, body)
            case "POST", "faults":
                self._state.faults.append(_fault(body))
            case "POST", "clock":
                seconds = _number("advance_seconds", body.get("advance_seconds"), _LONGEST_SECONDS)
                self._state.clock_offset += seconds
            case "POST", "rotate-keys":
                self._state.keys = [SigningKey(), self._state.keys[0]]
                self._state.custom_keys = [SigningKey(), self._state.custom_keys[0]]
            case "POST", "rotate-dpop-nonce":
                self._state.proofs.forget_nonces()
            case "POST", "scopes", application:
                _one_of("application", application, tuple(self._state.granted))
                scopes = _texts("granted", body.get("granted"), "okta.* scopes")
                self._state.granted[application] = frozenset(
                    _one_of("granted", scope, API_SCOPES) for scope in scopes
                )
            case _:
                raise HTTPException(404)
        return None

    def _change_settings(self, body: dict[str, Any]) -> dict[str, Any]:
        for name, value in body.items():
            if name not in SETTINGS:
                raise ControlError(f"no such switch: {name}; there are {', '.join(SETTINGS)}")
            _one_of(name, value, SETTINGS[name])
        self._state.settings |= body
        return self._state.settings

    def _change_members(self, name: str, body: dict[str, Any]) -> None:
        organisation = self._state.organisation
        group = organisation.group_named(name)
        if group is None:
            raise ControlError(f"no such group: {name}")
        add, remove = (
            [self._user(login)["id"] for login in _texts(verb, body.get(verb, []), "logins")]
            for verb in ("add", "remove")
        )
        for user_id in add:
            organisation.add_member(group["id"], user_id)
        for user_id in remove:
            organisation.remove_member(group["id"], user_id)

    def _user(self, login: str) -> dict[str, Any]:
        user = self._state.organisation.user(login)
        if user is None:
            raise ControlError(f"no such user: {login}")
        return user


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ControlError("the body is not JSON") from error
    if not isinstance(parsed, dict):
        raise ControlError("the body is not a JSON object")
    return parsed


def _fault(body: dict[str, Any]) -> Fault:
    unknown = body.keys() - {"match", "kind", "status", "times", "seconds"}
    if unknown or not isinstance(body.get("match"), str) or not body["match"]:
        raise ControlError('a fault has "match" and may have kind, status, times and seconds')
    return Fault(
        match=body["match"],
        kind=_one_of("kind", body.get("kind", "status"), KINDS),
        status=_one_of("status", body.get("status", 500), range(400, 600)),
        times=_one_of("times", body.get("times", 1), range(1, 10_000)),
        seconds=_number("seconds", body.get("seconds", 1.0), 600),
    )


def _one_of(name: str, value: Any, allowed: Any) -> Any:
    # True equals 1 and 1.0 equals 1, so the types are compared too.
    if type(value) not in {type(one) for one in allowed} or value not in allowed:
        shown = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else allowed
        raise ControlError(f"{name} is not one of {shown}")
    return value


def _number(name: str, value: Any, most: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= most:
        raise ControlError(f"{name} is not a number from 0 to {most}")
    return float(value)


def _texts(name: str, value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ControlError(f"{name} is not a list of {what}")
    return value
