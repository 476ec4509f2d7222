"""Tools, as they were read, as plain JSON and back: one text for each tool, which is decoded when first used.

Members that have their default are left out, which halves the text. Who keeps the texts, and where, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiloom.base import json
from apiloom.base.values import Value
from apiloom.catalog.tool import (
    Argument,
    BoundBody,
    BoundField,
    BoundParameter,
    Controls,
    Hints,
    HttpBinding,
    Paging,
    Tool,
    ToolClass,
    XmlNode,
)
from apiloom.catalog.traits import Trait
from apiloom.model.api import Encoding, SecurityNeed, SecurityScheme, Server, ServerVariable

Plain = dict[str, Any]

_PARAMETER = ("argument", "name", "place", "style", "explode")
_PARAMETER_EXTRAS = ("required", "allow_reserved", "allow_empty", "slashes", "nesting", "media_type")
_ENCODING = ("content_type", "style", "explode", "allow_reserved", "nesting", "headers")
_XML = ("type", "name", "prefix", "namespace", "members", "further", "first", "items")
_CONTROLS = ("cursor", "max_items", "fields")
_PAGING = (
    "style",
    "argument",
    "size",
    "next",
    "items",
    "more",
    "total",
    "pages",
    "first",
    "usual",
    "most",
    "rule",
)
_NONE = Controls()
_HINTS = ("read_only", "destructive", "idempotent", "open_world")
_SCHEME = ("id", "kind", "place", "name", "scheme", "description")


def tool_to_json(tool: Tool) -> bytes:
    """One tool as JSON text, members of its schemas in their own order."""
    return json.dumps(tool_to_plain(tool))


def tool_to_plain(tool: Tool) -> Plain:
    """One tool as plain JSON."""
    plain: Plain = {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "input": tool.input_schema,
        "output": tool.output_schema,
        "hints": _row(tool.hints, _HINTS),
        "tags": tool.tags,
        "kind": tool.kind,
        "operation": tool.operation,
        "called": tool.called,
        "arguments": [[one.name, one.place, one.original] for one in tool.arguments],
        "binding": _binding_out(tool.binding),
    }
    if tool.controls != _NONE:
        plain["controls"] = _row(tool.controls, _CONTROLS)
    if not tool.described:
        plain["undescribed"] = True
    if tool.paging is not None:
        plain["paging"] = _row(tool.paging, _PAGING)
    return plain


def tool_from_json(text: bytes) -> Tool:
    """The tool of a text made by :func:`tool_to_json`.

    Raises:
        ValueError, KeyError, TypeError: the text is not one of ours.
    """
    plain = json.loads(text)
    return Tool(
        name=plain["name"],
        title=plain["title"],
        description=plain["description"],
        input_schema=plain["input"],
        output_schema=plain["output"],
        hints=Hints(**dict(zip(_HINTS, plain["hints"], strict=True))),
        tags=tuple(plain["tags"]),
        kind=plain["kind"],
        operation=plain["operation"],
        called=plain["called"],
        arguments=tuple(Argument(name=row[0], place=row[1], original=row[2]) for row in plain["arguments"]),
        binding=_binding_in(plain["binding"]),
        controls=Controls(**dict(zip(_CONTROLS, plain.get("controls", ()), strict=False))),
        paging=Paging(**dict(zip(_PAGING, plain["paging"], strict=True))) if "paging" in plain else None,
        described="undescribed" not in plain,
    )


class _Told(Value, frozen=True, kw_only=True):
    """The members of a tool's text that its trait is made of."""

    name: str
    kind: ToolClass
    operation: str
    hints: tuple[bool, bool, bool, bool]
    tags: tuple[str, ...] = ()
    undescribed: bool = False


_read_told = json.reader(_Told)


def trait_from_json(text: bytes) -> Trait:
    """The trait of a tool's text, in a small part of the time and room that the tool takes.

    Raises:
        ValueError: the text is not one of ours.
    """
    told = _read_told(text)
    return Trait(
        name=told.name,
        kind="custom" if told.kind == "read" and not told.hints[0] else told.kind,
        operation=told.operation,
        tags=told.tags,
        described=not told.undescribed,
    )


def scheme_to_json(scheme: SecurityScheme) -> Plain:
    """A security scheme as plain JSON; it holds no secret."""
    return {**{name: getattr(scheme, name) for name in _SCHEME}, "details": dict(scheme.details)}


def scheme_from_json(plain: Plain) -> SecurityScheme:
    """The scheme of a value made by :func:`scheme_to_json`.

    Raises:
        KeyError, TypeError: the value is not one of ours.
    """
    return SecurityScheme(**{name: plain[name] for name in _SCHEME}, details=plain["details"])


def _row(value: object, names: Iterable[str]) -> list[Any]:
    return [getattr(value, name) for name in names]


def _binding_out(binding: HttpBinding) -> Plain:
    plain: Plain = {"method": binding.method, "path": binding.path, "accept": binding.accept}
    if binding.fixed_query:
        plain["fixed_query"] = binding.fixed_query
    if binding.parameters:
        plain["parameters"] = [_parameter_out(one) for one in binding.parameters]
    if binding.body is not None:
        plain["body"] = _body_out(binding.body)
    if binding.servers:
        plain["servers"] = [_server_out(one) for one in binding.servers]
    if binding.own_servers:
        plain["own_servers"] = True
    if binding.security:
        plain["security"] = binding.security
    return plain


