"""Every (path, method) of a document, read or set aside with its reason; none is lost."""

from __future__ import annotations

import re
from typing import Any

from apiloom.model.api import Operation, Unreadable
from apiloom.readers.openapi.operations import PathItem, read_operation
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.servers import read_servers
from apiloom.readers.openapi.spot import Dangling, Found, Spot, Unusable
from apiloom.readers.openapi.templates import read_template

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})
_OTHERS = frozenset({"$ref", "summary", "description", "servers", "parameters", "additionalOperations"})
_METHOD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}")


class Ledger:
    """What was read and what was not."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.unreadable: list[Unreadable] = []
        self._keys: set[str] = set()

    def claim(self, key: str) -> bool:
        """Whether this key is new."""
        if key in self._keys:
            return False
        self._keys.add(key)
        return True


def read_paths(reading: Reading) -> Ledger:
    """All operations under ``paths``, in the order of their keys."""
    ledger = Ledger()
    spot = Spot(reading.library.entry, "/paths")
    try:
        value, spot = reading.follow(reading.root.get("paths"), spot)
    except Dangling as fault:
        reading.note("error", "reference.dangling", f"{fault}; the paths are unknown", spot)
        return ledger
    if not isinstance(value, dict):
        if value is not None:
            reading.note("error", "path.invalid", "paths is not an object; no operation was read", spot)
        return ledger
    for key in sorted(value):
        if not key.startswith("x-"):
            _read_path(reading, ledger, key, Found(value[key], spot.to(key)))
    return ledger


def _read_path(reading: Reading, ledger: Ledger, key: str, found: Found) -> None:
    members, places = _members(reading, found)
    if members is None:
        return
    spot = found.spot
    path = key
    if not key.startswith("/"):
        reading.note("warning", "path.slash", "the path does not begin with a slash; one was added", spot)
        path = f"/{key}"
    methods = _methods(reading, members, places)
    if not methods:
        return
    item = PathItem(
        key=key,
        template=read_template(path),
        parameters=Found(members.get("parameters"), places.get("parameters", spot).to("parameters")),
        servers=read_servers(reading, members.get("servers"), places.get("servers", spot).to("servers")),
        summary=reading.text(members, "summary", spot),
        description=reading.text(members, "description", spot),
    )
    for method, operation in methods:
        if ledger.claim(f"{method} {key}"):
            _read_method(reading, ledger, item, method, operation)
        else:
            message = f"{method} stands twice under this path; the second was left out"
            reading.note("warning", "path.method_twice", message, operation.spot)


def _members(reading: Reading, found: Found) -> tuple[dict[str, Any] | None, dict[str, Spot]]:
    """A path item's members and where each stands: behind a reference, own members win over referred ones."""
    value, spot = found
    if not isinstance(value, dict):
        if value is not None and value != []:
            reading.note("error", "path.invalid", "the path item is not an object; it has no operations", spot)
        return None, {}
    if "$ref" not in value:
        return value, dict.fromkeys(value, spot)
    own = {name: each for name, each in value.items() if name != "$ref"}
    try:
        target, place = reading.follow(value, spot)
    except Dangling as fault:
        reading.note("error", "reference.dangling", f"{fault}; the operations behind it are unknown", spot)
        target, place = {}, spot
    if not isinstance(target, dict):
        reading.note("error", "path.invalid", "the path item is not an object; it has no operations", place)
        target = {}
    return {**target, **own}, {**dict.fromkeys(target, place), **dict.fromkeys(own, spot)}


def _methods(reading: Reading, members: dict[str, Any], places: dict[str, Spot]) -> list[tuple[str, Found]]:
    """The methods of a path item in the order of their names, whatever their case and wherever they stand."""
    methods: list[tuple[str, Found]] = []
    for name in sorted(members):
        spot = places[name]
        lowered = name.lower()
        if lowered in METHODS:
            if name != lowered:
                reading.note("warning", "path.method_case", f"{name} was read as {lowered}", spot.to(name))
            if lowered == "query" and not reading.dialect.query_method:
                reading.note("warning", "path.method", "the query method belongs to OpenAPI 3.2", spot.to(name))
            methods.append((lowered.upper(), Found(members[name], spot.to(name))))
        elif name not in _OTHERS and not name.startswith("x-"):
            reading.note(
                "note", "path.unknown_member", f'"{name[:60]}" is no method; it was passed over', spot.to(name)
            )
    more = members.get("additionalOperations")
    if isinstance(more, dict):
        spot = places["additionalOperations"].to("additionalOperations")
        methods.extend((name, Found(more[name], spot.to(name))) for name in sorted(more))
    return methods


def _read_method(reading: Reading, ledger: Ledger, item: PathItem, method: str, found: Found) -> None:
    pointer = reading.library.notes.pointer(found.spot)
    try:
        ledger.operations.append(_operation(reading, item, method, found))
    except Unusable as fault:
        ledger.unreadable.append(
            Unreadable(
                key=f"{method} {item.key}",
                method=method,
                path=item.key,
                reason=fault.reason,
                pointer=fault.pointer or pointer,
            )
        )
        reading.note("error", "operation.unreadable", f"{method} {item.key}: {fault.reason}", found.spot)


def _operation(reading: Reading, item: PathItem, method: str, found: Found) -> Operation:
    if not _METHOD_NAME.fullmatch(method):
        raise Unusable("its method is no HTTP method")
    try:
        raw, spot = reading.follow(found.value, found.spot)
    except Dangling as fault:
        raise Unusable(f"it is unknown: {fault}") from None
    if raw is None or raw == []:
        # An empty YAML value, or PHP's empty array: the method is there, nothing is said about it.
        reading.note("warning", "operation.empty", "nothing is said about the operation", spot)
        raw = {}
    if not isinstance(raw, dict):
        raise Unusable("it is not described by an object")
    return read_operation(reading, item, method, raw, spot)
