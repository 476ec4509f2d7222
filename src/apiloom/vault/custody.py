"""The key-encryption key in custody: read from a file of its own or given, never shown, and the keys derived from it.

Everything a store holds sealed or hashed depends on this one key, which lies outside the store: a stolen database gives
nothing without it, and no backup of the store holds it. The key itself encrypts nothing; every purpose has its own
versioned sub-key (HKDF-SHA256, RFC 5869), so that what is made for one use says nothing about another, and a purpose
can move to a new version while what the old one made is still known.

Knows files and forms, not which file is meant: whoever wires the house says where. ``app`` stands above,
:mod:`apiloom.vault.envelope` beside.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NoReturn

from apiloom.base.errors import DesignError

Purpose = Literal["tokens", "seals", "sessions", "data-keys"]
"""``tokens`` hash tokens, ``seals`` seal cursors and other text that others carry, ``sessions`` seal the ids of
sessions, ``data-keys`` wrap the data keys of tenants."""

LIVE: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"tokens": (1,), "seals": (1,), "sessions": (1,), "data-keys": (1,)}
)
"""The versions of each purpose that are known, the newest last. To rotate one, add a version; take the old one away
when nothing made with it is left."""

KEY_SIZE = 32

_LARGEST_FILE = 4096
_FORM = re.compile(r"[A-Za-z0-9+/_-]{43}=?", re.ASCII)
_DISTINCT = 12
"""Different bytes in a key, at least: zeros and other stand-ins are no key; random ones have fewer once in 10^24."""


class Custody:
    """Holds the key-encryption key and gives out what is derived from it. It shows nothing and cannot be copied out.

    Args:
        key: 32 random bytes.
        live: the versions of each purpose that are known, the newest last.
    """

    __slots__ = ("_key", "_live", "fingerprint")

    fingerprint: str
    """A one-way hash of the key, 32 characters of hexadecimal: says which key it is, and nothing else about it."""

    def __init__(self, key: bytes, live: Mapping[str, tuple[int, ...]] = LIVE) -> None:
        if not _is_random(key):
            raise _misshapen("the key that was given")
        self._key = hmac.digest(b"apiloom key-encryption key", key, hashlib.sha256)  # extract, RFC 5869 section 2.2
        self._live = live
        self.fingerprint = self._expand(b"fingerprint")[:16].hex()

    def sub_key(self, purpose: Purpose, version: int) -> bytes:
        """The key of a purpose in one version, 32 bytes."""
        return self._expand(f"sub-key/{purpose}/{version}".encode())

    def sub_keys(self, purpose: Purpose) -> Mapping[int, bytes]:
        """The keys of a purpose in every live version, the newest last."""
        return {version: self.sub_key(purpose, version) for version in self._live[purpose]}

    def newest(self, purpose: Purpose) -> int:
        """The version that new things of a purpose are made with."""
        return self._live[purpose][-1]

    def _expand(self, purpose: bytes) -> bytes:
        # one block of RFC 5869 section 2.3 is as long as every key here
        return hmac.digest(self._key, purpose + b"\x01", hashlib.sha256)

    def __repr__(self) -> str:
        return "Custody(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Custody cannot be pickled or copied")


def parse_key(text: str) -> Custody:
    """A key given as text: 32 bytes in base64, of either alphabet.

    Raises:
        DesignError: ``custody.form``; the text is not repeated.
    """
    return _parsed(text, "the key that was given")


def read_key(path: Path) -> Custody:
    """The key in a file that nobody else can read.

    Raises:
        DesignError: ``custody.missing`` when there is none; ``custody.file`` when it cannot be read, belongs to
            somebody else or is open to others; ``custody.form`` when it holds no key.
    """
    try:
        # without waiting: opening a pipe would otherwise block until somebody writes into it
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            _refuse_shared(path, os.fstat(file.fileno()))
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise DesignError(
            f"there is no key at {path}",
            code="custody.missing",
            hint="put the key of this store back; without it nothing that is sealed can be opened, "
            "and a new key opens nothing either",
        ) from None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror or 'no reason given'}", "check who may") from None
    return _parsed(content.decode("latin-1"), f"the key file {path}")


def create_key(path: Path) -> Custody:
    """Make a new key and keep it in a file that only its owner can read; an existing file is never touched.

    The file appears whole or not at all, and is on the disk before this returns.

    Raises:
        DesignError: ``custody.exists`` when something is there already; ``custody.file`` when it cannot be written.
    """
    text = base64.b64encode(secrets.token_bytes(KEY_SIZE)).decode("ascii")
    custody = parse_key(text)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(path, f"{text}\n".encode("ascii"))
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            raise DesignError(
                f"there is something at {path} already, and a key is never overwritten",
                code="custody.exists",
                hint="use that key, or name another file",
            ) from None
        raise _unusable(path, f"cannot be written: {error.strerror or 'no reason given'}", "name another") from None
    return custody


def check_apart(key: Path, store: Path) -> None:
    """That a key does not lie in the folder of the store it opens, where every backup would hold both.

    Raises:
        DesignError: ``custody.inside``.
    """
    # a link may lie inside and lead out, or the other way: both are copied with the folder by some tool
    places = (key.resolve(), key.parent.resolve() / key.name)
    if any(place.is_relative_to(store.resolve()) for place in places):
        raise DesignError(
            f"the key {key} lies inside of the data folder {store}",
            code="custody.inside",
            hint="keep it elsewhere, so that no copy of the data holds its key",
        )


def check_fingerprint(custody: Custody, kept: str) -> None:
    """That this is the key a store was made with, by the fingerprint that the store keeps.

    Raises:
        DesignError: ``custody.other``.
    """
    if not hmac.compare_digest(custody.fingerprint.encode(), kept.encode("utf-8", "replace")):
        raise DesignError(
            f"the key is another than the one this store was made with: "
            f"its fingerprint begins with {custody.fingerprint[:8]}, the store's with {kept[:8]}",
            code="custody.other",
            hint="give the key that belongs to the store",
        )


def _parsed(text: str, what: str) -> Custody:
    text = text.strip(" \t\r\n")
    if not _FORM.fullmatch(text):
        raise _misshapen(what)
    key = base64.b64decode(text.replace("-", "+").replace("_", "/").rstrip("=") + "=")
    if not _is_random(key):
        raise _misshapen(what)
    return Custody(key)


def _is_random(key: bytes) -> bool:
    return len(key) == KEY_SIZE and len(set(key)) >= _DISTINCT


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there, by way of a draft beside it: nobody ever reads half a key."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it fails where something is there
    finally:
        draft.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # a folder cannot be opened everywhere
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _refuse_shared(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(path, "is not a regular file", "put the key into a file of its own")
    if os.name == "nt":
        return  # modes say nothing there; the folder of the user's profile is the wall
    if status.st_uid not in {os.geteuid(), 0}:
        raise _unusable(path, "belongs to another user", f"chown it to yourself, then chmod 600 {path}")
    if status.st_mode & 0o077:
        raise _unusable(path, "can be read by others", f"chmod 600 {path}, and think of the key as known")


def _unusable(path: Path, what: str, hint: str) -> DesignError:
    return DesignError(f"the key file {path} {what}", code="custody.file", hint=hint)


def _misshapen(what: str) -> DesignError:
    return DesignError(
        f"{what} is not 32 random bytes in base64",
        code="custody.form",
        hint="one line of 44 characters, as it was made when the store was new",
    )
