"""A second opinion on the wire: reads a recorded request back into arguments, by OpenAPI's style table.

Written from the specifications alone (OpenAPI 3.2 style examples and appendices C to E, RFC 3986, 6265, 6570, 7578);
it imports nothing of the package, so that a mistake there cannot hide here. Scalars come back as text, because the
wire has no types; :func:`said` turns arguments into the same form for comparing. What breaks a rule of HTTP, of a URI
or of a media type raises :class:`MisreadError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote, unquote_to_bytes

Shape = Literal["scalar", "array", "object"]

URI_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
URI_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*")
DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}


class MisreadError(AssertionError):
    """The recorded request is not well-formed, or holds what no description accounts for."""


@dataclass(frozen=True)
class Described:
    """A parameter as a document describes it. ``media_type`` set: its value is content, not style.

    ``members`` are the names an exploded object may have, where they are known; None lets it claim what nobody else
    does. ``nested``: lists and objects stand inside, which are written with brackets.
    """

    name: str
    place: Literal["path", "query", "header", "cookie", "querystring"]
    style: str = ""
    explode: bool = False
    shape: Shape = "scalar"
    media_type: str = ""
    members: frozenset[str] | None = None
    nested: bool = False


@dataclass(frozen=True)
class DescribedField:
    """A property of a form or multipart body. ``style`` empty: written by content, which is text, JSON or a file."""

    shape: Shape = "scalar"
    style: str = ""
    explode: bool = True
    content: Literal["text", "json", "file"] = "text"


@dataclass(frozen=True)
class DescribedBody:
    """A body in one media type; ``fields`` for forms and multipart."""

    media_type: str
    fields: Mapping[str, DescribedField] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """A request as a server received it: the target of the request line, header lines, body."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes | None = None

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        if len(values) > 1:
            raise MisreadError(f"{name} stands {len(values)} times")
        return values[0] if values else None


@dataclass(frozen=True)
class Part:
    """One part of a multipart body: header lines by lower-case name, ``filename`` None where it is no file."""

    name: str
    filename: str | None
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class File:
    """File content found in a part."""

    content: bytes
    filename: str
    type: str


