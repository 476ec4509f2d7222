"""Everything there is to say about a catalog, as the JSON of ``inspect --json``.

A report is complete where a listing is quick: it touches every definition of the document, so that every finding of
reading is in it, and looks at what is only seen when tools are viewed (patterns, keys that clients refuse).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apiloom.catalog.arguments import plain
from apiloom.catalog.build import in_order
from apiloom.catalog.listing import entry_of, tokens_of
from apiloom.catalog.patterns import checks_of, for_checking, for_showing
from apiloom.catalog.profiles import DEFAULT
from apiloom.catalog.score import build_score
from apiloom.catalog.tool import MOST_WITH_OUTPUT, Argument, Catalog, LedgerLine, Paging, Tool
from apiloom.catalog.views import Views
from apiloom.model.api import Schema
from apiloom.model.findings import Finding
from apiloom.model.schema import subschemas

MOST_COSTLY = 10
"""Tools whose cost is told beside the list's."""


def build_report(catalog: Catalog, profile: str = DEFAULT) -> dict[str, Any]:
    """The report of a catalog; equal catalogs give equal reports.

    Raises:
        CallerError: ``view.profile_unknown``.
    """
    findings = every_finding(catalog)
    is_long = len(catalog.tools) > MOST_WITH_OUTPUT
    views = Views(catalog.schemas, profile, is_long=is_long)
    rendered = [views.render(tool, with_output=True) for tool in catalog.tools.values()]
    listed = [entry_of(view, is_long=is_long) for view in rendered]
    cost = tokens_of(listed)
    weighed = [{**view, "tokens": tokens_of([entry]).largest} for view, entry in zip(rendered, listed, strict=True)]
    lines = {line.key: line for line in catalog.ledger}
    return {
        "api": {"title": catalog.title, "version": catalog.version, "format": catalog.format},
        "ledger": _ledger(catalog.ledger),
        "operations": [_operation(line) for line in catalog.ledger],
        "tools": [
            {**view, **_facts(tool, lines[tool.operation])}
            for view, tool in zip(weighed, catalog.tools.values(), strict=True)
        ],
        "findings": [_finding(one) for one in findings],
        "tokens": {"list": cost.list, "largest": cost.largest, "costliest": _costliest(weighed)},
        "score": build_score(catalog, weighed, findings),
    }


def every_finding(catalog: Catalog) -> tuple[Finding, ...]:
    """Findings of reading and shaping, after touching every definition, and those about schemas as they are used."""
    found = list(catalog.findings)
    found += _about_schemas(catalog)
    return in_order([*found, *catalog.notes])


def _about_schemas(catalog: Catalog) -> Iterator[Finding]:
    seen: set[str] = set()
    for name in catalog.schemas:
        yield from _about_patterns(catalog.schemas[name], f'the definition "{name}"', seen)
    for tool in catalog.tools.values():
        yield from _about_patterns(tool.input_schema, tool.operation, seen)
    for tool in catalog.tools.values():
        renamed = [one for one in tool.arguments if plain(_original(one)) != _original(one)]
        if renamed:
            named = ", ".join(f"{_original(one)[:60]} as {one.name}" for one in renamed[:8])
            more = f" and {len(renamed) - 8} more" if len(renamed) > 8 else ""
            message = f"{tool.operation} takes {named}{more}: clients refuse the original names"
            yield Finding(level="note", code="catalog.argument_renamed", message=message)


def _original(argument: Argument) -> str:
    text = argument.original
    return (
        text[1:].replace("~1", "/").replace("~0", "~") if argument.place == "body" and text else text or argument.name
    )


def _about_patterns(schema: Schema, where: str, seen: set[str]) -> Iterator[Finding]:
    stack = [schema]
    while stack:
        here = stack.pop()
        if isinstance(here, bool):
            continue
        pattern = here.get("pattern")
        if isinstance(pattern, str) and pattern not in seen:
            seen.add(pattern)
            yield from _about_pattern(pattern, where)
        stack.extend(subschemas(here))


def _about_pattern(pattern: str, where: str) -> Iterator[Finding]:
    checks, told = checks_of(pattern), pattern[:120]
    if checks is None:
        message = f"{where} has a pattern that cannot be checked, so it is not: {told}"
        yield Finding(level="warning", code="catalog.pattern", message=message)
        return
    rules = (*checks.found, *checks.absent)
    if checks.absent or len(rules) > 1 or (rules and for_checking(pattern) not in (pattern, None)):
        message = f"{where} has a pattern of another dialect, respelled: {told}"
        yield Finding(level="note", code="catalog.pattern_respelled", message=message)
    elif rules and for_showing(pattern) is None:
        message = f"{where} has a pattern that is checked but not shown, since engines differ over it: {told}"
        yield Finding(level="note", code="catalog.pattern_unshown", message=message)


def _costliest(views: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The tools that cost most, first the one that costs most of all."""
    ordered = sorted(views, key=lambda view: (-view["tokens"], view["name"]))
    return [{"tool": view["name"], "tokens": view["tokens"]} for view in ordered[:MOST_COSTLY]]


def _ledger(lines: Iterable[LedgerLine]) -> dict[str, int]:
    count = Counter(line.status for line in lines)
    return {
        "operations": count.total(),
        "exposed": count["exposed"],
        "gated": count["gated"],
        "quarantined": count["quarantined"],
    }


def _operation(line: LedgerLine) -> dict[str, Any]:
    return {
        "key": line.key,
        "method": line.method,
        "path": line.path,
        "status": line.status,
        "tool": line.tool or None,
        "reason": line.reason or None,
    }


def _facts(tool: Tool, line: LedgerLine) -> dict[str, Any]:
    return {
        "tags": list(tool.tags),
        "class": tool.kind,
        "method": line.method,
        "path": line.path,
        "arguments": {argument.name: _way_back(argument, tool) for argument in tool.arguments},
        **({"pagination": _pagination(tool.paging)} if tool.paging is not None else {}),
    }


def _pagination(paging: Paging) -> dict[str, Any]:
    """How a tool is paged: only what is known of it; an empty ``items`` means that the answer is the list."""
    told = {name: getattr(paging, name) for name in paging.__struct_fields__}
    return {name: value for name, value in told.items() if value or (name == "items" and value is not None)}


def _way_back(argument: Argument, tool: Tool) -> dict[str, Any]:
    body = tool.binding.body
    if body is not None and argument.name == body.rest:
        return {"in": "body", "pointer": "", "rest": True}
    if argument.place == "body":
        return {"in": "body", "pointer": argument.original}
    if argument.place == "control":
        return {"in": "control"}
    return {"in": argument.place, "name": argument.original}


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level,
        "code": finding.code,
        "message": finding.message,
        "pointer": finding.pointer,
    }
