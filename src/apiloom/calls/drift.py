"""Where an answer differs from what its document promises, and what the document would have to say instead.

A promise that does not hold is a fact about the document, not a fault of the answer: answers are judged after they
were given, and nothing here changes one. What is found is a place and two types. Values are never kept, and of names
only those that stand in the schema. Pure; :mod:`observing` decides which answers are looked at, and when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from apiloom.base import json, plugins
from apiloom.calls.policies.arguments import compile_validator, without_branches
from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, escape, subschemas, unescape

DISCREPANCIES = "dev.apiloom/discrepancies"
"""The member of an outcome's meta that holds what earlier answers were found to break."""

PROPOSAL = "dev.apiloom/proposal"
"""The member of the meta of a single call's outcome that holds what the document would have to say."""

MOST_FOUND = 50
"""Deviations that are told of one answer."""

_MOST_ERRORS = 1_000
_MOST_ITEMS = 10
_MOST_UNNAMED = 50
_MOST_VALUES = 5_000
_LONGEST_TEXT = 1_000
_MOST_REFINED = 10
_DEEPEST_REFINED = 4
_MOST_HOPS = 16
_DEEPEST = 50
"""Levels down to which a place is told; what is deeper says nothing that its like above does not."""

_LONGEST_NAME = 100
_BY_SIZE = frozenset(("contains", "maxLength", "minItems", "minLength", "minProperties", "pattern", "uniqueItems"))
"""Keywords that say nothing about a value of which a part was left out."""

