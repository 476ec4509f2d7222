"""The gate of a server: an Authorization header in, a principal or a refusal out.

In memory only and never waiting, for it stands in the path of every call. Keeps no token, only a keyed hash of it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Protocol

from apiloom.identity.principal import ANYONE, Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The caller is not let in. ``challenge`` goes into WWW-Authenticate (RFC 6750 section 3).

    The same for a missing, wrong, expired or revoked token: which one it was is nobody's business.
    """

    challenge: str = "Bearer"


class Gate(Protocol):
    """Says who calls. ``authorization`` is the header's raw value, empty when there is none."""

    def admit(self, authorization: bytes) -> Principal | Refusal: ...


class OpenGate:
    """Lets everyone in, as nobody in particular."""

    __slots__ = ()

    def admit(self, authorization: bytes) -> Principal | Refusal:  # noqa: ARG002 - the gate's shape
        """Always :data:`~apiloom.identity.principal.ANYONE`."""
        return ANYONE


class BearerGate:
    """Lets in whoever shows one token.

    Args:
        token: the secret; only its hash under a key of this process is kept.
        principal: who its holder is.
    """

    __slots__ = ("_digest", "_key", "_principal")

    def __init__(self, token: str, principal: Principal | None = None) -> None:
        self._key = secrets.token_bytes(32)
        self._digest = self._hash(token.encode())
        self._principal = principal or Principal(id="bearer")

    def _hash(self, token: bytes) -> bytes:
        return hashlib.blake2b(token, key=self._key, digest_size=32).digest()

    def admit(self, authorization: bytes) -> Principal | Refusal:
        """Compare in constant time; the scheme's name is case-insensitive (RFC 9110 section 11.1)."""
        scheme, _, token = authorization.partition(b" ")
        if not hmac.compare_digest(self._hash(token.strip(b" ")), self._digest) or scheme.lower() != b"bearer":
            return REFUSED
        return self._principal


REFUSED = Refusal()
