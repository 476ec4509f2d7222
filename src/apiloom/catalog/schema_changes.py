"""What changed between two schemas, told by its effect on the set of values they accept.

A schema is walked beside its successor, keyword by keyword. References are not followed there and then: each pair of
definitions is compared once, however many tools reach it, and a tool's changes are those of every pair it can reach,
circles included. What is not understood counts as a change that may break somebody. Knows nothing of tools and of who
is broken by what: a value that goes in and one that comes out are judged elsewhere.
Source: JSON Schema 2020-12, Validation and Applicator vocabularies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from apiloom.base import json
from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, IN_LIST, IN_MAP, IN_VALUE, escape, unescape

Effect = Literal["narrowed", "widened", "changed", "added", "removed", "behaviour", "text"]
"""``narrowed``: accepts less; ``widened``: more; ``changed``: neither is certain. ``added`` and ``removed`` are members
of an object. ``behaviour`` and ``text`` change no value that is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """One change. ``pointer`` is where, from the schema that was asked about; ``kind`` names it, such as ``enum``."""

    pointer: str
    kind: str
    effect: Effect
    detail: str = ""


_Key = tuple[object, object]


@dataclass(slots=True)
class _Pair:
    """Two definitions: what differs in themselves, and the pairs they lead to."""

    atoms: list[Atom] = field(default_factory=list)
    leads: list[tuple[str, _Key]] = field(default_factory=list)


_DEEPEST = 200
"""Levels inside one definition; what lies deeper is compared as text."""

MOST_PAIRS = 50_000
"""Pairs of definitions that one schema may reach; where there are more, they count as changed."""

MOST_TOLD = 40
"""Changes told of one schema; all of them count."""


