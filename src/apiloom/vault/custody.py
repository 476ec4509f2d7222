"""Keys in custody: the key-encryption keys that are read and never shown, and the keys of the house that they open.

Everything a store holds sealed or hashed depends on keys that the store keeps only wrapped, under a key which lies
outside of it: a stolen database gives nothing without that one, and no backup of the store holds it. It encrypts
nothing but the keys of the house, one for each purpose and version, so that it can be changed for another at any time:
what was made with the keys of the house stays what it is.

Knows files and forms, not which file is meant: whoever wires the house says where. ``app`` stands above,
:mod:`apiloom.vault.envelope` and :mod:`apiloom.vault.house` beside.
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NoReturn

from apiloom.base.errors import DesignError, HouseFault

Purpose = Literal["tokens", "seals", "sessions", "data-keys", "secrets"]
"""``tokens`` hash tokens, ``seals`` seal cursors and other text that others carry, ``sessions`` seal the ids of
sessions, ``data-keys`` wrap the data keys of tenants, ``secrets`` seal what is the house's own."""

PURPOSES: Final[tuple[Purpose, ...]] = ("tokens", "seals", "sessions", "data-keys", "secrets")

KEY_SIZE = 32

MOST_KEYS = 8
"""Key-encryption keys that one source may hold: the one in use, and older ones that backups were made under."""

_LARGEST_FILE = 4096
_FORM = re.compile(r"[A-Za-z0-9+/_-]{43}=?", re.ASCII)
_DISTINCT = 12
"""Different bytes in a key, at least: zeros and other stand-ins are no key; random ones have fewer once in 10^24."""


class RootKey:
    """One key-encryption key in hand. It shows nothing and cannot be copied out.

    Args:
        key: 32 random bytes.
    """

    __slots__ = ("_key", "fingerprint")

    fingerprint: str
    """A one-way hash of the key, 32 characters of hexadecimal: says which key it is, and nothing else about it."""

    def __init__(self, key: bytes) -> None:
        if not _is_random(key):
            raise _misshapen("the key that was given")
        self._key = hmac.digest(b"apiloom key-encryption key", key, hashlib.sha256)  # extract, RFC 5869 section 2.2
        self.fingerprint = self._expand(b"fingerprint")[:16].hex()

    def derived(self, purpose: str) -> bytes:
        """What stores of schema 1 used for a purpose, 32 bytes: their first keys of the house."""
        return self._expand(f"sub-key/{purpose}/1".encode())

    def wrapping(self) -> bytes:
        """The key that keys of the house are wrapped with, 32 bytes."""
        return self._expand(b"house-keys")

    def _expand(self, purpose: bytes) -> bytes:
        # one block of RFC 5869 section 2.3 is as long as every key here
        return hmac.digest(self._key, purpose + b"\x01", hashlib.sha256)

    def __repr__(self) -> str:
        return "RootKey(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a RootKey cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a RootKey cannot be pickled or copied")


class Custody:
    """Holds the keys of the house, and gives them out by purpose and version. It shows nothing and cannot be copied.

    Args:
        held: the keys of each purpose by version.
        fingerprint: that of the key-encryption key they are wrapped under.
    """

    __slots__ = ("_held", "fingerprint")

    fingerprint: str

    def __init__(self, held: Mapping[str, Mapping[int, bytes]], fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._held = {purpose: dict(sorted(versions.items())) for purpose, versions in held.items()}

    def take(self, other: Custody) -> None:
        """Hold what another holds, besides what is held already: no key that somebody may need is forgotten. A version
        above its newest went away with the rows of a store that was put back: nothing is made with it any more.
        """
        self.fingerprint = other.fingerprint
        for purpose, versions in other._held.items():
            kept = {version: key for version, key in self._held.get(purpose, {}).items() if version <= max(versions)}
            self._held[purpose] = dict(sorted({**kept, **versions}.items()))

    def sub_key(self, purpose: Purpose, version: int) -> bytes:
        """The key of a purpose in one version, 32 bytes.

        Raises:
            HouseFault: ``vault.sealed`` when there is none.
        """
        key = self._held.get(purpose, {}).get(version)
        if key is None:
            raise unopenable()
        return key

    def sub_keys(self, purpose: Purpose) -> Mapping[int, bytes]:
        """The keys of a purpose in every version, the newest last."""
        return dict(self._held[purpose])

    def newest(self, purpose: Purpose) -> int:
        """The version that new things of a purpose are made with."""
        return next(reversed(self._held[purpose]))

    def knows(self, purpose: Purpose, version: int) -> bool:
        """Whether there is a key of that purpose and version."""
        return version in self._held.get(purpose, {})

    def __repr__(self) -> str:
        return "Custody(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Custody cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Custody cannot be pickled or copied")


def derived_custody(root: RootKey) -> Custody:
    """The custody of a store of schema 1: every key is derived from the key-encryption key."""
    return Custody({purpose: {1: root.derived(purpose)} for purpose in PURPOSES}, root.fingerprint)


def fresh_custody(root: RootKey) -> Custody:
    """The custody of a new store: every key is random."""
    return Custody({purpose: {1: secrets.token_bytes(KEY_SIZE)} for purpose in PURPOSES}, root.fingerprint)


