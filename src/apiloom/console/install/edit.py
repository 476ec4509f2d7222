"""A client's configuration file with one server set in it: planned first, proved, and only then written.

The plan is proved by reading it back: the new text must say exactly what the old one said, and our entry. If it does
not, nothing is touched. Writing keeps a dated copy of the old file and replaces it in one step.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import os
import stat
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from apiloom.base.errors import ApiloomError, CallerError, DesignError
from apiloom.console.install.entry import OWN, is_ours, merged
from apiloom.console.install.jsontext import read_jsonc, set_member
from apiloom.console.install.tomltext import read_toml, set_table
from apiloom.emit.config import Client, Entry, container

MOST_BYTES = 32 * 1024 * 1024
"""Bytes of a configuration file; Claude Code keeps histories in its own."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What will be written where. ``before`` is None for a new file; ``path`` is the real file behind links."""

    path: Path
    before: bytes | None
    after: bytes

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def diff(self) -> str:
        """The change as a unified diff, empty when there is none."""
        old = (self.before or b"").decode().splitlines(keepends=True)
        new = self.after.decode().splitlines(keepends=True)
        name = str(self.path)
        lines = difflib.unified_diff(old, new, name if self.before is not None else "/dev/null", name)
        return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def plan_edit(path: Path, client: Client, name: str, entry: Entry, *, force: bool = False) -> Edit:
    """The edit that sets one server in a file, which need not exist yet.

    Raises:
        DesignError: ``install.unreadable``, ``install.shape``: the file cannot be read, or not be edited safely.
        CallerError: ``install.taken`` when the name belongs to another server and ``force`` is not given.
    """
    real = _real(path)
    before = _read(real)
    mark = before is not None and before.startswith(_BOM)
    text = _text(real, before)
    document = _document(real, client, text)
    holder = container(client)
    servers = document.get(holder, {})
    if not isinstance(servers, dict):
        raise _shape(real, f"{holder} is no table of servers")
    old = servers.get(name)
    wanted = merged(old, entry)
    if old is not None and not force and not is_ours(old, entry):
        raise CallerError(
            f"{real} already has another server named {name}",
            code="install.taken",
            hint="choose another --name, or replace it with --force",
        )
    if old == wanted:
        return Edit(path=real, before=before, after=before or b"")
    expected = copy.deepcopy(document)
    expected[holder] = {**servers, name: wanted}
    edited = _edited(real, client, text, (name, old, wanted))
    if _document(real, client, edited) != expected:
        raise _shape(real, "it is written in a way that cannot be edited safely")
    return Edit(path=real, before=before, after=(_BOM if mark else b"") + edited.encode())


def write_edit(edit: Edit) -> Path | None:
    """Replace the file in one step; the path of the copy that was kept, or None for a new file.

    Raises:
        DesignError: ``install.unwritable``; ``install.moved`` when the file changed since the edit was planned.
    """
    path = edit.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _read(path) != edit.before:
            raise DesignError(
                f"{path} was changed by another program meanwhile",
                code="install.moved",
                hint="close the client and run this again",
            )
        backup = None if edit.before is None else _keep(path, edit.before)
        _replace(path, edit.after)
    except OSError as error:
        raise DesignError(
            f"{path} cannot be written", code="install.unwritable", hint=(error.strerror or "check its folder").lower()
        ) from None
    return backup


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        raise DesignError(
            f"{path} is a link in a circle", code="install.unreadable", hint="remove it and do this again"
        ) from None


def _read(path: Path) -> bytes | None:
    try:
        # without waiting: a pipe would otherwise keep us until somebody writes into it
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DesignError(f"{path} is not a regular file", code="install.unreadable", hint="look what it is")
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DesignError(
            f"{path} cannot be read", code="install.unreadable", hint=(error.strerror or "check it").lower()
        ) from None
    if len(data) > MOST_BYTES:
        raise _shape(path, f"it is over {MOST_BYTES >> 20} MB")
    return data


def _text(path: Path, data: bytes | None) -> str:
    try:
        return (data or b"").removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise _shape(path, "it is not UTF-8") from None


def _document(path: Path, client: Client, text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        value = read_toml(text) if client == "codex" else read_jsonc(text)
    except (ValueError, RecursionError) as error:
        raise _shape(path, f"it cannot be understood ({error})") from None
    if not isinstance(value, dict):
        raise _shape(path, "it holds no JSON object")
    return value


def _edited(path: Path, client: Client, text: str, change: tuple[str, Any, Entry]) -> str:
    name, old, wanted = change
    try:
        if client != "codex":
            return set_member(text, container(client), name, wanted)
        # Keys that stay are left where they stand; a table of another kind is replaced whole.
        whole = isinstance(old, dict) and ("url" in old) != ("url" in wanted)
        kept = set(old) - set(OWN) if isinstance(old, dict) and not whole else set()
        new = {key: value for key, value in wanted.items() if key not in kept}
        return set_table(text, name, new, whole=whole, owned=OWN)
    except ValueError as error:
        raise _shape(path, str(error)) from None


def _shape(path: Path, why: str) -> ApiloomError:
    return DesignError(
        f"{path} was left alone: {why}",
        code="install.shape",
        hint="mend it, or add the server by hand as `apiloom export SOURCE --to config DIR` writes it",
    )


def _keep(path: Path, data: bytes) -> Path:
    """A copy beside the file, with its mode, under a name that no other copy has."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        backup = path.with_name(f"{path.name}.{stamp}{'' if number == 1 else f'-{number}'}.bak")
        try:
            handle = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, path.stat().st_mode & 0o777)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        backup.chmod(path.stat().st_mode & 0o777)
        return backup


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            status = path.stat()
            fresh.chmod(status.st_mode & 0o777)
            if hasattr(os, "chown"):
                # As root the file would change hands; as anyone else this changes nothing or is refused.
                with contextlib.suppress(OSError):
                    os.chown(fresh, status.st_uid, status.st_gid)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
