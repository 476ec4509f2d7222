"""An operation's parameters and body become one flat list of arguments, with the way back.

Security parameters and the headers that HTTP or we ourselves own never become arguments. The canonical input schema is
rooted in an object that refuses what it does not name; references into the document's definitions are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.base.values import Value, field, replace
from apiloom.catalog.arguments import Wanted, assign
from apiloom.catalog.bodies_in import REST, WHOLE, BodyShape, shape_body
from apiloom.catalog.parts_in import Field
from apiloom.catalog.shapes import Pool, flat
from apiloom.catalog.tool import Argument, BoundBody, BoundField, BoundParameter
from apiloom.model.api import Operation, Parameter, Schema, SecurityScheme
from apiloom.model.findings import Finding
from apiloom.model.headers import NOT_ARGUMENTS
from apiloom.model.schema import escape

_CREDENTIAL = re.compile(
    r"(^|[^a-z])(api[-_ ]?key|access[-_ ]?token|auth[-_ ]?token|client[-_ ]?secret)([^a-z]|$)", re.IGNORECASE
)


class Inputs(Value, frozen=True, kw_only=True):
    """What a tool takes and how it is bound."""

    schema: dict[str, Any]
    arguments: tuple[Argument, ...]
    parameters: tuple[BoundParameter, ...]
    body: BoundBody | None
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


class _Draft(Value):
    """The canonical schema while it is put together."""

    properties: dict[str, Schema] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, argument: Argument, schema: Schema, *, required: bool) -> None:
        self.arguments.append(argument)
        self.properties[argument.name] = schema
        if required:
            self.required.append(argument.name)

    def schema(self) -> dict[str, Any]:
        root: dict[str, Any] = {"type": "object", "properties": self.properties}
        if self.required:
            root["required"] = self.required
        return {**root, **self.rules, "additionalProperties": False}


class Surroundings:
    """What all operations of an API share while their arguments are shaped.

    ``schema_of`` gives one schema object for one parameter however many operations take it, so that what is made of
    it later is made once. ``linked`` says that some answer of the API tells of a Link header.
    """

    def __init__(self, pool: Pool, schemes: Mapping[str, SecurityScheme], *, linked: bool = False) -> None:
        self.pool = pool
        self.linked = linked
        self.keys = frozenset(
            (scheme.place, scheme.name.lower()) for scheme in schemes.values() if scheme.kind == "apiKey"
        )
        self._schemas: dict[int, tuple[Parameter, Schema]] = {}

    def schema_of(self, parameter: Parameter) -> Schema:
        """The parameter's schema under its own description."""
        kept = self._schemas.get(id(parameter))
        if kept is None:
            kept = self._schemas[id(parameter)] = (parameter, _described(parameter))
        return kept[1]


def build_inputs(operation: Operation, around: Surroundings, published: Mapping[str, str] | None = None) -> Inputs:
    """The arguments of an operation. ``published`` are names they had before, by their ids (see ``assign``).

    Raises:
        DesignError: ``catalog.body_unwritable``: the operation's body cannot be written; it is gated.
            ``request.method``: the method is none that an operation can have.
    """
    findings: list[Finding] = []
    shown = _shown(operation, around, findings)
    body = _body(operation, around.pool)
    wanted = [Wanted(parameter.place, parameter.name) for parameter in shown]
    names = assign([*wanted, *_wanted_by(body)], published)
    draft = _Draft()
    for parameter, name in zip(shown, names, strict=False):
        draft.add(
            Argument(name=name, place=parameter.place, original=parameter.name),
            around.schema_of(parameter),
            required=parameter.required or parameter.place == "path",
        )
    bound = _bind_body(body, names[len(shown) :], draft) if body is not None else None
    return Inputs(
        schema=draft.schema(),
        arguments=tuple(draft.arguments),
        parameters=tuple(_bound(parameter, name) for parameter, name in zip(shown, names, strict=False)),
        body=bound,
        notes=tuple(draft.notes),
        findings=tuple(findings),
    )


def _body(operation: Operation, pool: Pool) -> BodyShape | None:
    """The body, except where HTTP has none: a client sends no content with TRACE (RFC 9110 section 9.3.8)."""
    method, stated = operation.shape.method.upper(), operation.shape.body
    if method == "CONNECT":
        raise DesignError("CONNECT opens a tunnel and asks nothing of an API", code="request.method")
    if stated is None or (method == "TRACE" and not stated.required):
        return None
    if method == "TRACE":
        raise DesignError("a TRACE request carries no body, and it needs one", code="catalog.body_unwritable")
    return shape_body(stated, pool)


