"""The definitions of a document by name, each converted when it is first read.

Names are the document's own for its components; everything else that a reference can name gets one from its place, so
that neither order nor machine decides. Knows how circles are opened; knows nothing of operations.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator, Mapping

from apiloom.model.api import Schema
from apiloom.model.schema import unescape
from apiloom.readers.openapi.circles import bare, in_place, number_circles, opened
from apiloom.readers.openapi.convert import Converter
from apiloom.readers.openapi.dialect import Dialect
from apiloom.readers.openapi.library import Library
from apiloom.readers.openapi.spot import Dangling, Found, Spot, short

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_STEM = 40


class Pool(Mapping[str, Schema]):
    """Schemas by name. Reading one may make further names known; iterating reaches those too.

    Safe in several threads: a list may be rendered in one while calls are answered in another.
    """

    def __init__(self, dialect: Dialect, library: Library, shelf: Found) -> None:
        self._dialect = dialect
        self._library = library
        self._notes = library.notes
        self._sources: dict[str, Found] = {}
        self._names: dict[Spot, str] = {}
        self._components: dict[str, str] = {}
        self._refs: dict[tuple[str, str], str] = {}
        self._converted: dict[str, Schema] = {}
        self._whole: dict[str, Schema] = {}
        self._edges: dict[str, tuple[tuple[str, bool], ...]] = {}
        self._circles: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._heirs: dict[Spot, list[Spot]] | None = None
        self._lock = threading.RLock()
        if isinstance(shelf.value, dict):
            for key in sorted(shelf.value):
                self._add_component(key, Found(shelf.value[key], shelf.spot.to(key)))

    def __getitem__(self, name: str) -> Schema:
        if name not in self._whole:
            with self._lock:
                if name not in self._whole:
                    self._whole[name] = self._open(name)
        return self._whole[name]

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        while True:
            fresh = sorted(name for name in tuple(self._sources) if name not in seen)
            if not fresh:
                return
            seen.update(fresh)
            yield from fresh

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def convert(self, raw: object, spot: Spot) -> Schema:
        """A schema that stands at a place of its own, outside the pool."""
        return Converter(self._dialect, self._notes, self, spot).schema(raw, spot)

    def follow(self, value: object, spot: Spot) -> Found:
        """The value behind references. Raises ``Dangling``."""
        return self._library.follow(value, spot)

    def component(self, name: str) -> str | None:
        """The pool's name for a named component of the entry document, if there is one."""
        return self._components.get(name)

    def heirs(self, spot: Spot) -> Mapping[str, str]:
        """The components composed of the one at a place, itself first: their names in the pool by their tags.

        Read from the text: no definition is converted for it, and the text is only gone through when a tag asks.
        """
        if self._heirs is None:
            self._heirs = {self._sources[name].spot: [] for name in self._components.values()}
            for name in sorted(self._components.values()):
                for parent in self._parents(name):
                    self._heirs.setdefault(parent, []).append(self._sources[name].spot)
        found: dict[str, str] = {}
        waiting = [spot] if spot in self._heirs else []
        seen: set[Spot] = set()
        while waiting:
            here = waiting.pop()
            if here not in seen:
                seen.add(here)
                name = self._names[here]
                found[_tag(*self._sources[name])] = name
                waiting += self._heirs.get(here, [])
        return found

    def _parents(self, name: str) -> Iterator[Spot]:
        raw, spot = self._sources[name]
        parts = raw.get("allOf") if isinstance(raw, dict) else None
        for part in parts if isinstance(parts, list) else ():
            ref = part.get("$ref") if isinstance(part, dict) else None
            if isinstance(ref, str):
                with contextlib.suppress(Dangling):
                    yield self._library.resolve(ref, spot).spot

    def name_of(self, ref: str, spot: Spot, unit: Spot) -> str:
        """The pool's name for what a reference names, seen from ``spot``; a last try is made from ``unit``.

        Raises:
            Dangling: the reference leads nowhere.
        """
        known = self._refs.get((spot.location, ref))
        if known is not None:
            return known
        try:
            found = self._library.resolve(ref, spot)
        except Dangling as fault:
            if not ref.startswith("#/") or not unit.pointer:
                raise
            try:
                # Seen only from this unit, so it is not remembered for others.
                return self.name_at(*self._library.resolve(f"#{unit.pointer}{ref[1:]}", unit))
            except Dangling:
                raise fault from None
        name = self.name_at(*found)
        self._refs[spot.location, ref] = name
        return name

    def name_at(self, value: object, spot: Spot) -> str:
        """The pool's name for a value at a place; the same place always has the same name."""
        name = self._names.get(spot)
        if name is None:
            place = f"{short(spot.location, self._library.entry)}#{spot.pointer}"
            name = f"{_stem(spot)}_{_mark(place)}"
            self._names[spot] = name
            self._sources[name] = Found(value, spot)
        return name

    def _add_component(self, key: str, found: Found) -> None:
        name = _UNSAFE.sub("_", key)
        if name != key or not name:
            name = f"{name[:_STEM]}_{_mark(key)}"
        self._names[found.spot] = name
        self._components[key] = name
        self._sources[name] = found

    def _converted_alone(self, name: str) -> Schema:
        """The definition before circles are opened."""
        if name not in self._converted:
            raw, spot = self._sources[name]
            schema = self.convert(raw, spot)
            self._converted[name] = schema
            self._edges[name] = tuple(in_place(schema))
        return self._converted[name]

    def _open(self, name: str) -> Schema:
        schema = self._converted_alone(name)
        if not self._edges[name]:
            return schema
        every, choices = self._circles
        number_circles(name, self._all_edges, every)
        if not any(every[other] == every[name] for other, _ in self._edges[name]):
            return schema
        number_circles(name, self._choice_edges, choices)
        found = False

        def own(other: str, choice: bool) -> Schema | None:  # noqa: FBT001 - the kind of the edge
            nonlocal found
            numbers = choices if choice else every
            if numbers[other] != numbers[name]:
                return None
            found = True
            return bare(self._converted[other])

        schema = opened(schema, own)
        if found:
            self._notes.add(
                "warning",
                "schema.circular",
                f'the definition "{name}" is composed of itself; the circle was opened',
                self._sources[name].spot,
            )
        return schema

    def _all_edges(self, name: str) -> list[str]:
        self._converted_alone(name)
        return [other for other, _ in self._edges[name]]

    def _choice_edges(self, name: str) -> list[str]:
        self._converted_alone(name)
        return [other for other, choice in self._edges[name] if choice]


def _tag(raw: object, spot: Spot) -> str:
    """The tag of a component: its own name, unless it says another as Azure's documents do."""
    stated = raw.get("x-ms-discriminator-value") if isinstance(raw, dict) else None
    return stated if isinstance(stated, str) and stated else unescape(spot.pointer.rpartition("/")[2])


def _stem(spot: Spot) -> str:
    """A telling word from a place: its last member name that is no keyword, else its file's name."""
    tokens = [unescape(token) for token in spot.pointer.split("/")[1:]]
    dull = {"schema", "items", "properties", "schemas", "definitions", "$defs", "allOf", "anyOf", "oneOf", "content"}
    words = [token for token in tokens if token not in dull and not token.isdecimal()]
    word = words[-1] if words else spot.location.rpartition("/")[2].partition(".")[0]
    stem = _UNSAFE.sub("_", word).strip("_")[:_STEM]
    return stem or "schema"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