class SchemaChanges:
    """Compares schemas of two pools of definitions.

    Remembers every pair of definitions it has seen: keep one for a whole catalog.
    """

    def __init__(self, old: Mapping[str, Schema], new: Mapping[str, Schema]) -> None:
        self._old = old
        self._new = new
        self._pairs: dict[_Key, _Pair] = {}
        self._held: list[Schema] = []
        """Schemas whose addresses are keys must live as long as the keys do."""

    def between(self, old: Schema, new: Schema) -> tuple[list[Atom], frozenset[Effect]]:
        """What differs: at most :data:`MOST_TOLD` of the changes, nearest first, and the effects of all."""
        self._held += [old, new]
        here = _Pair()
        self._compare(old, new, "", here, 0)
        told, effects, seen = list(here.atoms), {atom.effect for atom in here.atoms}, set[_Key]()
        waiting = deque(here.leads)
        while waiting:
            pointer, key = waiting.popleft()
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > MOST_PAIRS:
                return told[:MOST_TOLD], frozenset({*effects, "changed"})
            pair = self._pair(key)
            effects |= {atom.effect for atom in pair.atoms}
            if len(told) < MOST_TOLD:
                told += [
                    Atom(pointer=pointer + atom.pointer, kind=atom.kind, effect=atom.effect, detail=atom.detail)
                    for atom in pair.atoms
                ]
            waiting.extend((pointer + further, other) for further, other in pair.leads)
        return told[:MOST_TOLD], frozenset(effects)

    def _pair(self, key: _Key) -> _Pair:
        known = self._pairs.get(key)
        if known is None:
            known = self._pairs[key] = _Pair()
            old, new = (_resolved(side, pool) for side, pool in zip(key, (self._old, self._new), strict=True))
            self._held += [old, new]
            self._compare(old, new, "", known, 0)
        return known

    def _compare(self, old: Schema, new: Schema, pointer: str, into: _Pair, depth: int) -> None:
        if depth > _DEEPEST:
            if old != new:
                into.atoms.append(Atom(pointer=pointer, kind="schema", effect="changed"))
            return
        if _referred(old) is not None or _referred(new) is not None:
            self._follow(old, new, pointer, into, depth)
            return
        if old is False or new is False:
            if old is not new:
                effect: Effect = "narrowed" if new is False else "widened"
                into.atoms.append(Atom(pointer=pointer, kind="schema", effect=effect))
            return
        self._keywords(_plain(old), _plain(new), pointer, into, depth)

    def _follow(self, old: Schema, new: Schema, pointer: str, into: _Pair, depth: int) -> None:
        """Compare what at least one side refers to; members beside a reference are compared here."""
        beside_old, beside_new = _beside(old), _beside(new)
        if beside_old is None or beside_new is None:
            # one side is written out: all of it, its members beside a reference included, stands against the other
            left, right = _side(old, beside_old), _side(new, beside_new)
        else:
            left, right = _referred(old), _referred(new)
            if beside_old or beside_new:
                self._keywords(beside_old, beside_new, pointer, into, depth)
        for side in (left, right):
            if isinstance(side, _Held):
                self._held.append(side.schema)
        into.leads.append((pointer, (left, right)))

    def _keywords(self, old: Mapping[str, Any], new: Mapping[str, Any], pointer: str, into: _Pair, depth: int) -> None:
        for keyword in sorted(old.keys() | new.keys()):
            judge = _JUDGES.get(keyword)
            before, after = old.get(keyword), new.get(keyword)
            if judge is not None:
                if before != after or (keyword in old) != (keyword in new):
                    into.atoms += judge(before, after, pointer, keyword)
            elif keyword in _SETS:
                continue
            elif keyword == "properties":
                self._members(before, after, f"{pointer}/properties", into, depth)
            elif keyword in _OPEN:
                self._compare(old.get(keyword, True), new.get(keyword, True), f"{pointer}/{keyword}", into, depth + 1)
            elif keyword in IN_LIST:
                self._branches(before, after, (pointer, keyword), into, depth)
            elif keyword not in _SILENT and not keyword.startswith("x-"):
                self._other(before, after, (pointer, keyword), into, depth)
        into.atoms += _values(old, new, pointer)

    def _members(self, old: Any, new: Any, pointer: str, into: _Pair, depth: int) -> None:
        before, after = _plain(old), _plain(new)
        for name in sorted(before.keys() | after.keys()):
            place = f"{pointer}/{escape(name)}"
            if name not in after:
                into.atoms.append(Atom(pointer=place, kind="member", effect="removed", detail=name[:80]))
            elif name not in before:
                into.atoms.append(Atom(pointer=place, kind="member", effect="added", detail=name[:80]))
            else:
                self._compare(before[name], after[name], place, into, depth + 1)

    def _branches(self, old: Any, new: Any, at: tuple[str, str], into: _Pair, depth: int) -> None:
        pointer, keyword = f"{at[0]}/{at[1]}", at[1]
        before, after = _listed(old), _listed(new)
        if keyword == "prefixItems" or len(before) == len(after):
            if len(before) != len(after):
                into.atoms.append(Atom(pointer=pointer, kind=keyword, effect="changed"))
            for index, (one, other) in enumerate(_paired(before, after)):
                self._compare(one, other, f"{pointer}/{index}", into, depth + 1)
            return
        lost, gained = _unmatched(before, after), _unmatched(after, before)
        by_text = {_text(branch): branch for branch in after}
        for index, branch in enumerate(before):
            if _text(branch) in by_text:
                self._compare(branch, by_text[_text(branch)], f"{pointer}/{index}", into, depth + 1)
        if keyword not in {"anyOf", "oneOf"}:
            into.atoms.append(Atom(pointer=pointer, kind=keyword, effect="changed"))
            return
        if not before or not after or (lost and gained):
            into.atoms.append(Atom(pointer=pointer, kind=keyword, effect="changed"))
        elif lost:
            into.atoms.append(Atom(pointer=pointer, kind=keyword, effect="narrowed"))
        else:
            into.atoms.append(Atom(pointer=pointer, kind=keyword, effect="widened"))
            if keyword == "oneOf":
                # what fitted one branch alone may fit the new one too
                into.atoms.append(Atom(pointer=pointer, kind=keyword, effect="behaviour"))

    def _other(self, old: Any, new: Any, at: tuple[str, str], into: _Pair, depth: int) -> None:
        """A keyword with no rule of its own: the same text is the same, but for what it refers to."""
        pointer, keyword = f"{at[0]}/{at[1]}", at[1]
        if old != new:
            into.atoms.append(Atom(pointer=pointer, kind=keyword, effect="changed"))
        elif keyword in IN_VALUE:
            self._compare(old, new, pointer, into, depth + 1)
        elif keyword in IN_MAP:
            self._members(old, new, pointer, into, depth)


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A schema written out, known by being itself."""

    schema: Schema


def _resolved(side: object, pool: Mapping[str, Schema]) -> Schema:
    if isinstance(side, _Held):
        return side.schema
    return pool.get(str(side), True)


def _side(schema: Schema, beside: Mapping[str, Any] | None) -> object:
    name = _referred(schema)
    if name is None or beside:
        # a reference with members beside it is both at once
        return _Held(schema if name is None else {"allOf": [{"$ref": DEFS + escape(name)}, dict(beside or {})]})
    return name


def _referred(schema: Schema) -> str | None:
    ref = schema.get("$ref") if isinstance(schema, Mapping) else None
    return unescape(ref[len(DEFS) :]) if isinstance(ref, str) and ref.startswith(DEFS) else None


def _beside(schema: Schema) -> dict[str, Any] | None:
    """The members beside a reference; None for a schema that is no reference."""
    if _referred(schema) is None or isinstance(schema, bool):
        return None
    return {name: value for name, value in schema.items() if name != "$ref"}


def _plain(schema: Any) -> Mapping[str, Any]:
    return schema if isinstance(schema, Mapping) else {}


def _listed(value: Any) -> Sequence[Schema]:
    return value if isinstance(value, list) else []


def _text(schema: Schema) -> bytes:
    return json.canonical(schema)


def _unmatched(ours: Sequence[Schema], theirs: Sequence[Schema]) -> list[Schema]:
    known = {_text(branch) for branch in theirs}
    return [branch for branch in ours if _text(branch) not in known]


def _paired(old: Sequence[Schema], new: Sequence[Schema]) -> Iterator[tuple[Schema, Schema]]:
    """Branches beside their successors: those that are the same text first, whatever their place, then in order."""
    waiting = [branch for branch in new if branch not in old]
    for branch in old:
        if branch in new:
            yield branch, branch
        elif waiting:
            yield branch, waiting.pop(0)


Judge = Callable[[Any, Any, str, str], list[Atom]]


def _told(effect: Effect) -> Judge:
    def judge(_old: Any, _new: Any, pointer: str, keyword: str) -> list[Atom]:
        return [Atom(pointer=pointer, kind=keyword, effect=effect)]

    return judge


def _asserted(old: Any, new: Any, pointer: str, keyword: str) -> list[Atom]:
    """A keyword that narrows when it comes, widens when it goes, and is another one when it differs."""
    effect: Effect = "narrowed" if old is None else "widened" if new is None else "changed"
    return [Atom(pointer=pointer, kind=keyword, effect=effect, detail=f"{_shown(old)} to {_shown(new)}")]


def _bound(*, lower: bool) -> Judge:
    def judge(old: Any, new: Any, pointer: str, keyword: str) -> list[Atom]:
        if old is not None and new is not None and not (_is_number(old) and _is_number(new)):
            return [Atom(pointer=pointer, kind=keyword, effect="changed")]
        stricter = old is None or (new is not None and (new > old if lower else new < old))
        effect: Effect = "narrowed" if stricter else "widened"
        return [Atom(pointer=pointer, kind=keyword, effect=effect, detail=f"{_shown(old)} to {_shown(new)}")]

    return judge


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unique(old: Any, new: Any, pointer: str, keyword: str) -> list[Atom]:
    if bool(old) is bool(new):
        return []
    return [Atom(pointer=pointer, kind=keyword, effect="narrowed" if new else "widened")]


def _required(old: Any, new: Any, pointer: str, keyword: str) -> list[Atom]:
    before, after = set(_listed(old)), set(_listed(new))
    names = [(name, "narrowed") for name in after - before] + [(name, "widened") for name in before - after]
    return [
        Atom(pointer=f"{pointer}/properties/{escape(str(name))}", kind=keyword, effect=effect, detail=str(name)[:80])  # type: ignore[arg-type]
        for name, effect in sorted(names, key=str)
    ]


def _values(old: Mapping[str, Any], new: Mapping[str, Any], pointer: str) -> list[Atom]:
    """How the types and the listed values differ, each as a set."""
    return [*_types(old.get("type"), new.get("type"), pointer), *_enums(old, new, pointer)]


def _types(old: Any, new: Any, pointer: str) -> list[Atom]:
    before, after = _type_set(old), _type_set(new)
    if before == after:
        return []
    detail = f"{_shown(old)} to {_shown(new)}"
    if before <= after:
        return [Atom(pointer=pointer, kind="type", effect="widened", detail=detail)]
    effect: Effect = "narrowed" if after <= before else "changed"
    return [Atom(pointer=pointer, kind="type", effect=effect, detail=detail)]


_TYPES = frozenset({"null", "boolean", "object", "array", "fraction", "integer", "string"})


def _type_set(value: Any) -> frozenset[str]:
    """The types; a number may be whole or not, and no type is any of them."""
    if value is None:
        return _TYPES
    names = {value} if isinstance(value, str) else {str(name) for name in _listed(value)}
    return frozenset((names - {"number"}) | ({"fraction", "integer"} if "number" in names else set()))


def _enums(old: Mapping[str, Any], new: Mapping[str, Any], pointer: str) -> list[Atom]:
    before, after = _choices(old), _choices(new)
    if before == after:
        return []
    if before is None or after is None:
        return [Atom(pointer=pointer, kind="enum", effect="narrowed" if before is None else "widened")]
    lost, gained = sorted(before - after), sorted(after - before)
    atoms = []
    if lost:
        shown = ", ".join(lost[:5])[:120]
        atoms.append(Atom(pointer=pointer, kind="enum", effect="narrowed", detail=f"without {shown}"))
    if gained:
        shown = ", ".join(gained[:5])[:120]
        atoms.append(Atom(pointer=pointer, kind="enum", effect="widened", detail=f"with {shown}"))
    return atoms


def _choices(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """The values that are listed, as their JSON; None where any is allowed."""
    if "const" in schema:
        return frozenset({json.canonical(schema["const"]).decode()})
    listed = schema.get("enum")
    return frozenset(json.canonical(value).decode() for value in listed) if isinstance(listed, list) else None


def _shown(value: Any) -> str:
    return "none" if value is None else json.dumps(value).decode()[:60]


_SETS = frozenset({"type", "enum", "const"})
_OPEN = frozenset(
    {"additionalProperties", "items", "contains", "contentSchema", "propertyNames"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
"""Keywords without which anything is accepted at their place."""

_SILENT = frozenset({"$schema", "$id", "$anchor", "$comment", "$defs", "externalDocs"})
_JUDGES: Mapping[str, Judge] = {
    **dict.fromkeys(("title", "description", "examples", "example"), _told("text")),
    **dict.fromkeys(("default", "deprecated", "readOnly", "writeOnly"), _told("behaviour")),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _told("changed")),
    **dict.fromkeys(("format", "pattern", "multipleOf"), _asserted),
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), _bound(lower=True)),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), _bound(lower=False)),
    "uniqueItems": _unique,
    "required": _required,
}
