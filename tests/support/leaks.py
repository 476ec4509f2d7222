"""Secrets that are easy to find again, and a search for them in whatever came out, in every form they may come out in.

A canary is one secret of one field. A new field is one more :func:`canary`, a new road one more piece of the haul that
:func:`leaks` searches. That the search finds what it should is tested beside it.
"""

from __future__ import annotations

import base64
import gc
import gzip
import hashlib
import html
import io
import json
import logging
import re
import tarfile
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CORE = 24
"""Characters of a canary that are letters and digits: what is looked for."""

_SEPARATORS = b" :-,\r\n\t\\x"
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_BYTES = re.compile(rb"\\{1,8}x([0-9a-fA-F]{2})")
_UNICODE = re.compile(rb"\\{1,8}u([0-9a-fA-F]{4})")


def canary(field_name: str) -> str:
    """The secret of a field: a word that stands nowhere else, with signs around it that writers escape."""
    return f"c+/{core_of(field_name)}=&"


def core_of(field_name: str) -> str:
    """The part of a field's canary that nobody escapes, for fields that take no signs."""
    digest = hashlib.sha256(field_name.encode()).digest()
    text = base64.b64encode(digest).decode().translate({43: "x", 47: "y", 61: "z"})
    return f"Cn{text}"[:CORE]


@dataclass
class Canaries:
    """What is looked for, by field: a core of characters, or bytes."""

    cores: dict[str, bytes] = field(default_factory=dict)

    def add(self, field_name: str, value: str | bytes | None = None) -> str:
        """Look for a field's canary; with a ``value``, for that, as where a secret is made elsewhere."""
        if value is None:
            self.cores[field_name] = core_of(field_name).encode()
            return canary(field_name)
        raw = value.encode() if isinstance(value, str) else value
        self.cores[field_name] = raw
        return value if isinstance(value, str) else ""

    def plain(self, field_name: str) -> str:
        """The same for a field that takes letters and digits only."""
        self.add(field_name)
        return core_of(field_name)


def needles(core: bytes) -> dict[str, bytes]:
    """What of a secret stands in its encodings, whatever stands around it."""
    found = {"plain": core, "hex": core.hex().encode(), "reversed": core[::-1]}
    found |= {f"numbers by {joint!r}": joint.join(map(str, core)).encode() for joint in (",", ", ", " ")}
    if not core.isascii():
        latin = core.decode("latin-1")
        found |= {
            "python": repr(core)[2:-1].encode(),
            "as latin": latin.encode(),
            "json": json.dumps(latin)[1:-1].encode(),
            "python in json": json.dumps(repr(core)[2:-1])[1:-1].encode(),
            "raw json": json.dumps(latin, ensure_ascii=False)[1:-1].encode(),
        }
    for before in range(3):
        length = before + len(core)
        for form, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            text = encode(b"\0" * before + core).rstrip(b"=")
            found[f"{form}+{before}"] = text[(0, 2, 3)[before] : len(text) - (length % 3 != 0)]
    return found


def views(content: bytes, depth: int = 3) -> Iterator[bytes]:
    """The content as it is, and as it reads once what is wrapped around its characters is taken off."""
    seen: set[bytes] = set()
    waiting = [(content, depth)]
    while waiting:
        text, left = waiting.pop()
        key = hashlib.sha256(text).digest()
        if key in seen:
            continue
        seen.add(key)
        yield text
        if left:
            waiting += [(other, left - 1) for other in _unwrapped(text) if other != text]


def _unwrapped(text: bytes) -> Iterator[bytes]:
    if b"%" in text:
        yield _PERCENT.sub(lambda match: bytes((int(match[1], 16),)), text)
    if b"\\x" in text:
        yield _BYTES.sub(lambda match: bytes((int(match[1], 16),)), text)
    if b"\\u" in text:
        yield _UNICODE.sub(lambda match: chr(int(match[1], 16)).encode("utf-8", "replace"), text)
    if b"&#" in text:
        yield html.unescape(text.decode("latin-1")).encode("latin-1", "replace")
    if b"\0" in text:
        yield text.replace(b"\0", b"")
    if text[:2] == b"\x1f\x8b":
        yield _inflated(gzip.decompress, text)
    elif text[:1] == b"\x78":
        yield _inflated(zlib.decompress, text)
    elif text[:4] == b"PK\x03\x04":
        yield _inflated(_unzipped, text)
    elif text[257:262] == b"ustar":
        yield _inflated(_untarred, text)


