"""Edits of tools as people and models write them: what a patch may say, checked against the tools it is about.

A patch that passes here can be applied (``overlaid``): every name in it stands for something, every text can be shown,
every value fits its argument, and every schema compiles. Whoever keeps patches, and for which layer, is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from apiloom.base import json, plugins
from apiloom.base.errors import CallerError
from apiloom.base.nearest import nearest
from apiloom.catalog.describe import ARGUMENT_LIMIT, TITLE_LIMIT, TOOL_LIMIT
from apiloom.catalog.names import LIMIT
from apiloom.catalog.overlaid import patched, raw_schema
from apiloom.catalog.patterns import checks_of, engine
from apiloom.catalog.selection import CLASSES
from apiloom.catalog.tool import Tool
from apiloom.catalog.validation import input_validator_schema, request_schema
from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, escape, subschemas, unescape

MOST_BYTES: Final = 1_000_000
"""Bytes of one patch as JSON."""
MOST_TOOLS: Final = 5_000
DEEPEST: Final = 64
LONGEST_INSTRUCTIONS: Final = 2_000
LONGEST_ADDED: Final = TOOL_LIMIT // 2
LONGEST_ARGUMENT: Final = 2 * ARGUMENT_LIMIT

_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{LIMIT - 1}}}")
_ROOT = ("tools", "instructions")
_TOOL = ("title", "description", "rename", "hide", "class", "arguments", "instructions", "schema")
_ARGUMENT = ("description", "default", "value", "hide")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a patch is held against: a connector's tools, its definitions, and further names of its tools.

    ``at`` is where the patch stands in what the caller sent; the ``pointer`` of an error begins with it.
    """

    tools: Mapping[str, Tool]
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    at: str = "/patch"


def check_patch(patch: Any, ground: Ground) -> None:
    """See to it that a patch can be applied to these tools, and means what it says.

    Raises:
        CallerError: ``overlay.form``, ``overlay.unknown`` (with the nearest name), ``overlay.name``, ``overlay.taken``,
            ``overlay.argument``, ``overlay.value``, ``overlay.schema``; each with a ``pointer``.
    """
    at = ground.at
    _check_size(patch, at)
    members = _members(patch, _ROOT, at)
    if members.get("instructions") is not None:
        _text(members["instructions"], f"{at}/instructions", LONGEST_INSTRUCTIONS)
    tools = members.get("tools")
    if tools is None:
        return
    if not isinstance(tools, Mapping) or len(tools) > MOST_TOOLS:
        _refuse(f"{at}/tools", f"is an object of at most {MOST_TOOLS} tools")
    wanted: dict[str, str] = {}
    for stated, edit in tools.items():
        place = f"{at}/tools/{escape(str(stated)[:100])}"
        name = stated if stated in ground.tools else ground.aliases.get(stated, "")
        if name not in ground.tools:
            _unknown("tool", str(stated), ground.tools, place)
        edits = _members(edit, _TOOL, place)
        _check_words(edits, place)
        if edits.get("rename") is not None:
            _check_rename(name, edits["rename"], wanted, ground, f"{place}/rename")
        _check_arguments(ground.tools[name], edits, place)
        if edits.get("schema") is not None or edits.get("arguments"):
            _check_schema(ground.tools[name], edits, ground, place)


def _check_size(patch: Any, at: str) -> None:
    level, depth = [patch], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            _refuse(at, f"nests deeper than {DEEPEST} levels")
        level = [inner for value in level for inner in _inside(value)]
    try:
        size = len(json.canonical(patch))
    except (ValueError, TypeError):
        _refuse(at, "is plain JSON of whole characters")
    if size > MOST_BYTES:
        _refuse(at, f"is at most {MOST_BYTES:,} bytes of JSON")


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


