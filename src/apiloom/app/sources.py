"""(stand-in by the lead until the readers' owner replaces it) Opens a SOURCE."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from apiloom.base.errors import DesignError
from apiloom.readers.source import Document, Fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    document: Document
    fetch: Fetch
    reads: dict[str, str] = field(default_factory=dict)


def open_source(source: str, *, remote_refs: bool, fetch_url: Fetch, say: Callable[[str], None]) -> Opened:
    say(f"opening {source}")
    if source == "-":
        return opened_text("-", sys.stdin.buffer.read())
    reads: dict[str, str] = {}

    def fetch(location: str) -> bytes:
        content = fetch_url(location) if "://" in location else Path(location).read_bytes()
        reads[location] = hashlib.sha256(content).hexdigest()
        return content

    if not source.startswith("http") and not Path(source).exists():
        raise DesignError(f"there is no file {source}", code="document.not_found", hint="check the path")
    location = source if source.startswith("http") else str(Path(source).resolve())
    return Opened(document=Document(location=location, content=fetch(location)), fetch=fetch, reads=reads)


def opened_text(location: str, content: bytes) -> Opened:
    def fetch(location: str) -> bytes:
        raise DesignError(f"{location} cannot be read", code="document.not_found")

    return Opened(document=Document(location=location, content=content), fetch=fetch)
