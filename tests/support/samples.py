"""Small valid values made from JSON Schemas (2020-12, as tools show them): the same value for the same schema, always.

For tests that need arguments an API must accept. It makes; it does not check: callers validate what it made with a
validator that knows the whole standard, so that a value it cannot make is seen and counted, never sent.
"""

from __future__ import annotations

import contextlib
import re
from re import _parser as sre  # type: ignore[attr-defined]
from typing import Any

Schema = dict[str, Any]

FORMATS = {
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "time": "03:04:05Z",
    "duration": "PT1S",
    "uri": "https://example.com/a",
    "url": "https://example.com/a",
    "uri-reference": "/a",
    "uri-template": "https://example.com/{a}",
    "email": "a@example.com",
    "idn-email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "byte": "YQ==",
    "binary": "YQ==",
    "json-pointer": "/a",
    "regex": "a",
}
DEEPEST = 12
"""Levels below which only what is required is made, and nothing that needs still deeper values."""


class UnmakeableError(Exception):
    """No value was found for this schema; the text says why."""


def sample(schema: Schema, *, optional: bool = False) -> Any:
    """A value for a self-contained schema. ``optional`` adds what need not be there, one level deep.

    Raises:
        UnmakeableError: the schema asks for what this maker does not know.
    """
    return _Maker(schema).make(schema, 0, optional=optional)


