"""Every document of the corpus as lists of tools, one for each profile, read and judged once for all tests that ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mcp.types import Tool as ClientTool
from pydantic import ValidationError

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.catalog.build import build_catalog
from apiloom.catalog.listing import render_listing
from apiloom.catalog.tool import Catalog
from apiloom.readers.read import read_document
from apiloom.readers.source import Document
from support.client_limits import PROFILES, problems
from support.corpus import CorpusDocument, openapi_documents

DEEPEST = 32
"""Levels of objects, lists and unions that a schema of a list may have outside the full profile."""

LONGEST = 40_000
"""Bytes of an entry outside the full profile, however many arguments it has."""

LONGEST_FULL = 160_000
"""The same in the full profile: 60,000 of definitions for what it takes and for what it answers, and itself."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One document: bytes that were read for its list in the default view, its tools, bytes of its list by profile."""

    id: str
    read: int
    operations: int
    tools: int
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What became of every document, and what is wrong with lists, by the kind of wrong."""

    listed: tuple[Listed, ...]
    refused: tuple[str, ...]
    wrong: Mapping[str, list[str]]


def catalog_in(document: CorpusDocument, sizes: list[int]) -> Catalog | None:
    """The catalog of a document, None where it is refused.

    ``sizes`` grows by the bytes of each file that is read for it, some of them only when a list is rendered.
    """

    def fetch(location: str) -> bytes:
        try:
            content = Path(location).read_bytes()
        except OSError:
            raise DesignError(f"there is no file {location}", code="document.not_found") from None
        sizes.append(len(content))
        return content

    location = str(document.path)
    try:
        return build_catalog(read_document(Document(location=location, content=fetch(location)), fetch))
    except DesignError:
        return None


def size_of(entries: Mapping[str, bytes]) -> int:
    """Bytes of a list: its entries with the array around them."""
    return sum(map(len, entries.values())) + max(len(entries) - 1, 0) + 2


@cache
def listed_corpus() -> Corpus:
    """The whole corpus in every profile; about a minute."""
    listed: list[Listed] = []
    refused: list[str] = []
    wrong: dict[str, list[str]] = defaultdict(list)
    for document in openapi_documents():
        read: list[int] = []
        catalog = catalog_in(document, read)
        if catalog is None:
            refused.append(document.id)
            continue
        size_read, sizes = 0, {}
        for profile in PROFILES:
            entries = render_listing(catalog, profile)
            sizes[profile] = size_of(entries)
            size_read = size_read or sum(read)
            for kind, problem in _judged(catalog, entries, profile):
                wrong[kind].append(f"{document.id}, {profile}: {problem}")
        listed.append(Listed(document.id, size_read, len(catalog.ledger), len(catalog.tools), sizes))
    return Corpus(tuple(listed), tuple(refused), wrong)


def _judged(catalog: Catalog, entries: Mapping[str, bytes], profile: str) -> Iterator[tuple[str, str]]:
    if list(entries) != list(catalog.tools):
        yield "lost", "the list does not name every tool"
    for name, entry in entries.items():
        tool: dict[str, Any] = json.loads(entry)
        yield from (("refused", problem) for problem in problems(tool, profile))
        try:
            ClientTool.model_validate(tool)
        except ValidationError as error:
            yield "refused", f"{name}: the SDK says {error.errors()[0]['msg']}"
        shown = set(tool["inputSchema"].get("properties", {}))
        if shown != {argument.name for argument in catalog.tools[name].arguments}:
            yield "lost", f"{name} shows {sorted(shown)} of its arguments"
        for member in ("inputSchema", "outputSchema"):
            yield from (("dangling", f"{name}: {problem}") for problem in dangling(tool.get(member), profile))
            if profile != "full" and (deep := depth(tool.get(member))) > DEEPEST:
                yield "deep", f"{name} has {deep} levels in its {member}"
        if len(entry) > (LONGEST_FULL if profile == "full" else LONGEST):
            yield "deep", f"{name} has {len(entry):,} bytes"


def dangling(schema: Any, profile: str) -> Iterator[str]:
    """References that lead nowhere; outside the full profile every one of them."""
    defs = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    known = {"#/$defs/" + name.replace("~", "~0").replace("/", "~1") for name in defs} if profile == "full" else set()
    for ref in _references(schema):
        if ref not in known:
            yield f"{ref} leads nowhere"


def _references(schema: Any) -> Iterator[str]:
    """Every reference, wherever it stands; members that are only called ``$ref`` have no text below them."""
    waiting = [schema]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            if isinstance(here.get("$ref"), str):
                yield here["$ref"]
            waiting += [part for key, part in here.items() if key not in ("enum", "const", "default", "examples")]
        elif isinstance(here, list):
            waiting += here


def depth(schema: Any) -> int:
    """How deeply a value nests."""
    deepest = 0
    waiting = [(schema, 0)]
    while waiting:
        here, level = waiting.pop()
        deepest = max(deepest, level)
        inner = here.values() if isinstance(here, dict) else here if isinstance(here, list) else ()
        waiting += [(part, level + 1) for part in inner if isinstance(part, dict | list)]
    return deepest
