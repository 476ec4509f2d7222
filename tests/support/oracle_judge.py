"""Judges a call: did the bytes at the socket say what the arguments said, by the document alone?

Brings together what the wire says (``oracle``), what the document says (``oracle_document``) and the arguments; it
imports nothing of the package. All it takes from there is where each argument belongs, as ``inspect --json`` tells it.
Cells that OpenAPI leaves open are read as ``docs/requests.md`` promises them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from support import oracle
from support.oracle import Described, MisreadError, Recorded, said
from support.oracle_alike import Exactly, difference, differences
from support.oracle_bodies import BodyReader, declared
from support.oracle_document import NOT_PARAMETERS, Document, Operation, Parameter, bases

OWN_HEADERS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "host", "transfer-encoding"}
    | {"user-agent"}
)
"""Headers that belong to the message and to whoever sends it, not to the arguments."""

HOUSE_HEADERS = frozenset({*NOT_PARAMETERS, *OWN_HEADERS} - {"cookie", "user-agent"}) | {
    *("expect", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("te", "trailer", "upgrade"),
}
"""Header parameters that no argument sets, as ``docs/tools.md`` says."""

_ABSENT = object()
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True)
class Place:
    """Where an argument belongs: ``name`` is the parameter's or a JSON Pointer into the body; ``rest`` adds members."""

    place: str
    name: str
    rest: bool = False


@dataclass(frozen=True)
class Asked:
    """A call that was made."""

    document: Document
    operation: Operation
    places: Mapping[str, Place]
    arguments: Mapping[str, Any]

    def value_of(self, place: str, name: str) -> Any:
        """The argument for a parameter; ``_ABSENT`` when none was given."""
        for argument, where in self.places.items():
            if (where.place, where.name) == (place, name) and argument in self.arguments:
                return self.arguments[argument]
        return _ABSENT


def lost_arguments(document: Document, operation: Operation, places: Mapping[str, Place]) -> Iterator[str]:
    """Parameters that no argument stands for, and arguments that stand for no parameter."""
    known = {(where.place, where.name) for where in places.values()}
    described = {(each.place, each.name) for each in operation.parameters}
    for place, name in sorted(described - known):
        hidden = (place, name.lower()) in document.keys or (place == "header" and name.lower() in HOUSE_HEADERS)
        if not hidden and not (place in ("header", "cookie") and not _TOKEN.fullmatch(name)):
            yield f"the {place} parameter {name!r} has no argument"
    for place, name in sorted(known - described):
        if place in ("path", "query", "header", "cookie", "querystring"):
            yield f"the {place} argument {name!r} is none of the document's"
    if any(where.place == "body" for where in places.values()) and not operation.media:
        yield "there are arguments of a body, but the document has none"


def mistakes(asked: Asked, raw: bytes, origin: str, base: str) -> list[str]:
    """What is wrong with a request; nothing when it says exactly what the arguments say.

    ``origin`` is where it was to go, ``base`` the URL that the caller gave in place of the document's servers.
    """
    try:
        return list(_mistakes(asked, oracle.parse_request(raw), origin, base))
    except (MisreadError, ValueError, KeyError, IndexError) as error:
        return [f"{type(error).__name__}: {error}"[:400]]


def _mistakes(asked: Asked, recorded: Recorded, origin: str, base: str) -> Iterator[str]:
    operation = asked.operation
    if recorded.method != operation.method:
        yield f"the method is {recorded.method}"
    path, query = oracle.well_formed(recorded)
    yield from _about_place(asked, path, origin, base)
    for pair in operation.fixed:
        first, _, query = query.partition("&")
        if oracle.uri_literal(pair.replace("&", "")) != first and oracle.form_decoded(first) != oracle.form_decoded(
            pair
        ):
            yield f"{pair!r} of the path's query is not said"
    yield from _about_parameters(asked, recorded, query)
    yield from _about_headers(operation, recorded)
    yield from _about_body(asked, recorded)
    yield from _about_types(asked)


def _about_place(asked: Asked, path: str, origin: str, base: str) -> Iterator[str]:
    """Origin, folder and path."""
    operation = asked.operation
    candidates = bases(operation, base) if operation.own or not base else [base]
    if not candidates:
        yield f"it went to {origin}, but nothing says where the API answers"
        return
    where = urlsplit(candidates[0])
    if f"{where.scheme.lower()}://{_netloc(where.scheme.lower(), where.netloc)}" != origin:
        yield f"it went to {origin} instead of {candidates[0]}"
    template = oracle.uri_literal(where.path.rstrip("/")) + operation.template
    described, wanted = [], {}
    for each in operation.parameters:
        if each.place == "path":
            value = asked.value_of("path", each.name)
            described.append(_described(each, value))
            wanted[f"path.{each.name}"] = _wanted(each, value)
    nearest: list[str] | None = None
    for found in oracle.path_readings(path, template, described):
        told = differences(found, wanted)
        # Of several ways to read a path, the one that comes nearest is what was meant.
        nearest = told if nearest is None or len(told) < len(nearest) else nearest
        if not nearest:
            return
    yield from (nearest or ())[:1]


def _netloc(scheme: str, netloc: str) -> str:
    return netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(scheme, ":"))


