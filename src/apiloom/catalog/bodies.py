"""Request bodies: arguments become bytes and the Content-Type that names them.

One compiled closure per tool. Knows media types and how OpenAPI's encodings apply to them; single parts are written
by ``multipart``, single form values by ``styles``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from apiloom.base import json
from apiloom.base.errors import CallerError, DesignError
from apiloom.base.pieces import Body, joined
from apiloom.catalog.content import (
    FORM,
    charset,
    content_text,
    encoded,
    is_wildcard,
    json_writer,
    sayable,
    sequence_bytes,
    text_bytes,
)
from apiloom.catalog.media import essence, is_json, is_xml, is_yaml, writing
from apiloom.catalog.multipart import assemble, file_type, part_writer
from apiloom.catalog.styles import IN_QUERY, PairWriter, Spelling, escape_query_name, form_spelling, reserved, spell
from apiloom.catalog.tool import BoundBody, BoundField, FieldKind
from apiloom.catalog.values import empty_inside, escape, escape_except, is_file, read_file, refuse
from apiloom.catalog.xml_text import xml_writer
from apiloom.model.api import Encoding

Arguments = Mapping[str, Any]
Payload = tuple[str, Body]
"""Content-Type and body."""

BodyWriter = Callable[[Arguments], Payload | None]
W = TypeVar("W")


def compile_body(body: BoundBody) -> BodyWriter:
    """A closure from arguments to the body; None from it means that no body is sent.

    Raises:
        DesignError: ``body.media_type`` for a type that arguments of this form cannot be written in, ``body.charset``,
            ``parameter.style``.
    """
    first = _compiled(body)
    return _chosen(body, first) if body.others else first


def _chosen(body: BoundBody, first: BodyWriter) -> BodyWriter:
    """The one body whose arguments are given: of two, neither may be sent in silence."""
    mine = (body.whole,) if body.whole else (*(field.argument for field in body.fields), *filter(None, (body.rest,)))
    others = [(other.whole, _compiled(other)) for other in body.others]

    def payload(arguments: Arguments) -> Payload | None:
        given = [(argument, write) for argument, write in others if argument in arguments]
        if not given:
            return first(arguments)
        beside = [name for name in (*mine, *(argument for argument, _ in given[1:])) if name in arguments]
        if beside:
            raise refuse(given[0][0], f"stands beside {beside[0]!r}, which is another form of the body", "give one")
        return given[0][1](arguments)

    return payload


def _compiled(body: BoundBody) -> BodyWriter:
    media_type = sayable(body.media_type)
    kind = essence(media_type)
    if body.whole and body.binary:
        return _binary(body, media_type)
    if kind == FORM:
        return _form(body)
    if kind.startswith("multipart/"):
        kept = "multipart/form-data" if is_wildcard(kind) else media_type
        return _listed(body, kept) if body.positions else _multipart(body, kept)
    if is_json(kind) or (not body.whole and kind in ("*/*", "application/*")):
        return _structured(body, "application/json" if is_wildcard(kind) else media_type)
    if is_yaml(kind) and not body.whole:
        return _structured(body, media_type)
    if is_xml(kind) and body.xml:
        return _structured(body, media_type)
    if not body.whole:
        raise DesignError(
            f"a body of {media_type[:60]!r} cannot be put together from single fields",
            code="body.media_type",
            hint="offer it as JSON, as a form, or as one value",
        )
    return _text(body, media_type, kind)


def _text(body: BoundBody, media_type: str, kind: str) -> BodyWriter:
    """Bodies that are one value, and text if nothing else is known."""
    whole = body.whole
    if writing(kind) == "sequence":
        return _whole(body, lambda value: (media_type, sequence_bytes(value, kind, whole)))
    if is_wildcard(kind):
        return _whole(body, lambda value: _any_type(value, whole, kind))
    encoding = charset(media_type)
    if is_yaml(kind):
        # Every JSON text is YAML (RFC 9512 section 1); text is YAML as the caller wrote it.
        dumped = json_writer(media_type)
        return _whole(
            body,
            lambda value: (media_type, encoded(value, whole, encoding) if isinstance(value, str) else dumped(value)),
        )
    return _whole(body, lambda value: (media_type, text_bytes(value, whole, encoding)))


def _whole(body: BoundBody, write: Callable[[Any], Payload]) -> BodyWriter:
    whole, required = body.whole, body.required

    def payload(arguments: Arguments) -> Payload | None:
        if whole in arguments:
            return write(arguments[whole])
        if required:
            raise refuse(whole, "is missing", "it is the body of the request")
        return None

    return payload


def _any_type(value: Any, argument: str, kind: str) -> Payload:
    """A value for a range of types: text stays text, the rest is JSON where the range admits it."""
    if isinstance(value, str):
        return (
            "text/plain; charset=utf-8" if kind in ("*/*", "text/*") else "application/octet-stream"
        ), value.encode()
    if kind in ("*/*", "application/*"):
        return "application/json", json.dumps(value)
    return "text/plain; charset=utf-8", text_bytes(value, argument)


def _binary(body: BoundBody, media_type: str) -> BodyWriter:
    """File content, byte for byte; the caller's media type counts only where the document leaves it open."""

    def write(value: Any) -> Payload:
        file = read_file(value, body.whole)
        return file_type(file, (media_type,), body.whole), joined([file.content])

    return _whole(body, write)


