"""Answers in several parts (RFC 2046 section 5.1): each part's headers and bytes.

Knows nothing of outcomes; what a part is, is its own media type's matter.
"""

from __future__ import annotations

import re

MOST_PARTS = 100
_MOST_HEAD = 16 * 1024
_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^;\s]{1,200}))", re.IGNORECASE)

Part = tuple[dict[str, str], bytes]


def read_parts(content_type: str, body: bytes) -> list[Part] | None:
    """The parts of a multipart answer; None where it does not keep to its own boundary, or has too many."""
    named = _BOUNDARY.search(content_type)
    if named is None:
        return None
    mark = re.escape((named[1] or named[2]).encode("utf-8", "surrogateescape"))
    # the first boundary may stand at the very start; what stands before it is a note for nobody
    pieces = re.split(rb"(?:\r?\n|^)--" + mark, body, maxsplit=MOST_PARTS + 2)
    found: list[Part] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return found
        if len(found) == MOST_PARTS:
            return None
        part = _part(piece)
        if part is None:
            return None
        found.append(part)
    return None


def _part(piece: bytes) -> Part | None:
    """One part behind its boundary: white space, headers, an empty line, content."""
    line, newline, rest = piece.partition(b"\n")
    if not newline or line.strip():
        return None
    if rest.startswith((b"\r\n", b"\n")):
        return {}, rest[1 + rest.startswith(b"\r") :]
    head, gap, content = rest.partition(b"\r\n\r\n")
    if not gap:
        head, gap, content = rest.partition(b"\n\n")
    if not gap or len(head) > _MOST_HEAD:
        return None
    fields = (line.partition(":") for line in head.decode("latin-1").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in fields}, content
