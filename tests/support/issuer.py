"""An issuer of signed tokens in this process, for tests that need to sign what no real one would."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from apiloom.app.gateway.signin import Reception
from support.gateway import Gateway
from support.upstream import Answer, Seen, Upstream, upstream

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

EVERYBODY = [{"tenant": "default", "end_user": "{sub}"}]


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half of a key."""
    kind = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((found for known, found in kind.items() if isinstance(key, known)), OKPAlgorithm)
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig", **more}


@dataclass
class SigningIssuer:
    """A running one. What it answers is changed by its members; ``asked`` are the paths that were."""

    api: Upstream
    keys: list[dict[str, Any]]
    down: bool = False
    active: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.api.url

    def claims(self, now: float, **more: Any) -> dict[str, Any]:
        told = {"iss": self.url, "sub": "alice", "iat": int(now), "exp": int(now) + 600, **more}
        return {name: value for name, value in told.items() if value is not None}

    def token(self, now: float, *, head: Mapping[str, Any] | None = None, key: Any = RSA, **more: Any) -> str:
        """A token of claims; a claim of None is left out."""
        algorithm = (head or {}).get("alg", "RS256")
        return jwt.encode(
            self.claims(now, **more), key, algorithm=algorithm, headers={"kid": "one", "typ": "at+jwt", **(head or {})}
        )

    def settings(self, **more: Any) -> dict[str, Any]:
        """What an identity file says of it."""
        return {"issuer": self.url, "audiences": ["the gateway"], "principals": EVERYBODY, **more}


def unsigned(head: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"x" * 256) -> str:
    """A token of any head and claims, whose signature is just bytes."""
    parts = (json.dumps(head).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@contextmanager
def signing_issuer() -> Iterator[SigningIssuer]:
    """Run an issuer until the block ends."""
    running: list[SigningIssuer] = []

    def answer(seen: Seen) -> Answer:
        issuer = running[0]
        path = seen.target.partition("?")[0]
        issuer.asked.append(path)
        if issuer.down:
            return Answer({"error": "down"}, status=503)
        if path == "/.well-known/openid-configuration":
            return Answer({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"})
        if path == "/jwks":
            return Answer({"keys": issuer.keys})
        if path == "/introspect":
            token = parse_qs(seen.body.decode())["token"][0]
            return Answer(issuer.active.get(token, {"active": False}))
        return Answer({"error": "none"}, status=404)

    with upstream(answer) as api:
        running.append(SigningIssuer(api, [jwk(RSA, "one"), jwk(EC, "ec"), jwk(ED, "ed")]))
        yield running[0]


def received(house: Gateway, folder: Path, settings: Mapping[str, Any], **more: Any) -> Reception:
    """Let a running gateway recognise whom an identity file says."""
    file = folder / "identity.json"
    file.write_text(json.dumps(settings))
    environment = {"SIGN_IN_SECRET": "a secret of the tests", **more.pop("environment", {})}
    reception = Reception(node=house.node, file=file, environment=environment, **more)
    reception.open()
    return reception
