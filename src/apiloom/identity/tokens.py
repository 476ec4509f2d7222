"""Tokens as text and as what is kept of them: minting, recognising, and hashing under keys that are handed in.

A token is ``als_`` (a server's) or ``ala_`` (for the API), 43 characters of base64url that hold 256 random bits, and 6
characters of checksum: CRC-32 of all before it, in base62. The checksum is no secret. It lets a scanner tell a token
from other text without asking anyone, and lets a server turn away what was never a token without hashing it. Knows no
store, no vault and nobody who holds a token; :mod:`apiloom.identity.index` stands above.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote

TokenKind = Literal["als", "ala"]

SERVER: TokenKind = "als"
API: TokenKind = "ala"

LENGTH = 53
"""Characters of a token: its kind with an underscore, 43 of secret, 6 of checksum."""

PATTERN = r"(?:als|ala)_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}"
"""What a scanner of leaked secrets looks for; :func:`well_formed` then checks the last six characters."""

MOST_TEXT = 1 << 16
"""Characters of a text that are searched for tokens."""

MOST_FOUND = 1000
"""Tokens that are looked for in one text."""

KEY_SIZE = 32
"""Bytes of a hashing key."""

DIGEST_SIZE = 32
"""Bytes of what is kept of a token."""

_ENTROPY = 32
_CHECKED = LENGTH - 6
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)
_TOKEN = re.compile(PATTERN, re.ASCII)
# tokens may stand inside a longer run of the same characters: every place is looked at, and the checksum decides
_ANYWHERE = re.compile(f"(?=({PATTERN}))", re.ASCII)


def mint(kind: TokenKind) -> str:
    """A new token of a kind, from the operating system's entropy."""
    if kind not in {SERVER, API}:
        raise ValueError("there are two kinds of token, als and ala")
    text = f"{kind}_{secrets.token_urlsafe(_ENTROPY)}"
    return text + _checksum(text)


def well_formed(text: str) -> bool:
    """Whether a text is a token as :func:`mint` writes them; says nothing about whether it is anybody's."""
    return len(text) == LENGTH and _TOKEN.fullmatch(text) is not None and _checksum(text[:_CHECKED]) == text[_CHECKED:]


def kind_of(text: str) -> TokenKind | None:
    """The kind of a well-formed token, None for every other text."""
    if not well_formed(text):
        return None
    return SERVER if text.startswith(SERVER) else API


def find_tokens(text: str) -> tuple[str, ...]:
    """Every token that stands in a text, such as a log, a URL or a page, in order and once each.

    Looks at the first :data:`MOST_TEXT` characters, as they are and with percent-encoding undone, and gives at most
    :data:`MOST_FOUND`.
    """
    text = text[:MOST_TEXT]
    found: dict[str, None] = {}
    for spelled in (text, unquote(text)) if "%" in text else (text,):
        for match in _ANYWHERE.finditer(spelled):
            if well_formed(match[1]):
                found[match[1]] = None
                if len(found) == MOST_FOUND:
                    return tuple(found)
    return tuple(found)


class TokenHasher:
    """Hashes tokens with keyed BLAKE2b (RFC 7693) under every live key; what comes out is what a store keeps.

    A token has 256 random bits, so that no slow hash is needed: without the key nobody can even check a guess.

    Args:
        keys: live keys by version, each of :data:`KEY_SIZE` bytes.
        newest: the version that new tokens are hashed under.
    """

    __slots__ = ("_newest", "_primed")

    def __init__(self, keys: Mapping[int, bytes], newest: int) -> None:
        if newest not in keys or any(len(key) != KEY_SIZE for key in keys.values()):
            raise ValueError(f"keys of {KEY_SIZE} bytes are needed, and the newest among them")
        self._newest = newest
        # each has taken in its key once and for all; a copy of it takes in the token
        self._primed = {version: _primed(keys[version]) for version in {newest: None, **dict.fromkeys(keys)}}

    def __repr__(self) -> str:
        return "TokenHasher(***)"

    def digest(self, text: str) -> tuple[bytes, int]:
        """The hash that is kept of a new token, :data:`DIGEST_SIZE` bytes, and the version of the key it is under."""
        return _hash(self._primed[self._newest], text), self._newest

    def digests(self, text: str) -> tuple[bytes, ...]:
        """The hashes of a token under every live key, the newest first: one of them is kept, if the token is known."""
        return tuple([_hash(primed, text) for primed in self._primed.values()])


def _primed(key: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(key=key, digest_size=DIGEST_SIZE, person=b"apiloom token")


def _hash(primed: hashlib.blake2b, text: str) -> bytes:
    taking = primed.copy()
    taking.update(text.encode("utf-8", "surrogatepass"))
    return taking.digest()


def _checksum(text: str) -> str:
    high, low = divmod(binascii.crc32(text.encode("ascii")), 62**2)
    return _PAIRS[high // 62**2] + _PAIRS[high % 62**2] + _PAIRS[low]
