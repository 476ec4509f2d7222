"""Parameters of an operation: gathered from path and operation, each read once, styles resolved.

Keeps to one rule: an optional parameter that cannot be read is left out with a finding, a required one makes the
operation unusable. Knows nothing of bodies; body and form parameters are handed back as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from apiloom.model.api import Encoding, Parameter, ParameterPlace, Schema
from apiloom.model.headers import FRAMING, STATED
from apiloom.readers.openapi.media import read_content, read_nesting
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.spot import Dangling, Found, Spot, Unusable
from apiloom.readers.openapi.styles import ALLOWED, DEFAULTS, collection_style, explodes

_PLACES = {place.lower(): place for place in (*DEFAULTS, "body", "formData")}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NOT_SCHEMA = frozenset({"name", "in", "description", "required", "collectionFormat", "allowEmptyValue", "deprecated"})
_SCHEMA_LIKE = ("type", "items", "enum", "format", "pattern")


@dataclass(slots=True)
class Gathered:
    """What the parameter lists of path and operation come to. ``legacy`` holds Swagger's body and form parameters."""

    parameters: list[Parameter] = field(default_factory=list)
    bodies: list[Found] = field(default_factory=list)
    fields: list[Found] = field(default_factory=list)


def gather(reading: Reading, *lists: Found) -> Gathered:
    """The parameters in force: later lists override earlier ones by name and place (OpenAPI 3.1 section 4.8.10).

    Raises:
        Unusable: a parameter that may be needed cannot be read.
    """
    chosen: dict[tuple[str, str], Found] = {}
    for given in lists:
        for key, found in _listed(reading, given).items():
            chosen.pop(key, None)
            chosen[key] = found
    gathered = Gathered()
    for (_, place), found in chosen.items():
        if place == "body":
            gathered.bodies.append(found)
        elif place == "formData":
            gathered.fields.append(found)
        else:
            parameter = _shared(reading, found)
            if parameter is not None:
                gathered.parameters.append(parameter)
    return gathered


def _listed(reading: Reading, given: Found) -> dict[tuple[str, str], Found]:
    """One parameter list by (name, place)."""
    value, spot = given
    try:
        value, spot = reading.follow(value, spot)
    except Dangling as fault:
        raise Unusable(f"its parameters are unknown: {fault}", reading.library.notes.pointer(spot)) from None
    if value is None:
        return {}
    if isinstance(value, dict):
        reading.note("warning", "parameter.list", "parameters is not a list; its members were read", spot)
        value = [value] if "in" in value else list(value.values())
    if not isinstance(value, list):
        raise Unusable("its parameters are not a list", reading.library.notes.pointer(spot))
    chosen: dict[tuple[str, str], Found] = {}
    for index, each in enumerate(value):
        found = _identified(reading, each, spot.to(index))
        if found is None:
            continue
        key, parameter = found
        if key in chosen:
            message = f'the {key[1]} parameter "{key[0]}" is declared twice; the first counts'
            reading.note("warning", "parameter.duplicate", message, parameter.spot)
        else:
            chosen[key] = parameter
    return chosen


def _identified(reading: Reading, each: object, spot: Spot) -> tuple[tuple[str, str], Found] | None:
    """A parameter behind references with its name and place; None when it is left out."""
    pointer = reading.library.notes.pointer(spot)
    try:
        raw, spot = reading.follow(each, spot)
    except Dangling as fault:
        raise Unusable(f"a parameter is unknown: {fault}", pointer) from None
    if raw is None:
        reading.note("warning", "parameter.invalid", "an empty parameter was left out", spot)
        return None
    if not isinstance(raw, dict):
        raise Unusable("a parameter is not an object", pointer)
    name, place, wrong = _identity(raw)
    if wrong:
        if raw.get("required") not in (None, False) or place == "path":
            raise Unusable(wrong, pointer)
        reading.note("warning", "parameter.invalid", f"{wrong}; it is optional and was left out", spot)
        return None
    if raw.get("in") != place:
        reading.note("warning", "parameter.place", f'"in" is {str(raw.get("in"))[:40]}; it was read as {place}', spot)
    return (name, place), Found(raw, spot)


def _identity(raw: dict[str, Any]) -> tuple[str, str, str]:
    """Name and place of a parameter, and what is wrong with them."""
    name = raw.get("name")
    if isinstance(name, int | float) and not isinstance(name, bool):
        name = str(name)
    stated = str(raw.get("in")).strip()
    place = _PLACES.get(stated.lower(), "")
    if not isinstance(name, str) or not name:
        return "body", place, "" if place == "body" else "a parameter has no name"
    if not place:
        return name, "", f'the parameter "{name[:60]}" has no valid place ("in" is {stated[:40]})'
    if place in ("header", "cookie") and not _TOKEN.fullmatch(name):
        return name, place, f'the {place} parameter "{name[:60]}" has a name that cannot be sent'
    return name, place, ""