_ADMITTED = frozenset(("additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One promise that an answer broke.

    ``pointer`` is a JSON Pointer into the answer, ``*`` for any item of a list and any name that is not the document's.
    ``expected`` is the promise, ``observed`` the JSON type that came, or ``absent``. ``steps`` lead through the schema
    to what would have to change, ``remedy`` is how: keywords and their new values, None for one that must go.
    """

    pointer: str
    expected: str
    observed: str
    steps: tuple[str, ...]
    remedy: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same as another."""
        return self.pointer, self.expected, self.observed


def proposal(deviations: Sequence[Deviation]) -> dict[str, Any]:
    """What the schema of the answers would have to say for all of them to be right: a JSON merge patch (RFC 7396).

    It only ever admits more. Of several types that came, of several members that were absent, none is lost.
    """
    patch: dict[str, Any] = {}
    for one in sorted(deviations, key=lambda deviation: deviation.key):
        node: Any = patch
        for step in one.steps:
            node = node.setdefault(step, {}) if isinstance(node, dict) else node
        if isinstance(node, dict):  # else anything is admitted there already
            node.update({keyword: _both(keyword, node.get(keyword), value) for keyword, value in one.remedy.items()})
    return patch


def _both(keyword: str, known: Any, value: Any) -> Any:
    """What two remedies come to together: fewer members are required, more types are admitted."""
    if not isinstance(known, list) or not isinstance(value, list):
        return value
    if keyword == "required":
        return [name for name in known if name in value]
    return [*known, *(one for one in value if one not in known)]


class Judge:
    """Judges the answers of one tool by their schema, which is closed. Compiled when first needed; slow by design."""

    def __init__(self, tool: str, schema: Schema) -> None:
        self._tool = tool
        self._schema = schema
        self._validator = compile_validator(tool, schema)
        self._told: dict[str, Any] = {}
        self._explainer: Any = None
        self._refined: dict[str, Any] = {}
        self._names: frozenset[str] = frozenset()

    def deviations(self, answer: bytes) -> list[Deviation]:
        """What is not as promised, the same place and types once; nothing of an answer that cannot be judged."""
        try:
            value = json.loads(answer)
            if self._validator.is_valid(value):
                return []
            return self._explained(value)
        except (ValueError, RecursionError):
            return []  # no JSON, or what no schema can be asked about

    def _explained(self, value: Any) -> list[Deviation]:
        if self._explainer is None:
            told = without_branches(self._schema)
            self._told = told if isinstance(told, dict) else {}
            self._explainer = compile_validator(self._tool, told)
            self._names = frozenset(_names(self._told))
        sample = _Sample(self._names)
        small = sample.of(value)
        found: dict[tuple[str, str, str], Deviation] = {}
        left = [_MOST_REFINED]
        errors = [_Error(one, ()) for one in islice(self._explainer.iter_errors(small), _MOST_ERRORS)]
        typed = {tuple(one.path) for one in errors if one.kind == "type"}
        for error in errors:
            is_told_by_type = error.kind in ("enum", "const") and error.path in typed
            if is_told_by_type or len(error.path) > _DEEPEST or (sample.cut and error.kind in _BY_SIZE):
                continue
            for one in self._of(error, left, 0):
                found.setdefault(one.key, one)
            if len(found) >= MOST_FOUND:
                break
        if not found and sample.cut:
            found = self._first(value)
        return list(found.values())

    def _first(self, value: Any) -> dict[tuple[str, str, str], Deviation]:
        """The first deviation of a value whose sample had none."""
        try:
            self._explainer.validate(value)
        except plugins.load("jsonschema_rs").ValidationError as error:
            return {one.key: one for one in self._of(_Error(error, ()), [_MOST_REFINED], 0)}
        return {}

    def _of(self, error: _Error, left: list[int], depth: int) -> Iterator[Deviation]:
        union = self._union(error)
        if union:
            inner = self._nearest(union, error)
            if inner is not None and left[0] > 0 and depth < _DEEPEST_REFINED:
                left[0] -= 1
                errors = [_Error(one, error.path) for one in islice(inner.iter_errors(error.instance), MOST_FOUND)]
                for one in errors:
                    yield from self._of(one, left, depth + 1)
                if errors:
                    return
            yield self._deviation(error, "one of several forms", {"anyOf": None, "oneOf": None})
        elif error.kind == "type":
            types = list(error.raw.kind.types)
            yield self._deviation(error, " or ".join(types), {"type": [*types, _type_of(error.instance)]})
        elif error.kind == "required":
            yield self._absent(error)
        elif error.kind in _ADMITTED or error.kind == "falseSchema":
            keyword = error.kind if error.kind in _ADMITTED else "additionalProperties"
            yield self._deviation(error, "nothing further", {keyword: True})
        else:
            yield self._deviation(error, error.kind, {error.kind: None})

    def _absent(self, error: _Error) -> Deviation:
        name = error.raw.kind.property
        node = self._node(error.raw.schema_path)
        stated = node.get("required") if isinstance(node, dict) else None
        others = [one for one in stated if one != name] if isinstance(stated, list) else []
        pointer, steps = self._place(error.path)
        return Deviation(
            pointer=f"{pointer}/{_token(name)}",
            expected="required",
            observed="absent",
            steps=steps,
            remedy={"required": others},
        )

    def _deviation(self, error: _Error, expected: str, remedy: Mapping[str, Any]) -> Deviation:
        pointer, steps = self._place(error.path)
        observed = _type_of(error.instance)
        return Deviation(pointer=pointer, expected=expected, observed=observed, steps=steps, remedy=remedy)

    def _place(self, path: Sequence[str | int]) -> tuple[str, tuple[str, ...]]:
        tokens: list[str] = []
        steps: list[str] = []
        for part in path:
            if isinstance(part, int):
                tokens.append("*")
                steps.append("items")
            elif part in self._names:
                tokens.append(_token(part))
                steps += ("properties", part)
            else:
                tokens.append("*")
                steps.append("additionalProperties")
        return "".join(f"/{token}" for token in tokens), tuple(steps)

    def _node(self, schema_path: Sequence[str | int]) -> Any:
        """The schema that a keyword stands in."""
        node: Any = self._told
        for part in list(schema_path)[:-1]:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def _union(self, error: _Error) -> str:
        """The name of the union that had no member for the value; empty where the error is another."""
        stands = error.raw.kind.schema if error.kind == "not" else None
        inner = stands.get("not") if isinstance(stands, dict) else None
        ref = inner.get("$ref", "") if isinstance(inner, dict) else ""
        return unescape(ref.removeprefix(DEFS)) if isinstance(ref, str) else ""

    def _nearest(self, union: str, error: _Error) -> Any:
        """The validator of the one member of a union that the value can have been meant for."""
        defs = self._told.get("$defs", {})
        stands = defs.get(union, {})
        members = stands.get("anyOf") or stands.get("oneOf") or []
        fitting = [place for place, member in enumerate(members) if _may_be(error.instance, member, defs)]
        if len(fitting) != 1:
            return None
        name = f"{union}/{fitting[0]}"
        if name not in self._refined:
            member = members[fitting[0]]
            self._refined[name] = compile_validator(self._tool, {"allOf": [member], "$defs": defs})
        return self._refined[name]


class _Error:
    """A validator's error, seen from the root of the answer."""

    __slots__ = ("instance", "kind", "path", "raw")

    def __init__(self, raw: Any, above: Sequence[str | int]) -> None:
        self.raw = raw
        self.kind: str = raw.kind.name
        self.path = (*above, *raw.instance_path)
        self.instance = raw.instance


class _Sample:
    """A part of an answer that is small enough to be explained; ``cut`` says that it is not all of it."""

    def __init__(self, names: frozenset[str]) -> None:
        self.cut = False
        self._names = names
        self._left = _MOST_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if depth > _DEEPEST and isinstance(value, dict | list):
            return type(value)()  # what is wrong down there is not told
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            most = _MOST_ITEMS if self._left > 0 else 0
            self.cut |= len(value) > most
            return [self.of(one, depth + 1) for one in value[:most]]
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            self.cut = True
            return value[:_LONGEST_TEXT]
        return value

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        """All members that the schema names, and some of the others."""
        unnamed = [name for name in value if name not in self._names]
        left_out = frozenset(unnamed[_MOST_UNNAMED if self._left > 0 else 1 :])
        self.cut |= bool(left_out)
        return {name: self.of(one, depth + 1) for name, one in value.items() if name not in left_out}


def _token(name: str) -> str:
    """A name of the document as a part of a pointer that people will see in their terminal."""
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in name[:_LONGEST_NAME])
    return escape(shown)


def _names(schema: Schema) -> Iterator[str]:
    """Every name of a member that stands in a schema."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            named, needed = node.get("properties"), node.get("required")
            yield from named if isinstance(named, dict) else ()
            yield from needed if isinstance(needed, list) else ()
            waiting.extend(subschemas(node))


def _may_be(value: Any, member: Any, defs: Mapping[str, Any]) -> bool:
    """Whether a value may have been meant for a member of a union: by its type, and by its tags."""
    for _ in range(_MOST_HOPS):
        ref = member.get("$ref") if isinstance(member, dict) else None
        if not isinstance(ref, str):
            break
        member = defs.get(unescape(ref.removeprefix(DEFS)))
    if not isinstance(member, dict):
        return True
    types = member.get("type", ())
    listed = [types] if isinstance(types, str) else types
    kind = _type_of(value)
    if listed and kind not in listed and not (kind == "integer" and "number" in listed):
        return False
    named = member.get("properties")
    if not isinstance(value, dict) or not isinstance(named, dict):
        return True
    tags = ((name, part) for name, part in named.items() if isinstance(part, dict) and name in value)
    return all(value[name] in part.get("enum", [part.get("const", value[name])]) for name, part in tags)


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds: tuple[tuple[type, str], ...] = (
        (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"),
    )  # fmt: skip
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")
