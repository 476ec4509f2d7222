"""The key that cursors are sealed with: one for each user of this machine, so that a cursor outlives the process.

A client that starts its servers anew, or a shell that calls a tool twice, goes on where it was. The key guards no
secret, only that a cursor comes back as it was given; where it cannot be kept, each process makes its own.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from apiloom.base.seal import Sealer

_SIZE = 32
_NAME = "cursors.key"


def user_sealer(folder: Path) -> Sealer:
    """The sealer of whoever owns the folder; the key in it is made when first needed."""
    path = folder / _NAME
    with contextlib.suppress(OSError, ValueError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                _make(path)
        key = _read(path)
        if len(key) == _SIZE:
            return Sealer(key)
    return Sealer(secrets.token_bytes(_SIZE))


def _make(path: Path) -> None:
    """Write a new key whole, or not at all: another process may be reading at this moment."""
    draft = path.with_name(f".{_NAME}.{secrets.token_hex(8)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(secrets.token_bytes(_SIZE))
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    """The key, if nobody else can have put it there or read it.

    Raises:
        OSError: there is none, or it is not ours alone.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if os.name == "posix" and (found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077):
            raise PermissionError("others may know it")
        return file.read(_SIZE + 1)
