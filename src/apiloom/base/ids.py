"""Ids that nobody can guess and nothing can be read from, with a prefix that says what they name."""

from __future__ import annotations

import base64
import secrets

_ENTROPY = 13
"""Bytes of entropy: 104 bits, 21 characters of base32, of which 20 are kept."""

_LENGTH = 20


def fresh(prefix: str) -> str:
    """A new id such as ``srv_k3v9…``: the prefix, an underscore, 20 characters of lower-case base32."""
    return f"{prefix}_{_text(secrets.token_bytes(_ENTROPY))}"


def fresh_at(prefix: str, at: float) -> str:
    """A new id that sorts by its time ``at``, in seconds since the epoch, to the millisecond."""
    return f"{prefix}_{int(at * 1000):012x}{_text(secrets.token_bytes(_ENTROPY))}"


def _text(entropy: bytes) -> str:
    return base64.b32encode(entropy).decode("ascii").lower()[:_LENGTH]
