"""Ids of legacy sessions: random ones, which one table alone knows, and sealed ones, which say what was agreed on.

A sealed id lets every node that holds the key go on with a session that another one opened: it carries what was agreed
on, when, and which node made it, and nothing secret. It proves that a node of this house gave it to this principal for
this endpoint, and lets nobody in: who may call is asked before, at every request. Knows no table of sessions and no
HTTP; :mod:`apiloom.wire.sessions` stands above.
Source: MCP 2025-11-25, basic/transports "Session Management" (visible ASCII, globally unique, unguessable).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from apiloom.base.seal import Sealer
from apiloom.base.values import Value
from apiloom.catalog.profiles import NAMES
from apiloom.identity.principal import Principal
from apiloom.protocol.revisions import REVISIONS, Revision
from apiloom.wire.visits import Visits

NODE_SIZE: Final = 8
"""Bytes of a node's id."""

LIFE: Final = 24 * 3600.0
"""Seconds after which a node that does not know a session takes its id no more. When other nodes last heard of it
cannot be known, so this is how long it may be silent here and live elsewhere."""

LONGEST: Final = 160
"""Characters of a sealed id; nothing longer is looked at."""

MOST_ENDED: Final = 10_000
"""Ended sessions that a node remembers. The oldest give way, which lets none but its own principal use one again."""

_PURPOSE: Final = "session"
_FORM: Final = b"\x01"
_MINTED: Final = slice(1, 9)
_NONCE: Final = 16
_OPENS: Final = " opens"
_AGREED: Final = 9 + NODE_SIZE + _NONCE


class Agreed(Value, frozen=True):
    """What a session's client agreed on: a revision, and the profile it gets where no URL names one (empty: none).

    ``opens`` says that it can be asked to open a page for its user.
    """

    revision: Revision
    profile: str = ""
    opens: bool = False


class SessionIds(Protocol):
    """Makes the ids of one endpoint's sessions, and reads those of sessions that are not at hand.

    ``visits`` seals with the same keys what a client carries between two requests of one call.
    """

    @property
    def visits(self) -> Visits: ...

    def mint(self, principal: Principal, agreed: Agreed) -> str:
        """A new id in visible ASCII, which nobody can guess."""
        ...

    def read(self, text: str, principal: Principal) -> Agreed | None:
        """What was agreed on under an id that lives and is this principal's; None for every other text."""
        ...

    def end(self, text: str) -> None:
        """An id is not to be read any more."""
        ...


class RandomIds:
    """Ids that say nothing: a session is known where it was opened, and nowhere else."""

    __slots__ = ("visits",)

    def __init__(self) -> None:
        self.visits = Visits()

    def mint(self, principal: Principal, agreed: Agreed) -> str:  # noqa: ARG002 - the port's shape
        """See :class:`SessionIds`."""
        return secrets.token_urlsafe(24)

    def read(self, text: str, principal: Principal) -> None:  # noqa: ARG002 - the port's shape
        """See :class:`SessionIds`."""
        return

    def end(self, text: str) -> None:
        """See :class:`SessionIds`."""


class SessionSeals:
    """What the ids of one node are sealed with, and which of them ended here.

    Args:
        keys: every live key; new ids are sealed with the first.
        node: the id of this node, :data:`NODE_SIZE` bytes.
        now: seconds since the epoch.
        life: seconds that an id is read for.
    """

    __slots__ = ("_ended", "_keys", "_life", "_node", "_now")

    def __init__(self, keys: Sequence[bytes], node: bytes, now: Callable[[], float], life: float = LIFE) -> None:
        self._keys = tuple(Sealer(key) for key in keys)
        self._node = node
        self._now = now
        self._life = life
        self._ended: dict[str, None] = {}

    def of(self, key: str) -> SealedIds:
        """The ids of the endpoint under a key."""
        return SealedIds(self, key)

    def visits(self, key: str) -> Visits:
        """What calls of the endpoint under a key are sealed with while they wait for a person."""
        return Visits(self._keys, self._now, key)

    def seal(self, bound: bytes, agreed: Agreed) -> str:
        """A new id; ``bound`` is what it must come back with."""
        minted = int(self._now()).to_bytes(8, "big", signed=True)
        # a release that knows two words takes a third into the second, and so for a profile there is none of
        told = f"{agreed.revision.name} {agreed.profile}{_OPENS if agreed.opens else ''}".encode("ascii")
        payload = _FORM + minted + self._node + secrets.token_bytes(_NONCE) + told
        return self._keys[0].seal(_PURPOSE, payload, bound)

    def unseal(self, text: str, bound: bytes) -> Agreed | None:
        """What an id says; None when it was not sealed here with the same bound, has ended here or is too old."""
        if len(text) > LONGEST or text in self._ended:
            return None
        found = (sealer.unseal(_PURPOSE, text, bound) for sealer in self._keys)
        payload = next((content for content in found if content is not None), None)
        # a newer release of ours may seal another form: its sessions are opened anew here
        if payload is None or payload[:1] != _FORM:
            return None
        if self._now() - int.from_bytes(payload[_MINTED], "big", signed=True) > self._life:
            return None
        name, _, rest = payload[_AGREED:].decode("ascii").partition(" ")
        profile = rest.removesuffix(_OPENS)
        revision = REVISIONS.get(name)
        if revision is None or revision.modern:
            return None
        return Agreed(revision, profile if profile in NAMES else "", rest.endswith(_OPENS))

    def end(self, text: str) -> None:
        """Read an id no more on this node."""
        self._ended[text] = None
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]


class SealedIds:
    """Ids of one endpoint that every node with the same key can read, bound to endpoint and principal."""

    __slots__ = ("_key", "_seals", "visits")

    def __init__(self, seals: SessionSeals, key: str) -> None:
        self._seals = seals
        self._key = key
        self.visits = seals.visits(key)

    def mint(self, principal: Principal, agreed: Agreed) -> str:
        """See :class:`SessionIds`."""
        return self._seals.seal(self._bound(principal), agreed)

    def read(self, text: str, principal: Principal) -> Agreed | None:
        """See :class:`SessionIds`."""
        return self._seals.unseal(text, self._bound(principal))

    def end(self, text: str) -> None:
        """See :class:`SessionIds`."""
        self._seals.end(text)

    def _bound(self, principal: Principal) -> bytes:
        return f"{len(self._key)} {self._key}{principal.id}".encode()
