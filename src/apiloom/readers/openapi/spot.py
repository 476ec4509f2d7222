"""Where in a document something stands, and the addresses of its files."""

from __future__ import annotations

import posixpath
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from apiloom.base.values import Value
from apiloom.model.schema import escape


class Spot(Value, frozen=True):
    """A place: the file's location and a JSON Pointer into it."""

    location: str
    pointer: str

    def to(self, *tokens: str | int) -> Spot:
        """A place further inside, by member names and list positions."""
        pointer = self.pointer
        for token in tokens:
            pointer = f"{pointer}/{escape(token) if isinstance(token, str) else token}"
        return Spot(self.location, pointer)


class Found(NamedTuple):
    """A value and the place where it really stands, after references."""

    value: object
    spot: Spot


class Dangling(Exception):  # noqa: N818 - a signal inside this room, never shown as an error
    """A reference that leads nowhere; the message says why."""


class Unusable(Exception):  # noqa: N818 - a signal inside this room, never shown as an error
    """Something without which an operation cannot be asked rightly; the message is the ledger's reason."""

    def __init__(self, reason: str, pointer: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.pointer = pointer


def is_url(location: str) -> bool:
    """Whether a location is fetched over a network."""
    return location[:8].lower().startswith(("http://", "https://"))


def origin(location: str) -> str:
    """Scheme and authority of a URL, lower-case."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}".lower()


def split_ref(ref: str) -> tuple[str, str]:
    """A reference as file part and fragment, the fragment still encoded."""
    file, _, fragment = ref.partition("#")
    return file, fragment


def join(base: str, file: str) -> str:
    """The location that a reference's file part names, seen from the file that holds it (RFC 3986 section 5).

    Raises:
        Dangling: it names no file at all, or standard input is its base.
    """
    if is_url(file):
        return file
    if is_url(base):
        return urljoin(base, file)
    if base == "-":
        raise Dangling("a document from standard input has no folder to look in")
    scheme = urlsplit(file).scheme
    if len(scheme) > 1:
        raise Dangling(f"{scheme}: addresses are not read")
    path = unquote(file)
    if path.startswith(("/", "\\")) or "\x00" in path:
        raise Dangling("absolute paths are not read")
    return posixpath.normpath(posixpath.join(posixpath.dirname(base.replace("\\", "/")), path))


def short(location: str, entry: str) -> str:
    """A file's location as seen from the entry document: the same on every machine."""
    if is_url(location) or entry == "-":
        return location
    try:
        return posixpath.relpath(location.replace("\\", "/"), posixpath.dirname(entry.replace("\\", "/")) or ".")
    except ValueError:
        return posixpath.basename(location)
