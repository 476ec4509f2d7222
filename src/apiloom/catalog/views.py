"""A tool as a client sees it: MCP's JSON shape (schema ``Tool``) in the schema dialect of a profile.

``intersection`` is what every major client takes, other profiles what one provider takes; ``full`` is the canonical
schema with its definitions attached. A view changes nothing about a call: arguments are always checked against the
canonical schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiloom.catalog.describe import ARGUMENT_LIMIT, NESTED_LIMIT
from apiloom.catalog.outline import Outlines
from apiloom.catalog.portable import Portable, Sized
from apiloom.catalog.profiles import DEFAULT, FULL, PROFILES, check_profile
from apiloom.catalog.responses import without_empty
from apiloom.catalog.shapes import Pool
from apiloom.catalog.tool import Tool
from apiloom.catalog.validation import answer_schema, input_validator_schema
from apiloom.model.api import Schema

DEPTH = 6
"""Levels of an argument that are inlined at most."""

BUDGET = 8_000
"""Bytes of a tool's input schema in the default view, about 2,000 tokens."""

LONG_LIST_WORDS = 240
"""Characters told of an argument where many tools stand beside its own: :data:`ARGUMENT_LIMIT` is for few."""

_FEWER_WORDS = (NESTED_LIMIT, NESTED_LIMIT // 2)
_STEADY = 1
"""Levels that may add nothing, such as a list of lists, before an argument counts as shown whole."""
_LEAVES = frozenset({"string", "number", "integer", "boolean"})


class Views:
    """Renders the tools of one catalog in one profile; what their schemas share is rendered once.

    ``is_long`` says that they stand in a long list, where less is told of each argument.

    Raises:
        CallerError: ``view.profile_unknown``.
    """

    def __init__(self, schemas: Pool, profile: str = DEFAULT, *, is_long: bool = False) -> None:
        check_profile(profile)
        self._schemas = schemas
        self._is_full = profile == FULL
        self._inputs = Portable(schemas, PROFILES.get(profile, PROFILES[DEFAULT]))
        self._outputs = Outlines(schemas)
        self._words = LONG_LIST_WORDS if is_long else ARGUMENT_LIMIT

    def render(self, tool: Tool, *, with_output: bool) -> dict[str, Any]:
        """One tool: name, title, description, inputSchema, outputSchema where there is one, annotations."""
        view: dict[str, Any] = {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": self._input(tool),
        }
        if with_output and tool.output_schema is not None:
            made = self._output(tool.output_schema)
            view["outputSchema"] = made if tool.paging is None else _paged(made, tool.controls.cursor)
        view["annotations"] = {
            "title": tool.title,
            "readOnlyHint": tool.hints.read_only,
            "destructiveHint": tool.hints.destructive,
            "idempotentHint": tool.hints.idempotent,
            "openWorldHint": tool.hints.open_world,
        }
        return view

    def _input(self, tool: Tool) -> Schema:
        if self._is_full:
            return input_validator_schema(tool, self._schemas, shown=True)
        return fitted(tool, self._inputs, self._words)

    def _output(self, schema: Schema) -> Schema:
        return _object_rooted(schema, self._schemas) if self._is_full else self._outputs.render(schema)


def _paged(output: Schema, cursor: str) -> Schema:
    """The schema of an answer with the member that is ours."""
    root = output if isinstance(output, dict) else {}
    told = {"description": f"Where the next page begins: pass it back as {cursor}. Absent on the last page."}
    return {**root, "properties": {**root.get("properties", {}), "next_cursor": told}}


def render_tool(tool: Tool, schemas: Pool, *, profile: str = DEFAULT, with_output: bool) -> dict[str, Any]:
    """One tool in MCP's JSON shape.

    Raises:
        CallerError: ``view.profile_unknown``.
    """
    return Views(schemas, profile).render(tool, with_output=with_output)


def fitted(tool: Tool, portable: Portable, most: int = ARGUMENT_LIMIT) -> dict[str, Any]:
    """A tool's input schema in the default view, within :data:`BUDGET` as far as its arguments allow.

    Of an argument at most ``most`` characters are told.
    """
    schema = tool.input_schema
    root: Mapping[str, Any] = schema if isinstance(schema, dict) else {}
    parts: Mapping[str, Schema] = root.get("properties", {})
    null = {argument.name: argument.place == "body" for argument in tool.arguments}
    made: dict[str, Sized] = {}
    for words in (most, *_FEWER_WORDS):
        made = {name: portable.node(part, 0, words, null=null[name]) for name, part in parts.items()}
        if sum(size for _, size in made.values()) <= BUDGET:
            _deepen(made, lambda name, depth: portable.node(parts[name], depth, most, null=null[name]))
            break
    view: dict[str, Any] = {"type": "object", "properties": {name: node for name, (node, _) in made.items()}}
    if "required" in root:
        view["required"] = root["required"]
    return view


def _deepen(made: dict[str, Sized], make: Callable[[str, int], Sized]) -> None:
    """Show arguments level by level, small ones first, as long as all of them together stay within the budget."""
    total = sum(size for _, size in made.values())
    steady = {name: 0 for name, (node, _) in made.items() if not _is_leaf(node)}
    for depth in range(1, DEPTH + 1):
        for name in sorted(steady, key=lambda name: (made[name][1], name)):
            deeper = make(name, depth)
            grown = deeper[1] - made[name][1]
            steady[name] = 0 if grown else steady[name] + 1
            if total + grown > BUDGET or steady[name] > _STEADY:
                del steady[name]
                continue
            total += grown
            made[name] = deeper


def _is_leaf(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    return (kind[0] if isinstance(kind, list) else kind) in _LEAVES


def _object_rooted(schema: Schema, pool: Pool) -> Schema:
    """The strict schema of an answer, under an object root: what is no object stands under ``result``."""
    answered, may_be_empty = without_empty(schema)
    closed = answer_schema(answered, pool, shown=True)
    if not isinstance(closed, dict):
        return {"type": "object"}
    kinds = Outlines(pool).kinds(answered)
    defs = closed.pop("$defs", None) if kinds != {"object"} or may_be_empty else None
    wrapped: dict[str, Any] = {"properties": {"result": closed}}
    if not may_be_empty:
        wrapped["required"] = ["result"]
    if kinds == {"object"}:
        forms = [closed, {"maxProperties": 0}] if may_be_empty else []
    else:
        forms = [closed, wrapped] if not kinds or "object" in kinds else []
    root = {"type": "object", **({"anyOf": forms} if forms else closed if kinds == {"object"} else wrapped)}
    return {**root, "type": "object", **({"$defs": defs} if defs else {})}
