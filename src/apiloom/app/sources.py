"""A SOURCE becomes a document and a way to the files it refers to: the one place where reading touches disk.

Decides what a source is by the order of the command line's contract, keeps every read in bounds, and remembers what
was read so that a cache can be checked and files watched. Knows nothing of formats beyond finding the entry document of
a folder. ``app/fetching`` brings what stands behind a URL.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from apiloom.app.folders import entry_document
from apiloom.app.reach import Reach
from apiloom.base.errors import DesignError, UpstreamError
from apiloom.readers.source import LIMITS, Document, Fetch

_LATER = ("mcp:", "stdio:")

MISSING = ""
"""Stands for what a location holds that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An opened source.

    ``reads`` maps every location asked for so far to its SHA-256, or to :data:`MISSING`, and grows with ``fetch``.
    """

    document: Document
    fetch: Fetch
    reads: dict[str, str] = field(default_factory=dict)


class FetchUrl(Protocol):
    """Brings the bytes behind a URL. ``follow`` is asked about the address of every redirect, before it is followed."""

    def __call__(self, url: str, /, follow: Callable[[str], bool]) -> bytes: ...


def open_source(
    source: str, *, remote_refs: bool, fetch_url: FetchUrl, say: Callable[[str], None], stdin: BinaryIO | None = None
) -> Opened:
    """Open a source: an existing path first, then ``mcp:`` and ``stdio:``, an http(s) URL, ``-``.

    ``fetch_url`` brings the bytes behind a URL. ``stdin`` stands in for standard input.

    Raises:
        DesignError: ``document.*``; it is missing, too large, no file, or of a kind that comes later.
        UpstreamError: ``net.*``; the URL cannot be reached.
    """
    path = _existing(source)
    if path is not None:
        return _from_path(path, remote_refs=remote_refs, fetch_url=fetch_url, say=say)
    if source.startswith(_LATER):
        raise DesignError(
            f"{source[:100]} is an MCP source, which this release does not read yet",
            code="document.mcp_later",
            hint="give an OpenAPI document",
        )
    if source.lower().startswith(("http://", "https://")):
        return open_url(source, remote_refs=remote_refs, fetch_url=fetch_url, say=say)
    if source == "-":
        say("reading standard input")
        return open_bytes("-", _piped(stdin or sys.stdin.buffer), fetch_url, remote_refs=remote_refs)
    if source.lower().startswith("file://"):
        plain = _existing(urlsplit(source).path)
        if plain is not None:
            return _from_path(plain, remote_refs=remote_refs, fetch_url=fetch_url, say=say)
    raise _missing(source)


def opened_text(location: str, content: bytes) -> Opened:
    """A document that a program holds already. It can refer to nothing but itself."""

    def fetch(location: str) -> bytes:
        raise DesignError(f"{location} cannot be read from here", code="document.out_of_reach", hint=_WITHIN)

    return Opened(document=Document(location=location, content=content), fetch=fetch)


_WITHIN = "a document may refer to files of its own folder"


def _existing(source: str) -> Path | None:
    if not source.strip():
        return None  # an empty path would be the folder we stand in
    try:
        path = Path(source)
        path.stat()
    except (OSError, ValueError):
        return None
    return path


def _missing(source: str) -> DesignError:
    """The refusal of a file that is not there, with the nearest names that are."""
    if not source.strip():
        return DesignError("the source is empty", code="document.not_found", hint="give a file, a folder, a URL or -")
    path = Path(source)
    try:
        names = sorted(each.name for each in (path.parent if path.parent.is_dir() else Path()).iterdir())
    except (OSError, ValueError):
        names = []
    near = difflib.get_close_matches(path.name, names[:5000], n=3, cutoff=0.6)
    hint = f"did you mean {', '.join(near)}?" if near else "check the path, or give a URL or - for standard input"
    return DesignError(f"there is no file {source[:300]}", code="document.not_found", hint=hint)


def _from_path(path: Path, *, remote_refs: bool, fetch_url: FetchUrl, say: Callable[[str], None]) -> Opened:
    if path.is_dir():
        say(f"looking for the document in {path}")
        entry = entry_document(path)
        reach = Reach.of_folder(path)
    else:
        entry = path
        reach = Reach.of_file(path)
    location = os.path.abspath(entry)  # noqa: PTH100 - links stay as they are: neighbours are found beside the link
    say(f"reading {entry}")
    reads: dict[str, str] = {}

    def bring(wanted: str) -> bytes:
        if urlsplit(wanted).scheme in ("http", "https"):
            return _remote(wanted, fetch_url, home="", anywhere=remote_refs)
        return read_file(entry if wanted == location else reach.within(wanted))

    fetch = _remembering(reads, bring)
    return Opened(document=Document(location=location, content=fetch(location)), fetch=fetch, reads=reads)


def open_url(source: str, *, remote_refs: bool, fetch_url: FetchUrl, say: Callable[[str], None]) -> Opened:
    """Open what stands behind an http(s) URL; no file is ever read for it.

    Raises:
        DesignError: ``document.fetch``; ``document.out_of_reach`` from ``fetch`` for what is at another place.
        UpstreamError: ``net.*``; the URL cannot be reached.
    """
    try:
        parts = urlsplit(source)
        named = bool(parts.hostname)
    except ValueError:
        named = False
    if not named or "@" in parts.netloc:
        raise DesignError(
            "the URL names no host, or holds a user name or password",
            code="document.fetch",
            hint="give a plain http or https URL; download what needs a login",
        )
    say(f"fetching {_place(source)}")
    # Where the last redirect ends is what references are relative to (RFC 3986 section 5.1.3).
    places = [source]

    def follow(url: str) -> bool:
        places.append(url)
        return True

    content = fetch_url(parts._replace(fragment="").geturl(), follow)
    location = _place(places[-1])
    opened = open_bytes(location, content, fetch_url, remote_refs=remote_refs, home=_origin(location))
    opened.reads[location] = hashlib.sha256(content).hexdigest()
    return opened


def open_bytes(location: str, content: bytes, fetch_url: FetchUrl, *, remote_refs: bool, home: str = "") -> Opened:
    """A document that is no file: its references reach addresses of its own origin, and others when allowed."""
    reads: dict[str, str] = {}

    def bring(wanted: str) -> bytes:
        if urlsplit(wanted).scheme not in ("http", "https"):
            raise DesignError(f"{wanted[:200]} cannot be read from here", code="document.out_of_reach", hint=_WITHIN)
        return _remote(wanted, fetch_url, home=home, anywhere=remote_refs)

    document = Document(location=location, content=content)
    return Opened(document=document, fetch=_remembering(reads, bring), reads=reads)


def _remembering(reads: dict[str, str], bring: Fetch) -> Fetch:
    """``bring``, noting what came; also that nothing came, for what is missing today may be there tomorrow."""

    def fetch(wanted: str) -> bytes:
        try:
            content = bring(wanted)
        except DesignError as error:
            if error.code != "document.out_of_reach":
                reads[wanted] = MISSING
            raise
        reads[wanted] = hashlib.sha256(content).hexdigest()
        return content

    return fetch


def _place(url: str) -> str:
    """A URL as it may be told and kept: without its query, in which keys stand, and its fragment."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _remote(wanted: str, fetch_url: FetchUrl, *, home: str, anywhere: bool) -> bytes:
    """What a reference to another place holds; a place that cannot be reached costs the reference, not the document."""
    if not anywhere and _origin(wanted) != home:
        raise DesignError(
            f"{wanted[:200]} is at another place",
            code="document.out_of_reach",
            hint="references to other places must be allowed",
        )
    try:
        return fetch_url(wanted, lambda url: anywhere or _origin(url) == _origin(wanted))
    except UpstreamError as error:
        raise DesignError(error.message, code="document.fetch", hint=error.hint) from None


