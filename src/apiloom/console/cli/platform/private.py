"""Files that hold secrets: read only if nobody else can."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apiloom.base import json
from apiloom.base.errors import DesignError

LARGEST = 1024 * 1024


def read_private(path: Path, most: int = LARGEST) -> bytes:
    """The bytes of a file of our own that others cannot read.

    Raises:
        DesignError: ``credentials.file`` for any other, and one that is larger than ``most`` bytes.
    """
    try:
        # without waiting: opening a pipe would otherwise block until somebody writes into it
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            _refuse_shared(path, os.fstat(file.fileno()))
            content = file.read(most + 1)
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or 'no such file'}", "check the path") from None
    if len(content) > most:
        raise _refused(path, f"is larger than {most:,} bytes", "it should hold secrets only")
    return content


def read_credentials(path: Path) -> Mapping[str, Any]:
    """The object of a credentials file. What is in it, the gateway judges.

    Raises:
        DesignError: ``credentials.file``; no sentence repeats what is in the file.
    """
    try:
        value = json.loads(read_private(path))
    except ValueError:
        value = None  # the parser's own sentence may quote the file
    if not isinstance(value, dict):
        raise _refused(path, "is not a JSON object", 'write {"SCHEME": {"token": …}}')
    return value


def _refuse_shared(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(path, "is not a regular file", "put the secret into a file of its own")
    if os.name == "nt":
        return  # modes say nothing there; the folder of the user's profile is the wall
    if status.st_uid != os.geteuid():
        raise _refused(path, "belongs to another user", f"chown it to yourself, then chmod 600 {path}")
    if status.st_mode & 0o077:
        raise _refused(path, "can be read by others", f"chmod 600 {path}")


def _refused(path: Path, what: str, hint: str) -> DesignError:
    return DesignError(f"the file {path} {what}", code="credentials.file", hint=hint)
