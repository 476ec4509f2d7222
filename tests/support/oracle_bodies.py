"""Reads the body of a recorded request back and holds it against what was given, by the document's media types alone.

JSON, lines of JSON, forms, multipart, XML, YAML, text and bytes. Imports nothing of the package.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from support import oracle
from support.oracle import said
from support.oracle_alike import Exactly, difference, identical, short, strictly_parsed
from support.oracle_document import FORM, Document, Encoding, Media, Node, essence
from support.oracle_xml import xml_mistakes


def declared(media: Sequence[Media], written: str) -> Media | None:
    """The declared media type a Content-Type is one of: the very same text, then the same type, then a range."""
    bare = re.sub(r";\s*boundary=[^;]*", "", written)
    kind = essence(written)
    for each in media:
        if bare == re.sub(r";\s*boundary=[^;]*", "", each.type):
            return each
    for each in media:
        pattern = essence(each.type)
        if "*" in pattern and (pattern == "*/*" or kind.startswith(pattern.rstrip("*"))):
            return each
    return None


@dataclass(frozen=True)
class BodyReader:
    """Reads bodies of one declared media type back and holds them against what was given."""

    document: Document
    media: Media
    written: str

    def mistakes(self, body: bytes, wanted: Any) -> Iterator[str]:
        """What a body says that was not given, or the other way round."""
        kind = essence(self.written)
        if self.media.sequence or kind.endswith(("json-seq", "jsonl", "ndjson", "jsonlines", "json-lines")):
            found = [strictly_parsed(line) for line in body.replace(b"\x1e", b"").split(b"\n") if line.strip()]
            if not identical(found, wanted if isinstance(wanted, list) else [wanted]):
                yield f"the lines are {short(found)}, were {short(wanted)}"
        elif kind.endswith("+json") or kind in ("application/json", "text/json", "application/x-json", "text/x-json"):
            found = strictly_parsed(body)
            if not identical(found, wanted):
                yield f"the JSON is {short(found)}, was {short(wanted)}"
            elif told := self.document.schemas.misfit(self.media.schema, wanted):
                yield f"the body {told}"
        elif kind == FORM:
            yield from self._form(body.decode("ascii"), wanted)
        elif kind.startswith("multipart/"):
            yield from self._multipart(body, wanted)
        elif kind.endswith(("/xml", "+xml")) and not self._is_written_out(wanted):
            yield from xml_mistakes(self.document.schemas, self.media.schema, wanted, body)
        elif kind.endswith("yaml") and not isinstance(wanted, str):
            # JSON is YAML, and what is written for a value that is no text.
            if not identical(strictly_parsed(body), wanted):
                yield f"the YAML is {body[:120]!r}, was {short(wanted)}"
        elif self._is_text(kind) and not isinstance(wanted, dict):
            charset = re.search(r"charset=\"?([^\s\";]+)", self.written)
            text = body.decode(codecs.lookup(charset[1]).name if charset else "utf-8")
            if text != said(wanted):
                yield f"the text is {text[:120]!r}, was {short(wanted)}"
        elif body != file_bytes(wanted):
            yield f"the bytes are {body[:120]!r}, were {short(wanted)}"

    def _is_written_out(self, wanted: Any) -> bool:
        """Whether text is the document itself, because the schema describes nothing but text."""
        raw = self.document.schemas.follow(self.media.schema).value
        kinds = raw.get("type") if isinstance(raw, dict) else None
        return isinstance(wanted, str) and (kinds in ("string", ["string"]) or raw in ({}, None))

    def _is_text(self, kind: str) -> bool:
        if kind.startswith("text/") or kind.endswith(("xml", "yaml")):
            return True
        raw = self.document.schemas.follow(self.media.schema).value
        textual = ("graphql", "javascript", "jwt", "sdp", "sparql-query", "sparql-update", "sql", "toml", "x-sh")
        return kind.removeprefix("application/") in textual and not (
            isinstance(raw, dict) and raw.get("format") == "binary"
        )

    def _form(self, text: str, wanted: Any) -> Iterator[str]:
        if isinstance(wanted, str):
            if parse_qsl(text, keep_blank_values=True) != parse_qsl(wanted, keep_blank_values=True):
                yield f"the form is {text[:120]!r}, was {wanted[:120]!r}"
            return
        given = {name: value for name, value in wanted.items() if value not in ([], {})}
        fields = {name: self._form_field(name, value) for name, value in given.items()}
        found = oracle.read_form(text, fields)
        expected = {n: Exactly(v) if fields[n].content == "json" else said(v) for n, v in given.items()}
        if told := difference(found, expected):
            yield f"in the form, {told}"
        yield from self._misfits(wanted)

    def _form_field(self, name: str, value: Any) -> oracle.DescribedField:
        encoding = self.media.encodings.get(name, Encoding())
        shape = "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "scalar"
        is_json = "json" in encoding.content_type and not encoding.style
        return oracle.DescribedField(
            shape=shape,  # type: ignore[arg-type]
            style=encoding.style,
            explode=encoding.explode,
            content="json" if is_json else "text",
        )

    def _misfits(self, wanted: Mapping[str, Any]) -> Iterator[str]:
        named = self.document.schemas.properties(self.media.schema)
        for name, value in wanted.items():
            encoding = self.media.encodings.get(name, Encoding())
            if name not in named or self.is_file(named[name], encoding, deep=True):
                continue
            if told := self.document.schemas.misfit(named[name], value):
                yield f"the field {name!r} {told}"

    def is_file(self, node: Node, encoding: Encoding, *, deep: bool = False) -> bool:
        """Whether a property is file content. ``deep`` looks into a list."""
        raw = self.document.schemas.follow(node).value
        if not isinstance(raw, dict):
            return False
        inside = raw.get("items")
        if deep and isinstance(inside, dict) and self.is_file(Node(inside, node.file), encoding):
            return True
        kinds = raw.get("type")
        kinds = [kinds] if isinstance(kinds, str) else kinds or []
        if "file" in kinds or "binary" in (raw.get("format"), raw.get("contentEncoding")):
            return True
        if not raw and not encoding.content_type and not encoding.style:
            # A part of which nothing is said is application/octet-stream (OpenAPI 3.1, defaults of contentType).
            return True
        stated = encoding.content_type or raw.get("contentMediaType") or ""
        if (
            "contentEncoding" in raw
            or not set(kinds) <= {"string", "null"}
            or not isinstance(stated, str)
            or not stated
        ):
            return False
        first = essence(stated.split(",")[0])
        return not first.startswith("text/") and not first.endswith(("json", "xml")) and first != FORM

    def _multipart(self, body: bytes, wanted: Any) -> Iterator[str]:
        left = oracle.multipart_parts(self.written, body)
        if isinstance(wanted, list):
            yield "parts by position are not read here"
            return
        named = self.document.schemas.properties(self.media.schema)
        for name, value in wanted.items():
            encoding = self.media.encodings.get(name, Encoding())
            is_file = name in named and self.is_file(named[name], encoding, deep=True)
            if encoding.style and not is_file:
                left, told = _styled_parts(left, name, encoding, value)
                yield from filter(None, [told])
                continue
            mine = [part for part in left if part.name == name]
            left = [part for part in left if part.name != name]
            items = value if isinstance(value, list) else [value]
            if len(items) != len(mine):
                yield f"{name!r} has {len(mine)} parts, but {len(items)} values"
            is_file = is_file or (name not in named and any(map(_is_loose_file, items)))
            for part, item in zip(mine, items, strict=False):
                kind = part.headers.get("content-type", "")
                if essence(kind).endswith("xml") and isinstance(item, dict):
                    schema = named.get(name, self.media.schema)
                    told = "; ".join(xml_mistakes(self.document.schemas, schema, item, part.content, name))
                else:
                    told = _part_mistake(part, item, encoding, is_file=is_file)
                if told:
                    yield f"the part {name!r} {told}"
        if left:
            yield f"nobody gave the parts {[part.name for part in left]}"
        yield from self._misfits(wanted)


def _styled_parts(
    parts: Sequence[oracle.Part], name: str, encoding: Encoding, value: Any
) -> tuple[list[oracle.Part], str]:
    """Parts written by style: as in a query, without percent-encoding (OpenAPI 3.1).

    Gives the parts that are not of this property, and what is wrong with those that are.
    """
    is_object, spread = isinstance(value, dict), encoding.explode and encoding.style == "form"
    members = frozenset(value) if is_object and spread else frozenset((name,))
    mine = [p for p in parts if p.name in members or p.name.startswith(f"{name}[")]
    left = [p for p in parts if p not in mine]
    found: Any = [(p.name, p.content.decode()) for p in mine]
    if not isinstance(value, list | dict):
        wanted: Any = [(name, said(value))]
    elif encoding.style == "deepObject" or any(isinstance(each, list | dict) for each in _inside(value)):
        wanted = list(_bracketed(name, value) if encoding.style == "deepObject" or not is_object else _spread(value))
    elif encoding.explode:
        wanted = list(_spread(value)) if is_object else [(name, said(each)) for each in value]
    else:
        flat = [part for each in value.items() for part in each] if is_object else value
        wanted = [(name, oracle.DELIMITERS.get(encoding.style, ",").join(map(said, flat)))] if flat else []
    return left, "" if found == wanted else f"the parts of {name!r} are {short(found)}, were {short(wanted)}"


def _inside(value: Any) -> list[Any]:
    return list(value.values() if isinstance(value, dict) else value)


def _spread(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, each in value.items():
        yield from _bracketed(key, each)


def _bracketed(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The names of nested values in a form: ``a[b]``, ``a[0]``."""
    if isinstance(value, list | dict):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in pairs:
            yield from _bracketed(f"{name}[{key}]", each)
    else:
        yield name, said(value)


