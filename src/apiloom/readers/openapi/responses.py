"""The answers an operation declares. A bad one costs itself, never the operation."""

from __future__ import annotations

import re
from typing import Any

from apiloom.base.values import replace
from apiloom.model.api import Media, Response
from apiloom.readers.openapi.media import BINARY, default_schema, read_content
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.spot import Dangling, Spot

_STATUS = re.compile(r"[1-5](?:\d\d|[xX]{2})|default")


def read_responses(reading: Reading, value: object, spot: Spot, produces: tuple[str, ...]) -> tuple[Response, ...]:
    """The ``responses`` of an operation, in their order; ``produces`` counts for Swagger 2.0."""
    try:
        value, spot = reading.follow(value, spot)
    except Dangling as fault:
        reading.note("warning", "reference.dangling", f"{fault}; the responses are unknown", spot)
        return ()
    if not isinstance(value, dict) or not value:
        reading.note("note", "response.none", "the operation declares no responses", spot)
        return ()
    responses: list[Response] = []
    for status, raw in value.items():
        if status[:2] == "x-":
            continue
        if not _STATUS.fullmatch(status):
            reading.note(
                "warning", "response.status", f'"{status[:40]}" is no status; it was left out', spot.to(status)
            )
            continue
        responses.append(_response(reading, status, raw, spot.to(status), produces))
    return tuple(responses)


def _response(reading: Reading, status: str, value: object, spot: Spot, produces: tuple[str, ...]) -> Response:
    status = status if status == "default" else status.upper()
    if type(value) is dict and "$ref" in value:
        try:
            value, spot = reading.follow(value, spot)
        except Dangling as fault:
            reading.note("warning", "reference.dangling", f"{fault}; the response is unknown", spot)
            return Response(status=status)
        shared = None if reading.dialect.swagger else reading.responses.get(spot)
        if shared is None:
            shared = _read(reading, value, spot, produces)
            reading.responses[spot] = shared
        return replace(shared, status=status)
    return replace(_read(reading, value, spot, produces), status=status)


def _read(reading: Reading, raw: object, spot: Spot, produces: tuple[str, ...]) -> Response:
    if not isinstance(raw, dict):
        if raw is not None:
            reading.note("warning", "response.invalid", "a response is no object; nothing is known of it", spot)
        return Response(status="")
    description = reading.text(raw, "description", spot)
    named = raw.get("headers")
    headers = tuple(sorted({name.lower() for name in named})) if isinstance(named, dict) else ()
    if "content" in raw:
        media = read_content(reading, raw["content"], spot.to("content"))
    else:
        media = _by_schema(reading, raw, spot, produces)
    return Response(status="", description=description, media=media, headers=headers)


def _by_schema(reading: Reading, raw: dict[str, Any], spot: Spot, produces: tuple[str, ...]) -> tuple[Media, ...]:
    """``schema`` beside ``produces`` (Swagger 2.0); later versions do not have it."""
    given = raw.get("schema")
    if given is None:
        return ()
    if not reading.dialect.swagger:
        reading.note("warning", "response.old", "schema stands where OpenAPI 3 has content; it was read as JSON", spot)
        return (Media(type="application/json", schema=reading.schema(given, spot.to("schema"))),)
    is_file = isinstance(given, dict) and given.get("type") == "file"
    schema = BINARY if is_file else reading.schema(given, spot.to("schema"))
    types = produces or (("application/octet-stream",) if is_file else ("application/json",))
    return tuple(Media(type=each, schema=schema if schema != {} else default_schema(each)) for each in types)
