"""Content in one or more media types: request and response bodies, and multipart encodings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from apiloom.model.api import Encoding, Media, Nesting, Schema
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.spot import Dangling, Spot

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
"""File content."""

_NESTINGS = frozenset({"brackets", "empty", "dots"})
_PART_STATED = frozenset({"content-disposition", "content-type"})
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?").fullmatch
_BINARY_PREFIXES = ("image/", "audio/", "video/", "font/", "application/zip", "application/pdf", "application/gzip")


def is_binary(media_type: str) -> bool:
    """Whether content of this type is bytes rather than text."""
    bare = media_type.partition(";")[0].strip().lower()
    return bare == "application/octet-stream" or (bare.startswith(_BINARY_PREFIXES) and not bare.endswith("+xml"))


def read_content(reading: Reading, value: object, spot: Spot) -> tuple[Media, ...]:
    """A ``content`` object, in its order."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        reading.note("warning", "media.invalid", "content is no object of media types", spot)
        return ()
    return tuple(_media(reading, name, each, spot.to(name)) for name, each in value.items() if name[:2] != "x-")


def _media(reading: Reading, name: str, value: object, spot: Spot) -> Media:
    media_type = name.strip()
    try:
        raw, spot = reading.follow(value, spot)
    except Dangling as fault:
        reading.note("warning", "reference.dangling", f"{fault}; any content is taken", spot)
        raw = {}
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        reading.note("warning", "media.invalid", "a media type is no object; any content is taken", spot)
        raw = {}
    items = raw.get("itemSchema")
    return Media(
        type=media_type,
        schema=_schema(reading, media_type, raw, spot),
        encodings=_encodings(reading, raw.get("encoding"), spot.to("encoding")) if "encoding" in raw else {},
        item_schema=reading.schema(items, spot.to("itemSchema")) if isinstance(items, dict | bool) else None,
        positions=_positions(reading, raw["prefixEncoding"], spot.to("prefixEncoding"))
        if "prefixEncoding" in raw
        else (),
        position=_position(reading, raw["itemEncoding"], spot.to("itemEncoding")) if "itemEncoding" in raw else None,
    )


def _positions(reading: Reading, value: object, spot: Spot) -> tuple[Encoding, ...]:
    """Encodings by position (OpenAPI 3.2)."""
    given = value if isinstance(value, list) else []
    return tuple(_position(reading, each, spot.to(index)) or Encoding() for index, each in enumerate(given))


def _position(reading: Reading, value: object, spot: Spot) -> Encoding | None:
    return _encoding(reading, value, spot) if isinstance(value, dict) else None


def _schema(reading: Reading, media_type: str, raw: dict[str, Any], spot: Spot) -> Schema:
    given = raw.get("schema")
    if given is None or given == {}:
        return default_schema(media_type)
    return reading.schema(given, spot.to("schema"))


def default_schema(media_type: str) -> Schema:
    """What content without a schema is."""
    if is_binary(media_type):
        return BINARY
    return {"type": "string"} if media_type.lower().startswith("text/") else {}


def _encodings(reading: Reading, value: object, spot: Spot) -> dict[str, Encoding]:
    if not isinstance(value, dict):
        reading.note("warning", "media.invalid", "encoding is no object; it was left out", spot)
        return {}
    encodings: dict[str, Encoding] = {}
    for name, raw in value.items():
        here = spot.to(name)
        if not isinstance(raw, dict):
            reading.note("warning", "media.invalid", "an encoding is no object; it was left out", here)
            continue
        encodings[name] = _encoding(reading, raw, here)
    return encodings


def _encoding(reading: Reading, raw: dict[str, Any], spot: Spot) -> Encoding:
    style = raw.get("style")
    return Encoding(
        content_type=raw["contentType"].strip() if isinstance(raw.get("contentType"), str) else None,
        style=style if isinstance(style, str) else None,
        explode=reading.flag(raw, "explode", spot),
        allow_reserved=reading.flag(raw, "allowReserved", spot) is True,
        nesting=read_nesting(reading, raw, spot),
        headers=tuple(_headers(reading, raw.get("headers"), spot.to("headers"))),
    )


def read_nesting(reading: Reading, raw: dict[str, Any], spot: Spot) -> Nesting:
    """``x-apiloom-nesting``: how names of nested values are spelled, which no standard says."""
    value = raw.get("x-apiloom-nesting")
    if isinstance(value, str) and value in _NESTINGS:
        return cast("Nesting", value)
    if value is not None:
        message = f"x-apiloom-nesting is one of {', '.join(sorted(_NESTINGS))}; brackets were taken"
        reading.note("warning", "parameter.style", message, spot)
    return ""


def _headers(reading: Reading, value: object, spot: Spot) -> Iterator[tuple[str, str]]:
    """Headers of a part, as far as the document itself says their value; no argument gives them."""
    for name, each in sorted(value.items()) if isinstance(value, dict) else ():
        here = spot.to(name)
        if name.lower() in _PART_STATED:
            continue
        try:
            raw = reading.follow(each, here).value
        except Dangling:
            raw = None
        schema = raw.get("schema") if isinstance(raw, dict) else None
        said = _constant(schema) if isinstance(schema, dict) else None
        if said is not None and _HEADER_NAME(name) and _HEADER_VALUE(said):
            yield name, said
        else:
            reading.note("note", "media.part_headers", f'the header "{name[:60]}" of a part is not sent', here)


def _constant(schema: dict[str, Any]) -> str | None:
    listed = schema.get("enum")
    value = schema.get("const", listed[0] if isinstance(listed, list) and len(listed) == 1 else None)
    return value if isinstance(value, str) else None