def unopenable() -> HouseFault:
    """What is said of anything sealed that does not open; which of the reasons it was is not told."""
    return HouseFault(
        "something that was kept sealed cannot be opened",
        code="vault.sealed",
        hint="it is damaged or lies where it was not put; restore it from a backup, or set the credentials anew",
    )


def new_key_text() -> str:
    """A new key-encryption key, as it is written down: 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_SIZE)).decode("ascii")


def parse_keys(text: str, what: str = "the key that was given") -> tuple[RootKey, ...]:
    """Keys given as text, the newest first: each 32 bytes in base64, of either alphabet, apart by commas or lines.

    Raises:
        DesignError: ``custody.form``; the text is not repeated.
    """
    found = _keys_in(text)
    del text  # what is raised may be told with all that its frames hold
    if found is None:
        raise _misshapen(what)
    return found


def _keys_in(text: str) -> tuple[RootKey, ...] | None:
    """Each key once; None where anything is none."""
    parts = re.split(r"[ \t]*(?:,|\r?\n)[ \t\r\n]*", text.strip(" \t\r\n"))
    keys = [_parsed(part) for part in parts[: MOST_KEYS + 1]]
    if len(parts) > MOST_KEYS or None in keys:
        return None
    return tuple({key.fingerprint: key for key in keys if key is not None}.values())


def read_keys(path: Path) -> tuple[RootKey, ...]:
    """The keys in a file that nobody else can read, one a line, the newest first.

    Raises:
        DesignError: ``custody.missing`` when there is none; ``custody.file`` when it cannot be read, belongs to
            somebody else or is open to others; ``custody.form`` when it holds no key.
    """
    return parse_keys(_content(path), f"the key file {path}")


def _content(path: Path) -> str:
    try:
        # without waiting: opening a pipe would otherwise block until somebody writes into it
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            _refuse_shared(path, os.fstat(file.fileno()))
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise DesignError(
            f"there is no key at {path}",
            code="custody.missing",
            hint="put the key of this store there, or name its file in APILOOM_KEY_FILE; without it nothing that is "
            "sealed can be opened, and a new key opens nothing either",
        ) from None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror or 'no reason given'}", "check who may") from None
    return content.decode("latin-1")


def create_key(path: Path) -> RootKey:
    """Make a new key and keep it in a file that only its owner can read; an existing file is never touched.

    The file appears whole or not at all, and is on the disk before this returns.

    Raises:
        DesignError: ``custody.exists`` when something is there already; ``custody.file`` when it cannot be written.
    """
    text = new_key_text()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, f"{text}\n".encode("ascii"))
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            raise DesignError(
                f"there is something at {path} already, and a key is never overwritten",
                code="custody.exists",
                hint="use that key, or name another file",
            ) from None
        raise _unwritable(path, error) from None
    return parse_keys(text)[0]


def put_key_first(path: Path) -> RootKey:
    """Make a new key and write it into a key file, in front of those that are there, which all stay.

    Raises:
        DesignError: as :func:`read_keys`; ``custody.file`` when it cannot be written, ``custody.many`` when it holds as
            many as it may.
    """
    before = _content(path)
    kept = parse_keys(before, f"the key file {path}")
    if len(kept) >= MOST_KEYS:
        raise DesignError(
            f"the key file {path} holds {len(kept)} keys already",
            code="custody.many",
            hint="take away the last lines, which no backup needs any more",
        )
    text = new_key_text()
    try:
        # a link stays one
        _write(path.resolve(), f"{text}\n{before.strip()}\n".encode("latin-1"), replacing=True)
    except OSError as error:
        raise _unwritable(path, error) from None
    return parse_keys(text)[0]


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


def other_key(roots: Sequence[RootKey], kept: str) -> DesignError:
    """What is said when none of the keys at hand is the one that a store is wrapped under."""
    ours = ", ".join(root.fingerprint[:8] for root in roots)
    return DesignError(
        f"the key is another than the one this store was made with: "
        f"its fingerprint begins with {ours}, the store's with {kept[:8]}",
        code="custody.other",
        hint="give the key that belongs to the store",
    )


def _parsed(text: str) -> RootKey | None:
    if not _FORM.fullmatch(text):
        return None
    key = base64.b64decode(text.replace("-", "+").replace("_", "/").rstrip("=") + "=")
    return RootKey(key) if _is_random(key) else None


def _is_random(key: bytes) -> bool:
    return len(key) == KEY_SIZE and len(set(key)) >= _DISTINCT


def _write(path: Path, content: bytes, *, replacing: bool = False) -> None:
    """Write a file, one that was not there unless ``replacing``, by way of a draft beside it: nobody ever reads half a
    key.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replacing:
            draft.replace(path)
        else:
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


def _unwritable(path: Path, error: OSError) -> DesignError:
    return _unusable(path, f"cannot be written: {error.strerror or 'no reason given'}", "name another")


def _misshapen(what: str) -> DesignError:
    return DesignError(
        f"{what} is not 32 random bytes in base64",
        code="custody.form",
        hint="one line of 44 characters, as it was made when the store was new",
    )
