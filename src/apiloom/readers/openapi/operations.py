"""One operation of a path: its parts brought together, or the reason why it cannot be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiloom.model.api import Body, HttpShape, Operation, Parameter, SecurityNeed, Server
from apiloom.readers.openapi.bodies import read_body, read_body_parameter, read_form
from apiloom.readers.openapi.parameters import Gathered, gather
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.responses import read_responses
from apiloom.readers.openapi.security import read_security
from apiloom.readers.openapi.servers import read_servers
from apiloom.readers.openapi.spot import Found, Spot, Unusable
from apiloom.readers.openapi.templates import Template, fit
from apiloom.readers.spelled import plain

_EXTENSIONS = ("x-apiloom-pagination", "x-ms-pageable", "x-speakeasy-pagination")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathItem:
    """What the operations of one path share."""

    key: str
    template: Template
    parameters: Found
    servers: tuple[Server, ...]
    summary: str
    description: str


def read_operation(reading: Reading, item: PathItem, method: str, raw: dict[str, Any], spot: Spot) -> Operation:
    """The operation under one method of a path.

    Raises:
        Unusable: it cannot be asked rightly; the reason is for the ledger.
    """
    gathered = gather(reading, item.parameters, Found(raw.get("parameters"), spot.to("parameters")))
    path, query, parameters = fit(reading, item.template, gathered.parameters, spot)
    own = read_servers(reading, raw["servers"], spot.to("servers")) if raw.get("servers") else ()
    security = _security(reading, raw, spot)
    parameters, security = _without_credentials(reading, parameters, security, spot)
    if raw.get("callbacks"):
        reading.note("note", "operation.callbacks", "callbacks are not served", spot.to("callbacks"))
    summary = reading.text(raw, "summary", spot)
    description = reading.text(raw, "description", spot)
    return Operation(
        key=f"{method} {item.key}",
        name=reading.text(raw, "operationId", spot).strip() or None,
        shape=HttpShape(
            method=method,
            path=path,
            fixed_query=query,
            parameters=tuple(parameters),
            body=_body(reading, gathered, raw, spot),
            responses=read_responses(
                reading, raw.get("responses"), spot.to("responses"), media_types(raw, "produces", reading)
            ),
            servers=own or item.servers or reading.servers,
            own_servers=bool(own or item.servers),
        ),
        summary=summary or ("" if description else item.summary),
        description=description or ("" if summary else item.description),
        tags=_tags(raw.get("tags")),
        deprecated=reading.flag(raw, "deprecated", spot) is True,
        security=security,
        extensions={name: plain(raw[name]) for name in _EXTENSIONS if name in raw},
        pointer=reading.library.notes.pointer(spot),
    )


def media_types(raw: dict[str, Any], key: str, reading: Reading) -> tuple[str, ...]:
    """``consumes`` or ``produces`` in force: the operation's own, even when empty, else the document's."""
    given = raw.get(key) if raw.get(key) is not None else reading.root.get(key)
    listed = given if isinstance(given, list) else [given]
    return tuple(dict.fromkeys(each.strip() for each in listed if isinstance(each, str) and "/" in each))


def _body(reading: Reading, gathered: Gathered, raw: dict[str, Any], spot: Spot) -> Body | None:
    body = read_body(reading, raw.get("requestBody"), spot.to("requestBody"))
    if not gathered.bodies and not gathered.fields:
        return body
    if not reading.dialect.swagger:
        message = "body and form parameters belong to Swagger 2.0; they were read as there"
        reading.note("warning", "parameter.old", message, spot)
    if body is not None or (gathered.bodies and gathered.fields):
        raise Unusable("it has more than one body", reading.library.notes.pointer(spot))
    consumes = media_types(raw, "consumes", reading)
    if gathered.bodies:
        return read_body_parameter(reading, gathered.bodies, consumes)
    return read_form(reading, gathered.fields, consumes, spot.to("parameters"))


def _tags(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for tag in value if isinstance(tag, str))) if isinstance(value, list) else ()


def _security(reading: Reading, raw: dict[str, Any], spot: Spot) -> tuple[SecurityNeed, ...]:
    own = read_security(reading, raw.get("security"), spot.to("security"))
    return own if own is not None else reading.security or ()


def _without_credentials(
    reading: Reading, parameters: list[Parameter], security: tuple[SecurityNeed, ...], spot: Spot
) -> tuple[list[Parameter], tuple[SecurityNeed, ...]]:
    """Parameters that carry a key are the signer's, not the model's.

    Where the operation does not ask for the scheme, the parameter itself is the demand.
    """
    carried = {
        (scheme.place, scheme.name.lower() if scheme.place == "header" else scheme.name): name
        for name, scheme in reading.schemes.items()
        if scheme.kind == "apiKey"
    }
    if not carried:
        return parameters, security
    needed = {name for need in security for name, _ in need}
    kept: list[Parameter] = []
    for each in parameters:
        name = carried.get((each.place, each.name.lower() if each.place == "header" else each.name))  # type: ignore[arg-type]
        if name is None:
            kept.append(each)
            continue
        message = f'the {each.place} parameter "{each.name}" is the credential of "{name}"; it was left out'
        reading.note("note", "parameter.credential", message, spot)
        if name not in needed:
            security = _joined(security, name, required=each.required)
            needed.add(name)
    return kept, security


def _joined(security: tuple[SecurityNeed, ...], name: str, *, required: bool) -> tuple[SecurityNeed, ...]:
    """The alternatives with one more scheme in each; where it is not required, as they are too."""
    alternatives = security or ((),)
    joined = tuple(tuple(sorted({*need, (name, ())})) for need in alternatives)
    return joined if required else tuple(dict.fromkeys((*joined, *alternatives)))
