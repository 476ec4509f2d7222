"""Edits survive a new version: what an edit was made on is compared with what stands there now.

Three values meet in each place: what the connector had when the edit was made (``base``), what it has now, and the
edit. The edit always stays; where the connector changed in the meantime, a finding says so. What is gone keeps its
edit, asleep. Nothing is ever lost or decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiloom.base import json
from apiloom.catalog.overlaid import Patch
from apiloom.catalog.tool import Tool
from apiloom.model.findings import Finding
from apiloom.model.schema import escape

_WORDS = {"title": "title", "description": "description", "class": "kind"}


def base_of(patch: Patch, tools: Mapping[str, Tool], aliases: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the places that a patch changes hold now, as plain JSON to be kept beside it."""
    found: dict[str, Any] = {}
    for stated, edit in (patch.get("tools") or {}).items():
        tool = tools.get(stated) or tools.get((aliases or {}).get(stated, ""))
        if tool is not None:
            found[stated] = _held(tool, edit)
    return {"tools": found}


def rebase(
    patch: Patch, base: Patch, tools: Mapping[str, Tool], aliases: Mapping[str, str] | None = None
) -> tuple[Patch, tuple[Finding, ...]]:
    """The patch for the tools there are now, and what is worth knowing: conflicts, and edits that sleep.

    ``pointer`` of a finding points into the patch. Findings are sorted by it.
    """
    further = aliases or {}
    held = base.get("tools") or {}
    findings: list[Finding] = []
    for stated, edit in (patch.get("tools") or {}).items():
        place = f"/tools/{escape(stated)}"
        name = stated if stated in tools else further.get(stated, "")
        if name not in tools:
            told = f"the tool {stated} is gone; its edit is kept and sleeps until it comes back"
            findings.append(Finding(level="warning", code="overlay.gone", message=told, pointer=place))
            continue
        findings += _compared(tools[name], edit, held.get(stated) or {}, place)
        new = edit.get("rename")
        if new and new != name and (new in tools or new in further):
            told = f"{name} cannot be called {new} any more, another tool is; it keeps its own name"
            findings.append(Finding(level="error", code="overlay.taken", message=told, pointer=f"{place}/rename"))
    return patch, tuple(sorted(findings, key=lambda one: (one.pointer, one.code)))


def _held(tool: Tool, edit: Patch) -> dict[str, Any]:
    held: dict[str, Any] = {"operation": tool.operation}
    held |= {name: getattr(tool, member) for name, member in _WORDS.items() if edit.get(name) is not None}
    schema = tool.input_schema if isinstance(tool.input_schema, dict) else {}
    if edit.get("arguments"):
        held["arguments"] = {name: _argument(schema, name, each) for name, each in edit["arguments"].items()}
    if edit.get("schema") is not None:
        held["schema"] = _picked(schema, edit["schema"])
    return held


def _argument(schema: Mapping[str, Any], name: str, edit: Patch) -> dict[str, Any] | None:
    """What an edit of an argument rests on; None where there is no such argument."""
    properties = schema.get("properties", {})
    if name not in properties:
        return None
    part = properties[name]
    held: dict[str, Any] = {}
    if edit.get("description") is not None:
        held["description"] = part.get("description", "") if isinstance(part, dict) else ""
    if "value" in edit or "default" in edit:
        told = {key: value for key, value in part.items() if key != "description"} if isinstance(part, dict) else part
        held["schema"] = json.digest(told)
    if edit.get("hide"):
        held["required"] = name in schema.get("required", ())
    return held


def _picked(value: Any, patch: Any) -> Any:
    """Of a value only what a merge patch would change; null where nothing is."""
    if not isinstance(patch, Mapping):
        return value
    return {
        name: _picked(value.get(name) if isinstance(value, Mapping) else None, inner) for name, inner in patch.items()
    }


def _compared(tool: Tool, edit: Patch, base: Patch, place: str) -> Iterator[Finding]:
    now = _held(tool, edit)
    if "operation" in base and base["operation"] != now["operation"]:
        yield _conflict(place, f"{tool.name} was {base['operation']} when it was edited and is {now['operation']} now")
    for name in _WORDS:
        if name in base and name in now and base[name] != now[name] != edit.get(name):
            yield _conflict(f"{place}/{name}", f"the {name} of {tool.name} has changed since it was edited")
    if "schema" in base and base["schema"] != now.get("schema") != edit.get("schema"):
        yield _conflict(f"{place}/schema", f"the schema of {tool.name} has changed where it was edited")
    for name, before in (base.get("arguments") or {}).items():
        here = f"{place}/arguments/{escape(name)}"
        after = (now.get("arguments") or {}).get(name)
        if after is None and before is not None:
            told = f"{tool.name} takes no {name} any more; its edit is kept and sleeps until it comes back"
            yield Finding(level="warning", code="overlay.gone", message=told, pointer=here)
        elif after is not None and before is not None and before != after:
            yield from _argument_conflicts(tool, name, (before, after, edit["arguments"].get(name, {})), here)


def _argument_conflicts(tool: Tool, name: str, values: tuple[Patch, Patch, Patch], here: str) -> Iterator[Finding]:
    before, after, edit = values
    if before.get("description") != after.get("description") != edit.get("description"):
        yield _conflict(f"{here}/description", f"{tool.name} describes {name} otherwise than when it was edited")
    if before.get("schema") != after.get("schema"):
        what = "value" if "value" in edit else "default"
        yield _conflict(f"{here}/{what}", f"{tool.name} takes another kind of {name} than when its {what} was set")
    if after.get("required") and not before.get("required") and not {"value", "default"} & edit.keys():
        yield _conflict(f"{here}/hide", f"{tool.name} needs {name} now, so that it is shown again")


def _conflict(pointer: str, told: str) -> Finding:
    return Finding(level="warning", code="overlay.conflict", message=f"{told}; the edit stays", pointer=pointer)
