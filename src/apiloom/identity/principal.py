"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A recognised caller. ``id`` is stable and may be logged; it never contains a token."""

    id: str


ANYONE = Principal(id="anyone")
"""The caller of an open server, who has shown nothing."""
