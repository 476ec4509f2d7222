"""Which OpenAPI a document speaks. The differences that matter to readers are answered here, not asked by number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Dialect:
    """A version as ``(major, minor)`` and what follows from it. ``stated`` is the document's own text."""

    major: int
    minor: int
    stated: str
    known: bool = True

    @property
    def name(self) -> str:
        """Family and version, as ``ApiModel.format`` has it: ``swagger-2.0``, ``openapi-3.1``."""
        return f"{'swagger' if self.major == 2 else 'openapi'}-{self.major}.{self.minor}"

    @property
    def swagger(self) -> bool:
        """Whether this is Swagger 2.0, with body parameters, consumes, produces and definitions."""
        return self.major == 2

    @property
    def schema_siblings(self) -> bool:
        """Whether keywords beside ``$ref`` count in a schema (OpenAPI 3.1 section 4.8.24)."""
        return self.major == 3 and self.minor >= 1

    @property
    def query_method(self) -> bool:
        """Whether a path item has ``query`` and ``additionalOperations`` (OpenAPI 3.2)."""
        return self.major == 3 and self.minor >= 2


def find_dialect(tree: Mapping[str, Any]) -> Dialect | None:
    """The dialect a tree states or plainly has, else None.

    ``stated`` is empty when the document does not say and was recognised by its members.
    """
    for key in ("openapi", "swagger"):
        if key in tree:
            found = _stated(str(tree[key]).strip()) if isinstance(tree[key], str | int | float) else None
            if found:
                return found
    paths = tree.get("paths")
    if isinstance(paths, Mapping) and any(str(path).startswith("/") for path in paths):
        old = any(key in tree for key in ("definitions", "basePath", "host", "securityDefinitions", "swagger"))
        return Dialect(2, 0, "") if old else Dialect(3, 0, "")
    return None


def _stated(text: str) -> Dialect | None:
    parts = text.lstrip("vV").split(".")
    if not parts[0].isdigit() or len(parts[0]) > 3:
        return None
    minor = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() and len(parts[1]) < 4 else 0
    major = int(parts[0])
    if major == 2:
        return Dialect(2, 0, text, known=minor == 0)
    if major == 3:
        return Dialect(3, minor, text, known=minor <= 2)
    return Dialect(major, minor, text, known=False) if major > 3 else None