def _wanted_by(body: BodyShape | None) -> list[Wanted]:
    if body is None:
        return []
    others = [Wanted("body", one.name, f"={one.media_type}") for one in body.others]
    if body.whole is not None:
        return [Wanted("body", WHOLE, "="), *others]
    named = [Wanted("body", one.name, f"/{escape(one.name)}") for one in body.fields]
    return [*named, *([Wanted("body", REST, "*")] if body.rest is not None else []), *others]


def _bound(parameter: Parameter, name: str) -> BoundParameter:
    return BoundParameter(
        argument=name,
        name=parameter.name,
        place=parameter.place,
        style=parameter.style,
        explode=parameter.explode,
        required=parameter.required or parameter.place == "path",
        allow_reserved=parameter.allow_reserved,
        allow_empty=parameter.allow_empty,
        slashes=parameter.slashes,
        nesting=parameter.nesting,
        media_type=parameter.media_type,
        encodings=parameter.encodings,
    )


def _described(parameter: Parameter) -> Schema:
    """The parameter's schema under the parameter's own description, which says more than that of a shared type."""
    schema = parameter.schema
    extra: dict[str, Any] = {}
    if parameter.description:
        extra["description"] = parameter.description
    if parameter.deprecated:
        extra["deprecated"] = True
    if parameter.allow_empty and parameter.place == "query" and not _takes_empty_text(schema):
        return {"anyOf": [schema, {"type": "string", "maxLength": 0}], **extra}
    if not extra:
        return schema
    return extra if schema is True else schema if schema is False else {**schema, **extra}


def _takes_empty_text(schema: Schema) -> bool:
    if isinstance(schema, bool):
        return schema
    return schema.get("type") == "string" and not schema.keys() & {"const", "enum", "format", "minLength", "pattern"}


def _shown(operation: Operation, around: Surroundings, findings: list[Finding]) -> list[Parameter]:
    shown: dict[tuple[str, str], Parameter] = {}
    for parameter in operation.shape.parameters:
        if _is_hidden(parameter, around.keys) or not _can_be_given(parameter.schema, required=parameter.required):
            continue
        if _is_credential(parameter.name):
            message = (
                f"the {parameter.place} parameter {parameter.name[:80]!r} looks like a credential but belongs to no "
                "security scheme, so the model is asked for it"
            )
            code = "catalog.credential_parameter"
            findings.append(Finding(level="warning", code=code, message=message, pointer=parameter.pointer))
        shown.setdefault((parameter.place, parameter.name), parameter)
    return list(shown.values())


@lru_cache(maxsize=8192)
def _is_credential(name: str) -> bool:
    return _CREDENTIAL.search(name) is not None


def _is_hidden(parameter: Parameter, keys: frozenset[tuple[str, str]]) -> bool:
    name = parameter.name.lower()
    if parameter.place == "header" and name in NOT_ARGUMENTS:
        return True
    return (parameter.place, name) in keys


def _bind_body(body: BodyShape, names: list[str], draft: _Draft) -> BoundBody:
    if not body.others:
        return _bind_one(body, names, draft)
    at = len(names) - len(body.others)
    before = len(draft.arguments)
    # With a choice of bodies, what one of them needs is only needed where it is the one given.
    bound = replace(_bind_one(replace(body, required=False), names[:at], draft), required=body.required)
    mine = [argument.name for argument in draft.arguments[before:]]
    others = [
        replace(_bind_one(_instead(one), [name], draft), required=True)
        for one, name in zip(body.others, names[at:], strict=True)
    ]
    needed = [one.argument for one in bound.fields if one.required] if not bound.whole else [bound.whole]
    if body.required and needed:
        draft.rules["anyOf"] = [{"required": needed}, *({"required": [name]} for name in names[at:])]
    instead = "; ".join(f"{name} ({one.media_type})" for name, one in zip(names[at:], body.others, strict=True))
    draft.notes.append(f"Instead of {_told(mine)} ({body.media_type}) give: {instead}.")
    return replace(bound, others=tuple(others))


