"""What a reader is given: a document's bytes, a way to fetch the files it refers to, and the bounds it keeps.

Knows nothing of disks or networks: ``app`` opens sources and hands in :data:`Fetch`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Fetch = Callable[[str], bytes]
"""The bytes at a location (an absolute path or URL).

Raises:
    DesignError: ``document.*`` when the location is missing, too large, or may not be reached from this document.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An API description as found. ``location`` is an absolute path, a URL, or ``-`` for standard input."""

    location: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on everything that comes from outside.

    ``bytes`` counts one file, ``nodes`` the values of one parsed file, ``depth`` its nesting, ``columns`` how far to
    the right a line of YAML may begin, ``alias_columns`` the same where aliases nest texts, ``alias_depth`` deep at
    most; ``alias_events`` and ``alias_bytes`` bound what aliases may expand to, ``hops`` references that lead to
    references, ``files`` the files of one document, ``total_bytes`` all of them together.
    """

    bytes: int = 100_000_000
    nodes: int = 5_000_000
    depth: int = 300
    columns: int = 1_000
    alias_columns: int = 300
    alias_depth: int = 16
    alias_events: int = 1_000_000
    alias_bytes: int = 64_000_000
    hops: int = 64
    files: int = 2_000
    total_bytes: int = 200_000_000


LIMITS = Limits()
