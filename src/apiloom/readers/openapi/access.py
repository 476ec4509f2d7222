"""What someone must know to be let in, beyond what the document declares: told in findings once a document is read.

Which credentials nobody declared, which header says the version of the API, which operations answer at another server.
Findings only; no operation is changed here but where the document names schemes and asks for none of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from apiloom.base.values import replace
from apiloom.model.api import Operation, SecurityNeed
from apiloom.model.findings import Finding
from apiloom.model.security import place_of, shown_place
from apiloom.model.variables import variable_name
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.security_proposals import MOST_TEXT, propose, proposed_for
from apiloom.readers.openapi.spot import Spot, is_url

_MOST_OPTIONAL = 8
_VERSION = re.compile(r"(?i)(?:[a-z0-9]{1,30}-){1,5}version")
_VERSION_SAID = re.compile(
    r"(?i)(?<![\w-])((?:[a-z0-9]{1,30}-){1,5}version)[\"'`*]{0,4}\s{0,3}[:=]\s{0,3}[\"'`*]{0,4}"
    r"(v?\d[\w.-]{0,30})(?![\w-])"
)
_HEADER_NEAR = re.compile(r"(?i)\bheaders?\b|-H [\"'$]")
_NOT_VERSIONS = frozenset({"if-version", "content-version", "client-version", "app-version", "x-app-version"})


def wanting(reading: Reading, operations: Sequence[Operation]) -> list[Operation]:
    """The operations, where the document defines schemes and asks for none of them: they may be signed by any.

    A scheme is not defined for nothing; whoever gives its credential wants it used. Without one, nothing changes.
    """
    known = sorted(reading.schemes)[:_MOST_OPTIONAL]
    if not known or reading.security is not None or any(one.security for one in operations) or _says_security(reading):
        return list(operations)
    names = ", ".join(known)
    message = f"security schemes are defined ({names[:200]}) and asked for nowhere; a credential that is given is used"
    reading.note("note", "security.unused", message, Spot(reading.library.entry, ""))
    optional: tuple[SecurityNeed, ...] = (*(((name, ()),) for name in known), ())
    return [replace(one, security=optional) for one in operations]


def note_access(reading: Reading, operations: Sequence[Operation]) -> None:
    """Note what callers must be told before their first call."""
    _note_undefined(reading, operations)
    _note_one_variable(reading)
    _note_one_place(reading, operations)
    if not reading.schemes:
        _note_undeclared(reading, operations)
    _note_versions(reading, operations)
    _note_elsewhere(reading, operations)


def _says_security(reading: Reading) -> bool:
    """Whether any operation says itself what it asks for, be it nothing."""
    return any("security" in raw for raw in _raw_operations(reading))


def _raw_operations(reading: Reading) -> Iterator[dict[str, Any]]:
    """Path items and operations as the entry document holds them, in a fixed order; those of other files are not."""
    paths = reading.root.get("paths")
    for key in sorted(paths) if isinstance(paths, dict) else ():
        item = paths[key] if isinstance(paths, dict) else None
        if isinstance(item, dict):
            yield item
            yield from (item[name] for name in sorted(item) if isinstance(item[name], dict))


def _note_undefined(reading: Reading, operations: Sequence[Operation]) -> None:
    uses: dict[str, list[Operation]] = {}
    for operation in operations:
        for name in {name for need in operation.security for name, _ in need if name not in reading.schemes}:
            uses.setdefault(name, []).append(operation)
    for name in sorted(uses):
        message = (
            f'the security scheme "{name[:80]}" is not defined, and {_count(len(uses[name]))} it; if the API is signed '
            f"in the usual way, add --auth {proposed_for(name)} and set {variable_name('DEFAULT')}"
        )
        pointer = f"{uses[name][0].pointer}/security"
        finding = Finding(level="warning", code="security.undefined", message=message, pointer=pointer)
        reading.library.notes.found.append(finding)


def _note_one_variable(reading: Reading) -> None:
    """Schemes whose variable has one name, though they are not one credential."""
    names: dict[str, list[str]] = {}
    for name in sorted(reading.schemes):
        names.setdefault(variable_name(name), []).append(name)
    for variable in sorted(variable for variable, schemes in names.items() if len(schemes) > 1):
        schemes = ", ".join(f'"{name[:60]}"' for name in names[variable][:6])
        message = (
            f"the security schemes {schemes} are all read from {variable[:120]}; where they are different credentials, "
            "give them with --credentials"
        )
        reading.note("warning", "security.one_variable", message, Spot(reading.library.entry, ""))


def _note_one_place(reading: Reading, operations: Sequence[Operation]) -> None:
    """Schemes that are wanted at once and would stand in the same place of a request."""
    needs = dict.fromkeys(need for operation in operations for need in operation.security if len(need) > 1)
    told: set[tuple[tuple[str, str], tuple[str, ...]]] = set()
    for need in needs:
        places: dict[tuple[str, str], list[str]] = {}
        for name, _ in need:
            if name in reading.schemes:
                places.setdefault(place_of(reading.schemes[name]), []).append(name)
        told |= {(place, tuple(names)) for place, names in places.items() if len(names) > 1}
    for place, listed in sorted(told):
        schemes = " and ".join(f'"{name[:60]}"' for name in listed[:6])
        message = (
            f"{schemes} are asked for at once, but {shown_place(place)[:120]} holds one credential: the first one that "
            "is given is sent"
        )
        reading.note("warning", "security.one_place", message, Spot(reading.library.entry, ""))


def _count(number: int) -> str:
    return "one operation asks for" if number == 1 else f"{number:,} operations ask for"


def _note_undeclared(reading: Reading, operations: Sequence[Operation]) -> None:
    proposal = propose(operations, _reserved(reading), _texts(reading, operations))
    if proposal is not None:
        message = (
            f"the document declares no security scheme, but {proposal.because}: if calls need a credential, "
            f"add --auth {quote(proposal.auth)} and set {variable_name('DEFAULT')}"
        )
        if "," in proposal.auth:
            message += f" and {variable_name('DEFAULT_2')}"
        reading.note("warning", "security.undeclared", message, Spot(reading.library.entry, ""))


def _reserved(reading: Reading) -> list[dict[str, Any]]:
    """Header parameters called Authorization, wherever the entry document lists them; one of each is enough."""
    holders: list[object] = [raw.get("parameters") for raw in _raw_operations(reading)]
    shelf = reading.root.get("components")
    shelves = [shelf.get("parameters") if isinstance(shelf, dict) else None, reading.root.get("parameters")]
    holders += [[one[name] for name in sorted(one)] for one in shelves if isinstance(one, dict)]
    for holder in holders:
        for one in holder if isinstance(holder, list) else ():
            if isinstance(one, dict) and str(one.get("name")).lower() == "authorization":
                return [one]
    return []


def _texts(reading: Reading, operations: Sequence[Operation]) -> Iterator[str]:
    """Prose of the document, the most general first."""
    about = reading.root.get("info")
    for holder in (about, reading.root.get("externalDocs")):
        if isinstance(holder, dict) and isinstance(holder.get("description"), str):
            yield holder["description"]
    tags = reading.root.get("tags")
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, dict) and isinstance(tag.get("description"), str):
            yield tag["description"]
    for operation in operations:
        yield f"{operation.summary}\n{operation.description}"


def _note_versions(reading: Reading, operations: Sequence[Operation]) -> None:
    """Headers that say which version of the API is meant: the same on every call, and no business of a model's."""
    declared: dict[str, list[Any]] = {}
    needed: Counter[str] = Counter()
    for operation in operations:
        for one in operation.shape.parameters:
            if one.place == "header" and _VERSION.fullmatch(one.name):
                declared.setdefault(one.name.lower(), []).append(one)
                needed[one.name] += one.required
    root = Spot(reading.library.entry, "")
    for name in sorted(name for name in needed if needed[name]):
        schemas = [one.schema for one in declared[name.lower()] if isinstance(one.schema, dict)]
        value = next((said for said in map(_only_value, schemas) if said), "VALUE")
        option = f"--header {quote(f'{name}={value}')}"
        message = f"the header {name} says the version of the API; {option} sends it on every call"
        reading.note("note", "header.version", message, root)
    for name, value in _versions_said(reading, operations).items():
        if name.lower() not in declared:
            option = f"--header {quote(f'{name}={value}')}"
            message = f"the description names the header {name}, which no operation takes: add {option}"
            reading.note("warning", "header.undeclared", message, root)


