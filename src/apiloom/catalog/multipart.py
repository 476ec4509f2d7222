"""Multipart bodies: fields become parts, parts become bytes with a boundary that their content decides.

Follows RFC 7578 and, for names and file names, the WHATWG form encoding that servers are built for. The same content
always gives the same bytes. Knows nothing of where the values came from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from apiloom.base import json
from apiloom.base.pieces import Body, Content, Stored, joined
from apiloom.base.values import Value
from apiloom.catalog.content import charset, encoded, is_wildcard, json_writer, matches, text_bytes
from apiloom.catalog.media import essence, is_json
from apiloom.catalog.styles import form_spelling, spell
from apiloom.catalog.tool import BoundField
from apiloom.catalog.values import FileContent, bare, read_file, refuse
from apiloom.catalog.xml_text import xml_writer

_boundary = re.compile(r';\s*boundary\s*=\s*(?:"[^"]*"|[^;]*)', re.IGNORECASE)
_in_name = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class Part(Value, frozen=True, kw_only=True):
    """One part: ``type`` empty means no Content-Type (plain text), ``filename`` None means that it is no file.

    ``name`` empty: it is known by its place.
    """

    name: str
    content: Content
    type: str = ""
    filename: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


PartWriter = Callable[[Any], list[Part]]


def part_writer(field: BoundField) -> PartWriter:
    """Compile one field to parts. A list becomes one part per item, whatever its items are (OpenAPI 3.2)."""
    encoding = field.encoding
    if field.kind in ("binary", "binaries"):
        return _repeated(lambda value: _file_part(field, value))
    if encoding is not None and (encoding.style is not None or encoding.explode is not None):
        return _styled(field)
    return _repeated(_value_part(field))


def _repeated(single: Callable[[Any], Part]) -> PartWriter:
    def write(value: Any) -> list[Part]:
        return [single(item) for item in value] if isinstance(value, list | tuple) else [single(value)]

    return write


def _styled(field: BoundField) -> PartWriter:
    """Names and values as in a query, but unescaped: percent-encoding never applies here (OpenAPI 3.2)."""
    encoding = field.encoding
    style = (encoding.style if encoding else None) or "form"
    explode = encoding.explode if encoding and encoding.explode is not None else style == "form"
    spelling = form_spelling(field.argument, field.name, style, explode=explode, lettering=(bare, bare))

    def write(value: Any) -> list[Part]:
        return [Part(name=name, content=text.encode()) for name, text in spell(spelling, value)]

    return write


def _types(field: BoundField) -> tuple[str, ...]:
    """The media types its encoding allows, in order, as written."""
    written = (field.encoding.content_type if field.encoding else None) or ""
    return tuple(entry.strip() for entry in written.split(",") if "/" in entry)


def _value_part(field: BoundField) -> Callable[[Any], Part]:
    """The one part of a value: in the type its encoding names, else JSON for objects and lists, text for the rest."""
    declared = next((entry for entry in _types(field) if not is_wildcard(essence(entry))), "")
    headers = field.encoding.headers if field.encoding else ()
    name, argument = field.name, field.argument
    encoding = charset(declared)
    said = json_writer(declared)
    as_xml = xml_writer(field.xml, argument) if field.xml else None

    def write(value: Any) -> Part:
        structured = isinstance(value, dict | list | tuple)
        if is_json(declared):
            return Part(name=name, content=said(value), type=declared, headers=headers)
        if structured and as_xml is not None:
            content = encoded(as_xml(value), argument, encoding)
            return Part(name=name, content=content, type=declared, headers=headers)
        if structured and declared:
            raise refuse(argument, f"holds an object or list, but the API takes {declared[:60]} here")
        if structured:
            return Part(name=name, content=json.dumps(value), type="application/json", headers=headers)
        content = text_bytes(value, argument, encoding)
        stated = declared or ("" if name or content.isascii() else "text/plain; charset=utf-8")
        return Part(name=name, content=content, type=stated, headers=headers)

    return write


def _file_part(field: BoundField, value: Any) -> Part:
    file = read_file(value, field.argument)
    return Part(
        name=field.name,
        content=file.content,
        type=file_type(file, _types(field), field.argument),
        # Servers take a part of a form without a file name for text.
        filename=file.filename or field.name or None,
        headers=field.encoding.headers if field.encoding else (),
    )


def file_type(file: FileContent, allowed: tuple[str, ...], argument: str) -> str:
    """The Content-Type of file content: the one type allowed, else what the caller said, else the first allowed.

    Raises:
        CallerError: the caller names a type that is not among those allowed.
    """
    concrete = [entry for entry in allowed if not is_wildcard(essence(entry))]
    if len(allowed) == 1 and concrete:
        return concrete[0]
    if file.type:
        if allowed and not any(matches(essence(file.type), essence(entry)) for entry in allowed):
            raise refuse(argument, f"is of type {file.type[:60]}", f"the API takes {', '.join(allowed)[:200]}")
        return file.type
    return concrete[0] if concrete else "application/octet-stream"


def assemble(media_type: str, parts: list[Part]) -> tuple[str, Body]:
    """Content-Type and body, in pieces where a part lies elsewhere; a boundary that the document wrote gives way."""
    boundary = _fresh_boundary(parts)
    lines: list[Content] = []
    for part in parts:
        lines.append(f"--{boundary}\r\n{_heading(part)}\r\n".encode())
        lines.append(part.content)
        lines.append(b"\r\n")
    lines.append(f"--{boundary}--\r\n".encode())
    return f"{_boundary.sub('', media_type)}; boundary={boundary}", joined(lines)


def _heading(part: Part) -> str:
    """Header lines of a part, names escaped as browsers do (HTML Standard, multipart/form-data encoding)."""
    lines: list[str] = []
    named = f'form-data; name="{part.name.translate(_in_name)}"' if part.name else ""
    if part.filename is not None:
        named = f'{named or "attachment"}; filename="{part.filename.translate(_in_name)}"'
    if named:
        lines.append(f"Content-Disposition: {named}\r\n")
    if part.type:
        lines.append(f"Content-Type: {part.type}\r\n")
    return "".join([*lines, *(f"{name}: {value}\r\n" for name, value in part.headers)])


def _fresh_boundary(parts: list[Part]) -> str:
    """A boundary from a hash of the content, so that it is the same every time, and found in none of it.

    What lies elsewhere is not searched: a file that held a boundary made from its own hash could not be found in the
    lifetime of the universe, neither by chance nor on purpose.
    """
    content = hashlib.sha256()
    for part in parts:
        seal = part.content.seal if isinstance(part.content, Stored) else hashlib.sha256(part.content).digest()
        for piece in (part.name.encode(), (part.filename or "").encode(), part.type.encode(), seal):
            content.update(len(piece).to_bytes(8, "big"))
            content.update(piece)
    at_hand = [part.content for part in parts if isinstance(part.content, bytes)]
    while True:
        boundary = f"apiloom-{content.hexdigest()[:40]}"
        if not any(boundary.encode() in piece for piece in at_hand):
            return boundary
        content.update(b"again")
