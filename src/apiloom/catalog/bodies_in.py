"""Request bodies: which media type is written, and whether its members become arguments of their own.

An object with up to :data:`MAX_FIELDS` named members is taken apart; unions, arrays, scalars, pure maps and anything
under rules that a flat list could not keep stay whole in one ``body`` argument. What cannot be written is gated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.catalog.media import Writing, essence, for_request, writing
from apiloom.catalog.shapes import ObjectShape, Pool, flat, object_shape, types
from apiloom.catalog.tool import FieldKind
from apiloom.model.api import Body, Encoding, Media, Schema

MAX_FIELDS = 50
"""More members than this make a list of arguments harder to read than one object."""

WHOLE = "body"
REST = "additional_properties"

FILE: dict[str, Any] = {
    "contentEncoding": "base64",
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "data": {"type": "string", "contentEncoding": "base64"},
                "filename": {"type": "string"},
                "type": {"type": "string"},
            },
            "required": ["data"],
            "additionalProperties": False,
        },
    ],
}
"""File content as an argument: base64, alone or with a name and a media type."""

_SCALARS = {"string", "number", "integer", "boolean"}
_NEVER_FILES = ("application/json", "application/xml", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One member of a body that is taken apart."""

    name: str
    schema: Schema
    kind: FieldKind
    required: bool
    encoding: Encoding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyShape:
    """A body ready to be bound. Either ``fields`` (and ``rest``) or ``whole`` is set.

    Beside ``whole``, ``fields`` only says which members are files.
    """

    media_type: str
    required: bool
    description: str = ""
    fields: tuple[Field, ...] = ()
    rest: Schema | None = None
    whole: Schema | None = None
    binary: bool = False
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    groups: tuple[tuple[tuple[str, ...], ...], ...] = ()
    together: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def shape_body(body: Body, pool: Pool) -> BodyShape | None:
    """The body as arguments; None when the document describes none.

    Raises:
        DesignError: ``catalog.body_unwritable``: no declared media type can be written; the operation is gated.
    """
    if not body.media and not body.required:
        return None
    reasons: list[str] = []
    for media in for_request(body.media):
        way, media_type = _way(media, pool)
        reason = _unwritable(way, media, pool)
        if not reason:
            return _shaped(media, media_type, way, body, pool)
        reasons.append(reason)
    raise DesignError(reasons[0] if reasons else "its body names no media type", code="catalog.body_unwritable")


def _way(media: Media, pool: Pool) -> tuple[Writing, str]:
    """How to write a media type, and what to call it; a range becomes JSON or bytes by what its schema describes."""
    way = writing(media.type)
    if way != "any":
        return way, media.type
    kinds = types(flat(media.schema, pool))
    if kinds and kinds != ("string",):
        return "json", "application/json"
    return "binary", "application/octet-stream"


def _unwritable(way: Writing, media: Media, pool: Pool) -> str:
    name = essence(media.type)
    if way == "none":
        return f"{name} bodies cannot be written yet"
    if media.item_schema is not None and way not in ("multipart", "sequence"):
        return f"streamed {name} bodies cannot be written yet"
    kinds = types(flat(media.schema, pool)) if way in ("xml", "text") else ()
    if way == "xml" and kinds not in ((), ("string",)):
        return "XML bodies cannot be written yet"
    if way == "text" and not set(kinds) <= _SCALARS:
        return f"{name} bodies can only be written from text"
    if way == "form" and _is_closed_to_objects(media.schema, pool):
        return "form bodies can only be written from an object"
    return ""


def _is_closed_to_objects(schema: Schema, pool: Pool) -> bool:
    kinds = types(flat(schema, pool))
    return bool(kinds) and "object" not in kinds and "string" not in kinds