def _check_words(edits: Mapping[str, Any], place: str) -> None:
    for name, most in (("title", TITLE_LIMIT), ("description", TOOL_LIMIT), ("instructions", LONGEST_ADDED)):
        if edits.get(name) is not None:
            _text(edits[name], f"{place}/{name}", most, lines=name != "title")
    if edits.get("hide") is not None and type(edits["hide"]) is not bool:
        _refuse(f"{place}/hide", "is true or false")
    if edits.get("class") is not None and edits["class"] not in CLASSES:
        _refuse(f"{place}/class", f"is one of {', '.join(CLASSES)}")


def _check_rename(name: str, new: Any, wanted: dict[str, str], ground: Ground, place: str) -> None:
    if not isinstance(new, str) or not _NAME.fullmatch(new):
        raise CallerError(
            f"{str(new)[:60]!r} cannot be the name of a tool",
            code="overlay.name",
            hint=f"a name is at most {LIMIT} of a-z, 0-9 and _, and begins with a letter",
            pointer=place,
        )
    holder = new if new in ground.tools else ground.aliases.get(new, "")
    other = wanted.setdefault(new, name)
    if (holder and holder != name) or other != name:
        raise CallerError(
            f"{name} cannot be called {new}: {holder or other} is",
            code="overlay.taken",
            hint="no name may ever come to mean another tool; take one that is free",
            pointer=place,
        )


def _check_arguments(tool: Tool, edits: Mapping[str, Any], place: str) -> None:
    arguments = edits.get("arguments")
    if arguments is None:
        return
    if not isinstance(arguments, Mapping):
        _refuse(f"{place}/arguments", "is an object of arguments by name")
    known = [argument.name for argument in tool.arguments]
    for name, edit in arguments.items():
        here = f"{place}/arguments/{escape(str(name)[:100])}"
        if name not in known:
            _unknown("argument", str(name), known, here)
        each = _members(edit, _ARGUMENT, here)
        if each.get("description") is not None:
            _text(each["description"], f"{here}/description", LONGEST_ARGUMENT)
        if each.get("hide") is not None and type(each["hide"]) is not bool:
            _refuse(f"{here}/hide", "is true or false")
        if "value" in each and "default" in each:
            _refuse(here, "has a value, which is always sent, or a default, not both")


def _check_schema(tool: Tool, edits: Mapping[str, Any], ground: Ground, place: str) -> None:
    """The tool as the edit leaves it: still all of its arguments, schemas that compile, values that fit."""
    schema = edits.get("schema")
    if schema is not None and not isinstance(schema, Mapping):
        _refuse(f"{place}/schema", "is a merge patch (RFC 7396) of the tool's input schema")
    made = patched(tool, edits)
    before: Any = tool.input_schema
    after: Any = made.input_schema if made.supplied is None else made.supplied.schema
    if schema is not None:
        _check_shape(tool, before, raw_schema(before, edits), f"{place}/schema")
        _check_parts(before, after, ground, f"{place}/schema")
    try:
        _compile(input_validator_schema(made, ground.schemas))
    except (ValueError, RecursionError) as error:
        _broken(f"{place}/schema", f"the schema does not compile ({str(error)[:200]})")
    settled = made.supplied
    for name, edit in (edits.get("arguments") or {}).items():
        here = f"{place}/arguments/{escape(name)}"
        if edit.get("hide") and name in after.get("required", ()) and not {"value", "default"} & edit.keys():
            raise CallerError(
                f"{tool.name} needs {name}, so it cannot be hidden without anything to send",
                code="overlay.argument",
                hint="give it a value, which is always sent",
                pointer=f"{here}/hide",
            )
        for what in ("value", "default"):
            if settled is not None and what in edit:
                _check_value(after["properties"][name], edit[what], ground, f"{here}/{what}")


