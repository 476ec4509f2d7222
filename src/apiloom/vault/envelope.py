"""Sealing: what is secret becomes bytes that only the key, the record, the tenant and the version together open again.

Each tenant has a data key of its own, which the key-encryption key wraps; a store keeps it wrapped. What is sealed is
bound to where it lies: moved to another record, to another tenant or to another version of the key, it does not open.
AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits: one key may seal some 2^32 times, after which a tenant
needs a new version of its key.

    format  version of the key  nonce  ciphertext and tag
    1       4                   12     …

Knows neither stores nor credentials, only bytes; whoever loads a record hands them in. The library is loaded when the
first thing is sealed or opened: the quick server never needs it.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any, NoReturn, Protocol, cast

from apiloom.base.errors import CallerError
from apiloom.base.plugins import load
from apiloom.vault.custody import KEY_SIZE, Custody, unopenable

LARGEST = 1 << 20
"""Bytes that are sealed at once, at most."""

_FORMAT = 1
_HEAD = 5
_NONCE = 12
_TAG = 16
_VERSIONS = 1 << 32


class Cipher(Protocol):
    """Encryption with associated data."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...


class SealingKey:
    """A key that seals, a tenant's or the house's, unwrapped and in hand.

    It shows nothing and cannot be pickled or copied.
    """

    __slots__ = ("_cipher", "_key")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = cipher_of(key)

    def __repr__(self) -> str:
        return "SealingKey(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SealingKey cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a SealingKey cannot be pickled or copied")


def new_key() -> SealingKey:
    """A new key for a tenant, from the operating system's entropy."""
    return SealingKey(secrets.token_bytes(KEY_SIZE))


def house_key(custody: Custody, version: int) -> SealingKey:
    """The house's own sealing key in one version.

    Raises:
        HouseFault: ``vault.sealed`` when there is none.
    """
    return SealingKey(custody.sub_key("secrets", version))


def wrap_key(key: SealingKey, custody: Custody, *, tenant: str, version: int) -> bytes:
    """A data key as a store keeps it, bound to its tenant and its own version."""
    wrapping = custody.newest("data-keys")
    cipher = cipher_of(custody.sub_key("data-keys", wrapping))
    return _sealed(cipher, key._key, wrapping, bound_to("data key", tenant, str(version)))  # noqa: SLF001 - this room's


def unwrap_key(wrapped: bytes, custody: Custody, *, tenant: str, version: int) -> SealingKey:
    """The data key that was wrapped.

    Raises:
        HouseFault: ``vault.sealed`` when it is damaged, another tenant's or version's, or wrapped under another key.
    """
    wrapping = key_version(wrapped)
    cipher = cipher_of(custody.sub_key("data-keys", wrapping))
    key = _opened(cipher, wrapped, bound_to("data key", tenant, str(version)))
    if len(key) != KEY_SIZE:
        raise unopenable()
    return SealingKey(key)


def seal(plain: bytes, key: SealingKey, *, tenant: str, record: str, version: int) -> bytes:
    """Seal bytes for one record of a tenant under a version of the tenant's key.

    Raises:
        CallerError: ``vault.too_large`` for more than :data:`LARGEST` bytes.
    """
    if len(plain) > LARGEST:
        raise CallerError(
            f"a secret is larger than {LARGEST:,} bytes", code="vault.too_large", hint="no credential is; give less"
        )
    return _sealed(key._cipher, plain, version, bound_to("record", tenant, record, str(version)))  # noqa: SLF001


def open_sealed(sealed: bytes, key: SealingKey, *, tenant: str, record: str, version: int) -> bytes:
    """What was sealed for this record, tenant and version.

    Raises:
        HouseFault: ``vault.sealed`` when it was sealed for another, or is damaged; which one, it does not say.
    """
    if key_version(sealed) != version:
        raise unopenable()
    return _opened(key._cipher, sealed, bound_to("record", tenant, record, str(version)))  # noqa: SLF001


def key_version(sealed: bytes) -> int:
    """The version of the key that something says it was sealed or wrapped with; opening proves it.

    Raises:
        HouseFault: ``vault.sealed`` when it is none of ours.
    """
    if not _HEAD + _NONCE + _TAG <= len(sealed) <= _HEAD + _NONCE + LARGEST + _TAG or sealed[0] != _FORMAT:
        raise unopenable()
    return int.from_bytes(sealed[1:_HEAD], "big")


def _sealed(cipher: Cipher, plain: bytes, version: int, bound: bytes) -> bytes:
    if not 0 < version < _VERSIONS:
        raise ValueError("versions count from 1")
    head = bytes([_FORMAT]) + version.to_bytes(4, "big")
    nonce = secrets.token_bytes(_NONCE)
    return head + nonce + cipher.encrypt(nonce, plain, head + bound)


def _opened(cipher: Cipher, sealed: bytes, bound: bytes) -> bytes:
    head, nonce, content = sealed[:_HEAD], sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
    return opened_by(cipher, nonce, content, head + bound)


def opened_by(cipher: Cipher, nonce: bytes, content: bytes, bound: bytes) -> bytes:
    """What a cipher opens, the one place where it is told whether something does.

    Raises:
        HouseFault: ``vault.sealed``.
    """
    try:
        return cipher.decrypt(nonce, content, bound)
    except _library().exceptions.InvalidTag:
        raise unopenable() from None


def bound_to(*parts: str) -> bytes:
    """Texts as associated data, each with its length, so that no two lists of texts give the same bytes."""
    encoded = [part.encode() for part in ("apiloom", *parts)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


@cache
def _library() -> Any:
    load("cryptography.exceptions")
    load("cryptography.hazmat.primitives.ciphers.aead")
    return load("cryptography")


def cipher_of(key: bytes) -> Cipher:
    """AES-256-GCM with a key of 32 bytes."""
    return cast("Cipher", _library().hazmat.primitives.ciphers.aead.AESGCM(key))