def _about_parameters(asked: Asked, recorded: Recorded, query: str) -> Iterator[str]:
    described, wanted = [], {}
    for each in asked.operation.parameters:
        value = asked.value_of(each.place, each.name)
        if each.place == "path":
            continue
        if value is _ABSENT:
            if each.required and (each.place, each.name.lower()) not in asked.document.keys and not _is_own(each):
                yield f"the required {each.place} parameter {each.name!r} is not said"
            continue
        if value is None and each.allow_empty:
            value = ""
        if isinstance(value, list | dict) and not value and not each.media_type and each.place != "querystring":
            if not each.allow_empty:
                continue
            value = ""
        described.append(_described(each, value))
        wanted[f"{each.place}.{each.name}"] = _wanted(each, value)
    if _spread_alike(described):
        yield from _about_mingled(query, described, wanted)
        described = [each for each in described if each.place != "query"]
        wanted = {key: value for key, value in wanted.items() if not key.startswith("query.")}
        query = ""
    found = oracle.read_outside_path(recorded, query, described)
    if told := difference(found, wanted):
        yield told


def _spread_alike(described: Sequence[Described]) -> bool:
    """Whether the document has several parameters of the query say themselves under one name."""
    names = [name for each in described if each.place == "query" for name in _names(each)]
    return len(set(names)) < len(names)


def _names(described: Described) -> list[str]:
    spread = described.shape == "object" and described.style == "form" and described.explode
    return sorted(described.members or ()) if spread and not described.media_type else [described.name]


def _about_mingled(query: str, described: Sequence[Described], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Nobody can tell whose such a pair is; what can be told is that all of them are there, in any order."""
    pairs = []
    for each in described:
        value = wanted.get(f"query.{each.name}")
        members = value if isinstance(value, dict) and each.name not in _names(each) else {each.name: value}
        for name, member in members.items() if each.place == "query" else ():
            pairs += [(name, item) for item in (member if isinstance(member, list) else [member])]
    if sorted(map(repr, pairs)) != sorted(map(repr, parse_qsl(query, keep_blank_values=True))):
        yield f"the query {query[:160]!r} is not {pairs!r}"[:400]


def _is_own(parameter: Parameter) -> bool:
    return parameter.place == "header" and parameter.name.lower() in HOUSE_HEADERS


def _described(parameter: Parameter, value: Any) -> Described:
    """A parameter in the shape its value has: a schema may admit several."""
    shape = "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "scalar"
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return Described(
        name=parameter.name,
        place=parameter.place,  # type: ignore[arg-type]
        style=parameter.style,
        explode=parameter.explode,
        shape=shape,  # type: ignore[arg-type]
        media_type=parameter.media_type,
        members=frozenset(value) if isinstance(value, dict) else None,
        nested=any(isinstance(each, list | dict) for each in inside) and parameter.explode and not parameter.media_type,
    )


def _wanted(parameter: Parameter, value: Any) -> Any:
    if "json" in parameter.media_type:
        return Exactly(value)
    if parameter.place == "querystring" and isinstance(value, dict):
        # In a form that nobody described, a list of one is a text.
        return {
            name: said(each[0] if isinstance(each, list) and len(each) == 1 else each) for name, each in value.items()
        }
    return said(value)


def _about_headers(operation: Operation, recorded: Recorded) -> Iterator[str]:
    described = {each.name.lower() for each in operation.parameters if each.place == "header"}
    for name, _ in recorded.headers:
        if name.lower() not in OWN_HEADERS | described:
            yield f"the header {name} is nobody's"
    if recorded.header("host") is None:
        yield "there is no Host"


def _about_types(asked: Asked) -> Iterator[str]:
    """Arguments whose types the document does not admit: our own schema would be wrong then."""
    for each in asked.operation.parameters:
        value = asked.value_of(each.place, each.name)
        if value is _ABSENT or (value in (None, "") and each.allow_empty):
            continue
        if told := asked.document.schemas.misfit(each.schema, value):
            yield f"the {each.place} argument {each.name!r} {told}"


def wanted_body(asked: Asked) -> Any:
    """The body that the arguments make; ``_ABSENT`` when none of them is part of it."""
    whole: Any = _ABSENT
    for argument, value in asked.arguments.items():
        where = asked.places[argument]
        if where.place != "body":
            continue
        if where.rest:
            whole = {} if whole is _ABSENT else whole
            whole.update(value)
        elif where.name == "":
            return value
        else:
            whole = {} if whole is _ABSENT else whole
            whole[where.name[1:].replace("~1", "/").replace("~0", "~")] = value
    return whole


def _about_body(asked: Asked, recorded: Recorded) -> Iterator[str]:
    wanted, operation = wanted_body(asked), asked.operation
    if wanted is _ABSENT and recorded.body is None and recorded.header("content-type") is None:
        if operation.body_required and any(where.place == "body" for where in asked.places.values()):
            yield "the required body is not there"
        return
    if wanted is _ABSENT and not operation.body_required:
        yield "there is a body, but none was given"
        return
    written = recorded.header("content-type") or ""
    media = declared(operation.media, written)
    if media is None:
        yield f"Content-Type {written!r} is none of {[each.type for each in operation.media]}"
        return
    wanted = {} if wanted is _ABSENT else wanted
    yield from BodyReader(asked.document, media, written).mistakes(recorded.body or b"", wanted)
