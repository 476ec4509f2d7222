"""Whether a refusal is justified: what no request can say, place by place, as ``docs/requests.md`` lists it.

The counterpart of ``oracle_judge`` for calls that sent nothing: a planner that refuses what it finds hard would look
perfect on the wire. Imports nothing of the package.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from support.oracle import DELIMITERS, said
from support.oracle_document import FORM, Encoding, Media, Operation, Parameter, essence
from support.oracle_judge import Asked, wanted_body

DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)
CLIMBS = re.compile(r"(?:^|[/\\])\.\.(?:$|[/\\;])")


def excused(asked: Asked, sentence: str) -> bool:
    """Whether a refusal names an argument that no request can say, and so was right."""
    named = [name for name in asked.arguments if repr(name) in sentence]
    if len({_form(asked, name) for name in asked.arguments if asked.places[name].place == "body"}) > 1:
        return any(asked.places[name].place == "body" for name in named)
    if (
        named
        and any(essence(each.type).endswith("xml") for each in asked.operation.media)
        and _not_in_xml(wanted_body(asked))
    ):
        return True
    return any(_unsayable(asked, name) for name in named)


def _form(asked: Asked, name: str) -> str:
    """Which of several bodies an argument makes: a whole one is alone, all members make one together."""
    where = asked.places[name]
    return name if where.name == "" and not where.rest else ""


def _not_in_xml(value: Any) -> bool:
    """Control characters, names that are none, lists inside lists and null have no form in XML, or no sure one."""
    texts = [leaf for leaf in leaves(value) if isinstance(leaf, str)]
    if any(re.search("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text) for text in texts):
        return True
    names = list(_keys(value))
    return any(leaf is None for leaf in leaves(value)) or any(not re.fullmatch(r"[^\W\d][\w.-]*", key) for key in names)


def _unsayable(asked: Asked, name: str) -> bool:
    where, value = asked.places[name], asked.arguments[name]
    if where.place == "body":
        return any(_in_body(each.type, each, value, asked, name) for each in asked.operation.media)
    parameter = next((p for p in asked.operation.parameters if (p.place, p.name) == (where.place, where.name)), None)
    if parameter is None:
        return False
    if parameter.media_type:
        is_text = "json" not in parameter.media_type
        return (is_text and isinstance(value, list | dict | None)) or _in_place(parameter, value)
    if where.place == "querystring":
        return _not_in_form(value)
    return (
        _in_any_style(parameter, value) or _in_place(parameter, value) or _in_style(parameter, value, asked.operation)
    )


def leaves(value: Any) -> Iterator[Any]:
    """Scalars, member names and empty containers inside a value."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield key
            yield from leaves(item)
    elif isinstance(value, list) and value:
        for item in value:
            yield from leaves(item)
    else:
        yield value


def _nested(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(item, list | dict) for item in inside)


def _in_any_style(parameter: Parameter, value: Any) -> bool:
    empty = isinstance(value, list | dict) and not value
    if value is None:
        return not parameter.allow_empty
    if empty:
        return parameter.required or parameter.place == "path"
    return any(leaf is None for leaf in leaves(value))


def _in_place(parameter: Parameter, value: Any) -> bool:
    """What the place itself cannot hold, whatever the style."""
    texts = [text for text in map(said, leaves(value)) if isinstance(text, str)]
    if parameter.place == "path":
        return (value == "" and parameter.style != "matrix") or any(_leads_elsewhere(text) for text in texts)
    if parameter.place == "header" and "json" not in parameter.media_type:
        return any(not re.fullmatch(r"[\t\x20-\x7e]*", text) for text in texts) or any(
            text.strip(" \t") != text for text in (texts[0], texts[-1])
        )
    return False


def _leads_elsewhere(text: str) -> bool:
    return DOTS.fullmatch(text) is not None or CLIMBS.search(text) is not None or text in ("", ".", "..")


def _in_style(parameter: Parameter, value: Any, operation: Operation) -> bool:
    inside = list(value.values()) + list(value) if isinstance(value, dict) else value if isinstance(value, list) else []
    texts = [said(item) for item in inside if not isinstance(item, list | dict)]
    style, explode = parameter.style, parameter.explode
    if _nested(value):
        if parameter.place != "query" or (style != "deepObject" and not explode):
            return True
        return _not_in_form(value)
    if parameter.place == "header":
        between = (",", "=") if explode and isinstance(value, dict) else (",",)
        return any(mark in text for text in texts for mark in between)
    if style == "deepObject":
        return _not_in_form(value)
    if style in DELIMITERS and not explode:
        return any(DELIMITERS[style] in text for text in texts)
    if style == "label" and explode:
        return any("." in text for text in texts)
    if style == "cookie":
        is_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
        octets = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*").fullmatch
        named = value if explode and isinstance(value, dict) else ()
        return not all(map(is_token, named)) or not all(octets(said(leaf)) for leaf in leaves(value))
    if parameter.place == "path" and len(re.findall(r"\{", operation.template)) > 1:
        return any(text in ("", ".", "..") for text in texts)
    return False


def _not_in_form(value: Any) -> bool:
    """Null, empty containers inside, and brackets in names have no form."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    for item in inside:
        if any(leaf is None or leaf in ([], {}) for leaf in leaves(item)):
            return True
    return any("[" in key or "]" in key for key in _keys(value))


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _keys(item)
    if isinstance(value, list):
        for item in value:
            yield from _keys(item)


def _in_body(media_type: str, media: Media, value: Any, asked: Asked, name: str) -> bool:
    kind, where = essence(media_type), asked.places[name]
    body = wanted_body(asked)
    if kind == FORM:
        if isinstance(value, str) and not where.name:
            return False
        if value in ([], {}, None) or _not_in_form(value):
            return True
        return _in_encoding(media.encodings, value if where.rest or not where.name else {_member(where.name): value})
    if kind.startswith("multipart/"):
        return any(
            _not_in_part(each) for each in (body.values() if isinstance(body, dict) else [body])
        ) or _in_encoding(media.encodings, body)
    if kind.endswith(("json", "jsonl", "ndjson", "json-seq")):
        return False
    return isinstance(value, list | dict | None) or _no_base64(value) or _beyond_charset(media_type, value)


def _member(pointer: str) -> str:
    return pointer[1:].replace("~1", "/").replace("~0", "~")


def _in_encoding(encodings: Mapping[str, Encoding], members: Any) -> bool:
    for name, value in members.items() if isinstance(members, dict) else ():
        encoding = encodings.get(name)
        if encoding is None:
            continue
        empty = any(leaf is None or leaf in ([], {}) for leaf in leaves(value))
        if encoding.style and (empty or (_nested(value) and not encoding.explode)):
            return True
        mark = DELIMITERS.get(encoding.style, ",")
        if encoding.style and not encoding.explode and any(mark in str(said(leaf)) for leaf in leaves(value)):
            return True
        if encoding.content_type and "json" not in encoding.content_type and isinstance(value, list | dict):
            return True
    return False


def _not_in_part(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return any(item is None or _no_base64(item.get("data") if isinstance(item, dict) else item) for item in items)


def _no_base64(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    text = value.partition(",")[2] if value.startswith("data:") else value
    text = re.sub(r"\s", "", text.translate(str.maketrans("-_", "+/"))).rstrip("=")
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return True
    return False


def _beyond_charset(media_type: str, value: Any) -> bool:
    found = re.search(r"charset=\"?([^\s\";]+)", media_type)
    try:
        str(value).encode(found[1] if found else "utf-8")
    except (UnicodeEncodeError, LookupError):
        return True
    return False
