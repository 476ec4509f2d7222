"""Single values as a profile takes them: texts, numbers and booleans, with what cannot be shown told in words.

Objects, lists and unions, and where a value stands, are next door in :mod:`portable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apiloom.base import json
from apiloom.catalog.describe import as_sentence, tidy
from apiloom.catalog.patterns import checks_of, for_showing
from apiloom.catalog.profiles import Profile
from apiloom.catalog.shapes import types

MOST_VALUES = 300
MOST_VALUE_CHARACTERS = 1500

SCALARS = frozenset({"string", "number", "integer", "boolean"})

_FORMATS_IN_WORDS = {
    "date": ("yyyy", "Written YYYY-MM-DD."),
    "duration": ("duration", "An ISO 8601 duration."),
    "email": ("mail", "An email address."),
    "ipv4": ("ip", "An IPv4 address."),
    "ipv6": ("ip", "An IPv6 address."),
    "time": ("hh:", "Written HH:MM:SSZ."),
    "uri": ("ur", "A URI."),
    "uuid": ("uuid", "A UUID."),
}
"""Formats worth a word where they cannot be shown, each with what a description says that needs it no more."""

Node = dict[str, Any]


def scalar(kind: str, shape: Mapping[str, Any], words: int, profile: Profile) -> Node:
    """The node of a text, number or boolean."""
    node: Node = {"type": kind}
    notes: list[str] = []
    told = told_of(shape, words)
    values = [shape["const"]] if "const" in shape else shape.get("enum")
    if isinstance(values, list):
        _values(kind, values, node, notes, profile)
    if kind == "string":
        _text_rules(shape, node, notes, (profile, told.lower()))
    elif kind != "boolean" and "enum" not in node and "const" not in node:
        _number_rules(kind, shape, node, notes, profile)
    default = shape.get("default")
    allowed = [node["const"]] if "const" in node else node.get("enum", [default])
    if is_of(kind, default) and default in allowed and len(str(default)) <= 80:
        node["default"] = default
    return with_words(node, joined(told, " ".join(notes)))


def _values(kind: str, values: Sequence[Any], node: Node, notes: list[str], profile: Profile) -> None:
    fitting = list(dict.fromkeys(value for value in values if is_of(kind, value)))
    if not fitting:
        return
    if profile.values and len(fitting) == len(values) == 1:
        node["const"] = fitting[0]
        return
    listed = profile.values or (kind == "string" and "" not in fitting)
    if listed and len(fitting) <= MOST_VALUES and sum(len(str(value)) for value in fitting) <= MOST_VALUE_CHARACTERS:
        node["enum"] = fitting
        return
    if kind in ("integer", "number"):
        node["minimum"], node["maximum"] = min(fitting), max(fitting)
    spoken = [json.dumps(value).decode() for value in fitting[:20]]
    more = f" and {len(fitting) - 20} more" if len(fitting) > 20 else ""
    notes.append(f"One of: {', '.join(spoken)}{more}." if len(fitting) > 1 else f"Always {spoken[0]}.")


def _text_rules(shape: Mapping[str, Any], node: Node, notes: list[str], shown: tuple[Profile, str]) -> None:
    profile, told = shown
    stated = shape.get("format")
    if stated in profile.formats:
        node["format"] = stated
    elif isinstance(stated, str) and stated in _FORMATS_IN_WORDS and "enum" not in node:
        known, note = _FORMATS_IN_WORDS[stated]
        if known not in told:
            notes.append(note)
    if "enum" in node or "const" in node:
        return
    copy_numbers(shape, node, ("minLength", "maxLength"))
    pattern = shape.get("pattern")
    if not isinstance(pattern, str):
        return
    if (spelled := for_showing(pattern)) is not None:
        node["pattern"] = spelled
    elif (checks := checks_of(pattern)) is not None:
        if checks.least:
            node["minLength"] = max(checks.least, node.get("minLength", 0))
        if checks.most is not None:
            node["maxLength"] = min(checks.most, node.get("maxLength", checks.most))


def _number_rules(kind: str, shape: Mapping[str, Any], node: Node, notes: list[str], profile: Profile) -> None:
    for bound, strict, step, said in (
        ("minimum", "exclusiveMinimum", 1, "Greater than"),
        ("maximum", "exclusiveMaximum", -1, "Less than"),
    ):
        limit, beyond = shape.get(bound), shape.get(strict)
        if is_of("number", limit) and bound not in node:
            node[bound] = limit
        if not is_of("number", beyond) or beyond is None:
            continue
        if profile.bounds:
            node[strict] = beyond
        elif kind == "integer" and beyond == int(beyond):
            nearest = int(beyond) + step
            node[bound] = max(node.get(bound, nearest), nearest) if step > 0 else min(node.get(bound, nearest), nearest)
        else:
            notes.append(f"{said} {beyond}.")
    multiple = shape.get("multipleOf")
    if is_of("number", multiple) and multiple is not None and multiple > 0 and multiple not in (1, 0.01):
        if profile.bounds:
            node["multipleOf"] = multiple
        else:
            notes.append(f"A multiple of {multiple}.")


def scalar_union(shapes: Sequence[Mapping[str, Any]], words: int, profile: Profile) -> Node | None:
    """One node for a union of scalars whose values all belong to it, where there is one that keeps its use."""
    found: list[Node] = []
    for kinds in (frozenset({"string"}), frozenset({"integer", "number"}), frozenset({"boolean"})):
        alike = [shape for shape in shapes if kinds.intersection(types(shape))]
        node = _of_one_kind(alike, kinds, words, profile) if alike else None
        if node is None and alike:
            return None
        found += [node] if node is not None else []
    return found[0] if len(found) == 1 else {"anyOf": found}


def _of_one_kind(
    shapes: Sequence[Mapping[str, Any]], kinds: frozenset[str], words: int, profile: Profile
) -> Node | None:
    stated = {kind for shape in shapes for kind in types(shape) if kind in kinds}
    if len(shapes) == 1 and len(stated) == 1:
        return scalar(next(iter(stated)), shapes[0], words, profile)
    if kinds == {"string"}:
        return _text_union(shapes, words, profile)
    if kinds == {"boolean"}:
        return {"type": "boolean"}
    return {"type": "number" if "number" in stated else "integer"} if any(len(shape) == 1 for shape in shapes) else None


def _text_union(shapes: Sequence[Mapping[str, Any]], words: int, profile: Profile) -> Node | None:
    free = [shape for shape in shapes if not {"enum", "const", "pattern", "minLength", "maxLength"} & set(shape)]
    if free:
        node = scalar("string", {**free[0], "format": None}, words, profile)
        known = [value for shape in shapes for value in _stated(shape)]
        note = f"Known values: {', '.join(known[:20])}." if known else ""
        return with_words(node, joined(node.get("description", ""), note))
    if all(_stated(shape) for shape in shapes):
        return scalar("string", {"enum": [value for shape in shapes for value in _stated(shape)]}, words, profile)
    return None


def as_text(node: Node) -> Node:
    """A union of scalars, one of them free text, as that text: where all of them are written as text anyway."""
    members = node.get("anyOf", [])
    free = [one for one in members if one.get("type") == "string" and one.keys() <= {"type", "description", "default"}]
    if not free or any(one.get("type") not in SCALARS for one in members):
        return node
    told = node.get("description") or next((one["description"] for one in members if "description" in one), "")
    return with_words({key: value for key, value in free[0].items() if key != "description"}, told)


def _stated(shape: Mapping[str, Any]) -> list[str]:
    values = [shape["const"]] if "const" in shape else shape.get("enum")
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def is_scalar(schema: Any) -> bool:
    """Whether a node looks the same at every depth."""
    if isinstance(schema, bool):
        return True
    kind = schema.get("type")
    return isinstance(kind, str) and kind in SCALARS and schema.keys().isdisjoint(("$ref", "allOf", "anyOf", "oneOf"))


def is_of(kind: str, value: Any) -> bool:
    """Whether a value is of a scalar type."""
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) if kind == "integer" else isinstance(value, int | float)


def copy_numbers(shape: Mapping[str, Any], node: Node, keywords: Iterable[str]) -> None:
    """The counts that a shape states, as they are."""
    for keyword in keywords:
        value = shape.get(keyword)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            node[keyword] = value


def told_of(shape: Mapping[str, Any], words: int) -> str:
    """What a document says of a node, in at most so many characters."""
    text = shape.get("description")
    if not isinstance(text, str) or not text:
        text = shape.get("title")
        text = text if isinstance(text, str) and " " in text.strip() else ""
    told = tidy(text, words) if text else ""
    if shape.get("deprecated") is True and not told.lower().startswith("deprecated"):
        return f"Deprecated. {told}".rstrip()
    return told


def joined(first: str, second: str) -> str:
    """Two sentences, or the one there is."""
    return f"{as_sentence(first)} {second}" if first and second else first or second


def with_words(node: Node, text: str) -> Node:
    """The node with a description, if there is one."""
    if text:
        node["description"] = text
    return node
