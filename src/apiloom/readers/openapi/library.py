"""The files of one document and the references between them.

Resolves JSON Pointers (RFC 6901), relative files, anchors and ids; counts what it fetches. Pure but for the injected
``fetch``. Knows nothing of what a value means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from apiloom.base.errors import ApiloomError, DesignError
from apiloom.model.findings import Finding, Level
from apiloom.model.schema import escape, unescape
from apiloom.readers.openapi.spot import Dangling, Found, Spot, is_url, join, origin, short, split_ref
from apiloom.readers.parse import parse
from apiloom.readers.source import LIMITS, Document, Fetch

_BARE_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Notes:
    """Findings as they come. Their pointers name the file when it is not the entry document."""

    def __init__(self, entry: str, found: list[Finding]) -> None:
        self.found = found
        self._entry = entry

    def add(self, level: Level, code: str, message: str, spot: Spot) -> None:
        """Note one problem at a place."""
        self.found.append(Finding(level=level, code=code, message=message, pointer=self.pointer(spot)))

    def pointer(self, spot: Spot) -> str:
        """A place as findings write it."""
        if spot.location == self._entry:
            return spot.pointer
        return f"{short(spot.location, self._entry)}#{spot.pointer}"


class Library:
    """Parsed files by location; the entry document is there from the start."""

    def __init__(self, document: Document, tree: Any, fetch: Fetch, *, remote_refs: bool, notes: Notes) -> None:
        self.entry = document.location
        self.notes = notes
        self._trees: dict[str, Any] = {document.location: tree}
        self._faults: dict[str, str] = {}
        self._fetch = fetch
        self._remote_refs = remote_refs
        self._bytes = len(document.content)
        self._names: dict[str, dict[str, str]] = {}
        self._resolved: dict[tuple[str, str], Found] = {}
        self._pending: set[tuple[str, str]] = set()

    def follow(self, value: object, spot: Spot) -> Found:
        """The value itself, or what it refers to, through any number of references.

        Raises:
            Dangling: the chain leads nowhere, into a circle, or is too long.
        """
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            found = self.resolve(value["$ref"], spot)
            if not isinstance(found.value, dict) or "$ref" not in found.value:
                return found  # as nearly every reference
        seen: set[Spot] = set()
        while isinstance(value, dict):
            ref = value.get("$ref")
            if not isinstance(ref, str):
                break
            if spot in seen or len(seen) >= LIMITS.hops:
                raise Dangling(f'the reference "{ref}" leads back to itself')
            seen.add(spot)
            value, spot = self.resolve(ref, spot)
        return Found(value, spot)

    def resolve(self, ref: str, base: Spot) -> Found:
        """What one reference names, seen from the file that holds it.

        Raises:
            Dangling: with the reason as a sentence.
        """
        key = (base.location, ref)
        found = self._resolved.get(key)
        if found is None:
            # Stepping through one reference may need another: "#/a/b" where a is a reference to "#/a/b".
            if key in self._pending or len(self._pending) >= LIMITS.hops:
                raise Dangling(f'the reference "{ref}" leads back to itself')
            self._pending.add(key)
            try:
                found = self._resolved[key] = self._resolve(ref, base)
            finally:
                self._pending.discard(key)
        return found

    def _resolve(self, ref: str, base: Spot) -> Found:
        file, fragment = split_ref(ref.strip())
        if not file and fragment.startswith("/"):
            return self._walk(base.location, fragment, ref)
        if not file and not fragment:
            return Found(self._tree(base.location), Spot(base.location, ""))
        known = self._by_name(ref.strip(), base.location)
        if known is not None:
            return self._walk(base.location, known, ref)
        if not file:
            return self._walk(base.location, f"/{fragment}", ref)
        try:
            location = join(base.location, file)
        except ValueError:
            raise Dangling(f'the reference "{ref}" is no valid address') from None
        try:
            self._tree(location)
        except Dangling:
            bare = self._bare(file) if not fragment else None
            if bare is None:
                raise
            return bare
        if fragment and not fragment.startswith("/"):
            fragment = self._by_name(f"#{fragment}", location) or f"/{fragment}"
        return self._walk(location, fragment, ref)

    def _bare(self, name: str) -> Found | None:
        """A plain name, as Swagger 1.2 wrote references: the definition of that name, if there is one."""
        if not _BARE_NAME.fullmatch(name):
            return None
        for shelf in ("/definitions", "/components/schemas"):
            try:
                return self._walk(self.entry, f"{shelf}/{name}", name)
            except Dangling:
                continue
        return None

    def _walk(self, location: str, fragment: str, ref: str) -> Found:
        """Step through a tree by a URI fragment; references on the way are followed as if they were not there."""
        value = self._tree(location)
        spot = Spot(location, "")
        for raw in fragment.split("/")[1:]:
            token = unescape(unquote(raw) if "%" in raw else raw)
            if isinstance(value, dict) and token not in value and "$ref" in value:
                value, spot = self.follow(value, spot)
            if isinstance(value, dict):
                if token not in value:
                    token = unescape(raw)
                if token in value:
                    value = value[token]
                    spot = Spot(spot.location, f"{spot.pointer}/{escape(token)}")
                    continue
            elif isinstance(value, list) and token.isdecimal() and len(token) < 8 and int(token) < len(value):
                value = value[int(token)]
                spot = Spot(spot.location, f"{spot.pointer}/{int(token)}")
                continue
            raise Dangling(f'the reference "{ref}" names nothing')
        return Found(value, spot)

    def _tree(self, location: str) -> Any:
        if location in self._trees:
            return self._trees[location]
        if location not in self._faults:
            fault = self._load(location)
            if not fault:
                return self._trees[location]
            self._faults[location] = fault
        raise Dangling(self._faults[location])

    def _load(self, location: str) -> str:
        """Fetch and parse one more file; the reason when that cannot be."""
        name = short(location, self.entry)
        if (
            is_url(location)
            and not self._remote_refs
            and not (is_url(self.entry) and origin(location) == origin(self.entry))
        ):
            return f"{name} is at another place, and references there are only followed with --remote-refs"
        if len(self._trees) + len(self._faults) >= LIMITS.files:
            return f"{name} is one file too many: a document may have {LIMITS.files:,}"
        try:
            content = self._fetch(location)
            self._bytes += len(content)
            if self._bytes > LIMITS.total_bytes:
                return f"the files of this document have more than {LIMITS.total_bytes // 1_000_000} MB in all"
            tree, findings = parse(content, name)
        except DesignError as error:
            return error.message
        except ApiloomError as error:
            return error.message
        self._trees[location] = tree
        for finding in findings:
            spot = Spot(location, finding.pointer)
            self.notes.add(finding.level, finding.code, finding.message, spot)
        return ""

    def _by_name(self, ref: str, location: str) -> str | None:
        """The pointer of an ``$anchor`` or ``$id`` of this file, when the reference names one."""
        if location not in self._names:
            self._names[location] = dict(_names(self._tree(location)))
        return self._names[location].get(ref)


def _names(tree: Any) -> Iterator[tuple[str, str]]:
    """Every ``$id``, ``$anchor`` and ``$dynamicAnchor`` of a tree with its pointer; the first of equal names wins."""
    waiting: list[tuple[Any, str]] = [(tree, "")]
    found: dict[str, str] = {}
    while waiting:
        value, pointer = waiting.pop()
        if isinstance(value, dict):
            for keyword in ("$anchor", "$dynamicAnchor", "$id"):
                name = value.get(keyword)
                if isinstance(name, str) and name:
                    found.setdefault(name if keyword == "$id" else f"#{name}", pointer)
            waiting.extend((item, f"{pointer}/{escape(key)}") for key, item in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend((item, f"{pointer}/{index}") for index, item in reversed(list(enumerate(value))))
    yield from found.items()
