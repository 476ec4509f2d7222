"""Keys of the house as a store keeps them: wrapped under a key-encryption key, which the wrapping names.

Bound to their purpose, their version and the installation they belong to: put into another row, or into another store,
they do not open. AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits.

    format  fingerprint of the key-encryption key  nonce  ciphertext and tag
    1       16                                     12     48

Knows bytes only; whoever loads the rows hands them in. ``app`` stands above.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

from apiloom.vault.custody import KEY_SIZE, RootKey, unopenable
from apiloom.vault.envelope import bound_to, cipher_of, opened_by

_FORMAT: Final = 1
_HEAD: Final = 17
_NONCE: Final = 12
_SIZE: Final = _HEAD + _NONCE + KEY_SIZE + 16


def wrap_house_key(key: bytes, root: RootKey, *, purpose: str, version: int, installation: str) -> bytes:
    """A key of the house, wrapped."""
    head = bytes([_FORMAT]) + bytes.fromhex(root.fingerprint)
    nonce = secrets.token_bytes(_NONCE)
    bound = bound_to("house key", purpose, str(version), installation)
    return head + nonce + cipher_of(root.wrapping()).encrypt(nonce, key, head + bound)


def wrapped_under(wrapped: bytes) -> str:
    """The fingerprint of the key-encryption key that something says it is wrapped under; opening proves it.

    Raises:
        HouseFault: ``vault.sealed`` when it is none of ours.
    """
    if len(wrapped) != _SIZE or wrapped[0] != _FORMAT:
        raise unopenable()
    return wrapped[1:_HEAD].hex()


def unwrap_house_key(
    wrapped: bytes, roots: Iterable[RootKey], *, purpose: str, version: int, installation: str
) -> bytes:
    """The key that was wrapped, 32 bytes.

    Args:
        roots: key-encryption keys, of which one is the right one.

    Raises:
        HouseFault: ``vault.sealed`` when it is damaged, another's, or under a key that is not at hand.
    """
    under = wrapped_under(wrapped)
    root = next((one for one in roots if one.fingerprint == under), None)
    if root is None:
        raise unopenable()
    head, nonce, content = wrapped[:_HEAD], wrapped[_HEAD : _HEAD + _NONCE], wrapped[_HEAD + _NONCE :]
    bound = bound_to("house key", purpose, str(version), installation)
    return opened_by(cipher_of(root.wrapping()), nonce, content, head + bound)