def parse_request(raw: bytes) -> Recorded:
    """The bytes of one HTTP/1.1 request, taken apart (RFC 9112); a body is there only if its length was said."""
    head, mark, body = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    start = re.fullmatch(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/1\.1", lines[0])
    if not mark or start is None:
        raise MisreadError(f"{lines[0]!r} begins no request")
    fields = [re.fullmatch(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*", line, re.DOTALL) for line in lines[1:]]
    if not all(fields):
        raise MisreadError(f"{head!r} has a line that is no header")
    headers = [(found[1].decode("latin-1"), found[2].decode("latin-1")) for found in fields if found]
    recorded = Recorded(start[1].decode(), start[2].decode(), headers)
    length, coding = recorded.header("content-length"), recorded.header("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or length is not None):
        raise MisreadError("the length of the body is said in two ways")
    if coding is not None:
        body = b"".join(_chunks(body))
    elif len(body) != int(length or 0):
        raise MisreadError(f"{len(body)} bytes of body follow, {length or 0} were announced")
    said = length is not None or coding is not None
    return Recorded(recorded.method, recorded.target, headers, body if said and (body or _has_type(recorded)) else None)


def _has_type(recorded: Recorded) -> bool:
    return recorded.header("content-type") is not None


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, rest = body.partition(b"\r\n")
        count = int(size.partition(b";")[0], 16)
        yield rest[:count]
        body = rest[count + 2 :] if count else b""


def read_arguments(
    recorded: Recorded,
    template: str,
    parameters: Sequence[Described],
    body: DescribedBody | None = None,
) -> dict[str, Any]:
    """Every argument the request carries, under ``place.name`` (``body`` for the body); absent ones are missing.

    ``template`` is the whole path template with the server's folder in front.
    """
    path, query = well_formed(recorded)
    found = next(path_readings(path, template, [p for p in parameters if p.place == "path"]))
    found |= read_outside_path(recorded, query, parameters)
    if body is not None and recorded.body is not None:
        found["body"] = read_body(recorded, body)
    elif recorded.body is not None or recorded.header("content-type") is not None:
        raise MisreadError("there is a body nobody described")
    return found


def well_formed(recorded: Recorded) -> tuple[str, str]:
    """Path and query of a request that breaks no rule of HTTP or of a URI, and leads nowhere else."""
    for name, value in recorded.headers:
        if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name) or not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise MisreadError(f"header {name!r} cannot be sent")
    path, _, query = recorded.target.partition("?")
    if not path.startswith("/") or not URI_PATH.fullmatch(path) or not URI_QUERY.fullmatch(query):
        raise MisreadError(f"{recorded.target!r} is no request target")
    if any(percent_decoded(segment) in (".", "..") for segment in path.split("/")):
        raise MisreadError(f"{path!r} leads elsewhere")
    return path, query


def read_outside_path(recorded: Recorded, query: str, parameters: Sequence[Described]) -> dict[str, Any]:
    """The arguments that stand in the query, the headers and the cookies."""
    return _from_query(query, parameters) | _from_headers(recorded, parameters)


def percent_decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8")


def form_decoded(text: str) -> str:
    return percent_decoded(text.replace("+", " "))


def said(value: Any) -> Any:
    """An argument as the wire says it: scalars as text, the rest of the same shape."""
    if isinstance(value, dict):
        return {key: said(item) for key, item in value.items()}
    if isinstance(value, list):
        return [said(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{Decimal(repr(value)):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def path_readings(path: str, template: str, parameters: list[Described]) -> Iterator[dict[str, Any]]:
    """The arguments in a path. Placeholders side by side can be read in several ways, the longest first.

    A placeholder written ``{+name}`` takes slashes, as in RFC 6570.
    """
    pieces = re.split(r"\{([^{}]*)\}", template)
    fault, read = None, False
    for texts in _splits(path, pieces):
        by_name = {name.removeprefix("+"): text for name, text in zip(pieces[1::2], texts, strict=True)}
        try:
            found = {f"path.{p.name}": _path_value(p, by_name[p.name]) for p in parameters}
        except MisreadError as error:
            fault = fault or error
            continue
        read = True
        yield found
    if not read:
        raise fault or MisreadError(f"{path!r} does not fit {template!r}")


def _splits(path: str, pieces: list[str]) -> Iterator[list[str]]:
    """Every way to share a path among placeholders; ``pieces`` are literals and names in turn."""
    literal = uri_literal(pieces[0])
    if not path.startswith(literal):
        return
    rest = path[len(literal) :]
    if len(pieces) == 1:
        if not rest:
            yield []
        return
    end = len(rest) if pieces[1].startswith("+") or "/" not in rest else rest.index("/")
    behind = uri_literal(pieces[2])
    if not behind and len(pieces) == 3:
        if end == len(rest):
            yield [rest]
        return
    at = rest.rfind(behind, 0, end + len(behind))
    while at >= 0:
        for more in _splits(rest[at:], pieces[2:]):
            yield [rest[:at], *more]
        at = rest.rfind(behind, 0, at + len(behind) - 1) if at else -1


def uri_literal(text: str) -> str:
    """Text of a template as it may stand in a path: what a URI has no room for is percent-encoded."""
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", text)
    return "".join(p if i % 2 else quote(p, safe="!$&'()*+,;=:@/~") for i, p in enumerate(pieces))


def _path_value(p: Described, text: str) -> Any:
    if p.media_type:
        return _content(p.media_type, percent_decoded(text))
    if p.style == "simple":
        return _listed(p, text, ",", ",")
    if p.style == "label":
        if not text.startswith("."):
            raise MisreadError(f"label {text!r} has no full stop in front")
        return _listed(p, text[1:], "." if p.explode else ",", "=" if p.explode else ",")
    if p.style == "matrix":
        if not text.startswith(";"):
            raise MisreadError(f"matrix {text!r} has no semicolon in front")
        return _matrix_value(p, text[1:])
    raise MisreadError(f"style {p.style!r} has no place in a path")


def _listed(p: Described, text: str, separator: str, between: str) -> Any:
    """A scalar, a list, or an object whose members are ``k,v,k,v`` or, exploded, ``k=v``."""
    if p.shape == "scalar":
        return percent_decoded(text)
    parts = text.split(separator)
    if p.shape == "array":
        return [percent_decoded(part) for part in parts]
    if p.explode:
        return _object([part.partition("=")[::2] for part in parts])
    if len(parts) % 2:
        raise MisreadError(f"{text!r} holds a name without its value")
    return _object(list(zip(parts[::2], parts[1::2], strict=True)))


def _object(members: Sequence[tuple[str, str]]) -> dict[str, str]:
    read = {percent_decoded(key): percent_decoded(value) for key, value in members}
    if len(read) != len(members):
        raise MisreadError("an object has one member twice")
    return read


def _matrix_value(p: Described, text: str) -> Any:
    pairs = [part.partition("=")[::2] for part in text.split(";")]
    if p.shape == "object" and p.explode:
        return _object(pairs)
    if any(percent_decoded(name) != p.name for name, _ in pairs):
        raise MisreadError(f"matrix {text!r} does not say {p.name!r}")
    if p.shape == "array" and p.explode:
        return [percent_decoded(value) for _, value in pairs]
    if len(pairs) != 1:
        raise MisreadError(f"matrix {text!r} says its name more than once")
    return _listed(Described(p.name, "path", "simple", False, p.shape), pairs[0][1], ",", ",")


def _from_query(query: str, parameters: Sequence[Described]) -> dict[str, Any]:
    whole = [p for p in parameters if p.place == "querystring"]
    if whole:
        if not query:
            return {}
        kind = whole[0].media_type
        if kind == "application/x-www-form-urlencoded":
            return {f"querystring.{whole[0].name}": _untyped_form(_pairs(query))}
        return {f"querystring.{whole[0].name}": _content(kind, percent_decoded(query))}
    described = [p for p in parameters if p.place == "query"]
    found, left = _claimed(_pairs(query), described)
    if left:
        raise MisreadError(f"nobody described the query pairs {left!r}")
    return {f"query.{name}": value for name, value in found.items()}


def _pairs(query: str) -> list[tuple[str, str]]:
    """Names decoded, values not yet: a list is split before it is decoded."""
    pairs = [piece.partition("=") for piece in query.split("&")] if query else []
    if any(not mark for _, mark, _ in pairs):
        raise MisreadError(f"{query!r} holds a name without its value")
    return [(form_decoded(name), value) for name, _, value in pairs]


def _claimed(
    pairs: list[tuple[str, str]], described: Sequence[Described]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    found: dict[str, Any] = {}
    for p in sorted(described, key=lambda p: p.shape == "object" and p.explode and p.style == "form"):
        mine = [pair for pair in pairs if _is_mine(p, pair[0])]
        pairs = [pair for pair in pairs if not _is_mine(p, pair[0])]
        if mine:
            found[p.name] = _query_value(p, mine)
    return found, pairs


def _is_mine(p: Described, name: str) -> bool:
    if p.style == "deepObject" and p.shape == "scalar":
        return name == p.name
    if p.style == "deepObject" or (p.nested and p.shape == "array"):
        return name.startswith(p.name + "[")
    if p.shape == "object" and p.explode and p.style == "form" and not p.media_type:
        return p.members is None or name.partition("[")[0] in p.members or name in p.members
    return name == p.name


def _query_value(p: Described, mine: list[tuple[str, str]]) -> Any:
    if (p.style == "deepObject" and p.shape != "scalar") or (p.nested and p.shape == "array"):
        return _unfolded([(name[len(p.name) :], form_decoded(value)) for name, value in mine])
    exploded = p.explode and not p.media_type
    if exploded and p.shape == "object":
        return _untyped_form(mine)
    if exploded and p.shape == "array":
        return [form_decoded(value) for _, value in mine]
    if len(mine) != 1:
        raise MisreadError(f"{p.name!r} stands {len(mine)} times")
    text = mine[0][1]
    if p.media_type:
        return _content(p.media_type, form_decoded(text))
    if p.style in DELIMITERS and p.shape != "scalar":
        parts = form_decoded(text).split(DELIMITERS[p.style])
        return parts if p.shape == "array" else dict(zip(parts[::2], parts[1::2], strict=True))
    return _listed(Described(p.name, "path", "simple", False, p.shape), text.replace("+", "%20"), ",", ",")


def _untyped_form(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """A form whose names may nest with brackets and repeat."""
    flat = [(name, form_decoded(value)) for name, value in pairs]
    read: dict[str, Any] = {}
    for name, value in flat:
        if "[" in name:
            continue
        if name in read:
            read[name] = [*read[name], value] if isinstance(read[name], list) else [read[name], value]
        else:
            read[name] = value
    for root in dict.fromkeys(name.partition("[")[0] for name, _ in flat if "[" in name):
        read[root] = _unfolded([(name[len(root) :], value) for name, value in flat if name.startswith(root + "[")])
    return read


def _unfolded(pairs: list[tuple[str, str]]) -> Any:
    """``[a][0]=x`` pairs as nested values; members named 0, 1, 2 … in order are a list."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        if not re.fullmatch(r"(?:\[[^\[\]]*\])+", name):
            raise MisreadError(f"{name!r} is no chain of brackets")
        keys = name[1:-1].split("][")
        here = tree
        for key in keys[:-1]:
            here = here.setdefault(key, {})
        if keys[-1] in here:
            raise MisreadError(f"{name!r} stands twice")
        here[keys[-1]] = value
    return _lists(tree)


def _lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    inside = {key: _lists(value) for key, value in tree.items()}
    return list(inside.values()) if list(inside) == [str(index) for index in range(len(inside))] else inside


def _from_headers(recorded: Recorded, parameters: Sequence[Described]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for p in parameters:
        if p.place == "header" and (text := recorded.header(p.name)) is not None:
            found[f"header.{p.name}"] = _header_value(p, text)
    cookie = recorded.header("cookie")
    if cookie is not None:
        pairs = [piece.partition("=")[::2] for piece in cookie.split("; ")]
        found |= _from_cookies(pairs, [p for p in parameters if p.place == "cookie"])
    return found


def _header_value(p: Described, text: str) -> Any:
    """Nothing is decoded: OpenAPI 3.2 sends header values as they are."""
    if p.media_type:
        return _content(p.media_type, text)
    if p.shape == "scalar":
        return text
    parts = text.split(",")
    if p.shape == "array":
        return parts
    if p.explode:
        return dict(part.split("=", 1) for part in parts)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _from_cookies(pairs: list[tuple[str, str]], described: list[Described]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for p in sorted(described, key=lambda p: p.shape == "object" and p.explode):
        plain = p.style == "cookie" and not p.media_type
        mine = [pair for pair in pairs if pair[0] == p.name or (p.shape == "object" and p.explode)]
        pairs = [pair for pair in pairs if pair not in mine]
        decoded = [(name, value) if plain else (percent_decoded(name), percent_decoded(value)) for name, value in mine]
        if not mine:
            continue
        if p.media_type:
            found[f"cookie.{p.name}"] = _content(p.media_type, decoded[0][1])
        elif p.explode and p.shape != "scalar":
            found[f"cookie.{p.name}"] = dict(decoded) if p.shape == "object" else [value for _, value in decoded]
        elif plain:
            found[f"cookie.{p.name}"] = _header_value(p, decoded[0][1])
        else:
            found[f"cookie.{p.name}"] = _listed(
                Described(p.name, "path", "simple", False, p.shape), mine[0][1], ",", ","
            )
    if pairs:
        raise MisreadError(f"nobody described the cookies {pairs!r}")
    return found


def _content(media_type: str, text: str) -> Any:
    return json.loads(text) if "json" in media_type else text


def read_body(recorded: Recorded, body: DescribedBody) -> Any:
    """The body as a value: JSON decoded, forms and multipart as objects, text as text, anything else as bytes."""
    written = recorded.header("content-type")
    if written is None or recorded.body is None:
        raise MisreadError("a body needs a Content-Type")
    if written.partition(";")[0].strip().lower() != body.media_type.partition(";")[0].strip().lower():
        raise MisreadError(f"{written!r} is not {body.media_type!r}")
    kind = written.partition(";")[0].strip().lower()
    if "json" in kind:
        return json.loads(recorded.body)
    if kind == "application/x-www-form-urlencoded":
        return read_form(recorded.body.decode("ascii"), body.fields)
    if kind.startswith("multipart/"):
        return _read_multipart(written, recorded.body, body.fields)
    return recorded.body.decode("utf-8") if kind.startswith("text/") or kind.endswith("xml") else recorded.body


def read_form(text: str, fields: Mapping[str, DescribedField]) -> dict[str, Any]:
    if not URI_QUERY.fullmatch(text):
        raise MisreadError(f"{text!r} is no form")
    pairs, read = _pairs(text), {}
    styled = [Described(name, "query", f.style, f.explode, f.shape) for name, f in fields.items() if f.style]
    read, left = _claimed(pairs, styled)
    for name, f in fields.items():
        if f.content == "json" and not f.style:
            mine = [json.loads(form_decoded(value)) for key, value in left if key == name]
            left = [pair for pair in left if pair[0] != name]
            if mine:
                read[name] = mine if f.shape == "array" else mine[0]
    rest = _untyped_form(left)
    for name, f in fields.items():
        if f.shape == "array" and isinstance(rest.get(name), str):
            rest[name] = [rest[name]]
    return read | rest


def _read_multipart(written: str, body: bytes, fields: Mapping[str, DescribedField]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for part in multipart_parts(written, body):
        f = fields.get(part.name, DescribedField())
        value = _part_value(part, f)
        if f.shape == "array":
            read.setdefault(part.name, []).append(value)
        elif part.name in read:
            raise MisreadError(f"part {part.name!r} stands twice")
        else:
            read[part.name] = value
    return read


def multipart_parts(written: str, body: bytes) -> list[Part]:
    """The parts of a multipart body, by the boundary its Content-Type names (RFC 2046, RFC 7578)."""
    boundary = re.search(r";\s*boundary=([0-9A-Za-z'()+_,\-./:=?]{1,70})$", written)
    if boundary is None:
        raise MisreadError(f"{written!r} names no boundary")
    chunks = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())
    if chunks[0] or not chunks[-1].startswith(b"--"):
        raise MisreadError("the multipart body has no clean begin and end")
    found: list[Part] = []
    for chunk in chunks[1:-1]:
        heading, mark, content = chunk.partition(b"\r\n\r\n")
        if not mark or not heading.startswith(b"\r\n"):
            raise MisreadError("a part has no heading")
        lines = [line.split(": ", 1) for line in heading.decode("utf-8").split("\r\n")[1:]]
        headers = {key.lower(): value for key, value in lines}
        match = re.fullmatch(
            r'form-data; name="([^"]*)"(?:; filename="([^"]*)")?', headers.get("content-disposition", "")
        )
        if match is None:
            raise MisreadError(f"{headers!r} has no name")
        found.append(Part(_unescaped(match[1]), None if match[2] is None else _unescaped(match[2]), headers, content))
    return found


def _part_value(part: Part, f: DescribedField) -> Any:
    kind = part.headers.get("content-type", "")
    if f.content == "file":
        return File(part.content, part.filename or "", kind)
    if part.filename is not None:
        raise MisreadError(f"part {part.name!r} is a file")
    if f.content == "json":
        if kind != "application/json":
            raise MisreadError(f"part {part.name!r} does not say that it is JSON")
        return json.loads(part.content)
    return part.content.decode("utf-8")


def _unescaped(name: str) -> str:
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
