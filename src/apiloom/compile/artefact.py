"""A compiled catalog as bytes: all that serving one version of a connector needs, and what its next import goes by.

The same document gives the same bytes, whatever the order of its keys and wherever it is read: no time, no folder and
nothing of this machine is in them. Reading them back decodes only what is asked for. Made by whoever imports, kept by
the store and by the cache on disk, read by whoever builds endpoints or compares versions; nothing in here is secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiloom.base import json, plugins
from apiloom.base.errors import HouseFault
from apiloom.catalog.profiles import DEFAULT
from apiloom.catalog.storage import scheme_from_json, scheme_to_json, tool_from_json, tool_to_plain, trait_from_json
from apiloom.catalog.tool import Catalog, LedgerLine, Tool
from apiloom.catalog.traits import Trait
from apiloom.compile.layout import Groups, read_layout, write_layout
from apiloom.model.api import Schema, SecurityScheme
from apiloom.model.findings import Finding

if TYPE_CHECKING:
    from apiloom.catalog.pins import Pin
    from apiloom.catalog.toolsets import Suggested

_LINE = ("key", "method", "path", "status", "tool", "reason")
_FINDING = ("level", "code", "message", "pointer")
_PIN = ("name", "operation", "called", "arguments", "aliases")
_TOOLSET = ("name", "title", "description", "tools")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A compiled catalog. ``entries`` are its list entries in ``profile``, by name and sorted by it.

    ``traits`` are what filters look at of its tools; reading them all reads no tool.

    ``hash`` is the SHA-256 of what is served: equal for equal documents read with equal ``options``, whatever was
    published before under names that are still the same.
    """

    hash: str
    title: str
    version: str
    format: str
    description: str
    base_url: str
    profile: str
    options: Mapping[str, Any]
    schemes: Mapping[str, SecurityScheme]
    aliases: Mapping[str, str]
    tools: Mapping[str, Tool]
    traits: Mapping[str, Trait]
    schemas: Mapping[str, Schema]
    entries: Mapping[str, bytes]
    _kept: Mapping[str, Any] = field(repr=False)

    @property
    def ledger(self) -> tuple[LedgerLine, ...]:
        """The account of every operation."""
        return tuple(LedgerLine(**dict(zip(_LINE, row, strict=True))) for row in self._kept["ledger"])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding of reading and shaping."""
        return tuple(Finding(**dict(zip(_FINDING, row, strict=True))) for row in self._kept["findings"])

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The names that the next import keeps, those of tools and arguments that are gone included."""
        pin = plugins.load("apiloom.catalog.pins:Pin")
        rows = (dict(zip(_PIN, row, strict=True)) for row in self._kept["pins"])
        return tuple(pin(**{**row, "aliases": tuple(row["aliases"])}) for row in rows)

    @property
    def toolsets(self) -> tuple[Suggested, ...]:
        """Toolsets worth having."""
        suggested = plugins.load("apiloom.catalog.toolsets:Suggested")
        rows = (dict(zip(_TOOLSET, row, strict=True)) for row in self._kept["toolsets"])
        return tuple(suggested(**{**row, "tools": tuple(row["tools"])}) for row in rows)

    def catalog(self) -> Catalog:
        """The catalog this was made from; its tools and schemas are still decoded only when asked for."""
        return Catalog(
            title=self.title,
            version=self.version,
            format=self.format,
            description=self.description,
            tools=self.tools,
            schemas=self.schemas,
            schemes=self.schemes,
            ledger=self.ledger,
            findings=self.findings,
            base_url=self.base_url,
            aliases=self.aliases,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an artefact holds beside what is served: it is for people and for the next import, and in no hash."""

    findings: Iterable[Finding] = ()
    pins: Iterable[Pin] = ()
    toolsets: Iterable[Suggested] = ()


NOTHING = Kept()


def pack(
    catalog: Catalog,
    profile: str = DEFAULT,
    *,
    pinned: Iterable[Pin] = (),
    options: Mapping[str, Any] | None = None,
) -> bytes:
    """The artefact of a catalog, complete: listed in a profile, with every finding, toolsets and names to keep.

    ``pinned`` are the pins it was built with, ``options`` those it was read with. Touches every definition.

    Raises:
        CallerError: ``view.profile_unknown``.
    """
    return pack_parts(
        catalog,
        plugins.load("apiloom.catalog.listing:render_listing")(catalog, profile),
        kept=Kept(
            findings=plugins.load("apiloom.catalog.report:every_finding")(catalog),
            pins=plugins.load("apiloom.catalog.pins:pins_of")(catalog.tools, catalog.aliases, tuple(pinned)),
            toolsets=plugins.load("apiloom.catalog.toolsets:suggest_toolsets")(catalog.tools),
        ),
        options={**(options or {}), "profile": profile},
    )


def pack_parts(
    catalog: Catalog,
    entries: Mapping[str, bytes],
    *,
    kept: Kept = NOTHING,
    options: Mapping[str, Any],
    encode: Callable[[Any], bytes] = json.canonical,
) -> bytes:
    """The artefact of a catalog with list entries in the profile that ``options`` name, and what else is given.

    ``encode`` may keep the order in which a document has its keys, for what is read back in its place.
    """
    head = {
        "title": catalog.title,
        "version": catalog.version,
        "format": catalog.format,
        "description": catalog.description,
        "base_url": catalog.base_url,
        "schemes": {name: scheme_to_json(catalog.schemes[name]) for name in sorted(catalog.schemes)},
        "aliases": dict(sorted(catalog.aliases.items())),
        "options": dict(options),
    }
    served = {
        "entries": {name: entries[name] for name in sorted(entries)},
        "tools": {name: encode(tool_to_plain(catalog.tools[name])) for name in sorted(catalog.tools)},
        "schemas": {name: encode(catalog.schemas[name]) for name in sorted(catalog.schemas)},
        "kept": {"ledger": json.dumps([_row(line, _LINE) for line in catalog.ledger])},
    }
    seal = _sealed(head, served)
    served["kept"] |= {
        "findings": json.dumps([_row(one, _FINDING) for one in kept.findings]),
        "pins": json.canonical([_row(one, _PIN) for one in kept.pins]),
        "toolsets": json.dumps([_row(one, _TOOLSET) for one in kept.toolsets]),
    }
    return write_layout({**json.loads(json.canonical(head)), "hash": seal}, served)


def unpack(content: bytes | memoryview, *, checked: bool = True) -> Artefact:
    """The artefact of some bytes; ``checked`` looks at every one of them first, a second per gigabyte.

    Raises:
        HouseFault: ``artefact.damaged`` when the bytes are not those of an artefact of this release's layout.
    """
    try:
        head, groups = read_layout(content, checked=checked)
        return _opened(head, groups)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HouseFault(
            "a compiled connector is damaged or of another release, and cannot be read",
            code="artefact.damaged",
            hint="import its document again",
            why=str(error)[:200],
        ) from None


def _opened(head: dict[str, Any], groups: Groups) -> Artefact:
    options = dict(head["options"])
    return Artefact(
        hash=head["hash"],
        title=head["title"],
        version=head["version"],
        format=head["format"],
        description=head["description"],
        base_url=head["base_url"],
        profile=options.pop("profile"),
        options=options,
        schemes={name: scheme_from_json(value) for name, value in head["schemes"].items()},
        aliases=head["aliases"],
        tools=groups.lazily("tools", tool_from_json),
        traits=groups.lazily("tools", trait_from_json),
        schemas=groups.lazily("schemas", json.loads),
        entries=groups.lazily("entries", bytes),
        _kept=groups.lazily("kept", json.loads),
    )


def _sealed(head: Mapping[str, Any], served: Mapping[str, Mapping[str, bytes]]) -> str:
    seal = hashlib.sha256(json.canonical(head))
    for group, values in served.items():
        for name, value in values.items():
            seal.update(json.canonical([group, name, len(value)]))
            seal.update(value)
    return seal.hexdigest()


def _row(value: object, names: Iterable[str]) -> list[Any]:
    return [getattr(value, name) for name in names]
