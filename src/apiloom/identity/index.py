"""Who holds which token, in memory: every live token of a node by its hash, found without asking the store.

Expiry is enforced here, to the second, at every look-up; taking expired records away is somebody else's broom. What was
never a token costs no hash; what is none of ours costs exactly what one of ours costs, and gives the same None. Changed
piece by piece, by whoever follows the store; everything happens on one event loop. Knows no store and no requests;
:mod:`apiloom.identity.gate` and the roads of tokens stand above.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from apiloom.identity.principal import Principal
from apiloom.identity.tokens import API, DIGEST_SIZE, SERVER, TokenHasher, TokenKind, well_formed

_NOBODYS = bytes(DIGEST_SIZE)
"""Compared with where nothing was found, so that finding nothing takes the same steps."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a token, whose id is the principal's ``token``.

    ``server`` is the id of the one that a server token stands for, empty for API tokens. ``view`` names who sees the
    same, where that is more than one token.
    """

    principal: Principal
    server: str = ""
    view: str = ""

    @property
    def kind(self) -> TokenKind:
        return SERVER if self.server else API

    @property
    def token(self) -> str:
        """The id of the token."""
        return self.principal.token


class TokenIndex:
    """Hash of a token to its holder.

    Args:
        hasher: hashes what is shown under every live key.
    """

    __slots__ = ("_by_digest", "_by_server", "_digests", "_hasher", "_used")

    def __init__(self, hasher: TokenHasher) -> None:
        self._hasher = hasher
        self._by_digest: dict[bytes, Holder] = {}
        self._digests: dict[str, bytes] = {}  # by the token's id
        self._by_server: dict[str, tuple[str, ...]] = {}  # ids of tokens; nearly always one
        self._used: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._digests)

    def __repr__(self) -> str:
        return f"TokenIndex({len(self)} tokens)"

    def get(self, text: str, now: float) -> Holder | None:
        """Who holds a token that lives at ``now``, in seconds since the epoch; None for every other text.

        The look-up itself needs no constant time: what is looked up is a hash under a key that no caller knows. The
        compare of what was found has it all the same.
        """
        if not well_formed(text):
            return None
        found: Holder | None = None
        for digest in self._hasher.digests(text):
            holder = self._by_digest.get(digest)
            kept = self._digests[holder.token] if holder is not None else _NOBODYS
            if hmac.compare_digest(kept, digest):
                found = holder
        # asked so that an end that is no number is over, too
        if found is None or not now < found.principal.expires_at:
            return None
        self._used[found.token] = now
        return found

    def holder(self, token: str) -> Holder | None:
        """Who holds the token of an id, whether or not it has ended."""
        digest = self._digests.get(token)
        return None if digest is None else self._by_digest[digest]

    def held(self) -> Iterator[Holder]:
        """All of them, in no order."""
        return iter(tuple(self._by_digest.values()))

    def put(self, digest: bytes, holder: Holder) -> None:
        """Take in a token, or what has changed about it.

        Raises:
            ValueError: the hash is another token's. Nothing is changed.
        """
        other = self._by_digest.get(digest)
        if len(digest) != DIGEST_SIZE or digest == _NOBODYS or (other is not None and other.token != holder.token):
            raise ValueError("a token is kept by a hash of its own")
        self.remove(holder.token)
        self._by_digest[digest] = holder
        self._digests[holder.token] = digest
        if holder.server:
            self._by_server[holder.server] = (*self._by_server.get(holder.server, ()), holder.token)

    def remove(self, token: str) -> Holder | None:
        """Forget the token of an id; gives back who held it, so that what it has open can be cut."""
        digest = self._digests.pop(token, None)
        if digest is None:
            return None
        self._used.pop(token, None)
        holder = self._by_digest.pop(digest)
        if holder.server:
            rest = tuple(other for other in self._by_server[holder.server] if other != token)
            if rest:
                self._by_server[holder.server] = rest
            else:
                del self._by_server[holder.server]
        return holder

    def of_server(self, server: str) -> tuple[Holder, ...]:
        """Who holds a token of one server."""
        return tuple(self._by_digest[self._digests[token]] for token in self._by_server.get(server, ()))

    def remove_server(self, server: str) -> tuple[Holder, ...]:
        """Forget every token of a server; gives back who held them."""
        holders = self.of_server(server)
        for holder in holders:
            self.remove(holder.token)
        return holders

    def drain_used(self) -> Mapping[str, float]:
        """When tokens were last used, by id, since this was last asked: for whoever writes it down now and then."""
        used, self._used = self._used, {}
        return used
