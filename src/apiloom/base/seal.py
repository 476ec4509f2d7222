"""Text that others carry for us and cannot change: a payload under a keyed hash, in characters that travel anywhere.

Sealed text can be read by whoever holds it, so it never holds a secret; that it was made here, for this purpose and for
what it is bound to, nobody else can bring about (HMAC-SHA256, RFC 2104). Knows nothing of what is sealed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from apiloom.base.secret import InTheClear

LONGEST = 24_576
"""Characters of a sealed text; nothing longer is looked at."""

_SEAL = 16
"""Bytes of the hash that are kept: half of SHA-256 is as hard to guess as a key of AES."""


class Sealer(InTheClear):
    """Seals and unseals with one key.

    ``purpose`` keeps apart what is sealed for different uses; ``bound`` is what the text must come back with, and is
    not in it.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, purpose: str, payload: bytes, bound: bytes = b"") -> str:
        """The payload as sealed text."""
        return _encoded(self._stamp(purpose, payload, bound) + payload)

    def unseal(self, purpose: str, text: str, bound: bytes = b"") -> bytes | None:
        """The payload, or None for any text that :meth:`seal` did not make with the same purpose and bound."""
        if len(text) > LONGEST:
            return None
        try:
            content = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (UnicodeEncodeError, binascii.Error):
            return None
        # the last character may have bits that no byte holds: only one spelling is ours
        if _encoded(content) != text:
            return None
        payload = content[_SEAL:]
        known = hmac.compare_digest(content[:_SEAL], self._stamp(purpose, payload, bound))
        return payload if known else None

    def _stamp(self, purpose: str, payload: bytes, bound: bytes) -> bytes:
        parts = (purpose.encode(), bound, payload)
        content = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._key, content, hashlib.sha256)[:_SEAL]


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
