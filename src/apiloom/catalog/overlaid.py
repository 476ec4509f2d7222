"""Tools as edits leave them: overlays of several layers applied, tool by tool, when a tool is asked for.

A patch names tools and arguments as the connector has them, whatever other layers call them. Later layers win over
earlier ones, but for what an earlier one took away: a tool or argument that is hidden, and a value that is fixed, stay
so. Whatever a patch names that is not there (any more) is passed over: the edit sleeps until it comes back. Nothing is
checked here that ``overlays`` has not checked before; still, no patch makes a tool that cannot be called.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from apiloom.base.merging import merged
from apiloom.base.values import replace
from apiloom.catalog.describe import TOOL_LIMIT, as_sentence, shorten
from apiloom.catalog.names import LIMIT
from apiloom.catalog.tool import Hints, Supplied, Tool, ToolClass
from apiloom.catalog.traits import Trait, trait_of
from apiloom.model.api import Schema

Patch = Mapping[str, Any]
"""Edits as plain JSON: ``{"tools": {NAME: {…}}, "instructions": …}``; ``docs/overlays.md`` says what each means."""

MOST_INSTRUCTIONS = 4_000
"""Characters of the instructions that all layers add to a server."""

_SENT = ("value", "default")
_RULES = ("allOf", "anyOf", "oneOf", "dependentRequired")


class Overlaid(Mapping[str, Tool]):
    """The tools of a connector under overlays, by the names they have then, sorted; untouched ones are shared.

    ``touched`` are the names of those that an overlay changes, ``before`` what renamed ones were called; ``hidden``
    the connector's names of those that are gone. ``instructions`` is what overlays add for the whole server.
    """

    __slots__ = (
        "__weakref__",
        "_after",
        "_made",
        "_patches",
        "_tools",
        "before",
        "hidden",
        "instructions",
        "names",
        "touched",
    )

    def __init__(self, tools: Mapping[str, Tool], patches: Sequence[Patch], aliases: Mapping[str, str]) -> None:
        self._tools = tools
        self._patches = _by_tool(tools, patches, aliases)
        self._made: dict[str, Tool] = {}
        self.hidden = frozenset(name for name, patch in self._patches.items() if patch.get("hide"))
        renamed = _renamed(tools, self._patches, aliases)
        self._after = {old: new for old, new in renamed.items() if old not in self.hidden}
        self.before = {new: old for old, new in self._after.items()}
        self.touched = frozenset(renamed.get(name, name) for name in self._patches if name not in self.hidden)
        self.instructions = _joined([patch.get("instructions") for patch in patches])[:MOST_INSTRUCTIONS]
        self.names: Collection[str] = tools
        if self._patches:
            kept = (renamed.get(name, name) for name in tools if name not in self.hidden)
            self.names = dict.fromkeys(sorted(kept))

    def __getitem__(self, name: str) -> Tool:
        if name not in self.touched:
            if name in self.names:
                return self._tools[name]
            raise KeyError(name)
        if name not in self._made:
            before = self.before.get(name, name)
            self._made[name] = patched(self._tools[before], self._patches[before], name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def renamed(self, name: str) -> str:
        """What a tool of the connector is called now; empty for one that is hidden or not there."""
        if name in self.hidden or name not in self._tools:
            return ""
        return self._after.get(name, name)

    def traits(self, traits: Mapping[str, Trait]) -> dict[str, Trait]:
        """The traits of these tools from those the connector has: only tools that were touched are read."""
        found: dict[str, Trait] = {}
        for name in self:
            if name in self.touched:
                before = self.before.get(name)
                found[name] = replace(trait_of(self[name]), names=(before,) if before else ())
            else:
                found[name] = traits[name]
        return found


def apply_overlays(
    tools: Mapping[str, Tool], patches: Sequence[Patch], aliases: Mapping[str, str] | None = None
) -> Overlaid:
    """The tools under patches, which come in the order of their layers: connector, tenant, account, server.

    ``aliases`` are further names of tools: a patch may know a tool by the name it had in an earlier version.
    """
    return Overlaid(tools, patches, aliases or {})


def layered(first: Patch, second: Patch) -> dict[str, Any]:
    """Two edits of one tool as one: the second wins, but for what the first hid or fixed.

    What both may add to is kept in order: ``instructions``, and ``schema``, here a list of merge patches.
    """
    result = {**first, **{name: value for name, value in second.items() if value is not None}}
    result["hide"] = bool(first.get("hide")) or bool(second.get("hide"))
    result["instructions"] = _joined([first.get("instructions"), second.get("instructions")])
    result["schema"] = [*_patches_of(first), *_patches_of(second)]
    arguments = dict(first.get("arguments") or {})
    for name, edit in (second.get("arguments") or {}).items():
        earlier = arguments.get(name) or {}
        both = {**earlier, **edit}
        if "value" in earlier or earlier.get("hide"):
            # Nothing, or something else, would be sent than the earlier layer meant.
            both = {**both, **{key: earlier[key] for key in _SENT if key in earlier}}
            both = {key: value for key, value in both.items() if key in earlier or key not in _SENT}
        both["hide"] = bool(earlier.get("hide")) or bool(edit.get("hide"))
        arguments[name] = both
    result["arguments"] = arguments
    return result


def _patches_of(edit: Patch) -> list[Any]:
    schema = edit.get("schema")
    return schema if isinstance(schema, list) else [] if schema is None else [schema]


def _by_tool(
    tools: Mapping[str, Tool], patches: Sequence[Patch], aliases: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for patch in patches:
        for stated, edit in (patch.get("tools") or {}).items():
            name = stated if stated in tools else aliases.get(stated, "")
            if name in tools:
                found[name] = layered(found.get(name, {}), edit)
    return found


def _renamed(
    tools: Mapping[str, Tool], patches: Mapping[str, Mapping[str, Any]], aliases: Mapping[str, str]
) -> dict[str, str]:
    """New names by those of the connector. A name that another tool has or had is never taken; of two that want one
    the first by its own name gets it, and the other keeps its own.
    """
    renamed: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(patches):
        wanted = patches[name].get("rename")
        if wanted and wanted != name and wanted not in tools and wanted not in taken and wanted not in aliases:
            renamed[name] = wanted
            taken.add(wanted)
    return renamed


def patched(tool: Tool, edit: Mapping[str, Any], name: str = "") -> Tool:
    """One tool under its edit, called ``name``."""
    kind: ToolClass = edit.get("class") or tool.kind
    written = edit.get("description") or tool.description
    added = edit.get("instructions") or ""
    if added:
        added = shorten(added, TOOL_LIMIT // 2)
        written = f"{as_sentence(shorten(written, TOOL_LIMIT - len(added) - 2))} {added}"
    made = replace(
        tool,
        name=(name or tool.name)[:LIMIT],
        title=edit.get("title") or tool.title,
        description=shorten(written, TOOL_LIMIT),
        kind=kind,
        hints=tool.hints if kind == tool.kind else _hints(tool.hints, kind),
        described=tool.described or bool(edit.get("description")),
    )
    return _with_arguments(made, edit)


def _hints(hints: Hints, kind: ToolClass) -> Hints:
    """What clients are told of a tool whose class an operator has set."""
    if kind == "read":
        return replace(hints, read_only=True, destructive=False, idempotent=True)
    return replace(hints, read_only=False, destructive=hints.destructive or hints.read_only)


def _with_arguments(tool: Tool, edit: Mapping[str, Any]) -> Tool:
    schema = tool.input_schema
    if isinstance(schema, bool):
        return tool
    whole = _in_shape(tool, schema, raw_schema(schema, edit)) if _patches_of(edit) else schema
    edits = edit.get("arguments") or {}
    properties: dict[str, Schema] = dict(whole.get("properties", {}))
    known = {name: each for name, each in edits.items() if name in properties}
    for name, each in known.items():
        properties[name] = _told(properties[name], each)
    whole = {**whole, "properties": properties}
    supplied = _supplied(whole, known)
    if supplied is None:
        return tool if whole == schema else replace(tool, input_schema=whole)
    gone = supplied.hidden | supplied.fixed.keys()
    return replace(
        tool,
        input_schema=_without(whole, gone, supplied),
        arguments=tuple(one for one in tool.arguments if one.name not in gone),
        supplied=supplied,
    )


def raw_schema(schema: dict[str, Any], edit: Mapping[str, Any]) -> dict[str, Any]:
    """An input schema with the schema patches of an edit, just as they say."""
    for patch in _patches_of(edit):
        schema = merged(schema, patch)
    return schema


def _in_shape(tool: Tool, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The patched schema of the arguments that there are, however old the patch is."""
    stated = after.get("properties")
    parts = stated if isinstance(stated, Mapping) else {}
    properties = {
        name: parts[name] if isinstance(parts.get(name), dict | bool) else part
        for name, part in before.get("properties", {}).items()
    }
    needed = {one.name for one in tool.arguments if one.place == "path"}
    listed = after.get("required")
    required = [name for name in properties if name in needed or (isinstance(listed, list) and name in listed)]
    kept: dict[str, Any] = {name: before[name] for name in ("type", "additionalProperties") if name in before}
    rest = {name: value for name, value in after.items() if name != "required"}
    return {**rest, "properties": properties, **({"required": required} if required else {}), **kept}


