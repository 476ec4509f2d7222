"""The kinds of document that state is written in: what each is named by, what it says, and what leaving out says.

Schemas are JSON Schema 2020-12 and hold no more than :func:`check` understands. Documents name each other by names that
people gave, never by ids. Knows no gateway; reading files and comparing stand above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.base.nearest import nearest
from apiloom.store.records import DEFAULT_TENANT

Json = dict[str, Any]

_TEXT = {"type": "string"}
_TEXT_OR_NONE = {"type": ["string", "null"]}
_FLAG = {"type": "boolean"}
_OBJECT = {"type": "object"}
_TEXTS = {"type": "array", "items": _TEXT}
_TEXTS_OR_NONE = {"type": ["array", "null"], "items": _TEXT}


def _told(schema: Json, description: str) -> Json:
    return {**schema, "description": description}


def _closed(properties: Json, required: tuple[str, ...] = ()) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }


_METADATA = _told(_OBJECT, "Your own JSON object.")
_EXTERNAL_ID = _told(_TEXT_OR_NONE, "Your own id for it, unique in its tenant.")
_DOCUMENT = _told(
    _closed({"file": _told(_TEXT, "Beside the file that names it."), "text": _TEXT}), "An API's document: one of these."
)
_TENANT = _told(_TEXT, "The tenant's id. Omitted: default.")
_WHOSE = _told(_TEXT, "The tenant's id. Omitted: for all tenants.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: the members that name a document, with ``{}`` for those that may be left out, and those of its spec.

    ``defaults`` are what a spec says by leaving a member out; of a member without one nothing is said then.
    """

    word: str
    description: str
    names: Mapping[str, Json]
    needed: tuple[str, ...]
    spec: Mapping[str, Json]
    spec_needed: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    of_house: bool = False


KINDS: Mapping[str, Kind] = {
    kind.word: kind
    for kind in (
        Kind(
            word="tenant",
            description="A boundary of isolation.",
            names={"name": _told(_TEXT, "Its id.")},
            needed=("name",),
            spec={"name": _told(_TEXT, "What people call it."), "external_id": _EXTERNAL_ID, "metadata": _METADATA},
            defaults={"name": "", "external_id": None, "metadata": {}},
            of_house=True,
        ),
        Kind(
            word="connector",
            description="An imported API.",
            names={"name": _told(_TEXT, "Its slug.")},
            needed=("name",),
            spec={
                "title": _told(_TEXT, "Omitted: the document's own."),
                "document": _DOCUMENT,
                "history": {
                    "type": "array",
                    "items": _DOCUMENT,
                    "description": "Documents it had before, the oldest first: they keep the names of tools.",
                },
                "url": _told(_TEXT, "Where new versions are fetched from."),
                "hash": _told(_TEXT, "Which version is meant where there is a url and no document."),
                "options": _told(_OBJECT, "How it is read and called."),
                "tenants": _told(_TEXTS_OR_NONE, "Ids of the tenants it is shown to; null or omitted: all."),
                "enabled": _FLAG,
                "trusted": _FLAG,
                "auto_promote": _FLAG,
                "metadata": _METADATA,
            },
            defaults={
                "options": {},
                "tenants": None,
                "enabled": True,
                "trusted": False,
                "auto_promote": False,
                "metadata": {},
            },
            of_house=True,
        ),
        Kind(
            word="account",
            description="A tenant's connection to a connector. Credentials are references, or left out.",
            names={
                "tenant": _TENANT,
                "connector": _told(_TEXT, "The connector's slug."),
                "name": _told(_TEXT, "Its external id, or the label of one that has none."),
            },
            needed=("connector", "name"),
            spec={
                "label": _TEXT,
                "variables": {"type": "object", "additionalProperties": _TEXT},
                "credentials": {
                    "type": "object",
                    "additionalProperties": _closed({"ref": _told(_TEXT, "env:NAME or file:PATH.")}, ("ref",)),
                    "description": "References by scheme, followed where apply runs. What is kept stays.",
                },
                "end_user": _TEXT_OR_NONE,
                "shared": _FLAG,
                "enabled": _FLAG,
                "metadata": _METADATA,
            },
            defaults={
                "label": "",
                "variables": {},
                "end_user": None,
                "shared": False,
                "enabled": True,
                "metadata": {},
            },
        ),
        Kind(
            word="oauth-client",
            description="An OAuth client of a connector. Its secret is a reference, or left out.",
            names={
                "tenant": _WHOSE,
                "connector": _told(_TEXT, "The connector's slug."),
                "scheme": _told(_TEXT, "The security scheme it serves. Omitted: every OAuth scheme."),
            },
            needed=("connector",),
            spec={
                "client_id": _TEXT,
                "provider": _told(_TEXT, "Whose known quirks count."),
                "method": _told(_TEXT, "How it proves itself."),
                "secret": _told(
                    _closed({"ref": _told(_TEXT, "env:NAME or file:PATH.")}, ("ref",)),
                    "A reference, followed where apply runs. What is kept stays, unless it leads elsewhere.",
                ),
                "scopes": _TEXTS,
                "endpoints": {"type": "object", "additionalProperties": _TEXT},
                "parameters": {"type": "object", "additionalProperties": _TEXT},
                "label": _TEXT,
            },
            spec_needed=("client_id",),
            defaults={"provider": "", "method": "", "scopes": [], "endpoints": {}, "parameters": {}, "label": ""},
        ),
        Kind(
            word="toolset",
            description="A named group of a connector's tools.",
            names={"tenant": _WHOSE, "connector": _told(_TEXT, "The connector's slug."), "name": _TEXT},
            needed=("connector", "name"),
            spec={
                "title": _TEXT,
                "description": _TEXT,
                "select": _told(_closed({"tags": _TEXTS, "paths": _TEXTS, "tools": _TEXTS}), "Any of these."),
            },
            spec_needed=("select",),
            defaults={"title": "", "description": ""},
        ),
        Kind(
            word="server",
            description="One addressable MCP server. Its URLs are in no file.",
            names={"tenant": _TENANT, "name": _told(_TEXT, "Unique in its tenant.")},
            needed=("name",),
            spec={
                "accounts": _told(_TEXTS, "Accounts it shows, each as CONNECTOR/NAME."),
                "connectors": _told(_TEXTS, "Connectors it shows with the account of whoever calls."),
                "config": _told(_OBJECT, "Filters and settings. pin_version names versions by their hash."),
                "toolsets_off": _told(_TEXTS, "Toolsets that are switched off."),
                "expires_at": _told(_TEXT_OR_NONE, "When it ends; null: never. Omitted: 30 days from when it is made."),
                "enabled": _FLAG,
                "external_id": _EXTERNAL_ID,
                "metadata": _METADATA,
            },
            defaults={
                "accounts": [],
                "connectors": [],
                "config": {},
                "toolsets_off": [],
                "enabled": True,
                "external_id": None,
                "metadata": {},
            },
        ),
        Kind(
            word="overlay",
            description="Edits of a connector's tools in one layer.",
            names={
                "layer": {"type": "string", "enum": ["connector", "tenant", "account", "server"]},
                "connector": _told(_TEXT, "The connector's slug."),
                "tenant": _told(_TEXT, "The tenant's id; for the connector's own layer none."),
                "target": _told(_TEXT, "The account's or server's name, for their layers."),
            },
            needed=("layer", "connector"),
            spec={"patch": _OBJECT},
            spec_needed=("patch",),
        ),
    )
}

