"""Services of a policy file: what is no name or no key of a service is refused, with its reason."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.policy_file import PolicyError, groups_by_role, policy_of_text
from tests.vocabulary.service import key_pair, private_pem, public_pem

TOOLS: dict[str, Any] = {"tools": {"look": ("okta.users.read",), "time": ()}}
HEAD = '[tools]\nlook = "viewer"\ntime = "viewer"\n'
PRIVATE = "is a private or secret key, which belongs to the service alone"
EC, RSA = public_pem(key_pair()), public_pem(key_pair("rsa"))
JWK = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key_pair().public_key()))
RSA_JWK = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key_pair("rsa").public_key()))
PRIVATE_JWK = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key_pair()))
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def toml(name: str = "soar", **keys: Any) -> str:
    lines = {"role": "viewer", "public_key": EC} | keys
    told = (f"{key} = {_value(value)}\n" for key, value in lines.items() if value is not None)
    return f"[services.{name}]\n{''.join(told)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)


def policy_of(services: str, folder: Path = Path()) -> Policy:
    return policy_of_text(HEAD + services, str(folder / "p.toml"), TOOLS, {})


BAD: list[tuple[str, str]] = [
    ("[services]\nsoar = 1\n", "5: [services] soar: must be a table with role and public_key"),
    (toml("SOAR"), "4: [services] SOAR: a service's name, which is its client_id, is 1 to 63"),
    (toml("omcp_client_abc"), "[services] omcp_client_abc: a service's name"),
    (toml('"https://a.example/client"'), "[services] https://a.example/client: a service's name"),
    (toml("'service:soar'"), "[services] service:soar: a service's name"),
    (toml("a" * 64), "a service's name"),
    (toml(rol="viewer"), "7: [services.soar] rol: no such key; did you mean role?; there are role"),
    (toml(private_key=EC), "[services.soar] private_key: no such key; there are role, public_key"),
    (toml(role=None), "4: [services.soar] role: must be the service's role; one of viewer"),
    (toml(role="viewr"), "role: must be the service's role; did you mean viewer?; one of viewer"),
    (toml(role="nobody"), "role: must be the service's role"),
    (toml(role=["viewer"]), "role: must be the service's role"),
    (toml(public_key=None), "[services.soar] public_key: must be a public key (a path, PEM or"),
    (toml(public_key=[]), "public_key: must be a public key (a path, PEM or JWK), or a list of 1"),
    (toml(public_key=[EC] * 5), "public_key: must be a public key (a path, PEM or JWK), or a list"),
    (toml(public_key=7), "public_key: must be the path of a file, PEM text or a JWK"),
    (toml(public_key=" "), "public_key: must be the path of a file, PEM text or a JWK"),
    (toml(public_key=[EC, EC]), "public_key: names a key twice"),
    (toml(public_key=[EC, JWK]), "public_key: names a key twice"),
    (toml(public_key=private_pem(key_pair())), PRIVATE),
    (toml(public_key=private_pem(key_pair("rsa"))), PRIVATE),
    (toml(public_key=EC + private_pem(key_pair())), PRIVATE),
    (toml(public_key="-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF"), PRIVATE),
    (toml(public_key="-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl"), PRIVATE),
    (toml(public_key=PRIVATE_JWK), PRIVATE),
    (toml(public_key=json.dumps(PRIVATE_JWK)), PRIVATE),
    (toml(public_key={"kty": "oct", "k": "c2VjcmV0"}), PRIVATE),
    (toml(public_key=CERTIFICATE), "is a certificate; enter its public key: openssl x509"),
    (toml(public_key=EC + RSA), "holds more than one key; name several keys as a list"),
    (toml(public_key={"keys": [JWK, RSA_JWK]}), "must be one JWK; name several keys as a list"),
    (toml(public_key="-----BEGIN PUBLIC KEY-----\nAAAA"), "is no public key in PEM or JWK form"),
    (toml(public_key="{"), "public_key: is no JSON, and so no JWK"),
    (toml(public_key=public_pem(SHORT)), "is an RSA key of 1024 bits; 2048 at least are needed"),
    (toml(public_key=public_pem(ec.generate_private_key(ec.SECP384R1()))), "or EC on P-256"),
    (toml(public_key=public_pem(ed25519.Ed25519PrivateKey.generate())), "must be RSA of 2048"),
    (toml(public_key={"kty": "OKP", "crv": "Ed25519", "x": "AA"}), "must be RSA of 2048 bits"),
    (toml(public_key={"kty": "EC"}), "is no JWK of a public key"),
    (toml(public_key={"kty": "RSA", "n": "AQAB", "e": 3}), "is no JWK of a public key"),
    (toml(public_key=JWK | {"x": JWK["y"]}), "is no JWK of a public key"),
    (toml(public_key=JWK | {"use": "enc"}), "is not for signatures (use is not sig)"),
    (toml(public_key=JWK | {"alg": "RS256"}), "alg must be ES256 for this key, or left out"),
    (toml(public_key=RSA_JWK | {"alg": "HS256"}), "alg must be RS256 or PS256 for this key"),
    (toml(public_key="absent.pem"), "absent.pem cannot be read: No such file or directory"),
    (toml() + toml("other"), "[services.other] public_key: is the key of soar too; whoever holds"),
    (toml(scopes=[]), "scopes: must be a list of data families, each once; leave it out for all"),
    (toml(scopes="okta.users.read"), "scopes: must be a list of data families"),
    (toml(scopes=["okta.users.read"] * 2), "scopes: must be a list of data families, each once"),
    (toml(scopes=["offline_access"]), "scopes: no data family 'offline_access'"),
    (toml(scopes=["okta.user.read"]), "no data family 'okta.user.read'; did you mean okta.users"),
    (toml(scopes=["okta.logs.read"]), "viewer reads none of its scopes, so it could get no token"),
    (toml(description=1), "description: must be one line of text of at most 200 characters"),
    (toml(description="a\nb"), "description: must be one line of text"),
]


@pytest.mark.parametrize(("services", "problem"), BAD, ids=[problem for _, problem in BAD])
def test_what_cannot_be_a_service_is_refused_with_its_reason(services: str, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy_of(services)
    told = caught.value.problems
    assert any(problem in line for line in told)
    assert not any(secret in line for line in told for secret in (PRIVATE_JWK["d"], "MIG", "b3Bl"))


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (EC, 0o620, "can be written by others than its owner, who could then act as the service"),
        (EC, 0o602, "run: chmod go-w"),
        (private_pem(key_pair()), 0o600, PRIVATE),
        ("x" * 20_000, 0o600, "holds no public key in PEM or JWK form"),
    ],
)
def test_a_key_file_that_proves_nothing_is_refused(
    tmp_path: Path, content: str, mode: int, problem: str
) -> None:
    key_file = tmp_path / "soar.pub"
    key_file.write_text(content)
    key_file.chmod(mode)
    with pytest.raises(PolicyError) as caught:
        policy_of(toml(public_key="soar.pub"), tmp_path)
    [told] = caught.value.problems
    assert str(key_file) in told
    assert problem in told


@pytest.mark.parametrize(
    ("public_key", "algorithms"),
    [
        (EC, [("ES256",)]),
        (RSA, [("RS256", "PS256")]),
        (JWK, [("ES256",)]),
        (json.dumps(JWK), [("ES256",)]),
        ({"keys": [JWK]}, [("ES256",)]),
        (RSA_JWK | {"alg": "PS256", "use": "sig", "kid": "any"}, [("PS256",)]),
        ([EC, RSA], [("ES256",), ("RS256", "PS256")]),
        ("soar.pub", [("RS256", "PS256")]),
        ("keys/soar.json", [("ES256",)]),
    ],
    ids=str,
)
def test_the_kind_of_a_key_fixes_its_algorithms(
    tmp_path: Path, public_key: Any, algorithms: list[tuple[str, ...]]
) -> None:
    (tmp_path / "soar.pub").write_text(RSA)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "soar.json").write_text(json.dumps(JWK))
    service = policy_of(toml(public_key=public_key), tmp_path).services["soar"]
    assert [key.algorithms for key in service.keys] == algorithms


def test_a_service_has_what_its_table_says() -> None:
    text = toml(scopes=["okta.users.read"], description="Runs the playbooks") + toml(
        "other", public_key=RSA
    )
    soar, other = policy_of(text).services.values()
    assert (soar.name, soar.role, soar.user_id) == ("soar", "viewer", "service:soar")
    assert (soar.scopes, soar.description) == (("okta.users.read",), "Runs the playbooks")
    assert (other.scopes, other.description) == (FAMILY_SCOPES, "")


def test_json_policies_name_services_too() -> None:
    document = {
        "tools": {"look": "viewer", "time": "viewer"},
        "services": {"soar": {"role": "viewer", "public_key": [JWK]}},
    }
    policy = policy_of_text(json.dumps(document), "p.json", TOOLS, {})
    assert list(policy.services) == ["soar"]


def test_with_a_service_no_group_need_be_mapped() -> None:
    assert not any(groups_by_role(policy_of(toml()), {}).values())
    with pytest.raises(PolicyError, match="no group is mapped"):
        groups_by_role(policy_of(""), {})
