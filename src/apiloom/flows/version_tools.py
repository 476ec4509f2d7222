"""The tools of one version of a connector, as they were read: for people who choose among them before any server is.

Reads the version's artefact, never its document. Stands on :mod:`apiloom.flows.versions`.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from dataclasses import dataclass

from apiloom.catalog.tool import ToolClass
from apiloom.compile.artefact import unpack
from apiloom.flows.access import find, scope_of
from apiloom.flows.asking import Page, Query, check_query
from apiloom.flows.ground import Ground
from apiloom.flows.parts import connector_named
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_may


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSeen:
    """A tool before any overlay. ``operation`` is the key of what it stands for."""

    name: str
    title: str
    description: str
    kind: ToolClass
    operation: str
    tags: tuple[str, ...]


async def list_tools(ground: Ground, who: Principal, slug: str, number: int, query: Query) -> Page[ToolSeen]:
    """Tools of a version, ordered by name.

    Raises:
        CallerError: ``connector.not_found``, ``version.not_found``, ``identity.forbidden``, ``list.…``.
    """
    check_may(who, "read", "versions", None)
    check_query(query, {"class": str})
    async with ground.store.reading() as work:
        scope = scope_of(work, who)
        await connector_named(scope, slug)
        version = await find(scope.versions, "version", f"{slug}/{number}")
        content = await scope.versions.artefact(version.id) or b""
    return await asyncio.to_thread(_page, content, query)


def _page(content: bytes, query: Query) -> Page[ToolSeen]:
    """One page of an artefact's tools: those behind the cursor, of which only these are read whole."""
    artefact = unpack(content)
    wanted = query.where.get("class")
    names = sorted(name for name, trait in artefact.traits.items() if wanted in (None, trait.kind))
    start = bisect_right(names, query.after)
    chosen = names[start : start + query.limit]
    tools = [artefact.tools[name] for name in chosen]
    items = tuple(
        ToolSeen(
            name=tool.name,
            title=tool.title,
            description=tool.description,
            kind=tool.kind,
            operation=tool.operation,
            tags=tool.tags,
        )
        for tool in tools
    )
    return Page(items, chosen[-1] if start + query.limit < len(names) else "")
