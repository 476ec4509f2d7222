"""One problem in a document, told with a pointer; never an exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem found while reading or shaping a document.

    ``error``: something was lost (an operation, a parameter's meaning). ``warning``: something was guessed or mended.
    ``note``: worth knowing. ``pointer`` is a JSON Pointer (RFC 6901) into the document, prefixed ``file#`` when the
    problem stands in another file of it.
    """

    level: Level
    code: str
    message: str
    pointer: str = ""
