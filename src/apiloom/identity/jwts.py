"""Signed tokens: read within bounds, their signature checked with an issuer's public keys, and nothing else believed.

The algorithm must be one that the operator allows and fit the key; keys come from the issuer's own set, never from the
token (``jwk``, ``jku``, ``x5u`` and their like are not looked at, ``crit`` is refused). Only public-key signatures are
known here, so that no public key can pass for a shared secret. What the claims mean is :mod:`apiloom.identity.claims`'.
Sources: RFC 7515 section 4.1, RFC 7517, RFC 7518, RFC 8725.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jwt import PyJWS
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import PyJWTError

from apiloom.base import json
from apiloom.identity.claims import Unfit
from apiloom.identity.settings import ALGORITHMS

LONGEST: Final = 16 * 1024
"""Characters of a token that is looked at."""

MOST_KEYS: Final = 100
_LEAST_RSA_BITS = 2048
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_SHAPE = re.compile(r"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}", re.ASCII)
_ALGORITHMS = {name: algorithm for name, algorithm in get_default_algorithms().items() if name in ALGORITHMS}
_JWS = PyJWS(algorithms=list(ALGORITHMS))


@dataclass(frozen=True, slots=True)
class Peeked:
    """What a token says of itself, before anything of it is proven."""

    algorithm: str
    type: str
    key_id: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The claims of a token, and the name of the key that signed it: the thumbprint of its public half (RFC 7638)."""

    claims: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class _Key:
    """One public key of an issuer; ``algorithms`` are those it may be used with."""

    id: str
    name: str
    algorithms: frozenset[str]
    key: Any


class Keys:
    """The keys of an issuer."""

    __slots__ = ("_keys",)

    def __init__(self, keys: tuple[_Key, ...]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def names(self) -> frozenset[str]:
        """The names of all of them."""
        return frozenset(key.name for key in self._keys)

    def fitting(self, peeked: Peeked) -> list[_Key]:
        """The keys that a token may have been signed with: that of its ``kid``, or without one all of its kind."""
        fit = [key for key in self._keys if peeked.algorithm in key.algorithms]
        return [key for key in fit if not peeked.key_id or key.id == peeked.key_id][:8]


def looks_signed(text: str) -> bool:
    """Whether a text may be a JWT in its compact form (RFC 7515 section 7.1)."""
    return len(text) <= LONGEST and _SHAPE.fullmatch(text) is not None


def peek(token: str) -> Peeked:
    """Read the unproven head and issuer of a token.

    Raises:
        Unfit: it is no JWT that could be accepted.
    """
    if not looks_signed(token):
        raise Unfit("it is no JWT, or too long")
    head, body, _ = token.split(".")
    header, claims = _object(head), _object(body)
    if "crit" in header or "b64" in header:
        raise Unfit("its head asks for what is not understood")
    algorithm, kind, key = header.get("alg"), header.get("typ", ""), header.get("kid", "")
    issuer = claims.get("iss")
    if not all(isinstance(each, str) for each in (algorithm, kind, key, issuer)):
        raise Unfit("its head is not as it should be")
    if algorithm not in _ALGORITHMS:
        raise Unfit("its algorithm is not known")
    return Peeked(str(algorithm), str(kind).lower(), str(key), str(issuer))


def verify(token: str, peeked: Peeked, keys: Keys, *, algorithms: Collection[str]) -> Proven:
    """What a token proves whose signature one of the keys has made.

    Raises:
        Unfit: none has, or not by an allowed algorithm.
    """
    if peeked.algorithm not in algorithms:
        raise Unfit("its algorithm is not allowed")
    for key in keys.fitting(peeked):
        try:
            _JWS.decode(token, key.key, algorithms=[peeked.algorithm])
        except (PyJWTError, ValueError, TypeError):
            continue
        return Proven(_object(token.split(".")[1]), key.name)
    raise Unfit("none of its issuer's keys has signed it")


def read_keys(body: bytes) -> Keys:
    """Read a JWK set (RFC 7517 section 5). Keys that cannot be used here are left out.

    Raises:
        ValueError: it is no set, or a huge one.
    """
    value = json.loads(body)
    listed = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ValueError("this is no set of keys")
    found = (_key(each) for each in listed if isinstance(each, dict))
    return Keys(tuple(key for key in found if key is not None))


def _key(jwk: Mapping[str, Any]) -> _Key | None:
    if jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("kid", ""), str):
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    public = {name: value for name, value in jwk.items() if name in {"kty", "n", "e", "crv", "x", "y"}}
    fit = _fitting(public)
    if "alg" in jwk:
        fit &= {str(jwk["alg"])}
    for algorithm in sorted(fit):
        try:
            key = _ALGORITHMS[algorithm].from_jwk(dict(public))
        except (PyJWTError, ValueError, TypeError, KeyError, OverflowError):
            return None
        if public["kty"] == "RSA" and not _LEAST_RSA_BITS <= int(getattr(key, "key_size", 0)) <= 4 * 4096:
            return None
        return _Key(str(jwk.get("kid", "")), json.digest(public), frozenset(fit), key)
    return None


def _fitting(jwk: Mapping[str, Any]) -> set[str]:
    """The algorithms that a kind of key can be used with."""
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if kind == "RSA":
        return {name for name in ALGORITHMS if name.startswith(("RS", "PS"))}
    if kind == "EC":
        return {name for name, named in _CURVES.items() if named == curve}
    return {"EdDSA"} if kind == "OKP" and curve in {"Ed25519", "Ed448"} else set()


def _object(part: str) -> Mapping[str, Any]:
    try:
        value = json.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise Unfit("it cannot be read") from None
    if not isinstance(value, dict):
        raise Unfit("it cannot be read")
    return value