def _unzipped(text: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        return b"\n".join(name.encode() + b"\n" + archive.read(name) for name in archive.namelist())


def _untarred(text: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(text)) as bundle:
        parts = [bundle.extractfile(member) for member in bundle.getmembers() if member.isfile()]
        return b"\n".join(part.read() for part in parts if part is not None)


def _inflated(inflate: Callable[[bytes], bytes], text: bytes) -> bytes:
    """What is inside; nothing where another view has changed bytes of it."""
    try:
        return inflate(text)
    except (OSError, zlib.error, EOFError, zipfile.BadZipFile, tarfile.TarError, ValueError):
        return b""


@dataclass(frozen=True)
class Leak:
    """A secret that came out: whose it is, on which road, in which form, and what stands around it."""

    field: str
    road: str
    form: str
    around: str


def leaks(canaries: Canaries, haul: Mapping[str, bytes | str]) -> list[Leak]:
    """Every canary in everything that came out."""
    wanted = {name: needles(core) for name, core in canaries.cores.items()}
    found: list[Leak] = []
    for road, content in haul.items():
        raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        for view in views(raw):
            lowered = view.lower()
            dumped = lowered.translate(None, _SEPARATORS)
            for name, forms in wanted.items():
                for form, needle in forms.items():
                    for text in (lowered, dumped) if form == "hex" else (view,):
                        if needle in text:
                            at = text.find(needle)
                            found.append(Leak(name, road, form, repr(text[max(0, at - 60) : at + 60])))
    return found


# -- hauls -------------------------------------------------------------------------------------------------------------


_OURS_TO_ASK_WITH = ("httpcore2", "httpx2")
"""Loggers of the client that tests ask with: it is no part of what is searched."""


class Listening(logging.Handler):
    """Hears every record of every logger, its arguments and its traceback with the values of all locals."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_OURS_TO_ASK_WITH):
            return
        told = [record.getMessage(), repr(record.args), repr(record.__dict__)]
        if record.exc_info and record.exc_info[1] is not None:
            told.append(shown(record.exc_info[1]))
        self.lines.append("\n".join(told))

    def text(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def listening() -> Iterator[Listening]:
    """Every logger there is or will be, at its most talkative."""
    handler, root = Listening(), logging.getLogger()
    before = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    level, logging.root.manager.disable = root.level, 0
    root.addHandler(handler)
    root.setLevel(1)
    for name in before:
        logging.getLogger(name).setLevel(1)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for name, was in before.items():
            logging.getLogger(name).setLevel(was)


def shown(error: BaseException) -> str:
    """An exception as the most talkative of tracebacks shows it, with the locals of every frame."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def objects(package: str = "apiloom") -> str:
    """What a debugger would show of every object of ours that is alive: its ``repr``."""
    gc.collect()
    lines = []
    for one in gc.get_objects():
        kind = type(one)
        if str(kind.__module__).partition(".")[0] != package or kind.__repr__ is object.__repr__:
            continue
        try:
            lines.append(f"{kind.__module__}.{kind.__qualname__}: {one!r}")
        except Exception as error:  # noqa: BLE001 - half-made objects have no parts to show
            lines.append(f"{kind.__qualname__}: {type(error).__name__}")
    return "\n".join(lines)


def files(*folders: Path, but: Iterable[Path] = ()) -> dict[str, bytes]:
    """All that lies in folders, but for some files."""
    left = {path.resolve() for path in but}
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.resolve() not in left:
                found[f"file {path.relative_to(folder)}"] = path.read_bytes()
    return found