def _told(schema: Schema, edit: Mapping[str, Any]) -> Schema:
    more = {name: edit[name] for name in ("description", "default") if edit.get(name) is not None}
    if not more or schema is False:
        return schema
    return more if schema is True else {**schema, **more}


def _supplied(whole: dict[str, Any], edits: Mapping[str, Mapping[str, Any]]) -> Supplied | None:
    required = frozenset(whole.get("required", ()))
    fixed = {name: each["value"] for name, each in edits.items() if "value" in each}
    defaults = {name: each["default"] for name, each in edits.items() if "default" in each and name not in fixed}
    # An argument that is hidden and needed, with nothing to send for it, would make a tool that nobody can call.
    hidden = {name for name, each in edits.items() if each.get("hide") and name not in fixed}
    hidden = {name for name in hidden if name in defaults or name not in required}
    fixed |= {name: defaults.pop(name) for name in hidden & defaults.keys()}
    hidden -= fixed.keys()
    if not (fixed or defaults or hidden):
        return None
    return Supplied(schema=whole, fixed=fixed, defaults=defaults, hidden=frozenset(hidden))


def _without(whole: dict[str, Any], gone: Collection[str], supplied: Supplied) -> dict[str, Any]:
    """The schema that shows what is left to give: rules over several arguments are left to the one that is checked."""
    shown = {name: value for name, value in whole.items() if name not in (*_RULES, "required")}
    shown["properties"] = {name: part for name, part in whole["properties"].items() if name not in gone}
    required = [name for name in whole.get("required", ()) if name not in gone and name not in supplied.defaults]
    return {**shown, "required": required} if required else shown


def _joined(texts: Sequence[Any]) -> str:
    """Texts one after the other, none of them twice."""
    return "\n".join(dict.fromkeys(line for text in texts if text for line in str(text).split("\n")))
