"""The gate of a server: an Authorization header in, a principal or a refusal out.

In memory only and never waiting, for it stands in the path of every call. Keeps no token, only a keyed hash of it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from apiloom.identity.index import TokenIndex
from apiloom.identity.principal import ANYONE, Principal
from apiloom.identity.tokens import API, SERVER, TokenKind


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


class TokenGate:
    """Lets in whoever shows a live token of a gateway: those of an index, found by their hash.

    A server's token as bearer gives a principal whose ``servers`` name that one server. Expired, revoked and unknown
    tokens, and those of another kind, get one and the same refusal.

    Args:
        index: the live tokens.
        now: the time, in seconds since the epoch.
        kinds: which kinds are let in; the admin API takes API tokens alone.
    """

    __slots__ = ("_index", "_kinds", "_now")

    def __init__(
        self, index: TokenIndex, now: Callable[[], float], kinds: Collection[TokenKind] = (SERVER, API)
    ) -> None:
        self._index = index
        self._now = now
        self._kinds = frozenset(kinds)

    def admit(self, authorization: bytes) -> Principal | Refusal:
        """Who holds the bearer token (RFC 6750 section 2.1); the scheme's name is case-insensitive."""
        scheme, _, shown = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return REFUSED
        # bytes that are no ASCII become characters that no token has
        holder = self._index.get(shown.strip(b" ").decode("latin-1"), self._now())
        return holder.principal if holder is not None and holder.kind in self._kinds else REFUSED


REFUSED = Refusal()
