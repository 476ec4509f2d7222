"""Request bodies: OpenAPI 3's ``requestBody``, and Swagger 2.0's body and form parameters as the same thing."""

from __future__ import annotations

import re
from typing import Any, cast

from apiloom.base.values import replace
from apiloom.model.api import Body, Encoding, Media, Schema
from apiloom.readers.openapi.media import BINARY, read_content
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.spot import Dangling, Found, Spot, Unusable
from apiloom.readers.openapi.styles import collection_style

_MEDIA_TYPE = re.compile(r"[^\s/;,]+/[^\s/;,]+\s*(?:;.*)?", re.DOTALL)
_SHORT_TYPES = {"json": "application/json", "xml": "application/xml", "text": "text/plain"}
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_NOT_SCHEMA = frozenset({"name", "in", "required", "collectionFormat", "allowEmptyValue"})


def read_body(reading: Reading, value: object, spot: Spot) -> Body | None:
    """``requestBody``; None when there is none.

    Raises:
        Unusable: it is there but does not say what to send.
    """
    if value is None:
        return None
    pointer = reading.library.notes.pointer(spot)
    try:
        raw, place = reading.follow(value, spot)
    except Dangling as fault:
        raise Unusable(f"its request body is unknown: {fault}", pointer) from None
    if not isinstance(raw, dict):
        raise Unusable("its request body is not an object", pointer)
    if place not in reading.bodies:
        try:
            reading.bodies[place] = _body(reading, raw, place)
        except Unusable as fault:
            reading.bodies[place] = fault
    known = reading.bodies[place]
    if isinstance(known, Unusable):
        raise Unusable(known.reason, known.pointer)
    return known


def _body(reading: Reading, raw: dict[str, Any], spot: Spot) -> Body | None:
    required = reading.flag(raw, "required", spot) is True
    media = tuple(_named(reading, each, spot) for each in read_content(reading, raw.get("content"), spot.to("content")))
    usable = tuple(each for each in media if each is not None)
    if not usable and "schema" in raw:
        reading.note("warning", "body.old", "schema stands where OpenAPI 3 has content; it was read as JSON", spot)
        usable = (Media(type="application/json", schema=reading.schema(raw["schema"], spot.to("schema"))),)
    if not usable:
        if required:
            raise Unusable("its request body names no media type", reading.library.notes.pointer(spot))
        reading.note("warning", "body.empty", "the request body names no media type; none is sent", spot)
        return None
    return Body(
        media=usable,
        required=required,
        description=reading.text(raw, "description", spot),
        pointer=reading.library.notes.pointer(spot),
    )


def _named(reading: Reading, media: Media, spot: Spot) -> Media | None:
    if _MEDIA_TYPE.fullmatch(media.type):
        return media
    known = _SHORT_TYPES.get(media.type.lower())
    if known is None:
        reading.note("warning", "media.type", f'"{media.type[:60]}" is no media type; it was left out', spot)
        return None
    reading.note("warning", "media.type", f'"{media.type}" is no media type; it was read as {known}', spot)
    return replace(media, type=known)


def read_body_parameter(reading: Reading, bodies: list[Found], consumes: tuple[str, ...]) -> Body:
    """The body parameter of a Swagger 2.0 operation.

    Raises:
        Unusable: there is more than one.
    """
    raw, spot = cast("dict[str, Any]", bodies[0].value), bodies[0].spot
    if len(bodies) > 1:
        raise Unusable("it has more than one body", reading.library.notes.pointer(spot))
    schema = reading.schema(raw.get("schema"), spot.to("schema"))
    if "schema" not in raw:
        reading.note("warning", "body.untyped", "the body parameter has no schema; any value is taken", spot)
    types = consumes or ("application/json",)
    is_file = isinstance(raw.get("schema"), dict) and raw["schema"].get("type") == "file"
    return Body(
        media=tuple(Media(type=each, schema=BINARY if is_file else schema) for each in types),
        required=reading.flag(raw, "required", spot) is True,
        description=reading.text(raw, "description", spot),
        pointer=reading.library.notes.pointer(spot),
    )


def read_form(reading: Reading, fields: list[Found], consumes: tuple[str, ...], spot: Spot) -> Body:
    """The form parameters of a Swagger 2.0 operation as one body, urlencoded or multipart."""
    properties: dict[str, Schema] = {}
    encodings: dict[str, Encoding] = {}
    required: list[str] = []
    has_file = False
    for value, place in fields:
        raw = cast("dict[str, Any]", value)
        name = str(raw["name"])
        has_file = has_file or raw.get("type") == "file"
        properties[name] = reading.schema(_field_schema(raw), place)
        if reading.flag(raw, "required", place):
            required.append(name)
        if raw.get("type") == "array":
            encodings[name] = _encoding(reading, raw, place)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    types = _form_types(reading, consumes, spot, has_file=has_file)
    return Body(
        media=tuple(Media(type=each, schema=schema, encodings=encodings) for each in types),
        required=bool(required),
        pointer=reading.library.notes.pointer(spot),
    )


def _field_schema(raw: dict[str, Any]) -> dict[str, Any]:
    given = raw.get("schema")
    own = {key: each for key, each in raw.items() if key not in _NOT_SCHEMA and key != "schema"}
    return {**own, **given} if isinstance(given, dict) else own


def _encoding(reading: Reading, raw: dict[str, Any], spot: Spot) -> Encoding:
    found = collection_style(raw.get("collectionFormat"), "query")
    if found is None:
        message = f"collectionFormat {str(raw.get('collectionFormat'))[:40]} has no meaning here; csv was taken"
        reading.note("warning", "parameter.style", message, spot)
        found = ("form", False)
    return Encoding(style=found[0], explode=found[1])


def _form_types(reading: Reading, consumes: tuple[str, ...], spot: Spot, *, has_file: bool) -> tuple[str, ...]:
    forms = [each for each in consumes if each.partition(";")[0].strip().lower() in (_FORM, _MULTIPART)]
    if has_file:
        forms = [each for each in forms if each.lower().startswith(_MULTIPART)]
    if forms:
        return tuple(forms)
    chosen = _MULTIPART if has_file else _FORM
    if consumes:
        reading.note("note", "body.form_type", f"consumes names no form type; {chosen} was taken", spot)
    return (chosen,)
