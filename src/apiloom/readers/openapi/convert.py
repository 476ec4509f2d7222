"""Schema objects of every OpenAPI version to JSON Schema 2020-12 with references into one pool.

One pass serves all versions: what only 3.0 or 2.0 allowed is translated wherever it is met, and what no version allows
is mended with a finding, so that the result always passes the 2020-12 meta-schema. Knows nothing of operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from apiloom.model.api import Schema
from apiloom.model.schema import IN_LIST, IN_MAP, IN_VALUE, escape, reference
from apiloom.readers.openapi import keywords
from apiloom.readers.openapi.dialect import Dialect
from apiloom.readers.openapi.keywords import DROP
from apiloom.readers.openapi.library import Notes
from apiloom.readers.openapi.nullable import ANNOTATIONS, with_null
from apiloom.readers.openapi.spot import Dangling, Found, Spot

_DEEPEST = 48
"""Levels of nested schemas in one definition; what lies deeper becomes a definition of its own."""

_BINARY_TYPES = ("application/octet-stream", "application/pdf", "application/zip", "image/", "audio/", "video/")

_UNSETTLED = frozenset(
    {
        "const",
        "contentMediaType",
        "default",
        "dependencies",
        "discriminator",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "items",
        "properties",
    }
)
"""Keywords whose meaning depends on their neighbours, or moved between versions; most schemas have none."""

_JUST_TYPES = {
    **dict.fromkeys(keywords.TEXTS, str),
    **dict.fromkeys(keywords.FLAGS, bool),
}


class References(Protocol):
    """Names definitions. Implemented by the pool."""

    def name_of(self, ref: str, spot: Spot, unit: Spot) -> str:
        """The pool's name for what a reference names. Raises ``Dangling``."""
        ...

    def name_at(self, value: object, spot: Spot) -> str:
        """The pool's name for a value at a place."""
        ...

    def follow(self, value: object, spot: Spot) -> Found:
        """The value behind references. Raises ``Dangling``."""
        ...

    def component(self, name: str) -> str | None:
        """The pool's name for a named component of the entry document, if there is one."""
        ...

    def heirs(self, spot: Spot) -> Mapping[str, str]:
        """The components composed of the one at a place, itself first: their names in the pool by their tags."""
        ...


