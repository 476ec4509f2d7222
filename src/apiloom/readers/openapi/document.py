"""A whole OpenAPI or Swagger document to an ApiModel: its parts in the order in which they need each other."""

from __future__ import annotations

from typing import Any

from apiloom.base.errors import DesignError
from apiloom.model.api import ApiModel
from apiloom.model.findings import Finding
from apiloom.readers.openapi.access import note_access, wanting
from apiloom.readers.openapi.dialect import Dialect, find_dialect
from apiloom.readers.openapi.library import Library, Notes
from apiloom.readers.openapi.paths import read_paths
from apiloom.readers.openapi.pool import Pool
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.security import read_schemes, read_security
from apiloom.readers.openapi.servers import read_home
from apiloom.readers.openapi.spot import Dangling, Found, Spot, is_url
from apiloom.readers.source import Document, Fetch

__all__ = ["find_dialect", "read_openapi"]


def read_openapi(
    document: Document, tree: dict[str, Any], fetch: Fetch, *, findings: list[Finding], remote_refs: bool = False
) -> ApiModel:
    """Read a parsed document; ``findings`` are those of parsing and grow here.

    Raises:
        DesignError: ``document.version`` when the major version is not one we know.
    """
    dialect = find_dialect(tree) or Dialect(3, 0, "")
    if dialect.major > 3:
        raise DesignError(
            f"{document.location} says it is OpenAPI {dialect.stated}, which is not known",
            code="document.version",
            hint="OpenAPI 3.0 to 3.2 and Swagger 2.0 are read",
        )
    notes = Notes(document.location, findings)
    root = Spot(document.location, "")
    library = Library(document, tree, fetch, remote_refs=remote_refs, notes=notes)
    pool = Pool(dialect, library, _shelf(library, tree, dialect, "schemas"))
    reading = Reading(library=library, dialect=dialect, pool=pool, root=tree)
    _note_version(reading, root)
    schemes, place = _shelf(library, tree, dialect, "securitySchemes")
    reading.schemes = read_schemes(reading, schemes, place)
    reading.security = read_security(reading, tree.get("security"), root.to("security"))
    reading.servers = read_home(reading, tree)
    title, version, description = _about(reading, tree, root)
    ledger = read_paths(reading)
    operations = wanting(reading, ledger.operations)
    note_access(reading, operations)
    _note_unserved(reading, tree, root, empty=not ledger.operations and not ledger.unreadable)
    return ApiModel(
        title=title,
        version=version,
        format=dialect.name,
        description=description,
        operations=tuple(operations),
        unreadable=tuple(ledger.unreadable),
        schemas=pool,
        schemes=reading.schemes,
        servers=reading.servers,
        base_url=document.location if is_url(document.location) else "",
        notes=findings,
    )


_SHELVES = {"schemas": "definitions", "securitySchemes": "securityDefinitions"}


def _shelf(library: Library, tree: dict[str, Any], dialect: Dialect, name: str) -> Found:
    """Where the document keeps its named schemas or security schemes."""
    steps = (_SHELVES[name],) if dialect.swagger else ("components", name)
    found = Found(tree, Spot(library.entry, ""))
    for step in steps:
        try:
            value, spot = library.follow(found.value, found.spot)
            inner = value.get(step) if isinstance(value, dict) else None
            found = library.follow(inner, spot.to(step))
        except Dangling as fault:
            library.notes.add("error", "reference.dangling", str(fault), found.spot.to(step))
            return Found({}, found.spot.to(step))
    if found.value is not None and not isinstance(found.value, dict):
        library.notes.add("error", "document.invalid", f"{name} is not an object", found.spot)
    return found


def _note_version(reading: Reading, root: Spot) -> None:
    dialect = reading.dialect
    if not dialect.stated:
        message = f"the document does not say its version; it was read as {dialect.name}"
        reading.note("warning", "document.version", message, root)
    elif not dialect.known:
        message = f"version {dialect.stated[:20]} is not known; it was read as the nearest one that is"
        reading.note("warning", "document.version", message, root)


def _about(reading: Reading, tree: dict[str, Any], root: Spot) -> tuple[str, str, str]:
    try:
        about, spot = reading.follow(tree.get("info"), root.to("info"))
    except Dangling:
        about, spot = None, root
    if not isinstance(about, dict):
        reading.note("warning", "document.info", "the document has no info", root)
        about = {}
    title = reading.text(about, "title", spot).strip()
    if not title:
        reading.note("warning", "document.title", "the document has no title", spot)
        name = reading.library.entry.replace("\\", "/").rpartition("/")[2].partition(".")[0]
        title = name if name not in ("", "-") else "API"
    return title, reading.text(about, "version", spot), reading.text(about, "description", spot)


def _note_unserved(reading: Reading, tree: dict[str, Any], root: Spot, *, empty: bool) -> None:
    for key in ("webhooks", "x-webhooks"):
        if tree.get(key):
            reading.note("note", "document.webhooks", "webhooks are not served", root.to(key))
    if empty:
        reading.note("warning", "document.no_operations", "the document has no operations", root)
