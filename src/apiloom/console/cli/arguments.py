"""Arguments of ``call`` from words of a command line, typed by the tool's own schema; files where it takes files."""

from __future__ import annotations

import base64
import mimetypes
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.catalog.tool import Tool

MOST_BYTES = 64 * 1024 * 1024
"""Bytes read for one call, from a file or standard input."""

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
    (type(None), "null"),
)


def read_object(text: str, folder: Path) -> dict[str, Any]:
    """Arguments as one JSON object: the text itself, ``@FILE``, or ``@-`` for standard input.

    Raises:
        CallerError: ``cli.arguments``.
    """
    source = text
    if text.startswith("@"):
        source = _read_file(text[1:], folder).decode("utf-8", "replace")
    try:
        value = json.loads(source)
    except ValueError as error:
        raise CallerError(
            "the value of --json is not JSON", code="cli.arguments", hint=str(error), text=source[:80]
        ) from None
    if not isinstance(value, dict):
        raise CallerError("the value of --json is no JSON object", code="cli.arguments", hint='write {"name": value}')
    return value


def split_pairs(pairs: Iterable[str]) -> dict[str, list[str]]:
    """``NAME=VALUE`` words by name, repeated names collected in order.

    Raises:
        CallerError: ``cli.arguments``.
    """
    given: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CallerError(f"--arg {pair[:80]!r} has no value", code="cli.arguments", hint="write --arg name=value")
        given.setdefault(name, []).append(value)
    return given


def typed(given: Mapping[str, Sequence[str]], tool: Tool, schema: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Arguments as the tool's input schema means them.

    A text stays a text where the schema takes nothing else; otherwise it is read as JSON if that gives a type the
    schema takes. A repeated name is a list. ``@FILE`` is a file's content, for arguments that take files only.

    Raises:
        CallerError: ``cli.arguments`` when a file cannot be read.
    """
    properties = schema.get("properties", {})
    files = _file_arguments(tool)
    return {
        name: _value(values, properties.get(name, {}), folder if name in files else None)
        for name, values in given.items()
    }


def _value(values: Sequence[str], schema: Any, folder: Path | None) -> Any:
    types = _types_of(schema)
    if folder is not None and any(value.startswith("@") for value in values):
        files = [_file(value[1:], folder) if value.startswith("@") else value for value in values]
        return files if len(files) > 1 or types == {"array"} else files[0]
    if len(values) == 1:
        single = _single(values[0], types)
        wraps = "array" in types and "string" not in types and not isinstance(single, list)
        return [_single(values[0], _item_types(schema))] if wraps else single
    return [_single(value, _item_types(schema)) for value in values]


def _single(text: str, types: set[str]) -> Any:
    if types == {"string"}:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    kind = next(name for python, name in _TYPES if isinstance(value, python))
    fits = not types or kind in types or (kind == "integer" and "number" in types)
    # What fits nothing goes on as it was meant to be read, so that validation can say what is wrong with it.
    return text if not fits and "string" in types else value


def _types_of(schema: Any, depth: int = 0) -> set[str]:
    """The JSON types a schema takes; empty when it does not say."""
    if not isinstance(schema, Mapping) or depth > 4:
        return set()
    declared = schema.get("type")
    if isinstance(declared, str):
        return {declared}
    if isinstance(declared, list):
        return {kind for kind in declared if isinstance(kind, str)}
    branches = [_types_of(branch, depth + 1) for key in ("anyOf", "oneOf") for branch in schema.get(key, ())]
    return set().union(*branches) if all(branches) else set()


def _item_types(schema: Any) -> set[str]:
    if not isinstance(schema, Mapping):
        return set()
    if "items" in schema:
        return _types_of(schema["items"])
    branches = [branch for key in ("anyOf", "oneOf") for branch in schema.get(key, ()) if "items" in branch]
    return _types_of(branches[0]["items"]) if branches else set()


def _file_arguments(tool: Tool) -> set[str]:
    body = tool.binding.body
    if body is None:
        return set()
    names = {field.argument for field in body.fields if field.kind in {"binary", "binaries"}}
    return names | {body.whole} if body.binary else names


def _file(name: str, folder: Path) -> dict[str, str]:
    data = _read_file(name, folder)
    value = {
        "data": base64.b64encode(data).decode(),
        "type": mimetypes.guess_type(name)[0] or "application/octet-stream",
    }
    return value if name == "-" else {**value, "filename": Path(name).name}


def _read_file(name: str, folder: Path) -> bytes:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with (folder / name).open("rb") as file:
                data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CallerError(
            f"{name} cannot be read", code="cli.arguments", hint=(error.strerror or "check the path").lower()
        ) from None
    if len(data) > MOST_BYTES:
        raise CallerError(f"{name} is over {MOST_BYTES >> 20} MB", code="cli.arguments", hint="send a smaller file")
    return data
