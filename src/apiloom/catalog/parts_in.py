"""Members of a body and parts of a multipart one: what each is, and what a caller gives for it.

Which members are files, what media type and headers a part has, how a part stands in XML. Bodies as a whole are
shaped by ``bodies_in``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiloom.base.values import Value, replace
from apiloom.catalog.media import Writing, essence, is_well_formed, is_xml
from apiloom.catalog.objects import ObjectShape
from apiloom.catalog.shapes import Pool, flat, types
from apiloom.catalog.tool import FieldKind, XmlNode
from apiloom.catalog.xml_nodes import xml_nodes
from apiloom.model.api import Encoding, Media, Schema

FILE: dict[str, Any] = {
    "contentEncoding": "base64",
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "data": {"type": "string", "contentEncoding": "base64"},
                "uri": {"type": "string"},
                "filename": {"type": "string"},
                "type": {"type": "string"},
            },
            "oneOf": [{"required": ["data"]}, {"required": ["uri"]}],
            "additionalProperties": False,
        },
    ],
}
"""A file as an argument: base64 or a handle, alone or with a name and a media type."""

_ANY_BYTES = "application/octet-stream"
_TRANSFERS = frozenset({"base64", "quoted-printable"})
_NEVER_FILES = ("application/json", "application/xml", "application/x-www-form-urlencoded")


class Field(Value, frozen=True, kw_only=True):
    """One member of a body that is taken apart."""

    name: str
    schema: Schema
    kind: FieldKind
    required: bool
    encoding: Encoding | None
    xml: tuple[XmlNode, ...] = ()


def fields_of(shape: ObjectShape, media: Media, way: Writing, pool: Pool) -> list[Field]:
    """Required members first, then by name: the order of an object in a document means nothing."""
    needed = frozenset(shape.required)
    fields = []
    for name in sorted(shape.properties, key=lambda name: (name not in needed, name)):
        schema, encoding = shape.properties[name], media.encodings.get(name)
        kind = field_kind(schema, encoding, pool) if way == "multipart" else "value"
        if way == "multipart":
            encoding = _part_encoding(schema, encoding, kind, pool)
        if kind == "binary":
            schema = _described(FILE, schema)
        elif kind == "binaries":
            schema = _described({"type": "array", "items": FILE}, schema)
        xml = _part_xml(schema, encoding, name, pool) if way == "multipart" else ()
        fields.append(Field(name=name, schema=schema, kind=kind, required=name in needed, encoding=encoding, xml=xml))
    return fields


def positions_of(media: Media, pool: Pool) -> tuple[Schema, tuple[Field, ...]]:
    """A multipart body that is a list: its schema with files in their places, and what each part is."""
    node = flat(media.schema, pool)
    first, rest = node.get("prefixItems"), media.item_schema if media.item_schema is not None else node.get("items")
    schemas: list[Schema] = [part for part in first if isinstance(part, dict | bool)] if isinstance(first, list) else []
    parts = [
        _position(schema, media.positions[index] if index < len(media.positions) else None, pool)
        for index, schema in enumerate(schemas)
    ]
    last = _position(rest if isinstance(rest, dict | bool) else {}, media.position, pool)
    whole = {key: value for key, value in node.items() if key not in ("prefixItems", "items")}
    whole["type"] = "array"
    if parts:
        whole["prefixItems"] = [one.schema for one in parts]
    whole["items"] = last.schema
    return whole, (*parts, last)


def _position(schema: Schema, encoding: Encoding | None, pool: Pool) -> Field:
    """One part by its place. What has no type is bytes (OpenAPI 3.2, defaults of ``contentType``)."""
    node = flat(schema, pool)
    bare = not types(node) and not (encoding and encoding.content_type)
    kind: FieldKind = "binary" if bare else field_kind(schema, encoding, pool)
    if kind in ("binary", "binaries"):
        kind, schema = "binary", _described(FILE, schema)
    return Field(
        name="", schema=schema, kind=kind, required=False, encoding=encoding, xml=_part_xml(schema, encoding, "", pool)
    )


def _part_xml(schema: Schema, encoding: Encoding | None, name: str, pool: Pool) -> tuple[XmlNode, ...]:
    """How a part stands in XML, if that is what its encoding says and it is more than text."""
    first = (encoding.content_type or "").split(",")[0] if encoding is not None else ""
    if not is_xml(first):
        return ()
    node = flat(schema, pool)
    items = node.get("items")
    if types(node) == ("array",) and isinstance(items, dict):
        schema, node = items, flat(items, pool)
    return xml_nodes(schema, pool, name) if "object" in types(node) else ()


def _part_encoding(schema: Schema, encoding: Encoding | None, kind: FieldKind, pool: Pool) -> Encoding | None:
    """What the schema of a part adds to its encoding.

    A file is of the schema's ``contentMediaType`` unless the encoding says otherwise; ``application/octet-stream``
    there only says that it is a file, and what the caller says of it goes before. Text that stands for bytes says so
    itself (OpenAPI 3.2, "Content-Transfer-Encoding and contentEncoding").
    """
    node = flat(schema, pool)
    inner = node.get("items")
    if types(node) == ("array",) and isinstance(inner, dict):
        node = flat(inner, pool)
    known = encoding or Encoding()
    media_type, transfer = node.get("contentMediaType"), node.get("contentEncoding")
    if kind in ("binary", "binaries"):
        stated = isinstance(media_type, str) and is_well_formed(media_type) and essence(media_type) != _ANY_BYTES
        return replace(known, content_type=media_type) if stated and not known.content_type else encoding
    if transfer not in _TRANSFERS or known.style is not None or known.explode is not None:
        return encoding
    said = any(name.lower() == "content-transfer-encoding" for name, _ in known.headers)
    return replace(
        known,
        content_type=known.content_type or "application/octet-stream",
        headers=known.headers if said else (*known.headers, ("Content-Transfer-Encoding", str(transfer))),
    )


def with_files(media: Media, pool: Pool) -> tuple[Schema, tuple[Field, ...]]:
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
            encoding = _part_encoding(named[name], encoding, kind, pool)
            schema = _described(FILE if kind == "binary" else {"type": "array", "items": FILE}, named[name])
            files.append(Field(name=name, schema=schema, kind=kind, required=False, encoding=encoding))
    if not files:
        return media.schema, ()
    return {**node, "properties": {**named, **{one.name: one.schema for one in files}}}, tuple(files)


def _described(replacement: dict[str, Any], schema: Schema) -> dict[str, Any]:
    text = schema.get("description") if isinstance(schema, dict) else None
    return {**replacement, "description": text} if isinstance(text, str) and text else replacement


def field_kind(schema: Schema, encoding: Encoding | None, pool: Pool) -> FieldKind:
    """What one part of a multipart body is (OpenAPI 3.1 section 4.8.15.1, 3.0 section 4.7.15.1).

    A schema that says nothing at all is a file (OpenAPI 3.1 section 4.8.14.5); one that only describes is mostly text
    whose type was forgotten.
    """
    node = flat(schema, pool)
    kinds = types(node)
    if not node and encoding is None:
        return "binary"
    if kinds == ("array",):
        inner = node.get("items")
        if isinstance(inner, dict) and field_kind(inner, encoding, pool) == "binary":
            return "binaries"
        return "value"
    if _is_file(node, kinds, encoding):
        return "binary"
    return "json" if "object" in kinds else "value"


def _is_file(node: Mapping[str, Any], kinds: tuple[str, ...], encoding: Encoding | None) -> bool:
    if node.get("contentEncoding", "binary") != "binary":
        return False
    if node.get("format") == "binary" or "contentEncoding" in node:
        return True
    if kinds not in ((), ("string",)):
        return False
    stated = encoding.content_type if encoding is not None else None
    stated = stated or node.get("contentMediaType")
    if isinstance(stated, str):
        first = essence(stated.split(",")[0])
        return not first.startswith("text/") and first not in _NEVER_FILES and not first.endswith(("+json", "+xml"))
    return False


def is_list(media: Media, pool: Pool) -> bool:
    """Whether the parts of a multipart body have places instead of names."""
    return media.item_schema is not None or types(flat(media.schema, pool)) == ("array",)
