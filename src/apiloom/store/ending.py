"""Which changes of records end something, so that a copy from before must not bring it back.

Every store asks here; who is told, and what becomes of it, it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiloom.store.kinds import Kind
from apiloom.store.ports import Ended

REMOVED: Final = frozenset({"tenant", "account", "server", "server_token", "api_token", "grant"})
"""Kinds of which a removal takes a right or a credential away. A sign-in is ended by saving it, and goes when its own
end has come, which no copy of it outlives.
"""

_EXPIRING: Final = frozenset({"server_token", "api_token"})


def removed(kind: Kind, id_: str) -> Ended | None:
    """What the removal of a record ends."""
    return Ended(kind=kind.name, id=id_) if kind.name in REMOVED else None


def ended_by(kind: Kind, row: Mapping[str, Any]) -> Ended | None:
    """What saving a record ends: a token that gets an end, a family that is over, a pair of tokens that is renewed."""
    if kind.name in _EXPIRING and row["expires_at"] is not None:
        return Ended(kind=kind.name, id=row["id"], until=float(row["expires_at"]))
    if kind.name == "grant":
        return Ended(kind="grant", id=row["id"], generation=int(row["generation"]))
    if kind.name == "token_family":
        if row["ended"]:
            return Ended(kind="token_family", id=row["id"])
        return Ended(kind="token_family", id=row["id"], generation=int(row["generation"]))
    return None
