"""What every part of reading one document needs: its files, its dialect, its pool, and where problems are noted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiloom.model.api import Body, Parameter, Response, Schema, SecurityNeed, SecurityScheme, Server
from apiloom.model.findings import Level
from apiloom.readers.openapi.dialect import Dialect
from apiloom.readers.openapi.library import Library
from apiloom.readers.openapi.pool import Pool
from apiloom.readers.openapi.spot import Dangling, Found, Spot, Unusable


@dataclass(slots=True, kw_only=True)
class Reading:
    """One document being read. The caches hold what components many operations share, by the place they stand."""

    library: Library
    dialect: Dialect
    pool: Pool
    root: dict[str, Any]
    schemes: dict[str, SecurityScheme] = field(default_factory=dict)
    security: tuple[SecurityNeed, ...] | None = None
    servers: tuple[Server, ...] = ()
    parameters: dict[Spot, Parameter | Unusable | None] = field(default_factory=dict)
    bodies: dict[Spot, Body | Unusable | None] = field(default_factory=dict)
    responses: dict[Spot, Response] = field(default_factory=dict)

    def note(self, level: Level, code: str, message: str, spot: Spot) -> None:
        """A finding about a place."""
        self.library.notes.add(level, code, message, spot)

    def follow(self, value: object, spot: Spot) -> Found:
        """The value behind any references. Raises ``Dangling``."""
        if type(value) is dict and "$ref" in value:
            return self.library.follow(value, spot)
        return Found(value, spot)

    def schema(self, raw: object, spot: Spot) -> Schema:
        """A schema outside the pool."""
        return self.pool.convert(raw, spot)

    def text(self, holder: dict[str, Any], key: str, spot: Spot) -> str:
        """A member that should be text: references to text are followed, numbers read as text, all else is empty."""
        value = holder.get(key)
        if type(value) is str:
            return value
        if isinstance(value, dict):
            try:
                value = self.follow(value, spot.to(key)).value
            except Dangling as fault:
                self.note("note", "reference.dangling", str(fault), spot.to(key))
                return ""
        if isinstance(value, str):
            return value
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""

    def flag(self, holder: dict[str, Any], key: str, spot: Spot) -> bool | None:
        """A member that should be a boolean; None when the document does not say."""
        value = holder.get(key)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        self.note("warning", "document.not_a_boolean", f"{key} is neither true nor false", spot.to(key))
        return None
