"""Keys as PEM text, and what of one gives it away. Knows no form and no scheme; those who hide secrets stand above."""

from __future__ import annotations

_SHORT = 16
"""Characters of a last line that would take ordinary text with it."""


def key_lines(pem: str) -> tuple[str, ...]:
    """The lines of a key, each of which gives a part of it away: whoever tells it may break it otherwise."""
    lines = (line.strip() for line in pem.splitlines() if not line.startswith("-----"))
    return tuple(line for line in lines if len(line) > _SHORT)
