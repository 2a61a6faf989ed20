"""Everything that the sandbox organisation holds while it runs."""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.datastructures import FormData

from okta_mcp.sandbox.access import API_SCOPES, Bearer
from okta_mcp.sandbox.directory import Organisation
from okta_mcp.sandbox.dpop import Proofs
from okta_mcp.sandbox.faults import Fault
from okta_mcp.sandbox.rates import Rates
from okta_mcp.sandbox.seed import seeded

CODE_SECONDS = 300
TOKEN_SECONDS = 3600
ROTATION_LEEWAY_SECONDS = 30
_JOURNAL_LENGTH = 2000
_PROFILE_SCOPES: Final = ("openid", "profile", "email", "address", "phone", "offline_access")
SCOPES: Final = (*_PROFILE_SCOPES, "groups", *API_SCOPES)
CUSTOM_SCOPES: Final = (*_PROFILE_SCOPES, "mcp:access")
# From the weakest login to the strongest, each with the methods that make it.
ACR_VALUES: Final = {
    "urn:okta:loa:1fa:any": ["pwd"],
    "urn:okta:loa:2fa:any": ["pwd", "mfa", "otp"],
    "phr": ["mfa", "pop", "swk"],
    "phrh": ["mfa", "pop", "hwk"],
}
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
    "custom_groups_claim": ("off", "on"),
    "refresh_rotation": ("STATIC", "ROTATE"),
    "assigned": (True, False),
    "acr_granted": ("asked", "weaker", "none"),
    "ungranted_scopes": ("refused", "dropped"),
    "service_dpop": ("required", "optional", "off"),
    "service_role": ("SUPER_ADMIN", "READ_ONLY_ADMIN", "CUSTOM", "none"),
    "api_token_role": ("SUPER_ADMIN", "READ_ONLY_ADMIN", "CUSTOM", "none"),
    "api_token_active": (True, False),
}
# Suspended or deactivated, a person's tokens are worth nothing.
_ENDED: Final = ("SUSPENDED", "DEPROVISIONED")


@dataclass(frozen=True)
class Registration:
    """An OIDC application; with keys it proves itself by them and not by the secret.

    Without a secret it is a native one, which must use PKCE; without redirect URIs it is a service.
    """

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    keys: tuple[jwt.PyJWK, ...] = ()

    @property
    def grant_types(self) -> tuple[str, ...]:
        """What the token endpoint takes from it."""
        people = ("authorization_code", "refresh_token")
        return people if self.redirect_uris else ("client_credentials",)


@dataclass(frozen=True)
class AuthorizationServer:
    """The organisation's own, or a custom one: where it is and what it says of its tokens."""

    path: str
    issuer: str
    audience: str
    scopes: tuple[str, ...]
    is_custom: bool


@dataclass(frozen=True)
class ServiceRegistration:
    """The API Services application, known by its public keys."""

    client_id: str
    keys: tuple[jwt.PyJWK, ...]


@dataclass
class SigningKey:
    """An RSA key under its key id."""

    key_id: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    private: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    def signed(self, claims: dict[str, Any], **header: str | None) -> str:
        """A JWT of these claims; a header of None is left out."""
        return jwt.encode(
            claims, self.private, algorithm="RS256", headers={"kid": self.key_id, **header}
        )

    def public_jwk(self) -> dict[str, Any]:
        """As the key set publishes it."""
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"kty": "RSA", "alg": "RS256", "kid": self.key_id, "use": "sig"} | {
            name: jwk[name] for name in ("e", "n")
        }


@dataclass(frozen=True, slots=True)
class Login:
    """Who signed in, when and how well; `family` names everything that is issued from it."""

    user_id: str
    auth_time: int
    acr: str | None
    family: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass
class Code:
    """An authorization code."""

    server: str
    client_id: str
    login: Login
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str | None
    nonce: str | None
    expires_at: float
    used: bool = False


