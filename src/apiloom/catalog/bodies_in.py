"""Request bodies: which media type is written, and whether its members become arguments of their own.

An object with up to :data:`MAX_FIELDS` named members is taken apart; unions, arrays, scalars, pure maps and anything
under rules that a flat list could not keep stay whole in one ``body`` argument. Where another media type takes what the
first one does not, it is offered beside it as one argument of its own. What cannot be written is gated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apiloom.base.errors import DesignError
from apiloom.base.values import Value, field, replace
from apiloom.catalog.arguments import plain
from apiloom.catalog.media import Writing, essence, for_request, writing
from apiloom.catalog.objects import Group, object_shape
from apiloom.catalog.parts_in import FILE, Field, fields_of, is_list, positions_of, with_files
from apiloom.catalog.shapes import Pool, flat, types
from apiloom.catalog.tags import Families
from apiloom.catalog.tool import XmlNode
from apiloom.catalog.xml_nodes import xml_nodes
from apiloom.model.api import Body, Encoding, Media, Schema

MAX_FIELDS = 50
"""More members than this make a list of arguments harder to read than one object."""

MOST_OTHERS = 4
"""Media types offered beside the first one."""

WHOLE = "body"
REST = "additional_properties"

_SCALARS = {"string", "number", "integer", "boolean"}


class BodyShape(Value, frozen=True, kw_only=True):
    """A body ready to be bound. Either ``fields`` (and ``rest``) or ``whole`` is set.

    Beside ``whole``, ``fields`` only says which members are files. ``name`` is what a body that is one of several wants
    to be called.
    """

    media_type: str
    required: bool
    name: str = WHOLE
    description: str = ""
    fields: tuple[Field, ...] = ()
    rest: Schema | None = None
    whole: Schema | None = None
    binary: bool = False
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    choices: tuple[Group, ...] = ()
    together: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    xml: tuple[XmlNode, ...] = ()
    positions: tuple[Field, ...] = ()
    others: tuple[BodyShape, ...] = ()


def shape_body(body: Body, pool: Pool) -> BodyShape | None:
    """The body as arguments; None when the document describes none.

    Raises:
        DesignError: ``catalog.body_unwritable``: no declared media type can be written; the operation is gated.
    """
    if not body.media and not body.required:
        return None
    reasons: list[str] = []
    shapes: list[BodyShape] = []
    told: list[Media] = []
    for media in _ranked(body.media, pool):
        if shapes and not _says_more(media, told):
            continue
        try:
            shapes.append(_shaped(media, body, pool, apart=not shapes))
        except DesignError as error:
            reasons.append(error.message)
        else:
            told.append(media)
    if not shapes:
        raise _unwritable(reasons[0] if reasons else "its body names no media type")
    first, *others = shapes[: 1 + MOST_OTHERS]
    return replace(first, others=_named(first, others)) if others else first


def _unwritable(reason: str) -> DesignError:
    return DesignError(reason, code="catalog.body_unwritable")


def _ranked(media: Sequence[Media], pool: Pool) -> list[Media]:
    """The media types, best first. Of two with one schema, the one that takes its files goes before the other."""
    ranked = for_request(media)
    for one in ranked[1:]:
        if writing(one.type) == "multipart" and one.schema == ranked[0].schema and with_files(one, pool)[1]:
            return [one, *(other for other in ranked if other is not one)]
    return ranked


def _says_more(media: Media, told: Sequence[Media]) -> bool:
    """Whether a media type describes something that those told do not; ranges and bare types describe nothing."""
    if writing(media.type) in ("any", "none") or (media.item_schema is None and media.schema in ({}, True)):
        return False
    return all(media.schema != other.schema or media.item_schema != other.item_schema for other in told)


def _named(first: BodyShape, others: Sequence[BodyShape]) -> tuple[BodyShape, ...]:
    """The other bodies, each named for the way it is written, or for its type where two are written alike."""
    ways = [_label(one) for one in (first, *others)]
    kinds = [plain(essence(one.media_type).partition("/")[2]) for one in others]
    words = [way if ways.count(way) == 1 else kind for way, kind in zip(ways[1:], kinds, strict=True)]
    return tuple(replace(one, name=f"{WHOLE}_{word}") for one, word in zip(others, words, strict=True))


def _label(shape: BodyShape) -> str:
    way = writing(shape.media_type)
    return {"binary": "file", "sequence": "lines"}.get(way, way)


def _way(media: Media, pool: Pool) -> tuple[Writing, str]:
    """How to write a media type, and what to call it.

    A range becomes JSON or bytes by what its schema describes. A text in the place of a structure is that structure
    as the caller wrote it.
    """
    way = writing(media.type)
    if way == "any":
        kinds = types(flat(media.schema, pool))
        if kinds and kinds != ("string",):
            return "json", "application/json"
        return "binary", "application/octet-stream"
    if way in ("yaml", "xml", "sequence") and media.item_schema is None:
        kinds = types(flat(media.schema, pool))
        if kinds == ("string",) or (way == "xml" and not kinds):
            return "text", media.type
    return way, media.type


def _reason(way: Writing, media: Media, pool: Pool) -> str:
    """Why a body cannot be written; empty when it can."""
    name = essence(media.type)
    if way == "none":
        return f"{name} bodies cannot be written yet"
    if media.item_schema is not None and way not in ("multipart", "sequence"):
        return f"streamed {name} bodies cannot be written yet"
    if way == "text" and not set(types(flat(media.schema, pool))) <= _SCALARS:
        return f"{name} bodies can only be written from text"
    if way == "form" and _is_closed_to_objects(media.schema, pool):
        return "form bodies can only be written from an object"
    if way == "multipart" and is_list(media, pool):
        if name == "multipart/form-data":
            return "the parts of a form need names, and its body is a list"
        stated = [*media.positions, *([media.position] if media.position else [])]
        if any(essence(one.content_type or "").startswith("multipart/") for one in stated):
            return "parts that are multipart themselves cannot be written yet"
    return ""


def _is_closed_to_objects(schema: Schema, pool: Pool) -> bool:
    kinds = types(flat(schema, pool))
    return bool(kinds) and "object" not in kinds and "string" not in kinds


def _shaped(media: Media, body: Body, pool: Pool, *, apart: bool) -> BodyShape:
    """A body in one media type, taken ``apart`` if it can be.

    Raises:
        DesignError: ``catalog.body_unwritable``.
    """
    way, media_type = _way(media, pool)
    if reason := _reason(way, media, pool):
        raise _unwritable(reason)
    base = BodyShape(media_type=media_type, required=body.required, description=body.description)
    if way == "binary":
        return replace(base, whole=FILE, binary=True)
    if way == "sequence":
        return replace(base, whole=_sequence(media, pool))
    if way == "text":
        return replace(base, whole=media.schema if types(flat(media.schema, pool)) else {"type": "string"})
    if way == "multipart" and is_list(media, pool):
        whole, positions = positions_of(media, pool)
        return replace(base, whole=whole, positions=positions)
    if way == "xml":
        base = replace(base, xml=xml_nodes(media.schema, pool))
    shape = object_shape(media.schema, pool) if apart and Families(pool).members(media.schema) is None else None
    if shape is None or len(shape.properties) > MAX_FIELDS:
        whole, files = with_files(media, pool) if way == "multipart" else (media.schema, ())
        return replace(base, whole=whole, fields=files, encodings=media.encodings)
    return replace(
        base,
        fields=tuple(fields_of(shape, media, way, pool)),
        rest=shape.rest,
        encodings=media.encodings,
        groups=shape.groups,
        choices=shape.choices,
        together=shape.together,
    )


def _sequence(media: Media, pool: Pool) -> Schema:
    """A list of what the lines or records of the body are."""
    if media.item_schema is not None:
        return {"type": "array", "items": media.item_schema}
    return media.schema if "array" in types(flat(media.schema, pool)) else {"type": "array", "items": media.schema}
