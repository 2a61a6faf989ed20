"""Everything that the sandbox organisation holds while it runs."""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.datastructures import FormData

from okta_mcp.sandbox.directory import Organisation
from okta_mcp.sandbox.faults import Fault
from okta_mcp.sandbox.rates import Rates
from okta_mcp.sandbox.seed import seeded

CODE_SECONDS = 300
TOKEN_SECONDS = 3600
ROTATION_LEEWAY_SECONDS = 30
_JOURNAL_LENGTH = 2000
SCOPES: Final = (
    *("openid", "profile", "email", "address", "phone", "offline_access", "groups"),
    *("okta.users.read", "okta.groups.read", "okta.apps.read", "okta.logs.read"),
    *("okta.policies.read", "okta.networkZones.read"),
)
STATUSES: Final = (
    *("STAGED", "PROVISIONED", "ACTIVE", "RECOVERY"),
    *("PASSWORD_EXPIRED", "LOCKED_OUT", "SUSPENDED", "DEPROVISIONED"),
)
SIGN_IN_REFUSALS: Final = {
    "SUSPENDED": "Your account is suspended. Contact your administrator.",
    "LOCKED_OUT": "Your account is locked. Contact your administrator.",
    "DEPROVISIONED": "Unable to sign in",
    "STAGED": "Unable to sign in",
    "PROVISIONED": "Unable to sign in",
}
# Each switch with its values; the first is how the organisation starts, unless the command says.
SETTINGS: Final[dict[str, tuple[str | bool, ...]]] = {
    "id_token_style": ("fat", "thin"),
    "rate_profile": ("workforce", "integrator", "off"),
    "groups_claim": ("on", "off", "too_many"),
    "refresh_rotation": ("STATIC", "ROTATE"),
    "assigned": (True, False),
}


@dataclass(frozen=True)
class Registration:
    """The one OIDC web application that exists in the organisation."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]


@dataclass
class SigningKey:
    """An RSA key under its key id."""

    key_id: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    private: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    def signed(self, claims: dict[str, Any], **header: str) -> str:
        """A JWT of these claims."""
        return jwt.encode(
            claims, self.private, algorithm="RS256", headers={"kid": self.key_id, **header}
        )

    def public_jwk(self) -> dict[str, Any]:
        """As the key set publishes it."""
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"kty": "RSA", "alg": "RS256", "kid": self.key_id, "use": "sig"} | {
            name: jwk[name] for name in ("e", "n")
        }


@dataclass
class Code:
    """An authorization code; `family` names everything that is issued from it."""

    user_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str | None
    nonce: str | None
    auth_time: int
    expires_at: float
    family: str
    used: bool = False


@dataclass
class Token:
    """An access or refresh token that is valid unless it has ended."""

    kind: str
    user_id: str
    scopes: tuple[str, ...]
    expires_at: float
    family: str
    auth_time: int
    replaced_at: float | None = None


class SandboxState:
    """The organisation, its switches, its clock, and what it has issued."""

    def __init__(
        self,
        *,
        base_url: str,
        registration: Registration,
        api_token: str,
        control_secret: str,
        wall_clock: Callable[[], float],
        id_token_style: str,
        rate_profile: str,
    ) -> None:
        self.base_url = base_url
        self.registration = registration
        self.api_token = api_token
        self.control_secret = control_secret
        self._wall_clock = wall_clock
        self._started_with = {"id_token_style": id_token_style, "rate_profile": rate_profile}
        # Access tokens of the organisation's own authorization server are not for others to
        # verify: this key is in no key set.
        self.internal_key = SigningKey()
        self.keys = [SigningKey(), SigningKey()]
        self.reset()

    def reset(self) -> None:
        """As it was at the start; keys and the application stay."""
        self.clock_offset = 0.0
        self.organisation: Organisation = seeded(self._wall_clock())
        defaults = {name: values[0] for name, values in SETTINGS.items()}
        self.settings: dict[str, Any] = defaults | self._started_with
        self.rates = Rates(self.now, lambda: str(self.settings["rate_profile"]))
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        self.sessions: dict[str, tuple[str, int]] = {}
        self.faults: list[Fault] = []
        self.journal: deque[dict[str, Any]] = deque(maxlen=_JOURNAL_LENGTH)

    def now(self) -> float:
        """Epoch seconds, as far ahead as the control plane has put the clock."""
        return self._wall_clock() + self.clock_offset

    def bearer_scopes(self, access_token: str) -> tuple[str, frozenset[str]] | None:
        """Whose access token it is and what it may read, for the Management API."""
        token = self.tokens.get(access_token)
        if token is None or token.kind != "access" or token.expires_at <= self.now():
            return None
        return token.user_id, frozenset(token.scopes)

    def end_family(self, family: str) -> None:
        """End everything that was issued from one login."""
        self.tokens = {
            value: token for value, token in self.tokens.items() if token.family != family
        }


def field_of(form: FormData, name: str) -> str:
    """A field of a form; empty where there is none, or a file in its place."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