def _shaped(media: Media, media_type: str, way: Writing, body: Body, pool: Pool) -> BodyShape:
    base = BodyShape(media_type=media_type, required=body.required, description=body.description)
    if way == "binary":
        return replace(base, whole=FILE, binary=True)
    if way == "sequence":
        return replace(base, whole=_sequence(media, pool))
    if way in ("text", "xml"):
        return replace(base, whole=media.schema if types(flat(media.schema, pool)) else {"type": "string"})
    shape = object_shape(media.schema, pool)
    if shape is None or len(shape.properties) > MAX_FIELDS:
        whole, files = _with_files(media, pool) if way == "multipart" else (media.schema, ())
        return replace(base, whole=whole, fields=files, encodings=media.encodings)
    return replace(
        base,
        fields=tuple(_fields(shape, media, way, pool)),
        rest=shape.rest,
        encodings=media.encodings,
        groups=shape.groups,
        together=shape.together,
    )


def _sequence(media: Media, pool: Pool) -> Schema:
    """A list of what the lines or records of the body are."""
    if media.item_schema is not None:
        return {"type": "array", "items": media.item_schema}
    return media.schema if "array" in types(flat(media.schema, pool)) else {"type": "array", "items": media.schema}


def _fields(shape: ObjectShape, media: Media, way: Writing, pool: Pool) -> list[Field]:
    """Required members first, then by name: the order of an object in a document means nothing."""
    needed = frozenset(shape.required)
    fields = []
    for name in sorted(shape.properties, key=lambda name: (name not in needed, name)):
        schema, encoding = shape.properties[name], media.encodings.get(name)
        kind = field_kind(schema, encoding, pool) if way == "multipart" else "value"
        if kind == "binary":
            schema = _described(FILE, schema)
        elif kind == "binaries":
            schema = _described({"type": "array", "items": FILE}, schema)
        fields.append(Field(name=name, schema=schema, kind=kind, required=name in needed, encoding=encoding))
    return fields


def _with_files(media: Media, pool: Pool) -> tuple[Schema, tuple[Field, ...]]:
    """A multipart body that stays whole: its file members take file content, and which they are."""
    node = flat(media.schema, pool)
    named = node.get("properties")
    if not isinstance(named, dict):
        return media.schema, ()
    files: list[Field] = []
    for name in sorted(named):
        encoding = media.encodings.get(name)
        kind = field_kind(named[name], encoding, pool)
        if kind in ("binary", "binaries"):
            schema = _described(FILE if kind == "binary" else {"type": "array", "items": FILE}, named[name])
            files.append(Field(name=name, schema=schema, kind=kind, required=False, encoding=encoding))
    if not files:
        return media.schema, ()
    return {**node, "properties": {**named, **{one.name: one.schema for one in files}}}, tuple(files)


def _described(replacement: dict[str, Any], schema: Schema) -> dict[str, Any]:
    text = schema.get("description") if isinstance(schema, dict) else None
    return {**replacement, "description": text} if isinstance(text, str) and text else replacement


def field_kind(schema: Schema, encoding: Encoding | None, pool: Pool) -> FieldKind:
    """What one part of a multipart body is (OpenAPI 3.1 section 4.8.15.1, 3.0 section 4.7.15.1)."""
    node = flat(schema, pool)
    kinds = types(node)
    if kinds == ("array",):
        inner = node.get("items")
        if isinstance(inner, dict) and field_kind(inner, encoding, pool) == "binary":
            return "binaries"
        return "value"
    if _is_file(node, kinds, encoding):
        return "binary"
    return "json" if "object" in kinds else "value"


def _is_file(node: Mapping[str, Any], kinds: tuple[str, ...], encoding: Encoding | None) -> bool:
    if "contentEncoding" in node:
        return False
    if node.get("format") == "binary":
        return True
    if kinds not in ((), ("string",)):
        return False
    stated = encoding.content_type if encoding is not None else None
    stated = stated or node.get("contentMediaType")
    if isinstance(stated, str):
        first = essence(stated.split(",")[0])
        return not first.startswith("text/") and first not in _NEVER_FILES and not first.endswith(("+json", "+xml"))
    return False
