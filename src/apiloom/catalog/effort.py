"""What checking a value against definitions may cost, and definitions made lighter where that would explode.

Sixty definitions that each name the next one twice fit on a page and take longer to check than the world has existed.
The cost is reckoned once, when a tool is first called; a definition beyond the bound admits anything. Knows nothing of
tools or documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiloom.model.api import Schema
from apiloom.model.schema import subschemas

MOST = 10_000
"""Schemas that may look at a value and at one value inside each other, level by level."""

_HERE = ("not", "if", "then", "else", "propertyNames")
_REST = ("additionalProperties", "items", "unevaluatedItems", "unevaluatedProperties")


@dataclass(slots=True)
class _Effort:
    """``here`` schemas look at the value itself; ``inside`` is the cost at its members that are named, ``rest`` at
    any other one.
    """

    here: int = 1
    inside: dict[str, int] = field(default_factory=dict)
    rest: int = 0

    def total(self) -> int:
        return self.here + max(self.rest, *self.inside.values(), 0)

    def join(self, other: _Effort) -> None:
        """Both look at the same value."""
        for name in other.inside.keys() - self.inside.keys():
            self.inside[name] = self.rest
        for name in self.inside:
            self.inside[name] += other.inside.get(name, other.rest)
        self.here += other.here
        self.rest += other.rest


def lightened(root: Schema, names: Mapping[str, str], defs: Mapping[str, Schema]) -> dict[str, Schema]:
    """The definitions that a root refers to, each that would cost too much replaced by ``true``.

    Args:
        root: the schema that values are checked against.
        names: the name of a definition by the text of a reference to it.
        defs: the definitions by name.
    """
    known: dict[str, _Effort] = {}
    light: dict[str, Schema] = {}
    for name in _inner_first(names, defs):
        effort = _effort(defs[name], names, known)
        heavy = effort.total() > MOST
        light[name] = True if heavy else defs[name]
        known[name] = _Effort() if heavy else effort
    if _effort(root, names, known).total() > MOST:
        return dict.fromkeys(defs, True)
    return light


def _inner_first(names: Mapping[str, str], defs: Mapping[str, Schema]) -> Iterator[str]:
    """Definitions behind those they refer to, but for circles, which the validator itself remembers."""
    seen: set[str] = set()
    for start in defs:
        path = [(start, _named(defs[start], names))] if start not in seen else []
        seen.add(start)
        while path:
            following = next((name for name in path[-1][1] if name not in seen), None)
            if following is None:
                yield path.pop()[0]
            else:
                seen.add(following)
                path.append((following, _named(defs[following], names)))


def _named(schema: Schema, names: Mapping[str, str]) -> Iterator[str]:
    waiting: list[Schema] = [schema]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            if here.get("$ref") in names:
                yield names[here["$ref"]]
            waiting.extend(subschemas(here))


def _effort(schema: Any, names: Mapping[str, str], known: Mapping[str, _Effort]) -> _Effort:
    if not isinstance(schema, dict):
        return _Effort()
    found = _children(schema, names, known)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            found.join(_effort(part, names, known))
    for part in (*(schema[keyword] for keyword in _HERE if keyword in schema), *_parts(schema, "dependentSchemas")):
        found.join(_effort(part, names, known))
    behind = known.get(names.get(schema.get("$ref", ""), ""))
    if behind is not None:
        found.join(behind)
    return found


def _children(schema: Mapping[str, Any], names: Mapping[str, str], known: Mapping[str, _Effort]) -> _Effort:
    """What stands inside a value, by this schema's own keywords for members and items."""

    def cost(part: Any) -> int:
        return _effort(part, names, known).total()

    every = sum(map(cost, _parts(schema, "patternProperties"))) + (
        cost(schema["contains"]) if "contains" in schema else 0
    )
    named = {**dict(enumerate(schema.get("prefixItems", ()))), **schema.get("properties", {})}
    rest = max((cost(schema[keyword]) for keyword in _REST if keyword in schema), default=0)
    return _Effort(inside={str(name): cost(part) + every for name, part in named.items()}, rest=rest + every)


def _parts(schema: Mapping[str, Any], keyword: str) -> list[Any]:
    return list(schema.get(keyword, {}).values())