class _Maker:
    def __init__(self, root: Schema) -> None:
        self.root = root

    def make(self, schema: Any, depth: int, *, optional: bool = False) -> Any:
        if schema is True or schema == {}:
            return "any"
        if schema is False or depth > DEEPEST:
            raise UnmakeableError("nothing is valid here" if schema is False else "nested too deeply")
        schema = self.flat(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            fitting = [value for value in schema["enum"] if _fits_type(value, schema.get("type"))]
            if not fitting:
                raise UnmakeableError("no member of the enum has the type")
            return next((value for value in fitting if value not in ("", None)), fitting[0])
        for word in ("oneOf", "anyOf"):
            if word in schema:
                return self.choice(schema, word, depth, optional=optional)
        return self.by_type(schema, depth, optional=optional)

    def flat(self, schema: Schema) -> Schema:
        """References followed and ``allOf`` merged, so that one schema says all."""
        for _ in range(50):
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = _merged(self.target(schema["$ref"]), rest)
            elif "allOf" in schema:
                merged = {key: value for key, value in schema.items() if key != "allOf"}
                for part in schema["allOf"]:
                    if isinstance(part, dict):
                        merged = _merged(merged, self.flat(part))
                schema = merged
            else:
                return schema
        raise UnmakeableError("references in a circle")

    def target(self, reference: str) -> Schema:
        found: Any = self.root
        for part in reference.removeprefix("#").split("/")[1:]:
            found = found[part.replace("~1", "/").replace("~0", "~")]
        if not isinstance(found, dict):
            raise UnmakeableError(f"{reference} is no schema object")
        return found

    def choice(self, schema: Schema, word: str, depth: int, *, optional: bool) -> Any:
        outer = {key: value for key, value in schema.items() if key != word}
        failed = "no choice"
        # Text first: in a path "1" would be both the number and the text, and so match two branches.
        for part in sorted(schema[word], key=lambda part: part.get("type") != "string"):
            if part == {"type": "null"}:
                continue
            try:
                return self.make(_merged(outer, self.flat(part)), depth + 1, optional=optional)
            except UnmakeableError as error:
                failed = str(error)
        raise UnmakeableError(failed)

    def by_type(self, schema: Schema, depth: int, *, optional: bool) -> Any:
        kinds = schema.get("type")
        if isinstance(kinds, list):
            kinds = next((kind for kind in kinds if kind != "null"), "null")
        if kinds is None:
            kinds = "object" if "properties" in schema else "array" if "items" in schema else "string"
        if kinds == "object":
            return self.object(schema, depth, optional=optional)
        if kinds == "array":
            return self.array(schema, depth)
        if kinds in ("integer", "number"):
            return _number(schema, kinds)
        if kinds == "boolean":
            return True
        return None if kinds == "null" else _string(schema)

    def object(self, schema: Schema, depth: int, *, optional: bool) -> dict[str, Any]:
        properties = schema.get("properties", {})
        made: dict[str, Any] = {}
        for name in schema.get("required", []):
            made[name] = self.make(properties.get(name, self.other_member(schema)), depth + 1)
        if optional:
            for name, part in properties.items():
                if name not in made and not (isinstance(part, dict) and part.get("readOnly")):
                    try:
                        made[name] = self.make(part, depth + 1)
                    except UnmakeableError:
                        continue
        # An object without members has no form in a query string or a form body.
        wanted = max(schema.get("minProperties", 0), 1 if depth else 0)
        for name, part in properties.items():
            if len(made) >= wanted:
                break
            if name not in made:
                with contextlib.suppress(UnmakeableError):
                    made[name] = self.make(part, depth + 1)
        if self.other_member(schema) is not False:
            for number in range(wanted - len(made)):
                made[f"key{number}"] = self.make(self.other_member(schema), depth + 1)
        return made

    def other_member(self, schema: Schema) -> Any:
        more = schema.get("additionalProperties", True)
        return {"type": "string"} if more is True else more

    def array(self, schema: Schema, depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        count = max(schema.get("minItems", 0), len(first), 1)
        count = min(count, schema.get("maxItems", count))
        made: list[Any] = []
        for place in range(count):
            part = first[place] if place < len(first) else schema.get("items", {})
            value = self.make(part, depth + 1)
            if schema.get("uniqueItems") and value in made:
                value = _another(self.flat(part) if isinstance(part, dict) else {}, made)
            made.append(value)
        return made


def _merged(one: Schema, other: Schema) -> Schema:
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        both["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    for word in ("allOf", "anyOf", "oneOf"):
        if word in one and word in other:
            both[word] = one[word]
            both["allOf"] = (
                [*both.get("allOf", []), {word: other[word]}] if word != "allOf" else one[word] + other[word]
            )
    return both


def _fits_type(value: Any, kinds: Any) -> bool:
    names = kinds if isinstance(kinds, list) else [kinds] if kinds else []
    tests = {
        "string": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "null": value is None,
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }
    return not names or any(tests.get(name, True) for name in names)


def _another(schema: Schema, made: list[Any]) -> Any:
    for value in schema.get("enum", []):
        if value not in made:
            return value
    if schema.get("type") == "integer":
        return max(made) + 1
    if schema.get("type") == "string" and not schema.get("pattern") and not schema.get("format"):
        return f"{made[0]}{len(made)}"
    raise UnmakeableError("no second value that differs")


def _number(schema: Schema, kind: str) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf") or 1
    value = 1 if low is None else low
    if high is not None and value > high:
        value = high
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        value = schema["exclusiveMinimum"] + step
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        value = schema["exclusiveMaximum"] - step
    if schema.get("multipleOf"):
        value = -(-value // step) * step
    return int(value) if kind == "integer" or float(value).is_integer() else value


def _string(schema: Schema) -> str:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    if schema.get("contentEncoding") == "base64":
        return "YQ=="
    if "pattern" in schema:
        return _matching(schema["pattern"], shortest, longest)
    value = FORMATS.get(schema.get("format", ""), "a")
    if len(value) < shortest:
        value += "a" * (shortest - len(value))
    return value if longest is None else value[:longest]


def _matching(pattern: str, shortest: int, longest: int | None) -> str:
    try:
        expression = re.compile(pattern)
        tree = sre.parse(pattern)
    except (re.error, OverflowError) as error:
        raise UnmakeableError(f"pattern {pattern} is none that Python reads") from error
    for extra in (0, 1, 2, shortest):
        value = _written(tree, extra)
        if expression.search(value) and shortest <= len(value) and (longest is None or len(value) <= longest):
            return value
    for value in ("a" * shortest, *FORMATS.values()):
        if expression.search(value) and shortest <= len(value) and (longest is None or len(value) <= longest):
            return value
    raise UnmakeableError(f"no value for the pattern {pattern}")


def _written(tree: Any, extra: int) -> str:
    """The shortest text of a parsed expression, each repetition ``extra`` times longer where it may be."""
    return "".join(_piece(str(kind), value, extra) for kind, value in tree)


def _piece(kind: str, value: Any, extra: int) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "IN":
        return _member(value)
    if kind == "BRANCH":
        return _written(value[1][0], extra)
    if kind == "SUBPATTERN":
        return _written(value[3], extra)
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, inner = value
        return _written(inner, extra) * min(low + extra, high)
    return "a" if kind in ("ANY", "NOT_LITERAL") else ""


def _member(members: Any) -> str:
    if str(members[0][0]) == "NEGATE":
        taken = {chr(value) for kind, value in members if str(kind) == "LITERAL"}
        return next(letter for letter in "a0-_A. " if letter not in taken)
    for kind, value in members:
        if str(kind) == "RANGE":
            return chr(value[0])
        if str(kind) == "LITERAL":
            return chr(value)
        if str(kind) == "CATEGORY":
            return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(value), "a")
    return "a"
