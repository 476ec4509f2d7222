"""The arguments that apiloom adds to a tool: ``cursor`` and ``max_items`` where it is paged, ``fields`` to project.

They give way to every argument the operation has: its own names come first. Their descriptions are short, since each
is repeated in every tool of a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiloom.base.values import replace
from apiloom.catalog.arguments import free
from apiloom.catalog.inputs import Inputs
from apiloom.catalog.responses import without_empty
from apiloom.catalog.shapes import Pool, flat, types, unions
from apiloom.catalog.tool import Argument, Controls, Paging
from apiloom.model.api import Schema

MOST_ITEMS = 10_000
"""Items that one call gathers at most."""

LEAST_FIELDS = 8
"""Members from which it is worth leaving some out: below, naming them costs as much as reading them."""

CURSOR: Schema = {"type": "string", "description": "Pass next_cursor back unchanged."}
MAX_ITEMS: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": MOST_ITEMS,
    "description": "Gather pages up to so many items.",
}
FIELDS: Schema = {"type": "array", "items": {"type": "string"}, "description": "Members to keep."}

_PLAIN = frozenset({"type", "description", "title", "example", "examples", "default", "deprecated", "nullable"})


def add_controls(
    inputs: Inputs, paging: Paging | None, read: Schema | None, pool: Pool, published: Mapping[str, str]
) -> tuple[Inputs, Controls]:
    """The inputs with the control arguments that fit, and what these are called.

    ``read`` describes the answer of a tool that reads, None for others: what writes answers with what was written, and
    seldom at length. ``published`` are names that arguments had before, by what they stand for.
    """
    taken = {one.name for one in inputs.arguments}
    names: dict[str, str] = {}
    added: dict[str, Schema] = {}
    for what, schema in _wanted(paging, read, pool):
        if what == "cursor" and paging is not None and _serves_both(paging, inputs.schema["properties"], pool):
            names[what] = "cursor"
            continue
        name = published.get(f"control:{what}")
        if name is None or name in taken:
            held = taken | set(published.values())
            name = what if what not in held else free(f"{what}_control", held)
        taken.add(name)
        names[what] = name
        added[name] = schema
    if not added:
        return inputs, Controls(**names)
    by_name = {name: what for what, name in names.items()}
    more = tuple(Argument(name=name, place="control", original=by_name[name]) for name in added)
    schema = {**inputs.schema, "properties": {**inputs.schema["properties"], **added}}
    return replace(inputs, schema=schema, arguments=(*inputs.arguments, *more)), Controls(**names)


def _wanted(paging: Paging | None, read: Schema | None, pool: Pool) -> Iterator[tuple[str, Schema]]:
    if paging is not None:
        yield "cursor", CURSOR
        if paging.items is not None:
            yield "max_items", MAX_ITEMS
    if read is not None and _members(read, pool) >= LEAST_FIELDS:
        yield "fields", FIELDS


def _serves_both(paging: Paging, properties: Mapping[str, Schema], pool: Pool) -> bool:
    """Whether the operation's own page position is called ``cursor`` and takes any text, so also a sealed one."""
    if paging.argument != "cursor" or "cursor" not in properties:
        return False
    node = flat(properties["cursor"], pool)
    return types(node) == ("string",) and not {name for name in node if not name.startswith("x-")} - _PLAIN


def _members(output: Schema, pool: Pool) -> int:
    """How many members an answer is described with: its own, else those of what it lists."""
    node = flat(without_empty(output)[0], pool)
    most = 0
    for form in (node, *(flat(member, pool) for member in unions(node)[:4])):
        most = max(most, _count(form, pool))
    return most


def _count(node: Mapping[str, Any], pool: Pool) -> int:
    if types(node) == ("array",):
        node = flat(node.get("items", True), pool)
    named = node.get("properties")
    if not isinstance(named, dict):
        return 0
    if len(named) >= LEAST_FIELDS:
        return len(named)
    lists = [flat(part, pool).get("items") for part in list(named.values())[:LEAST_FIELDS]]
    inner = (flat(items, pool).get("properties") for items in lists if isinstance(items, dict))
    return max([len(named), *(len(each) for each in inner if isinstance(each, dict))])
