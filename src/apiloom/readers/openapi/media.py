"""Content in one or more media types: request and response bodies, and multipart encodings."""

from __future__ import annotations

from typing import Any

from apiloom.model.api import Encoding, Media, Schema
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.spot import Dangling, Spot

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
"""File content."""

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
    )


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
        if raw.get("headers"):
            reading.note("note", "media.part_headers", "headers of a part are not sent", here.to("headers"))
        style = raw.get("style")
        encodings[name] = Encoding(
            content_type=raw["contentType"].strip() if isinstance(raw.get("contentType"), str) else None,
            style=style if isinstance(style, str) else None,
            explode=reading.flag(raw, "explode", here),
            allow_reserved=reading.flag(raw, "allowReserved", here) is True,
        )
    return encodings
