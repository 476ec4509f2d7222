"""Values that a JSON Schema (2020-12) admits, different ones for every seed, with a liking for what goes wrong.

Edge texts, numbers beside 2^53, empty lists, explicit nulls, nested objects, maps, every branch of a union. It makes
and does not check: callers validate with a validator that knows the whole standard. The same seed gives the same value
on every machine. ``samples`` makes the plainest value there is; this is its opposite.
"""

from __future__ import annotations

import contextlib
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from re import _constants as words  # type: ignore[attr-defined]
from re import _parser as sre  # type: ignore[attr-defined]
from typing import Any

from support.samples import UnmakeableError, _fits_type, _merged

Schema = Mapping[str, Any]

PLAIN = ("a", "Z9", "hello", "x-1_2.3~4", "true", "null", "0", "-1", "1e5", "007", "None")
VISIBLE = (
    *(
        "a b",
        "a&b=c",
        "100%",
        "%41",
        "%zz",
        "50%25",
        "a+b",
        "c++",
        'say "hi"',
        "it's",
        "a,b",
        "a|b",
        "a;b",
        "a=b",
        "a:b",
    ),
    *("?q", "#frag", "[0]", "{x}", "a@b", "$top", "!*()", "<b>&amp;</b>", "back\\slash", "`tick`", "^~", "key[sub]"),
    *('{"a":1}', "a/b", "//x", "http://x.example/?a=b&c=d#e", "data:,x", "=", "&", "+", "?", "~"),
)
BEYOND = ("é", "日本語", "😀 emoji", "Ünï-cødé", "e\u0301", "\u202eabc", "\ufeff", "مرحبا", "ß/ſ", "\u2028")
CONTROL = ("line\nbreak", "cr\r\nX-Evil: 1", "tab\there", "nul\x00", "\x7f", "\x1b[0m")
AT_ENDS = (" lead", "trail ", " ", "\t", "")
DOTTED = (".", "..", "../x", "a/../b", "%2e%2e", ".hidden", "a.b", "...")

INTEGERS = (0, 1, -1, 7, 2**31 - 1, -(2**31), 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 10**25)
NUMBERS = (0.1, -0.5, 1e22, 1.5e-7, 123456789.123, 5e-324, 1.7976931348623157e308, 2.0**53, 1e21, 3.0, 1 / 3)

FORMATS: Mapping[str, Sequence[str]] = {
    "date": ("2026-01-02", "1999-12-31", "2024-02-29"),
    "date-time": ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05.123456-11:30"),
    "time": ("03:04:05Z", "23:59:59+01:00"),
    "duration": ("PT1S", "P1Y2M3DT4H5M6S"),
    "uri": ("https://example.com/a?b=c&d=%20#e", "urn:isbn:0451450523", "http://x.example:8080/~u/(1)"),
    "url": ("https://example.com/a?b=c&d=%20#e", "ftp://example.com/f;type=i"),
    "uri-reference": ("/a", "../b?c#d", "?x=y"),
    "uri-template": ("https://example.com/{a}", "/x{?q*}"),
    "email": ("a@example.com", "first.last+tag@sub.example.org", "o'neil@example.com"),
    "idn-email": ("a@example.com", "dörte@example.com"),
    "hostname": ("example.com", "a-b.example"),
    "ipv4": ("192.0.2.1", "10.0.0.255"),
    "ipv6": ("2001:db8::1", "::ffff:192.0.2.1"),
    "uuid": ("123e4567-e89b-42d3-a456-426614174000", "00000000-0000-4000-8000-000000000000"),
    "byte": ("YQ==", "+/+/", "AAECAwQFBgc="),
    "json-pointer": ("/a", "/a~1b/0"),
    "regex": ("a", "^[a-z]+$", "\\d{2,}"),
}
BYTES = ("", "YQ==", "+/+/", "AAECAw0K", "LS1hcGlsb29t", "aGVsbG8gd29ybGQ=", "_-_-", "/w==")
"""Base64 texts, the empty file and both alphabets among them."""