def _structured(body: BoundBody, media_type: str) -> BodyWriter:
    """JSON or XML: fields are put together, the rest is added beside them."""
    dumped = _xml_bytes(body, media_type) if body.xml else json_writer(media_type)
    if body.whole:
        return _whole(body, lambda value: (media_type, dumped(value)))
    fields = tuple((field.argument, field.name) for field in body.fields)
    files = frozenset(field.argument for field in body.fields if field.kind in ("binary", "binaries"))
    named = frozenset(field.name for field in body.fields)
    rest, required = body.rest, body.required

    def payload(arguments: Arguments) -> Payload | None:
        document = {name: arguments[argument] for argument, name in fields if argument in arguments}
        if files:
            for argument, name in fields:
                if argument in files and name in document:
                    document[name] = _as_text(document[name], argument)
        if rest and rest in arguments:
            document.update(_members(arguments[rest], rest, named))
        elif not document and not required:
            return None
        return media_type, dumped(document)

    return payload


def _xml_bytes(body: BoundBody, media_type: str) -> Callable[[Any], bytes]:
    """XML without declaration, since the Content-Type names any encoding that is not UTF-8 (RFC 7303 section 3)."""
    encoding = charset(media_type)

    def writer(argument: str) -> Callable[[Any], bytes]:
        write = xml_writer(body.xml, argument)
        return lambda value: encoded(write(value), argument, encoding)

    if body.whole:
        return writer(body.whole)
    together, named = writer(body.rest or "body"), {field.name: field.argument for field in body.fields}

    def dumped(document: dict[str, Any]) -> bytes:
        try:
            return together(document)
        except CallerError:
            # Written member by member, the one that cannot be written names its own argument.
            for name, value in document.items():
                writer(named.get(name, body.rest))({name: value})
            raise

    return dumped


def _as_text(value: Any, argument: str) -> Any:
    """File content where only text can stand: the base64 text itself, taken out of ``{"data": …}``."""
    if isinstance(value, list | tuple):
        return [_as_text(item, argument) for item in value]
    return value["data"] if isinstance(value, dict) and isinstance(value.get("data"), str) else value


def _members(value: Any, argument: str, taken: frozenset[str]) -> dict[str, Any]:
    """The members an argument adds beside the fields that have arguments of their own."""
    if not isinstance(value, dict):
        raise refuse(argument, "must be an object, whose members are added to the body")
    twice = sorted(taken.intersection(value))
    if twice:
        raise refuse(argument, f"holds {twice[0]!r}, which has an argument of its own", "give it there")
    return value


def _named_values(
    body: BoundBody, make: Callable[[BoundField], W]
) -> Callable[[Arguments], list[tuple[W, Any]] | None]:
    """What a form or multipart body is made of: writer and value of each member given; None when no body is sent."""
    compiled = tuple((one.argument, make(one)) for one in body.fields) if not body.whole else ()
    known = {one.name: make(one) for one in body.fields} if body.whole else {}
    taken = frozenset(one.name for one in body.fields) if not body.whole else frozenset()
    loose, encodings = body.whole or body.rest, body.encodings

    def writer(name: str, value: Any) -> W:
        if name in known:
            return known[name]
        return make(BoundField(argument=loose, name=name, kind=_kind_of(value), encoding=encodings.get(name)))

    def values(arguments: Arguments) -> list[tuple[W, Any]] | None:
        found = [(write, arguments[argument]) for argument, write in compiled if argument in arguments]
        if loose and loose in arguments:
            members = _members(arguments[loose], loose, taken)
            return found + [(writer(name, value), value) for name, value in members.items()]
        if not found and not body.required:
            return None
        if body.whole:
            raise refuse(body.whole, "is missing", "it is the body of the request")
        return found

    return values


def _kind_of(value: Any) -> FieldKind:
    """What a member without a field of its own is: an object that says only data, filename and type is a file."""
    if isinstance(value, list | tuple) and value and all(_kind_of(item) == "binary" for item in value):
        return "binaries"
    if is_file(value):
        return "binary"
    return "json" if isinstance(value, dict) and isinstance(value.get("data"), str) and len(value) > 1 else "value"