WORDS = tuple(KINDS)


def kind_of(word: str) -> Kind:
    """A kind by its word.

    Raises:
        CallerError: ``state.kind`` with the nearest.
    """
    if word not in KINDS:
        close = nearest(word[:60], WORDS)
        hint = f"did you mean {' or '.join(close)}?" if close else f"kinds are {', '.join(WORDS)}"
        raise CallerError(f"there is no kind {word[:60]!r}", code="state.kind", hint=hint)
    return KINDS[word]


def schema_of(kind: Kind) -> Json:
    """The JSON Schema of a kind's documents."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.word,
        "description": kind.description,
        **_closed(
            {
                "kind": {"type": "string", "enum": [kind.word]},
                **kind.names,
                "spec": _closed(dict(kind.spec), kind.spec_needed),
            },
            ("kind", *kind.needed, "spec"),
        ),
    }


def key_of(kind: Kind, document: Mapping[str, Any]) -> tuple[str, ...]:
    """What a document is told from others of its kind by."""
    tenant = document.get("tenant")
    if kind.word in {"account", "server"} or document.get("layer") not in {None, "connector"}:
        tenant = tenant or DEFAULT_TENANT
    named = {**document, "tenant": tenant or ""}
    return tuple(str(named.get(name) or "") for name in kind.names)


def title_of(kind: Kind, key: tuple[str, ...]) -> str:
    """A key as people read it."""
    return " ".join([kind.word, *(part for part in key if part)])


_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}


def check(value: Any, schema: Mapping[str, Any], place: str, pointer: str = "") -> None:
    """Refuse what a schema does not allow. Understands what :func:`schema_of` writes and nothing else.

    Raises:
        CallerError: ``state.form``, with where in which document.
    """
    allowed = schema.get("type", [])
    types = [allowed] if isinstance(allowed, str) else allowed
    if types and not any(isinstance(value, _TYPES[name]) for name in types):
        raise refused(place, pointer, f"must be {' or '.join(types)}")
    if "enum" in schema and value not in schema["enum"]:
        raise refused(place, pointer, f"must be one of {', '.join(schema['enum'])}")
    if isinstance(value, list):
        for at, item in enumerate(value):
            check(item, schema.get("items", {}), place, f"{pointer}/{at}")
    if isinstance(value, dict):
        _check_members(value, schema, place, pointer)


def _check_members(value: Json, schema: Mapping[str, Any], place: str, pointer: str) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            raise refused(place, pointer, f"has no {name}")
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, member in value.items():
        if name in known:
            check(member, known[name], place, f"{pointer}/{name}")
        elif isinstance(others, Mapping):
            check(member, others, place, f"{pointer}/{name}")
        elif not others:
            close = nearest(name, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}"
            raise refused(place, pointer, f"has no member {name[:60]!r} to say", hint)


def refused(place: str, pointer: str, why: str, hint: str = "apiloom schema KIND says what is") -> CallerError:
    """What is said of a document that is not of its kind's form."""
    return CallerError(f"{place}: {pointer or 'the document'} {why}", code="state.form", hint=hint, pointer=pointer)
