"""Tokens of the gateway's own sign-in as text: made and read back by a keyed hash that only the house can make.

An access token (``alt_…``) says which family it is of and when it ends; a refresh token (``alr_…``) which generation it
is, under the family's own seed. Neither is kept anywhere: whoever steals the store has nothing to show, and whoever
ends a family ends all of its tokens. Knows no store; hashing is handed in.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

Digests = Callable[[str], tuple[bytes, ...]]
"""The keyed hashes of a text under every live key, the newest first."""

ACCESS = "alt_"
REFRESH = "alr_"
PREFIX = "fam_"

_ACCESS = re.compile(r"alt_([a-z2-7]{20})\.([0-9a-f]{1,11})\.[A-Za-z0-9_-]{16}\.([A-Za-z0-9_-]{43})", re.ASCII)
_REFRESH = re.compile(r"alr_([a-z2-7]{20})\.([0-9a-f]{1,8})\.([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an access token says, proven: its family, and when it ends in seconds since the epoch."""

    family: str
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """What a refresh token says, not proven yet."""

    family: str
    generation: int
    proof: str


def write_access(family: str, ends: float, digests: Digests) -> str:
    """A new access token of a family."""
    said = f"{ACCESS}{family.removeprefix(PREFIX)}.{int(ends):x}.{secrets.token_urlsafe(12)}"
    return f"{said}.{_text(digests(said)[0])}"


def read_access(text: str, digests: Digests) -> Access | None:
    """What an access token of this house says; None for every other text."""
    found = _ACCESS.fullmatch(text)
    if found is None:
        return None
    said = text.rpartition(".")[0]
    if not _proven(found[3], said, digests):
        return None
    return Access(family=f"{PREFIX}{found[1]}", ends=float(int(found[2], 16)))


def write_refresh(family: str, generation: int, seed: bytes, digests: Digests) -> str:
    """The refresh token of a generation: the same text whenever it is asked for under the same key."""
    said = f"{REFRESH}{family.removeprefix(PREFIX)}.{generation:x}"
    return f"{said}.{_text(digests(_seeded(said, seed))[0])}"


def read_refresh(text: str) -> Refresh | None:
    """What a text says that may be a refresh token."""
    found = _REFRESH.fullmatch(text)
    if found is None:
        return None
    return Refresh(family=f"{PREFIX}{found[1]}", generation=int(found[2], 16), proof=found[3])


def is_proven(refresh: Refresh, seed: bytes, digests: Digests) -> bool:
    """Whether this house gave a refresh token, for the family with this seed."""
    said = f"{REFRESH}{refresh.family.removeprefix(PREFIX)}.{refresh.generation:x}"
    return _proven(refresh.proof, _seeded(said, seed), digests)


def _seeded(said: str, seed: bytes) -> str:
    return f"{said}.{_text(seed)}"


def _proven(proof: str, said: str, digests: Digests) -> bool:
    # every key is tried, so that the time does not say which one it was
    fit = [hmac.compare_digest(proof.encode(), _text(digest).encode()) for digest in digests(said)]
    return any(fit)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