def _binding_in(plain: Plain) -> HttpBinding:
    return HttpBinding(
        method=plain["method"],
        path=plain["path"],
        accept=plain["accept"],
        fixed_query=plain.get("fixed_query", ""),
        parameters=tuple(_parameter_in(row) for row in plain.get("parameters", ())),
        body=_body_in(plain["body"]) if "body" in plain else None,
        servers=tuple(_server_in(one) for one in plain.get("servers", ())),
        own_servers=plain.get("own_servers", False),
        security=tuple(_need_in(need) for need in plain.get("security", ())),
    )


def _need_in(need: list[Any]) -> SecurityNeed:
    return tuple((scheme, tuple(scopes)) for scheme, scopes in need)


def _parameter_out(parameter: BoundParameter) -> list[Any]:
    row = _row(parameter, _PARAMETER)
    extras = {name: value for name in _PARAMETER_EXTRAS if (value := getattr(parameter, name))}
    if parameter.encodings:
        extras["encodings"] = _encodings_out(parameter.encodings)
    return [*row, extras] if extras else row


def _parameter_in(row: list[Any]) -> BoundParameter:
    argument, name, place, style, explode, *extras = row
    more = dict(extras[0]) if extras else {}
    if "encodings" in more:
        more["encodings"] = _encodings_in(more["encodings"])
    return BoundParameter(argument=argument, name=name, place=place, style=style, explode=explode, **more)


def _body_out(body: BoundBody) -> Plain:
    plain: Plain = {"media_type": body.media_type, "required": body.required}
    for name in ("whole", "rest", "binary"):
        if value := getattr(body, name):
            plain[name] = value
    for name in ("fields", "positions"):
        if fields := getattr(body, name):
            plain[name] = [_field_out(one) for one in fields]
    if body.encodings:
        plain["encodings"] = _encodings_out(body.encodings)
    if body.xml:
        plain["xml"] = _xml_out(body.xml)
    if body.others:
        plain["others"] = [_body_out(one) for one in body.others]
    return plain


def _body_in(plain: Plain) -> BoundBody:
    return BoundBody(
        media_type=plain["media_type"],
        required=plain["required"],
        whole=plain.get("whole", ""),
        rest=plain.get("rest", ""),
        binary=plain.get("binary", False),
        fields=tuple(_field_in(row) for row in plain.get("fields", ())),
        positions=tuple(_field_in(row) for row in plain.get("positions", ())),
        encodings=_encodings_in(plain.get("encodings", {})),
        xml=_xml_in(plain.get("xml", ())),
        others=tuple(_body_in(one) for one in plain.get("others", ())),
    )


def _field_out(one: BoundField) -> list[Any]:
    row = [one.argument, one.name, one.kind, one.required, _encoding_out(one.encoding)]
    return [*row, _xml_out(one.xml)] if one.xml else row


def _field_in(row: list[Any]) -> BoundField:
    argument, name, kind, required, encoding, *xml = row
    return BoundField(
        argument=argument,
        name=name,
        kind=kind,
        required=required,
        encoding=_encoding_in(encoding),
        xml=_xml_in(xml[0]) if xml else (),
    )


def _xml_out(nodes: Iterable[XmlNode]) -> list[list[Any]]:
    return [_row(node, _XML) for node in nodes]


def _xml_in(rows: Iterable[list[Any]]) -> tuple[XmlNode, ...]:
    return tuple(_node_in(dict(zip(_XML, row, strict=True))) for row in rows)


def _node_in(plain: Plain) -> XmlNode:
    members = tuple((name, index) for name, index in plain.pop("members"))
    return XmlNode(**{**plain, "first": tuple(plain["first"])}, members=members)


def _encoding_out(encoding: Encoding | None) -> list[Any] | None:
    return None if encoding is None else _row(encoding, _ENCODING)


def _encoding_in(row: list[Any] | None) -> Encoding | None:
    if row is None:
        return None
    plain = dict(zip(_ENCODING, row, strict=True))
    return Encoding(**{**plain, "headers": tuple((name, value) for name, value in plain["headers"])})


def _encodings_out(encodings: Mapping[str, Encoding]) -> Plain:
    return {name: _encoding_out(encoding) for name, encoding in encodings.items()}


def _encodings_in(plain: Plain) -> dict[str, Encoding]:
    return {name: _encoding_in(row) or Encoding() for name, row in plain.items()}


def _server_out(server: Server) -> list[Any]:
    variables: Mapping[str, ServerVariable] = server.variables
    return [
        server.url,
        server.description,
        {name: [one.default, one.enum, one.description] for name, one in variables.items()},
    ]


def _server_in(row: list[Any]) -> Server:
    url, description, variables = row
    return Server(
        url=url,
        description=description,
        variables={
            name: ServerVariable(default=default, enum=tuple(enum), description=text)
            for name, (default, enum, text) in variables.items()
        },
    )
