"""The value of a single schema keyword: right as it stands, mended, or dropped with a reason.

Knows only the keywords whose values hold no schemas. Whatever leaves here is valid JSON Schema 2020-12.
"""

from __future__ import annotations

from typing import Any, Final

from apiloom.base import json
from apiloom.readers.spelled import plain


class _Dropped:
    """The keyword cannot stay."""


DROP: Final = _Dropped()

TEXTS = frozenset({"title", "description", "format", "pattern", "contentEncoding", "contentMediaType"})
FLAGS = frozenset({"deprecated", "readOnly", "writeOnly", "uniqueItems"})
COUNTS = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains"}
)
NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
PLAIN = TEXTS | FLAGS | COUNTS | NUMBERS

_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_TYPE_NAMES = {
    "int": "integer",
    "int32": "integer",
    "int64": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "numeric": "number",
    "bool": "boolean",
    "str": "string",
    "text": "string",
    "date": "string",
    "datetime": "string",
    "date-time": "string",
    "uuid": "string",
    "file": "string",
    "dict": "object",
    "map": "object",
    "list": "array",
}


def mend(keyword: str, value: Any) -> tuple[Any, str]:
    """The value a keyword of :data:`PLAIN` may have, and what was wrong with the one given (empty: nothing)."""
    if keyword in TEXTS:
        return _text(keyword, value)
    if keyword in FLAGS:
        return _flag(keyword, value)
    if keyword in COUNTS:
        return _count(keyword, value)
    return _number(keyword, value)


def _text(keyword: str, value: Any) -> tuple[Any, str]:
    if type(value) is str:
        return value, ""
    if value is None:
        return DROP, ""
    if keyword in ("title", "description") and isinstance(value, int | float | bool):
        return str(value), ""
    return DROP, f"{keyword} is not a text; it was left out"


def _flag(keyword: str, value: Any) -> tuple[Any, str]:
    if type(value) is bool:
        return value, ""
    if value is None:
        return DROP, ""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true", f"{keyword} is a text; it was read as a boolean"
    return DROP, f"{keyword} is neither true nor false; it was left out"


def _count(keyword: str, value: Any) -> tuple[Any, str]:
    number = _as_number(value)
    if value is None:
        return DROP, ""
    if number is None or number != int(number) or number < 0:
        return DROP, f"{keyword} is not a count; it was left out"
    whole = int(number)
    if type(value) is int:
        return whole, ""
    return whole, "" if isinstance(value, float) else f"{keyword} is a text; it was read as a number"


def _number(keyword: str, value: Any) -> tuple[Any, str]:
    if value is None:
        return DROP, ""
    number = _as_number(value)
    if number is None:
        return DROP, f"{keyword} is not a number; it was left out"
    if keyword == "multipleOf" and number <= 0:
        return DROP, "multipleOf is not above zero; it was left out"
    return number, f"{keyword} is a text; it was read as a number" if isinstance(value, str) else ""


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and len(value) < 40:
        try:
            number = float(value)
        except ValueError:
            return None
        if number in (float("inf"), float("-inf")) or number != number:  # noqa: PLR0124 - NaN differs from itself
            return None
        return int(number) if number.is_integer() else number
    return None


def types(value: Any) -> tuple[Any, str]:
    """The value of ``type``: one of the seven names, or a list of them."""
    if type(value) is str and value in _TYPES:
        return value, ""
    given = value if isinstance(value, list) else [value]
    names: dict[str, None] = {}
    odd: list[str] = []
    for name in given:
        known = _type_name(name)
        if known is None:
            odd.append(str(name)[:40])
        else:
            names[known] = None
            if name not in (known, "file", None):
                odd.append(str(name)[:40])
    message = f"type {', '.join(odd)} is no JSON Schema type" if odd else ""
    if not names:
        return DROP, f"{message}; any value is taken" if value is not None and message else ""
    found = list(names)
    if message:
        message += f"; it was read as {', '.join(found)}"
    return (found[0] if len(found) == 1 else found), message


def _type_name(name: Any) -> str | None:
    if name is None:
        return "null"
    if not isinstance(name, str):
        return None
    if name in _TYPES:
        return name
    lowered = name.strip().lower()
    return lowered if lowered in _TYPES else _TYPE_NAMES.get(lowered)


def members(value: Any) -> tuple[Any, str]:
    """The value of ``required``: distinct names."""
    if isinstance(value, bool) or value is None:
        # Draft 3 wrote it on the property; the enclosing object takes it from there.
        return DROP, ""
    if not isinstance(value, list):
        return DROP, "required is not a list of names; it was left out"
    names = list(dict.fromkeys(name for name in value if isinstance(name, str)))
    message = "" if len(names) == len(value) else "required holds repeated names or things that are no names"
    return (names or DROP), message


def values(value: Any, kind: Any) -> tuple[Any, str]:
    """The value of ``enum``: distinct, and of the schema's one scalar type where the text says the same."""
    message = ""
    if isinstance(value, str | int | float):
        value, message = [value], "enum is a single value; it was read as a list of one"
    if not isinstance(value, list):
        return DROP, "enum is not a list; it was left out" if value is not None else ""
    if not value:
        return DROP, "enum is empty; it was left out"
    kind = _only(kind)
    if kind == "string" and not all(isinstance(item, str) or item is None for item in value):
        value = [_as_text(item) for item in value]
        message = "enum values of a text are not texts; they were read as texts"
    elif kind in ("integer", "number") and any(isinstance(item, str) for item in value):
        numbers = [_as_number(item) if isinstance(item, str) else item for item in value]
        if all(number is not None for number in numbers):
            value = numbers
            message = "enum values of a number are texts; they were read as numbers"
    value = plain(value)
    first: dict[object, Any] = {}
    for item in value:
        first.setdefault(_identity(item), item)
    distinct = list(first.values())
    if len(distinct) < len(value):
        message = "enum repeats values; each was taken once"
    return distinct, message


def fitting(value: Any, kind: Any) -> Any:
    """A default or constant in the schema's own type where the text says the same."""
    wanted = _only(kind)
    if wanted == "string":
        return plain(_as_text(value))
    if wanted in ("integer", "number") and isinstance(value, str):
        number = _as_number(value)
        return number if number is not None and (wanted == "number" or isinstance(number, int)) else value
    return plain(value)


def _only(kind: Any) -> Any:
    """The one type beside null, if there is one."""
    others = [name for name in kind if name != "null"] if isinstance(kind, list) else [kind]
    return others[0] if len(others) == 1 else None


def _as_text(item: Any) -> Any:
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item) if isinstance(item, int | float) else item


def _identity(item: Any) -> object:
    if type(item) is str or item is None:
        return item
    if isinstance(item, bool | int | float):
        return (isinstance(item, bool), item)
    return json.canonical(item)