def _part_mistake(part: oracle.Part, item: Any, encoding: Encoding, *, is_file: bool) -> str:
    kind = part.headers.get("content-type", "")
    allowed = [each.strip() for each in encoding.content_type.split(",") if "/" in each and "*" not in each]
    if is_file:
        if part.filename is None:
            return "has no file name"
        if part.content != file_bytes(item):
            return f"is {part.content[:80]!r}, was {short(item)}"
        stated = item.get("type") if isinstance(item, dict) else ""
        right = kind == stated or (kind in allowed if allowed else not stated)
        return "" if right else f"is of type {kind!r}"
    if part.filename is not None:
        return "is a file"
    if isinstance(item, dict | list) or "json" in encoding.content_type:
        if "json" not in kind:
            return f"is JSON of type {kind!r}"
        return "" if identical(strictly_parsed(part.content), item) else f"is {part.content[:80]!r}, was {short(item)}"
    if kind and kind not in allowed:
        return f"is of type {kind!r}"
    return "" if part.content.decode() == said(item) else f"is {part.content[:80]!r}, was {short(item)}"


def _is_loose_file(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("data"), str) and item.keys() <= {"data", "filename", "type"}


def file_bytes(item: Any) -> bytes:
    """The bytes of file content given as base64 text, alone or as ``data``."""
    text = item["data"] if isinstance(item, dict) else item
    text = text.partition(",")[2] if text.startswith("data:") else text
    standard = re.sub(r"\s", "", text.translate(str.maketrans("-_", "+/"))).rstrip("=")
    return base64.b64decode(standard + "=" * (-len(standard) % 4))