def _form(body: BoundBody) -> BodyWriter:
    if charset(body.media_type) not in ("utf-8", "ascii"):
        raise DesignError(
            "a form is written in UTF-8, and its media type names another encoding",
            code="body.charset",
            hint="use utf-8",
        )
    values = _named_values(body, form_writer)

    def payload(arguments: Arguments) -> Payload | None:
        if body.whole and isinstance(ready := arguments.get(body.whole), str):
            return body.media_type, _ready_form(ready).encode()
        found = values(arguments)
        if found is None:
            return None
        return body.media_type, _pairs_text([pair for write, value in found for pair in write(value)]).encode()

    return payload


_ready_form = escape_except("!$&'()*+,;=:@/?[]", triplets=True)
"""A form that the caller wrote: only what no form can hold is escaped."""


def _pairs_text(pairs: list[tuple[str, str]]) -> str:
    return "&".join([f"{name}={text}" for name, text in pairs])


def form_text(value: Any, argument: str, encodings: Mapping[str, Encoding]) -> str:
    """A whole object in ``application/x-www-form-urlencoded``, for ``in: querystring``.

    Raises:
        CallerError: no object, or a value that has no form there.
    """
    pairs: list[tuple[str, str]] = []
    for name, member in _members(value, argument, frozenset()).items():
        if member in ([], {}):
            raise empty_inside(argument)
        pairs += form_writer(BoundField(argument=argument, name=name, encoding=encodings.get(name)))(member)
    return _pairs_text(pairs)


def form_writer(field: BoundField) -> PairWriter:
    """Compile one field of a form to escaped pairs.

    With style, explode or allowReserved it is written like a query parameter; with a JSON ``contentType`` each value
    is JSON; else scalars stand as they are, lists repeat the name and objects nest with brackets.

    Raises:
        DesignError: ``parameter.style``.
    """
    encoding, argument, name = field.encoding, field.argument, field.name
    if encoding is None or (encoding.style is None and encoding.explode is None and not encoding.allow_reserved):
        if encoding is not None and encoding.content_type and is_json(encoding.content_type):
            return _json_pairs(encoding.content_type, argument, name)
        nesting = encoding.nesting if encoding is not None else ""
        flat, deep = (
            Spelling(argument=argument, name=name, explode=True, nesting=nesting, deep=is_deep)
            for is_deep in (False, True)
        )
        return _sayable_pairs(field, lambda value: deep if isinstance(value, dict) else flat)
    style = encoding.style or "form"
    explode = encoding.explode if encoding.explode is not None else style == "form"
    lettering = reserved(IN_QUERY) if encoding.allow_reserved else (escape, escape)
    spelling = form_spelling(argument, name, style, explode=explode, lettering=lettering, nesting=encoding.nesting)
    return _sayable_pairs(field, lambda _: spelling)


def _json_pairs(media_type: str, argument: str, name: str) -> PairWriter:
    said, label = content_text(media_type, argument), escape_query_name(name)

    def write(value: Any) -> list[tuple[str, str]]:
        items = value if isinstance(value, list | tuple) else [value]
        return [(label, escape(said(item))) for item in items]

    return write


def _sayable_pairs(field: BoundField, spelling: Callable[[Any], Spelling]) -> PairWriter:
    is_file = field.kind in ("binary", "binaries")

    def write(value: Any) -> list[tuple[str, str]]:
        if is_file:
            value = _as_text(value, field.argument)
        pairs = spell(spelling(value), value)
        if field.required and not pairs:
            raise refuse(field.argument, "is empty, which has no form in this body, but it is required")
        return pairs

    return write


def _multipart(body: BoundBody, media_type: str) -> BodyWriter:
    values = _named_values(body, part_writer)

    def payload(arguments: Arguments) -> Payload | None:
        found = values(arguments)
        if found is None:
            return None
        return assemble(media_type, [part for write, value in found for part in write(value)])

    return payload


def _listed(body: BoundBody, media_type: str) -> BodyWriter:
    """A multipart body whose parts have places instead of names (OpenAPI 3.2, "Encoding By Position")."""
    *first, rest = (part_writer(position) for position in body.positions)

    def write(value: Any) -> Payload:
        if not isinstance(value, list | tuple):
            raise refuse(body.whole, "must be a list, whose items are the parts of the body")
        parts = [
            part
            for place, item in enumerate(value)
            for part in (first[place] if place < len(first) else rest)([item] if isinstance(item, list) else item)
        ]
        return assemble(media_type, parts)

    return _whole(body, write)