class Converter:
    """Converts one schema, with everything inside it but nothing behind references.

    ``unit`` is where the outermost schema stands: references that lead nowhere from the document's root are tried from
    there, since generators put ``$defs`` beside a schema and forget that it moved.
    """

    __slots__ = ("_dialect", "_notes", "_pool", "_unit")

    def __init__(self, dialect: Dialect, notes: Notes, pool: References, unit: Spot) -> None:
        self._dialect = dialect
        self._notes = notes
        self._pool = pool
        self._unit = unit

    def schema(self, raw: object, spot: Spot, depth: int = 0) -> Schema:
        """The schema at a place. Never raises: what cannot be read allows anything, with a finding."""
        if type(raw) is not dict:
            if isinstance(raw, bool):
                return raw
            if raw is not None:
                self._say("schema.invalid", "a schema is neither an object nor a boolean; any value is taken", spot)
            return {}
        if depth > _DEEPEST:
            return reference(self._pool.name_at(raw, spot))
        ref = raw.get("$ref")
        if type(ref) is str:
            return self._referring(raw, ref, spot, depth)
        if "$dynamicRef" in raw or "$recursiveRef" in raw:
            dynamic = raw.get("$dynamicRef", raw.get("$recursiveRef"))
            if type(dynamic) is str:
                return self._referring(raw, dynamic, spot, depth)
        return self._own(raw, spot, depth)

    def _say(self, code: str, message: str, spot: Spot) -> None:
        self._notes.add("warning", code, message, spot)

    def _referring(self, raw: dict[str, Any], ref: str, spot: Spot, depth: int) -> Schema:
        try:
            if ref == "#" and ("$recursiveRef" in raw or self._unit.pointer):
                # JSON Schema's own root, not the document's: an OpenAPI document is no schema.
                target = reference(self._pool.name_of(f"#{self._unit.pointer}", spot, self._unit))
            else:
                target = reference(self._pool.name_of(ref, spot, self._unit))
        except Dangling as fault:
            self._say("reference.dangling", f"{fault}; any value is taken", spot)
            target = {}
        if len(raw) == 1:
            return target
        nullable = raw.get("nullable") is True or raw.get("x-nullable") is True
        beside = {
            key: value for key, value in raw.items() if key[0:1] != "$" and key[0:2] != "x-" and key != "nullable"
        }
        if not self._dialect.schema_siblings:
            ignored = sorted(
                key for key in beside if key not in ANNOTATIONS and key not in ("example", "examples", "externalDocs")
            )
            beside = {key: value for key, value in beside.items() if key in ANNOTATIONS}
            if ignored:
                self._notes.add(
                    "note", "schema.beside_reference", f"{', '.join(ignored)[:200]} beside $ref has no meaning", spot
                )
        own = self._own(beside, spot, depth) if beside else {}
        joined = {**target, **own}
        return with_null(joined) if nullable and target else joined

    def _own(self, raw: dict[str, Any], spot: Spot, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in raw.items():
            if type(value) is _JUST_TYPES.get(key):
                out[key] = value
                continue
            handler = self._handlers.get(key)
            if handler is not None:
                converted = handler(self, key, value, spot, depth)
                if converted is not DROP:
                    out[key] = converted
        if raw.get("type") == "file" or not _UNSETTLED.isdisjoint(raw):
            self._settle(raw, out, spot, depth)
        if raw.get("nullable") is True or raw.get("x-nullable") is True:
            return with_null(out)
        return out

    # Keywords whose meaning depends on their neighbours, or moved between versions.

    def _settle(self, raw: dict[str, Any], out: dict[str, Any], spot: Spot, depth: int) -> None:
        if "enum" in raw:
            self._enum(raw, out, spot)
        for key in ("default", "const"):
            if key in out:
                out[key] = keywords.fitting(out[key], out.get("type"))
        if "items" in raw and type(raw["items"]) is list:
            self._tuple(raw, out, spot, depth)
        if "exclusiveMinimum" in raw or "exclusiveMaximum" in raw:
            self._bounds(raw, out, spot)
        if "dependencies" in raw:
            self._dependencies(raw["dependencies"], out, spot, depth)
        if "properties" in raw and type(raw["properties"]) is dict:
            self._marked_required(raw["properties"], out, spot)
        if "discriminator" in out and "oneOf" not in out and "anyOf" not in out:
            self._inherited(out, spot)
        if raw.get("type") == "file":
            out["format"] = "binary"
        elif "contentMediaType" in out and "contentEncoding" not in out and "format" not in out:
            bare = out["contentMediaType"].lower()
            if bare.startswith(_BINARY_TYPES) and out.setdefault("type", "string") == "string":
                out["format"] = "binary"

    def _enum(self, raw: dict[str, Any], out: dict[str, Any], spot: Spot) -> None:
        listed, message = keywords.values(raw["enum"], out.get("type"))
        if message:
            self._say("schema.enum", message, spot.to("enum"))
        if listed is not DROP:
            out["enum"] = listed

    def _tuple(self, raw: dict[str, Any], out: dict[str, Any], spot: Spot, depth: int) -> None:
        """``items`` as a list: drafts before 2020-12 for ``prefixItems``, with ``additionalItems`` for the rest."""
        parts = raw["items"]
        if parts and "prefixItems" not in out:
            out["prefixItems"] = self._list("items", parts, spot, depth)
            rest = raw.get("additionalItems")
            if isinstance(rest, dict | bool):
                out["items"] = self.schema(rest, spot.to("additionalItems"), depth + 1)
        else:
            self._say("schema.invalid", "items is a list; any items are taken", spot)

    def _bounds(self, raw: dict[str, Any], out: dict[str, Any], spot: Spot) -> None:
        """Boolean ``exclusiveMinimum`` and ``exclusiveMaximum`` (OpenAPI 3.0 and before) as numbers."""
        for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            given = raw.get(exclusive)
            if type(given) is str and given.lower() in ("true", "false"):
                given = given.lower() == "true"
            if not isinstance(given, bool):
                continue
            out.pop(exclusive, None)
            if given and bound in out:
                out[exclusive] = out.pop(bound)
            elif given:
                self._say("schema.invalid", f"{exclusive} stands without {bound}; it was left out", spot)

    def _dependencies(self, value: object, out: dict[str, Any], spot: Spot, depth: int) -> None:
        """``dependencies`` of draft 7, split as later drafts did."""
        if not isinstance(value, dict):
            return
        lists: dict[str, Any] = {}
        schemas: dict[str, Any] = {}
        for name, need in value.items():
            if isinstance(need, list):
                lists[name] = list(dict.fromkeys(item for item in need if isinstance(item, str)))
            elif isinstance(need, dict | bool):
                schemas[name] = self.schema(need, spot.to("dependencies", name), depth + 1)
        if lists:
            out.setdefault("dependentRequired", lists)
        if schemas:
            out.setdefault("dependentSchemas", schemas)

    def _marked_required(self, properties: dict[str, Any], out: dict[str, Any], spot: Spot) -> None:
        """``required: true`` on a property (draft 3): the object requires it."""
        marked = [
            name for name, each in properties.items() if type(each) is dict and each.get("required") in (True, "true")
        ]
        if marked:
            names = dict.fromkeys([*out.get("required", ()), *marked])
            if len(names) > len(out.get("required", ())):
                self._say("schema.required", "required stands on a property; the object was read as requiring it", spot)
            out["required"] = list(names)

    # One handler per kind of keyword: (keyword, value, place of the schema, depth) to the value to keep, or DROP.

    def _plain(self, key: str, value: object, spot: Spot, _depth: int) -> Any:
        if type(value) is bool and key in ("exclusiveMinimum", "exclusiveMaximum"):
            return DROP
        mended, message = keywords.mend(key, value)
        if message and not (key.startswith("exclusive") and str(value).lower() in ("true", "false")):
            self._say("schema.invalid", message, spot.to(key))
        return mended

    def _type(self, key: str, value: object, spot: Spot, _depth: int) -> Any:
        found, message = keywords.types(value)
        if message:
            self._say("schema.type", message, spot.to(key))
        return found

    def _required(self, key: str, value: object, spot: Spot, _depth: int) -> Any:
        names, message = keywords.members(value)
        if message:
            self._say("schema.invalid", message, spot.to(key))
        return names

    def _as_is(self, _key: str, value: object, _spot: Spot, _depth: int) -> Any:
        return value

    def _object(self, key: str, value: object, spot: Spot, _depth: int) -> Any:
        if isinstance(value, dict):
            return value
        self._say("schema.invalid", f"{key} is not an object; it was left out", spot)
        return DROP

    def _one(self, key: str, value: object, spot: Spot, depth: int) -> Any:
        """A keyword whose value is a schema."""
        if type(value) is dict or type(value) is bool:
            return self.schema(value, Spot(spot.location, f"{spot.pointer}/{key}"), depth + 1)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if key == "items" and type(value) is list:
            return DROP
        if value is not None:
            self._say("schema.invalid", f"{key} is no schema; it was left out", spot)
        return {} if value is None and key == "items" else DROP

    def _map(self, key: str, value: object, spot: Spot, depth: int) -> Any:
        """A keyword whose value is an object of schemas."""
        if type(value) is not dict:
            if value is not None:
                self._say("schema.invalid", f"{key} is not an object; it was left out", spot)
            return DROP
        if type(value.get("$ref")) is str:
            # No property of that name: its schema would be an object. The map itself stands elsewhere.
            return self._map_elsewhere(key, value, spot, depth)
        return self._map_here(value, spot.to(key), depth)

    def _map_elsewhere(self, key: str, value: dict[str, Any], spot: Spot, depth: int) -> Any:
        own = {name: each for name, each in value.items() if name != "$ref"}
        here = self._map_here(own, spot.to(key), depth)
        try:
            target, place = self._pool.follow({"$ref": value["$ref"]}, spot.to(key))
        except Dangling as fault:
            self._say("reference.dangling", f"{fault}; {key} behind it are unknown", spot.to(key))
            return here
        if depth > _DEEPEST or type(target) is not dict:
            return here
        return {**self._map_here(target, place, depth), **here}

    def _map_here(self, value: dict[str, Any], spot: Spot, depth: int) -> dict[str, Schema]:
        location = spot.location
        base = f"{spot.pointer}/"
        return {
            name: self.schema(
                each,
                Spot(location, base + escape(name)),
                depth + 1,
            )
            for name, each in value.items()
        }

    def _list(self, key: str, value: object, spot: Spot, depth: int) -> Any:
        """A keyword whose value is a list of schemas."""
        if type(value) is dict:
            self._say("schema.invalid", f"{key} is not a list; it was read as a list of one", spot)
            return [self.schema(value, spot.to(key), depth + 1)]
        if type(value) is not list or not value:
            if value is not None:
                self._say("schema.invalid", f"{key} is not a list of schemas; it was left out", spot)
            return DROP
        base = spot.to(key)
        return [self.schema(each, base.to(index), depth + 1) for index, each in enumerate(value)]

    def _dependent_required(self, key: str, value: object, spot: Spot, _depth: int) -> Any:
        if not isinstance(value, dict):
            self._say("schema.invalid", f"{key} is not an object; it was left out", spot)
            return DROP
        return {
            name: list(dict.fromkeys(item for item in need if isinstance(item, str)))
            for name, need in value.items()
            if isinstance(need, list)
        }

    def _discriminator(self, key: str, value: object, spot: Spot, _depth: int) -> Any:
        """The property that tells variants apart, its mapping as references into the pool."""
        if type(value) is str and value:
            return {"propertyName": value}
        if not isinstance(value, dict) or not isinstance(value.get("propertyName"), str):
            self._say("schema.invalid", "discriminator names no property; it was left out", spot)
            return DROP
        kept: dict[str, Any] = {"propertyName": value["propertyName"]}
        mapping = value.get("mapping")
        if isinstance(mapping, dict):
            found = {tag: self._variant(tag, target, spot.to(key, "mapping")) for tag, target in mapping.items()}
            kept["mapping"] = {tag: target for tag, target in found.items() if target}
        return kept

    def _inherited(self, out: dict[str, Any], spot: Spot) -> None:
        """A tag of an object that others are composed of chooses from them, whether its mapping names them or not."""
        discriminator = out["discriminator"]
        stated = discriminator.get("mapping", {})
        heirs = {tag: str(reference(name)["$ref"]) for tag, name in self._pool.heirs(spot).items()}
        if len(heirs) > 1:
            # With a mapping of its own, the head is one of the choices only if the mapping says so.
            known = {*stated.values(), *([next(iter(heirs.values()))] if stated else [])}
            further = {tag: ref for tag, ref in heirs.items() if ref not in known and tag not in stated}
            out["discriminator"] = {**discriminator, "mapping": {**stated, **further}}

    def _variant(self, tag: str, target: object, spot: Spot) -> str:
        if not isinstance(target, str):
            return ""
        try:
            name = self._pool.component(target) or self._pool.name_of(target, spot, self._unit)
        except Dangling as fault:
            self._say("reference.dangling", f'{fault}; the variant "{tag}" is unknown', spot)
            return ""
        return str(reference(name)["$ref"])

    _handlers: ClassVar[dict[str, Callable[[Converter, str, object, Spot, int], Any]]] = {
        **dict.fromkeys(keywords.PLAIN, _plain),
        **dict.fromkeys(("default", "const"), _as_is),
        **dict.fromkeys(sorted(IN_VALUE), _one),
        **dict.fromkeys(sorted(IN_MAP - {"$defs"}), _map),
        **dict.fromkeys(sorted(IN_LIST), _list),
        "dependentRequired": _dependent_required,
        "discriminator": _discriminator,
        "required": _required,
        "type": _type,
        "xml": _object,
    }
