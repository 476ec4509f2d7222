"""One problem in a document, told with a pointer; never an exception."""

from __future__ import annotations

from typing import Literal

from apiloom.base.values import Value

Level = Literal["error", "warning", "note"]


class Finding(Value, frozen=True, kw_only=True):
    """A problem found while reading or shaping a document.

    ``error``: something was lost (an operation, a parameter's meaning). ``warning``: something was guessed or mended.
    ``note``: worth knowing. ``pointer`` is a JSON Pointer (RFC 6901) into the document, prefixed ``file#`` when the
    problem stands in another file of it.
    """

    level: Level
    code: str
    message: str
    pointer: str = ""
