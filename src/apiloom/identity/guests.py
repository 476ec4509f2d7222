"""Who was recognised lately, in memory: bearers that an issuer or the gateway's own sign-in vouches for, by their hash.

A token that was seen before costs one keyed hash and one look-up until it ends. Bounded: the longest unused give way
and are recognised anew when they come back. No token is kept, only its hash under a key of this process; what has to be
asked about again (RFC 7662) is kept as a secret value. Knows no requests and no issuers.
"""

from __future__ import annotations

import hashlib
import heapq
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from apiloom.base.secret import Secret
from apiloom.identity.principal import Principal

MOST = 10_000
"""Bearers that are remembered."""

MCP = "/mcp"
NAMED = "/mcp/s/"
API = "/api/v1"

_SPARE = 1000
"""Ends that may be kept besides those of who is known, before they are looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Somebody recognised by another's word.

    ``key`` names all who may do the same: the endpoint of their own view. ``resources`` are the paths of this gateway
    that the token was given for. ``lacking`` says by ``/mcp`` or ``/api/v1`` which
    scopes would be needed where one is missing. ``counts_until`` is when whoever vouches must be asked again, with
    ``again``. ``issuer`` and ``signed_by`` name who signed the token and with which key, empty where no signature was
    looked at. ``family`` is the id of the sign-in at the gateway that the token came from, empty for others. ``bound``
    is the thumbprint of the certificate that must be shown beside the token, empty for nearly all.
    """

    principal: Principal
    key: str
    resources: frozenset[str]
    lacking: tuple[tuple[str, tuple[str, ...]], ...] = ()
    counts_until: float = float("inf")
    again: Secret | None = field(default=None, repr=False)
    issuer: str = ""
    signed_by: str = ""
    family: str = ""
    bound: bytes = b""

    def fits(self, resource: str) -> bool:
        """Whether the token was given for a path (RFC 8707). One for all of MCP is good for each server of it."""
        return resource in self.resources or (MCP in self.resources and resource.startswith(NAMED))

    def lacks(self, resource: str) -> tuple[str, ...]:
        """The scopes that are needed at a path, where one of them is missing."""
        at = API if resource == API else MCP
        return next((scopes for where, scopes in self.lacking if where == at), ())


class Guests:
    """Hash of a bearer to a guest."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._primed = hashlib.blake2b(key=secrets.token_bytes(32), digest_size=24, person=b"apiloom guest")
        self._known: OrderedDict[bytes, Guest] = OrderedDict()
        self._views: dict[str, tuple[int, Principal]] = {}
        self._ends: list[tuple[float, str]] = []
        self._over: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"Guests({len(self)})"

    def get(self, text: str, now: float) -> Guest | None:
        """Who shows a bearer that was recognised and counts at ``now``, in seconds since the epoch."""
        digest = self._digest(text)
        guest = self._known.get(digest)
        if guest is None or not (now < guest.principal.expires_at and now < guest.counts_until):
            return None
        self._known.move_to_end(digest)
        return guest

    def put(self, text: str, guest: Guest) -> Guest:
        """Take in somebody recognised. Their principal's ``token`` gets the name by which they are cut."""
        digest = self._digest(text)
        name = f"gst_{digest.hex()}"
        token = f"{name} {guest.principal.token}".strip()
        guest = replace(guest, principal=replace(guest.principal, token=token))
        ends = guest.principal.expires_at
        before = self._known.get(digest)
        self._forget(digest)
        self._known[digest] = guest
        count, _ = self._views.get(guest.key, (0, guest.principal))
        self._views[guest.key] = (count + 1, guest.principal)
        while len(self._known) > self._most:
            self._forget(next(iter(self._known)))
        if ends != float("inf") and (before is None or before.principal.expires_at != ends):
            heapq.heappush(self._ends, (ends, name))
            if len(self._ends) > 4 * len(self._known) + _SPARE:
                self._thin()
        return guest

    def knows(self, text: str) -> bool:
        """Whether a bearer was recognised and not forgotten, be it that its word has to be asked for once more."""
        return self._digest(text) in self._known

    def view(self, key: str) -> Principal | None:
        """Somebody who sees what a key stands for; None when nobody is known who does."""
        found = self._views.get(key)
        return None if found is None else found[1]

    def due(self, now: float) -> set[str]:
        """The names of those who have ended since this was last asked: what they have open is to be cut."""
        over, self._over = self._over, set()
        while self._ends and self._ends[0][0] <= now:
            name = heapq.heappop(self._ends)[1]
            known = self._known.get(_digest_of(name))
            # whoever was recognised anew until later has not ended
            if known is None or known.principal.expires_at <= now:
                over.add(name)
        for name in over:
            self._forget(_digest_of(name))
        return over

    def to_ask_again(self, now: float) -> list[Guest]:
        """Those whose word has to be asked for once more; at most some hundred at a time."""
        return [g for g in self._known.values() if g.again is not None and g.counts_until <= now][:200]

    def remove(self, gone: Callable[[Guest], bool]) -> set[str]:
        """Forget some of them; gives the names to cut by."""
        found = [(digest, guest) for digest, guest in self._known.items() if gone(guest)]
        for digest, _ in found:
            self._forget(digest)
        return {guest.principal.token.partition(" ")[0] for _, guest in found}

    def _thin(self) -> None:
        """Keep one end of each who is known. The others gave way to them, and what they have open ends early."""
        ends = {f"gst_{digest.hex()}": guest.principal.expires_at for digest, guest in self._known.items()}
        self._over.update(name for _, name in self._ends if name not in ends)
        self._ends = [(end, name) for name, end in ends.items() if end != float("inf")]
        heapq.heapify(self._ends)

    def _forget(self, digest: bytes) -> None:
        guest = self._known.pop(digest, None)
        if guest is None:
            return
        count, principal = self._views[guest.key]
        if count <= 1:
            del self._views[guest.key]
        else:
            self._views[guest.key] = (count - 1, principal)

    def _digest(self, text: str) -> bytes:
        taking = self._primed.copy()
        taking.update(text.encode("utf-8", "surrogatepass"))
        return taking.digest()


def _digest_of(name: str) -> bytes:
    return bytes.fromhex(name.removeprefix("gst_"))