def read_file(path: Path) -> bytes:
    """A regular file's bytes, within the limit of one document.

    Raises:
        DesignError: ``document.not_found``, ``document.not_a_file``, ``document.too_large``, ``document.unreadable``.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DesignError(
                f"{path} is not a regular file",
                code="document.not_a_file",
                hint="pipe its content to standard input and give - as the source",
            )
        if found.st_size > LIMITS.bytes:
            raise _too_large(str(path))
        with path.open("rb") as file:
            return _bounded(file, str(path))
    except FileNotFoundError:
        raise DesignError(f"there is no file {path}", code="document.not_found", hint="check the path") from None
    except OSError as error:
        raise DesignError(
            f"{path} cannot be read ({error.strerror or type(error).__name__})",
            code="document.unreadable",
            hint="check who may read it",
        ) from None


def _bounded(file: BinaryIO, name: str) -> bytes:
    content = file.read(LIMITS.bytes + 1)
    if len(content) > LIMITS.bytes:
        raise _too_large(name)
    return content


_piped_before: WeakKeyDictionary[BinaryIO, bytes] = WeakKeyDictionary()


def _piped(stream: BinaryIO) -> bytes:
    """What standard input gave. It gives it once, and sources are read again whenever one of them changes."""
    if stream not in _piped_before:
        _piped_before[stream] = _bounded(stream, "standard input")
    return _piped_before[stream]


def _too_large(name: str) -> DesignError:
    return DesignError(
        f"{name} has more than {LIMITS.bytes // 1_000_000} MB",
        code="document.too_large",
        hint="split it or take out what is not needed",
    )
