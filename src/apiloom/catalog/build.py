"""Operations become tools: one operation, one tool, and an account of every operation there is.

Pure, and independent of the order in which the document lists anything. What an operation lacks costs that operation
and no other; schemas of answers are not touched here. Views, listings and reports are made from the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apiloom.base.errors import ApiloomError
from apiloom.base.values import Value, field, replace
from apiloom.catalog.controls import add_controls
from apiloom.catalog.describe import description_of, is_described, title_of
from apiloom.catalog.inputs import Inputs, Surroundings, build_inputs, undescribed
from apiloom.catalog.media import accept
from apiloom.catalog.names import full_path, resolve_names
from apiloom.catalog.paging import find_paging
from apiloom.catalog.paging_stated import OURS
from apiloom.catalog.pins import Pin, resolve_published
from apiloom.catalog.planner import compile_planner
from apiloom.catalog.responses import output_schema
from apiloom.catalog.semantics import class_of, hints_of, is_disguised
from apiloom.catalog.servers import BaseUrl
from apiloom.catalog.tool import Catalog, HttpBinding, LedgerLine, Paging, Tool
from apiloom.model.api import ApiModel, Operation
from apiloom.model.findings import Finding

_ANYWHERE = BaseUrl(origin="https://api.invalid")
"""Where a trial plan goes: only whether an operation can be sent at all is asked, never where to."""


class CatalogOptions(Value, frozen=True, kw_only=True):
    """``require_descriptions`` is the documentation gate: operations that no human described are gated.

    ``pagination`` says of operations, by their keys, how they are paged, as ``x-apiloom-pagination`` would.
    """

    require_descriptions: bool = False
    pagination: Mapping[str, Any] = field(default_factory=dict)


class _Naming(Value, frozen=True):
    """What a tool is called, and what its arguments were called before."""

    tool: str
    arguments: Mapping[str, str]


def build_catalog(model: ApiModel, options: CatalogOptions | None = None, pinned: Sequence[Pin] = ()) -> Catalog:
    """The catalog of an API. Never fails for a bad operation: it is gated or quarantined, with its reason.

    ``pinned`` is what was published before: those names of tools and arguments are kept.
    """
    chosen = options or CatalogOptions()
    published = resolve_published(model.operations, pinned) if pinned else None
    names = published.names if published is not None else resolve_names(model.operations)
    tools: list[Tool] = []
    lines: list[LedgerLine] = [
        _line(one.key, one.method, one.path, "quarantined", reason=one.reason) for one in model.unreadable
    ]
    findings: list[Finding] = list(published.findings) if published is not None else []
    linked = any("link" in answer.headers for each in model.operations for answer in each.shape.responses)
    around = Surroundings(model.schemas, model.schemes, linked=linked)
    for operation in model.operations:
        naming = _Naming(names[operation.key], published.arguments(operation.key) if published is not None else {})
        line, tool = _shaped(operation, naming, around, chosen, findings)
        lines.append(line)
        if tool is not None:
            tools.append(tool)
    return Catalog(
        title=model.title,
        version=model.version,
        format=model.format,
        description=model.description,
        tools={tool.name: tool for tool in sorted(tools, key=lambda tool: tool.name)},
        schemas=model.schemas,
        schemes=model.schemes,
        ledger=tuple(sorted(lines, key=lambda line: (line.path, line.method, line.key))),
        findings=in_order(findings),
        base_url=model.base_url,
        notes=model.notes,
        aliases=published.aliases() if published is not None else {},
    )


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings without repeats, in an order that no document decides."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda one: (one.pointer, one.code, one.message)))


def _line(key: str, method: str, path: str, status: str, *, tool: str = "", reason: str = "") -> LedgerLine:
    return LedgerLine(key=key, method=method, path=path, status=status, tool=tool, reason=reason)  # type: ignore[arg-type]


def _shaped(
    operation: Operation, naming: _Naming, around: Surroundings, options: CatalogOptions, findings: list[Finding]
) -> tuple[LedgerLine, Tool | None]:
    method, path = operation.shape.method, full_path(operation)
    if operation.key in options.pagination:
        chosen = {**operation.extensions, OURS: options.pagination[operation.key]}
        operation = replace(operation, extensions=chosen)
    if options.require_descriptions and not is_described(operation):
        return _line(operation.key, method, path, "gated", reason="the document does not describe what it does"), None
    try:
        inputs = build_inputs(operation, around, naming.arguments)
        said = find_paging(operation, inputs.arguments, inputs.schema["properties"], around.pool, linked=around.linked)
        tool = _controlled(_tool(operation, naming.tool, inputs), inputs, said.paging, around, naming)
        compile_planner(tool.binding, _ANYWHERE)
    except ApiloomError as error:
        findings.append(_loss(operation, error.code, error.message))
        return _line(operation.key, method, path, "gated", reason=error.message), None
    except RecursionError:
        reason = "its schemas are nested too deeply to read"
        findings.append(_loss(operation, "catalog.too_deep", reason))
        return _line(operation.key, method, path, "quarantined", reason=reason), None
    findings += inputs.findings
    findings += _remarks(operation, inputs, around)
    if said.problem:
        message = f"{operation.key} is not paged as the document says: {said.problem}"
        findings.append(Finding(level="warning", code="catalog.pagination", message=message, pointer=operation.pointer))
    return _line(operation.key, method, path, "exposed", tool=naming.tool), tool


def _tool(operation: Operation, name: str, inputs: Inputs) -> Tool:
    shape = operation.shape
    binding = HttpBinding(
        method=shape.method,
        path=shape.path,
        fixed_query=shape.fixed_query,
        parameters=inputs.parameters,
        body=inputs.body,
        servers=shape.servers,
        own_servers=shape.own_servers,
        security=operation.security,
        accept=accept(shape.responses),
    )
    return Tool(
        name=name,
        title=title_of(operation, name),
        description=description_of(operation, inputs.notes),
        input_schema=inputs.schema,
        output_schema=output_schema(shape.responses),
        hints=hints_of(operation),
        tags=operation.tags,
        kind=class_of(operation),
        operation=operation.key,
        arguments=inputs.arguments,
        binding=binding,
        called=operation.name or "",
        described=is_described(operation),
    )


def _controlled(tool: Tool, inputs: Inputs, paging: Paging | None, around: Surroundings, naming: _Naming) -> Tool:
    """The tool with the arguments that are ours. The planner never sees them, so the binding is complete without."""
    read = tool.output_schema if tool.kind == "read" or paging is not None else None
    whole, controls = add_controls(inputs, paging, read, around.pool, naming.arguments)
    if paging is None and whole is inputs:
        return tool
    return replace(tool, input_schema=whole.schema, arguments=whole.arguments, controls=controls, paging=paging)


def _loss(operation: Operation, code: str, reason: str) -> Finding:
    return Finding(level="error", code=code, message=f"{operation.key}: {reason}", pointer=operation.pointer)


def _remarks(operation: Operation, inputs: Inputs, around: Surroundings) -> list[Finding]:
    found = []
    if not is_described(operation):
        message = f"{operation.key} has neither summary nor description; one is made up from its name and path"
        found.append(Finding(level="warning", code="catalog.undescribed", message=message, pointer=operation.pointer))
    missing = undescribed(inputs, around.pool)
    if missing:
        named = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        message = f"{operation.key} does not describe {named}"
        code = "catalog.undescribed_arguments"
        found.append(Finding(level="note", code=code, message=message, pointer=operation.pointer))
    if is_disguised(operation):
        message = f"{operation.key} is named like an action although its method is safe; it is not called read only"
        found.append(Finding(level="warning", code="catalog.disguised", message=message, pointer=operation.pointer))
    return found