def _instead(body: BodyShape) -> BodyShape:
    return replace(body, required=False, description=f"The body as {body.media_type}, instead of the other arguments.")


def _told(names: list[str]) -> str:
    return _listed(names) if 0 < len(names) <= 8 else "the other body arguments"


def _bind_one(body: BodyShape, names: list[str], draft: _Draft) -> BoundBody:
    if body.whole is not None:
        schema = _whole(body)
        draft.add(Argument(name=names[0], place="body", original=""), schema, required=body.required)
        return BoundBody(
            media_type=body.media_type,
            required=body.required,
            whole=names[0],
            fields=tuple(_bound_field(one, names[0]) for one in body.fields),
            binary=body.binary,
            encodings=body.encodings,
            xml=body.xml,
            positions=tuple(_bound_field(one, names[0]) for one in body.positions),
        )
    by_member = {one.name: name for one, name in zip(body.fields, names, strict=False)}
    fields = [one for one in body.fields if _can_be_given(one.schema, required=one.required)]
    for one in fields:
        argument = Argument(name=by_member[one.name], place="body", original=f"/{escape(one.name)}")
        draft.add(argument, one.schema, required=one.required and body.required)
    rest = names[-1] if body.rest is not None else ""
    _add_rules(body, by_member, rest, draft)
    if body.rest is not None:
        draft.add(Argument(name=rest, place="body", original=""), _rest(body), required=False)
    return BoundBody(
        media_type=body.media_type,
        required=body.required,
        fields=tuple(replace(_bound_field(one, by_member[one.name]), required=one.required) for one in fields),
        rest=rest,
        encodings=body.encodings,
        xml=body.xml,
    )


def _can_be_given(schema: Schema, *, required: bool) -> bool:
    """A schema of ``false`` forbids what it stands for: asking a model for it would only get the call refused."""
    return schema is not False or required


def _bound_field(one: Field, argument: str) -> BoundField:
    return BoundField(argument=argument, name=one.name, kind=one.kind, encoding=one.encoding, xml=one.xml)


def _whole(body: BodyShape) -> Schema:
    schema = body.whole if body.whole is not None else True
    if not body.description or (isinstance(schema, dict) and schema.get("description")):
        return schema
    return (
        {**schema, "description": body.description} if isinstance(schema, dict) else {"description": body.description}
    )


def _rest(body: BodyShape) -> Schema:
    """Further members: they may not repeat a named one, or the body would say two things at once."""
    taken = [one.name for one in body.fields]
    return {
        "type": "object",
        "description": "Further members of the body, by name.",
        "additionalProperties": body.rest,
        "propertyNames": {"not": {"enum": taken}},
    }


def _add_rules(body: BodyShape, by_member: Mapping[str, str], rest: str, draft: _Draft) -> None:
    """Rules that span members: they hold as soon as there is a body at all."""
    together: dict[str, list[str]] = {
        by_member[name]: [by_member[other] for other in others] for name, others in body.together.items() if others
    }
    needed = [by_member[one.name] for one in body.fields if one.required]
    if needed and not body.required:
        for name in [*by_member.values(), *([rest] if rest else [])]:
            others = [other for other in needed if other != name]
            if others:
                together[name] = list(dict.fromkeys([*together.get(name, ()), *others]))
        draft.notes.append(f"If any body argument is given, {_listed(needed)} must be given too.")
    if together:
        draft.rules["dependentRequired"] = together
    for union, lead, groups in (("anyOf", "at least", body.groups), ("oneOf", "exactly", body.choices)):
        for group in groups:
            sets = [[by_member[name] for name in names] for names in group]
            if body.required:
                draft.rules.setdefault("allOf", []).append({union: [{"required": names} for names in sets]})
            if len(sets) <= 12:
                told = "; ".join(" with ".join(names) for names in sets)
                draft.notes.append(f"Give {lead} one of: {told}.")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def undescribed(inputs: Inputs, pool: Pool) -> list[str]:
    """The arguments that nobody described, by name."""
    return [name for name, schema in inputs.schema["properties"].items() if not _is_described(schema, pool)]


def _is_described(schema: Schema, pool: Pool) -> bool:
    if isinstance(schema, bool):
        return False
    return bool(schema.get("description")) or bool("$ref" in schema and flat(schema, pool).get("description"))