def _shared(reading: Reading, found: Found) -> Parameter | None:
    """The parameter at a place, read once for all operations that use it."""
    spot = found.spot
    if spot not in reading.parameters:
        raw = cast("dict[str, Any]", found.value)
        place = cast("ParameterPlace", _PLACES[str(raw["in"]).strip().lower()])
        try:
            reading.parameters[spot] = _read(reading, raw, spot, place)
        except Unusable as fault:
            if raw.get("required") in (None, False) and place != "path":
                reading.note("warning", "parameter.invalid", f"{fault.reason}; it is optional and was left out", spot)
                reading.parameters[spot] = None
            else:
                reading.parameters[spot] = fault
    known = reading.parameters[spot]
    if isinstance(known, Unusable):
        raise Unusable(known.reason, known.pointer)
    return known


def _read(reading: Reading, raw: dict[str, Any], spot: Spot, place: ParameterPlace) -> Parameter | None:
    name = str(raw["name"])
    if place == "header" and name.lower() in STATED:
        message = f'the header parameter "{name}" is set from media types and security; it was left out'
        reading.note("note", "parameter.reserved", message, spot)
        return None
    if place == "header" and name.lower() in FRAMING:
        message = f'the header parameter "{name}" belongs to the HTTP client; it was left out'
        reading.note("note", "parameter.reserved", message, spot)
        return None
    schema, media_type, encodings = _schema(reading, raw, spot, place)
    style, explode = _style(reading, raw, spot, place)
    required = reading.flag(raw, "required", spot)
    as_given = reading.flag(raw, "x-ms-skip-url-encoding", spot) is True
    if place == "path" and required is False:
        message = f'the path parameter "{name}" says it is optional; a path cannot be sent without it'
        reading.note("note", "parameter.path_optional", message, spot)
    return Parameter(
        name=name,
        place=place,
        schema=schema,
        required=required is True or place == "path",
        style=style,
        explode=explode,
        description=reading.text(raw, "description", spot),
        deprecated=reading.flag(raw, "deprecated", spot) is True,
        allow_reserved=reading.flag(raw, "allowReserved", spot) is True or as_given,
        allow_empty=reading.flag(raw, "allowEmptyValue", spot) is True,
        slashes=place == "path" and (as_given or reading.flag(raw, "x-apiloom-slashes", spot) is True),
        nesting=read_nesting(reading, raw, spot),
        media_type=media_type,
        encodings=encodings,
        pointer=reading.library.notes.pointer(spot),
    )


def _schema(
    reading: Reading, raw: dict[str, Any], spot: Spot, place: ParameterPlace
) -> tuple[Schema, str | None, Mapping[str, Encoding]]:
    """The schema, and media type and encodings when the parameter is described by ``content``."""
    content = raw.get("content")
    has_schema = raw.get("schema") is not None
    if isinstance(content, dict) and content and (place == "querystring" or not has_schema):
        media = read_content(reading, content, spot.to("content"))
        chosen = next((each for each in media if "json" in each.type.lower()), media[0] if media else None)
        if len(media) > 1:
            reading.note("warning", "parameter.content", "content has more than one media type; one was taken", spot)
        if chosen is not None:
            return chosen.schema, chosen.type, chosen.encodings
    if place == "querystring":
        raise Unusable(f'the querystring parameter "{raw["name"]}" has no content', reading.library.notes.pointer(spot))
    if has_schema:
        if content:
            reading.note(
                "warning", "parameter.content", "schema and content exclude each other; schema was taken", spot
            )
        return reading.schema(raw["schema"], spot.to("schema")), None, {}
    if any(keyword in raw for keyword in _SCHEMA_LIKE):
        if not reading.dialect.swagger:
            message = "type stands where OpenAPI 3 has schema; it was read as Swagger 2.0"
            reading.note("warning", "parameter.old", message, spot)
        return reading.schema({key: value for key, value in raw.items() if key not in _NOT_SCHEMA}, spot), None, {}
    reading.note("warning", "parameter.untyped", f'the parameter "{raw["name"]}" has no schema; text is taken', spot)
    return {"type": "string"}, None, {}


def _style(reading: Reading, raw: dict[str, Any], spot: Spot, place: ParameterPlace) -> tuple[str, bool]:
    if reading.dialect.swagger or ("collectionFormat" in raw and "style" not in raw):
        found = collection_style(raw.get("collectionFormat"), place)
        if found is None:
            message = f"collectionFormat {str(raw['collectionFormat'])[:40]} has no meaning in a {place} parameter"
            reading.note("warning", "parameter.style", f"{message}; csv was taken", spot)
            return DEFAULTS[place], False
        return found
    style = raw.get("style")
    if style is None:
        style = DEFAULTS[place]
    elif not isinstance(style, str) or style not in ALLOWED[place]:
        message = f"style {str(style)[:40]} has no meaning in a {place} parameter; {DEFAULTS[place]} was taken"
        reading.note("warning", "parameter.style", message, spot)
        style = DEFAULTS[place]
    explode = reading.flag(raw, "explode", spot)
    return style, explodes(style) if explode is None else explode
