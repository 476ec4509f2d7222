"""How a connector is cut for a server: the same for what is served and for what an admin is told would be.

Pure; who reads the records hands them in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apiloom.catalog.selection import Selection
from apiloom.catalog.toolsets import Membership, members
from apiloom.catalog.traits import Globs
from apiloom.compile.artefact import Artefact
from apiloom.compile.server import Cut
from apiloom.store.records import Overlay, Toolset

LAYERS = ("connector", "tenant", "account", "server")
"""Of overlays, each over the ones before it."""


def cut_of(
    artefact: Artefact, selection: Selection, overlays: Iterable[Overlay], toolsets: Iterable[Toolset], *, prefix: str
) -> Cut:
    """The cut of one connector. A tenant's toolset takes the place of the house's of the same name.

    Raises:
        CallerError: ``selection.pattern``.
    """
    named = {one.name: one for one in sorted(toolsets, key=lambda one: one.tenant is not None)}
    return Cut(
        selection=selection,
        patches=[one.patch for one in sorted(overlays, key=lambda one: LAYERS.index(one.layer))],
        toolsets={name: _members(artefact, one.select) for name, one in named.items()},
        prefix=prefix,
    )


def _members(artefact: Artefact, select: Mapping[str, Any]) -> Sequence[str]:
    """The tools of a toolset, as it was kept: what it names and is not there any more is let be."""
    named = {name: tuple(select.get(name) or ()) for name in ("tags", "paths", "tools")}
    found = members(Membership(**named), artefact.traits)
    # a tool that answers to a name from before is in the toolsets that know it by that name
    globs = Globs(named["tools"])
    before = {name for alias, name in artefact.aliases.items() if alias in globs}
    return [*found, *sorted(before.difference(found))]