@dataclass(frozen=True)
class Mood:
    """What values a maker likes. ``texts`` and ``keys`` are what it writes where anything goes.

    ``optional`` is how often it adds what need not be there, ``nulls`` how often it takes null where it may,
    ``empties`` how often a list or object stays empty. ``wild`` is how often a text or number is an edge, not a plain
    one; ``most`` bounds how many values one maker makes before it keeps to what is required.
    """

    texts: Sequence[str] = (*PLAIN, *VISIBLE, *BEYOND)
    keys: Sequence[str] = ("k", "a b", "x-y", "é", "a.b", "$ref", "n%41", "q&=")
    optional: float = 0.5
    nulls: float = 0.2
    empties: float = 0.15
    wild: float = 0.6
    most: int = 120
    deepest: int = 7


class Maker:
    """Makes values of one self-contained schema; ``root`` is where its references point into."""

    def __init__(self, root: Schema, rng: Random, mood: Mood) -> None:
        self.root = root
        self.rng = rng
        self.mood = mood
        self.left = mood.most

    def make(self, schema: Any, depth: int = 0) -> Any:
        """A value of a schema.

        Raises:
            UnmakeableError: it asks for what this maker does not know.
        """
        self.left -= 1
        if schema is False or depth > 24:
            raise UnmakeableError("nothing is valid here" if schema is False else "nested too deeply")
        schema = self.flat({} if schema is True else schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.member(schema)
        if schema.get("contentEncoding") == "base64" and "anyOf" in schema:
            return self.file(schema)
        for word in ("oneOf", "anyOf"):
            if word in schema:
                return self.branch(schema, word, depth)
        return self.by_type(schema, depth)

    def flat(self, schema: Any) -> dict[str, Any]:
        """References followed and ``allOf`` merged."""
        for _ in range(60):
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                target = self.root
                for part in schema["$ref"].removeprefix("#").split("/")[1:]:
                    target = target[part.replace("~1", "/").replace("~0", "~").replace("%25", "%")]
                if not isinstance(target, dict):
                    return rest
                schema = _merged(target, rest)
            elif "allOf" in schema:
                merged = {key: value for key, value in schema.items() if key != "allOf"}
                for part in schema["allOf"]:
                    if isinstance(part, dict):
                        merged = _joined(merged, self.flat(part))
                schema = merged
            elif "then" in schema and "else" not in schema:
                # What holds under a condition holds always: that is narrower, and so still valid.
                schema = {**schema, "allOf": [schema["then"]]}
                schema = {key: value for key, value in schema.items() if key not in ("if", "then")}
            else:
                return _joined({}, schema)
        raise UnmakeableError("references in a circle")

    def member(self, schema: Schema) -> Any:
        fitting = [value for value in schema["enum"] if _fits_type(value, schema.get("type"))]
        if not fitting:
            raise UnmakeableError("no member of the enum has the type")
        solid = [value for value in fitting if value is not None]
        return self.rng.choice(solid if solid and not self.likely(self.mood.nulls) else fitting)

    def file(self, schema: Schema) -> Any:
        """File content: base64 text, alone or with name and type."""
        data = self.rng.choice(BYTES)
        if self.likely(0.5) or not any("data" in part.get("properties", {}) for part in schema["anyOf"]):
            return data
        made: dict[str, Any] = {"data": data}
        if self.likely(0.7):
            made["filename"] = self.rng.choice(("a.txt", 'q"uote.png', "ünï 日.bin", "semi;colon=1", "a\\b"))
        if self.likely(0.3):
            made["type"] = self.rng.choice(("image/png", "text/plain; charset=utf-8", "application/octet-stream"))
        return made

    def branch(self, schema: Schema, word: str, depth: int) -> Any:
        outer = {key: value for key, value in schema.items() if key != word}
        parts = [part for part in schema[word] if part is not False]
        self.rng.shuffle(parts)
        nulls = [part for part in parts if isinstance(part, dict) and part.get("type") == "null"]
        parts = [part for part in parts if part not in nulls]
        parts = nulls + parts if nulls and self.likely(self.mood.nulls) else parts + nulls
        if self.left < 0 or depth > self.mood.deepest:
            # Where the value must end, the branch that needs least comes first.
            parts.sort(key=lambda part: len(str(part)))
        failed = "no choice"
        for part in parts:
            try:
                return self.make(_joined(outer, self.flat(part)) if isinstance(part, dict) else outer, depth + 1)
            except UnmakeableError as error:
                failed = str(error)
        raise UnmakeableError(failed)

    def by_type(self, schema: Schema, depth: int) -> Any:
        kinds = schema.get("type")
        if isinstance(kinds, list):
            solid = [kind for kind in kinds if kind != "null"]
            if "null" in kinds and (not solid or self.likely(self.mood.nulls)):
                return None
            kinds = self.rng.choice(solid)
        if kinds is None:
            kinds = self.guessed(schema, depth)
        if kinds == "object":
            return self.object(schema, depth)
        if kinds == "array":
            return self.array(schema, depth)
        if kinds in ("integer", "number"):
            return self.number(schema, kinds)
        if kinds == "boolean":
            return self.likely(0.5)
        return None if kinds == "null" else self.text(schema)

    def guessed(self, schema: Schema, depth: int) -> str:
        if "properties" in schema or "required" in schema:
            return "object"
        if "items" in schema or "prefixItems" in schema:
            return "array"
        if {"minimum", "maximum", "multipleOf"} & schema.keys():
            return "number"
        if {"pattern", "format", "minLength", "maxLength"} & schema.keys() or depth > self.mood.deepest:
            return "string"
        kinds = ("string", "string", "integer", "boolean", "number", "array", "object")
        return self.rng.choice(kinds if self.likely(self.mood.wild) else kinds[:3])

    def likely(self, share: float) -> bool:
        return self.rng.random() < share

    def object(self, schema: Schema, depth: int) -> dict[str, Any]:
        named = schema.get("properties", {})
        made: dict[str, Any] = {}
        for name in self.needed(schema):
            made[name] = self.make(named.get(name, self.other(schema)), depth + 1)
        for name, part in named.items():
            tight = self.left < 0 or depth > self.mood.deepest
            if name not in made and not tight and self.likely(self.mood.optional) and not _is_read_only(part):
                with contextlib.suppress(UnmakeableError):
                    made[name] = self.make(part, depth + 1)
        self.extend(schema, made, depth)
        for name, others in schema.get("dependentRequired", {}).items():
            for other in others if name in made else ():
                if other not in made:
                    made[other] = self.make(named.get(other, True), depth + 1)
        return made

    def needed(self, schema: Schema) -> list[str]:
        """What must be there: what is required, one choice of each group, and what those draw in."""
        names = list(schema.get("required", []))
        for group in schema.get("x-groups", ()):
            names += self.rng.choice(group).get("required", [])
        for name in names:
            names += [other for other in schema.get("dependentRequired", {}).get(name, ()) if other not in names]
        return list(dict.fromkeys(names))

    def other(self, schema: Schema) -> Any:
        more = schema.get("additionalProperties", True)
        return {"type": "string"} if more is True else more

    def extend(self, schema: Schema, made: dict[str, Any], depth: int) -> None:
        """Members nobody named, for maps and where too few are there."""
        named, other = schema.get("properties", {}), self.other(schema)
        lacking = schema.get("minProperties", 0) - len(made)
        for name, part in named.items():
            if lacking > 0 and name not in made:
                made[name] = self.make(part, depth + 1)
                lacking -= 1
        is_map = isinstance(schema.get("additionalProperties"), dict) or (
            not named and schema.get("additionalProperties", True) is True
        )
        more = 0 if self.likely(self.mood.empties) or self.left < 0 else self.rng.choice((1, 1, 2, 3))
        wanted = max(lacking, more if is_map and depth <= self.mood.deepest else 0)
        most = schema.get("maxProperties", 1000) - len(made)
        for number in range(min(wanted, most) if other is not False else 0):
            key = self.rng.choice(self.mood.keys) if self.likely(self.mood.wild) else f"key{number}"
            if pattern := schema.get("propertyNames", {}).get("pattern"):
                key = self.matching(pattern)
            if key not in named:
                made[key] = self.make(other, depth + 1)

    def array(self, schema: Schema, depth: int) -> list[Any]:
        first, items = schema.get("prefixItems", []), schema.get("items", True)
        least, most = max(schema.get("minItems", 0), len(first) and 1), schema.get("maxItems", 1000)
        tight = self.left < 0 or depth > self.mood.deepest
        count = 0 if tight or self.likely(self.mood.empties) else self.rng.choice((1, 1, 2, 3))
        count = min(max(least, count), most)
        made: list[Any] = []
        for _ in range(count * 4):
            if len(made) >= count:
                break
            part = first[len(made)] if len(made) < len(first) else items
            value = self.make(part, depth + 1)
            if not (schema.get("uniqueItems") and value in made):
                made.append(value)
        if len(made) < least:
            raise UnmakeableError("not enough values that differ")
        return made

    def number(self, schema: Schema, kind: str) -> int | float:
        low, high = _bounds(schema)
        if schema.get("format") == "int32":
            low, high = max(low, -(2**31)), min(high, 2**31 - 1)
        if schema.get("format") == "int64":
            low, high = max(low, -(2**63)), min(high, 2**63 - 1)
        edges: list[int | float] = [*INTEGERS, *(NUMBERS if kind == "number" else ())]
        edges += [bound for bound in (low, high) if abs(bound) != float("inf")] * 3
        plain: list[int | float] = [1, 2, 10, 42, *((0.5, 1.25) if kind == "number" else ())]
        pool = [value for value in (edges if self.likely(self.mood.wild) else plain) if low <= value <= high]
        value = self.rng.choice(pool or [value for value in edges if low <= value <= high] or [max(low, min(high, 0))])
        step = schema.get("multipleOf")
        if step:
            value = int(value / step) * step if isinstance(step, float) else value // step * step
            value = value + step if value < low else value
        return int(value) if kind == "integer" else value

    def text(self, schema: Schema) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", 10**6)
        if schema.get("contentEncoding") == "base64":
            return self.rng.choice(BYTES)
        if "pattern" in schema:
            return self.told(schema)
        known = FORMATS.get(schema.get("format", ""))
        value = self.rng.choice(known or (self.mood.texts if self.likely(self.mood.wild) else PLAIN))
        while len(value) < least:
            value += self.rng.choice("abcxyz019")
        return value[:most]

    def matching(self, pattern: str, least: int = 0, most: int = 10**6) -> str:
        """A text that an expression finds itself in, of a length between two bounds."""
        try:
            plain = re.sub(r"\(\?[a-z]+\)", "", pattern)
            plain = re.sub(r"\\[pP](\{\^?\w+\}|\w)", "a-z" if "[" in pattern else "[a-z]", plain)
            tree = sre.parse(plain)
        except (re.error, OverflowError, RecursionError) as error:
            raise UnmakeableError(f"pattern {pattern} is none that Python reads") from error
        for extra in (0, 1, 3, least, 8, 0):
            value = Written(self.rng, extra).text(tree)
            if len(value) < least and not pattern.endswith("$"):
                value = value.ljust(least, "a")
            if least <= len(value) <= most:
                return value
        raise UnmakeableError(f"no text of the right length for {pattern}")

    def told(self, schema: Schema) -> str:
        """A text by its pattern, or the document's own default where no text can be made up for it."""
        default = schema.get("default")
        try:
            return self.matching(schema["pattern"], schema.get("minLength", 0), schema.get("maxLength", 10**6))
        except UnmakeableError:
            if isinstance(default, str):
                return default
            raise


@dataclass
class Written:
    """Writes a text for a parsed expression, picking branches, members and counts by chance."""

    rng: Random
    extra: int

    def text(self, tree: Any) -> str:
        return "".join(self.piece(kind, value) for kind, value in tree)

    def piece(self, kind: Any, value: Any) -> str:
        if kind is words.LITERAL:
            return chr(value)
        if kind is words.IN:
            return self.member(value)
        if kind is words.BRANCH:
            return self.text(self.rng.choice(value[1]))
        if kind is words.SUBPATTERN:
            return self.text(value[3])
        if kind in (words.MAX_REPEAT, words.MIN_REPEAT, words.POSSESSIVE_REPEAT):
            low, high, inner = value
            count = self.rng.randint(low, min(low + self.extra, high)) if low < 2000 else low
            return "".join(self.text(inner) for _ in range(count))
        if kind is words.NOT_LITERAL:
            return "b" if value == ord("a") else "a"
        return self.rng.choice("aB3 -é/") if kind is words.ANY else ""

    def member(self, members: Any) -> str:
        if members[0][0] is words.NEGATE:
            taken = re.compile("")
            found = [each for each in string.ascii_letters + "059-_ .é" if not _holds(members[1:], each)]
            return self.rng.choice(found) if found and taken else "a"
        kind, value = self.rng.choice(members)
        if kind is words.RANGE:
            return chr(self.rng.randint(value[0], min(value[1], value[0] + 40)))
        if kind is words.LITERAL:
            return chr(value)
        spelled = {words.CATEGORY_DIGIT: "0123456789", words.CATEGORY_SPACE: " ", words.CATEGORY_NOT_WORD: "-"}
        return self.rng.choice(spelled.get(value, "aZ_9"))


def _holds(members: Any, letter: str) -> bool:
    code = ord(letter)
    tests = {
        words.CATEGORY_DIGIT: letter.isdigit(),
        words.CATEGORY_SPACE: letter.isspace(),
        words.CATEGORY_WORD: letter.isalnum() or letter == "_",
    }
    for kind, value in members:
        if kind is words.LITERAL and value == code:
            return True
        if kind is words.RANGE and value[0] <= code <= value[1]:
            return True
        if kind is words.CATEGORY and tests.get(value, True):
            return True
    return False


def _bounds(schema: Schema) -> tuple[float, float]:
    low = schema.get("minimum", float("-inf"))
    high = schema.get("maximum", float("inf"))
    step = schema.get("multipleOf", 1 if schema.get("type") == "integer" else 0.5)
    if "exclusiveMinimum" in schema:
        low = max(low, schema["exclusiveMinimum"] + step)
    if "exclusiveMaximum" in schema:
        high = min(high, schema["exclusiveMaximum"] - step)
    return low, high


def _joined(one: Schema, other: Schema) -> dict[str, Any]:
    """Two schemas that both hold. Groups of which one must be there are kept aside, since there may be several."""
    groups = [*one.get("x-groups", ()), *other.get("x-groups", ())]
    for word in ("anyOf", "oneOf"):
        parts = other.get(word)
        if parts and all(isinstance(part, dict) and part.keys() <= {"required"} for part in parts):
            other = {key: value for key, value in other.items() if key != word}
            groups.append(parts)
    both: dict[str, Any] = _merged(dict(one), dict(other))
    kinds = _common(one.get("type"), other.get("type"))
    if kinds:
        both["type"] = kinds
    if one.get("enum") and other.get("enum"):
        both["enum"] = [value for value in one["enum"] if value in other["enum"]] or one["enum"]
    if groups:
        both["x-groups"] = groups
    return both


def _common(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return one or other
    first = one if isinstance(one, list) else [one]
    second = other if isinstance(other, list) else [other]
    kinds = [kind for kind in first if kind in second or (kind == "integer" and "number" in second)]
    if not kinds:
        kinds = [kind for kind in second if kind == "integer" and "number" in first] or second
    return kinds[0] if len(kinds) == 1 else kinds


def _is_read_only(part: Any) -> bool:
    return isinstance(part, dict) and part.get("readOnly") is True