def _only_value(schema: dict[str, Any]) -> str:
    enum = schema.get("enum")
    listed = [schema.get("const"), schema.get("default"), *(enum[:1] if isinstance(enum, list) else ())]
    return next((one[:40] for one in listed if isinstance(one, str) and one.isascii() and one.isprintable()), "")


def _versions_said(reading: Reading, operations: Sequence[Operation]) -> dict[str, str]:
    said: dict[str, tuple[str, str]] = {}
    left = MOST_TEXT
    for text in _texts(reading, operations):
        piece = text[:left]
        left -= len(piece)
        if "ersion" in piece:
            for found in _VERSION_SAID.finditer(piece):
                near = piece[max(found.start() - 100, 0) : found.end() + 60]
                if found[1].lower() not in _NOT_VERSIONS and _HEADER_NEAR.search(near):
                    said.setdefault(found[1].lower(), (found[1], found[2]))
        if left <= 0:
            break
    return dict(sorted(said.values()))


def _note_elsewhere(reading: Reading, operations: Sequence[Operation]) -> None:
    homes = {_origin(server.url) for server in reading.servers}
    others: Counter[str] = Counter()
    for operation in operations:
        if operation.shape.own_servers and is_url(operation.shape.servers[0].url):
            others[_origin(operation.shape.servers[0].url)] += 1
    if others and others.total() == len(operations) and len(others) == 1:
        return  # one server, told again for each path
    for origin in sorted(origin for origin in others if origin not in homes and not origin.endswith("//")):
        number = others[origin]
        message = (
            f"{'one operation answers' if number == 1 else f'{number:,} operations answer'} at {origin[:200]}, another "
            f"server than the others: credentials go there only with --trust {quote(origin[:200])}"
        )
        reading.note("note", "server.elsewhere", message, Spot(reading.library.entry, ""))


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower() if is_url(url) else ""