@dataclass
class Token:
    """An access or refresh token that is valid unless it has ended.

    One without a login is a service application's; `bound_to` is the thumbprint of its key.
    `server` is the path of the authorization server that made it.
    """

    kind: str
    server: str
    client_id: str
    login: Login | None
    scopes: tuple[str, ...]
    claims: dict[str, Any] = field(default_factory=dict)
    expires_at: float = 0
    replaced_at: float | None = None
    bound_to: str | None = None


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
        service: ServiceRegistration | None = None,
        others: tuple[Registration, ...] = (),
    ) -> None:
        self.base_url = base_url
        self.registration = registration
        self.others = others
        self.service = service
        self.org = AuthorizationServer("/oauth2", base_url, base_url, SCOPES, is_custom=False)
        self.custom = AuthorizationServer(
            "/oauth2/default",
            f"{base_url}/oauth2/default",
            "api://default",
            CUSTOM_SCOPES,
            is_custom=True,
        )
        self.api_token = api_token
        self.control_secret = control_secret
        self._wall_clock = wall_clock
        self._started_with = {"id_token_style": id_token_style, "rate_profile": rate_profile}
        # Access tokens of the organisation's own authorization server are not for others to
        # verify: this key is in no key set.
        self.internal_key = SigningKey()
        self.keys = [SigningKey(), SigningKey()]
        self.custom_keys = [SigningKey()]
        self.reset()

    def reset(self) -> None:
        """As it was at the start; keys and the application stay."""
        self.clock_offset = 0.0
        self.organisation: Organisation = seeded(self._wall_clock())
        defaults = {name: values[0] for name, values in SETTINGS.items()}
        self.settings: dict[str, Any] = defaults | self._started_with
        self.rates = Rates(self.now, lambda: str(self.settings["rate_profile"]))
        # The okta.* scopes that an administrator granted to each application.
        self.granted = dict.fromkeys(("web", "service"), frozenset(API_SCOPES))
        self.proofs = Proofs(self.base_url, self.now)
        self.used_assertions: set[tuple[str, str]] = set()
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        self.sessions: dict[str, tuple[str, int]] = {}
        self.faults: list[Fault] = []
        self.journal: deque[dict[str, Any]] = deque(maxlen=_JOURNAL_LENGTH)

    def now(self) -> float:
        """Epoch seconds, as far ahead as the control plane has put the clock."""
        return self._wall_clock() + self.clock_offset

    def application(self, client_id: str) -> Registration | None:
        """The application that people sign in to, or that a secret proves."""
        known = {each.client_id: each for each in (self.registration, *self.others)}
        return known.get(client_id)

    def server(self, path: str) -> AuthorizationServer:
        """By its path."""
        return self.custom if path == self.custom.path else self.org

    def keys_of(self, server: AuthorizationServer) -> list[SigningKey]:
        """What it publishes; the first signs."""
        return self.custom_keys if server.is_custom else self.keys

    def access_token(self, access_token: str, server: AuthorizationServer) -> Token | None:
        """A token of that server's that has not ended, also not by the end of its person."""
        token = self.tokens.get(access_token)
        if token is None or token.kind != "access" or token.expires_at <= self.now():
            return None
        user = self.organisation.user(token.login.user_id) if token.login else None
        is_ended = token.login is not None and (user is None or user["status"] in _ENDED)
        return None if is_ended or token.server != server.path else token

    def bearer(self, access_token: str, server: AuthorizationServer | None = None) -> Bearer | None:
        """What the access token stands for; the Management API takes the organisation's only."""
        token = self.access_token(access_token, server or self.org)
        if token is None:
            return None
        scopes = frozenset(token.scopes)
        if token.login is None:
            return Bearer("", scopes, "service", self.settings["service_role"], token.bound_to)
        return Bearer(token.login.user_id, scopes, "web")

    def allowed(self, application: str, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """What the application gets of the scopes it asks for; empty is Okta's refusal."""
        refused = set(scopes) & set(API_SCOPES) - self.granted[application]
        if refused and self.settings["ungranted_scopes"] == "refused":
            return ()
        return tuple(scope for scope in scopes if scope not in refused)

    def end_family(self, family: str) -> None:
        """End everything that was issued from one login."""
        self.tokens = {
            value: token
            for value, token in self.tokens.items()
            if token.login is None or token.login.family != family
        }


def field_of(form: FormData, name: str) -> str:
    """A field of a form; empty where there is none, or a file in its place."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