def _check_shape(tool: Tool, before: Any, after: Any, place: str) -> None:
    if not isinstance(after.get("properties"), dict) or after["properties"].keys() != before["properties"].keys():
        _broken(place, "a tool keeps its arguments: none can be added, and to take one away is to hide it")
    for keyword in ("type", "additionalProperties"):
        if after.get(keyword) != before.get(keyword):
            _broken(place, f"{keyword} of the whole stays as it is")
    required = after.get("required", [])
    if not isinstance(required, list) or not all(name in after["properties"] for name in required):
        _broken(place, "required names what the tool does not take")
    for argument in tool.arguments:
        if argument.place == "path" and argument.name not in required:
            _broken(place, f"{argument.name} is part of the path, which is nothing without it")


def _check_parts(before: Any, after: Any, ground: Ground, place: str) -> None:
    meta = plugins.load("jsonschema_rs").meta
    try:
        is_worse = not meta.is_valid(after) and meta.is_valid(before)
    except ValueError as error:
        _broken(place, f"it is no JSON Schema ({str(error)[:200]})")
    if is_worse:
        _broken(place, "it is no JSON Schema 2020-12")
    known = set(_words(before))
    for keyword, text in _words(after):
        if (keyword, text) in known:
            continue
        if keyword == "$ref" and (not text.startswith(DEFS) or unescape(text[len(DEFS) :]) not in ground.schemas):
            _broken(place, f"it refers to {text[:80]!r}, which is not there")
        if keyword == "pattern" and checks_of(text) is None:
            _broken(place, f"its pattern {text[:80]!r} cannot be checked")


def _words(schema: Schema) -> Iterator[tuple[str, str]]:
    waiting: list[Schema] = [schema]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            yield from ((word, here[word]) for word in ("$ref", "pattern") if isinstance(here.get(word), str))
            waiting.extend(subschemas(here))


def _check_value(schema: Schema, value: Any, ground: Ground, place: str) -> None:
    try:
        fits = _compile(request_schema(schema, ground.schemas))(value)
    except (ValueError, RecursionError):
        fits = False
    if not fits:
        raise CallerError(
            f"the value for {place.rsplit('/', 2)[1]} does not fit the argument",
            code="overlay.value",
            hint="inspect shows what it takes",
            pointer=place,
        )


def _compile(schema: Schema) -> Callable[[Any], bool]:
    """Whether values fit a schema.

    Raises:
        ValueError: it does not compile.
    """
    rust = plugins.load("jsonschema_rs")
    try:
        check: Callable[[Any], bool] = rust.Draft202012Validator(schema, pattern_options=engine()).is_valid
    except rust.ReferencingError as error:
        raise ValueError(str(error)) from error
    return check


def _members(value: Any, known: tuple[str, ...], at: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        _refuse(at, "is an object")
    for name in value:
        if name not in known:
            _unknown("member", str(name), known, f"{at}/{escape(str(name)[:100])}")
    return dict(value)


def _text(value: Any, at: str, most: int, *, lines: bool = True) -> None:
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        _refuse(at, f"is a text of 1 to {most} characters")
    seen = "\n\t\u200d" if lines else "\u200d"
    if any(unicodedata.category(one) in {"Cc", "Cf", "Cs"} and one not in seen for one in value):
        _refuse(at, "has no characters that nobody sees")


def _unknown(what: str, name: str, known: Collection[str], at: str) -> NoReturn:
    close = nearest(name, sorted(known))
    there_are = f"there are {', '.join(sorted(known)[:8])}" if known else "there are none"
    raise CallerError(
        f"there is no {what} {name[:80]!r}",
        code="overlay.unknown",
        hint=f"did you mean {' or '.join(close)}?" if close else there_are,
        pointer=at,
    )


def _refuse(at: str, rule: str) -> NoReturn:
    name = at.rpartition("/")[2] or "it"
    raise CallerError(f"{name} {rule}", code="overlay.form", hint="mend the patch and try again", pointer=at)


def _broken(at: str, why: str) -> NoReturn:
    raise CallerError(why, code="overlay.schema", hint="mend the patch of the schema and try again", pointer=at)
