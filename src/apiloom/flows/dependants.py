"""Who depends on a connector: accounts, servers and overlays, and what a change of its version means to them.

Reads within one transaction, in the house's scope. Servers that pin a version are not touched by another one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from apiloom.catalog.rebase import rebase
from apiloom.catalog.selection import Offer, pick
from apiloom.catalog.server_config import read_config
from apiloom.catalog.traits import is_wild
from apiloom.compile.artefact import Artefact
from apiloom.flows.asking import Affected
from apiloom.flows.parts import pins_of
from apiloom.model.findings import Finding
from apiloom.store.ports import Scope
from apiloom.store.records import Overlay, Server

_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From one version of a connector to another.

    ``gone`` are names that tools had and have no more, ``lost`` operations and tags that there are no more.
    """

    slug: str
    before: Artefact
    after: Artefact
    gone: frozenset[str]
    lost: frozenset[str]


def build_step(slug: str, before: Artefact, after: Artefact) -> Step:
    """The step between two versions. Reads a little of every tool, which takes a thread's while for a large one."""
    gone = {*before.tools, *before.aliases} - {*after.tools, *after.aliases}
    return Step(
        slug=slug,
        before=before,
        after=after,
        gone=frozenset(gone | {f"{slug}_{name}" for name in gone}),
        lost=frozenset(_words(before) - _words(after)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebased:
    """An overlay, and what a new version makes of it. The edit itself stays."""

    overlay: Overlay
    findings: tuple[Finding, ...]


async def servers_showing(house: Scope, slug: str) -> list[Server]:
    """The servers of every tenant that show a connector, by an account or for whoever calls."""
    accounts = {account.id for account in await house.accounts.every({"connector": slug})}
    return [
        server
        async for server in every_server(house)
        if slug in server.connectors or not accounts.isdisjoint(server.accounts)
    ]


async def every_server(house: Scope) -> AsyncIterator[Server]:
    """The servers of every tenant, some at a time: there may be ten thousand, and calls go on meanwhile."""
    after = ""
    while True:
        page, after = await house.servers.page(limit=_AT_ONCE, after=after)
        for server in page:
            yield server
        if not after:
            return


async def broken_by(house: Scope, step: Step) -> tuple[Affected, ...]:
    """The servers whose filters name what is gone: ``emptied`` when none of the connector's tools is left of them."""
    if not step.gone and not step.lost:
        return ()
    found = []
    for server in await servers_showing(house, step.slug):
        if pins_of(server.config, [step.slug]).get(step.slug) is None and _names(server, step):
            emptied = bool(_shown(server, step.before, step.slug)) and not _shown(server, step.after, step.slug)
            found.append(Affected(kind="server", id=server.id, becomes="emptied" if emptied else "changed"))
    return tuple(found)


async def rebased_by(house: Scope, step: Step) -> tuple[Rebased, ...]:
    """The overlays of every layer that meet something else in the new version than what they were made on."""
    after = step.after
    met = []
    for overlay in await house.overlays.every({"connector": step.slug}):
        _, findings = rebase(overlay.patch, overlay.base, after.tools, after.aliases)
        if findings:
            met.append(Rebased(overlay=overlay, findings=findings))
    return tuple(met)


def asleep(met: Iterable[Rebased]) -> tuple[Affected, ...]:
    """The overlays of which an edit has lost its tool or argument."""
    return tuple(
        Affected(kind="overlay", id=one.overlay.id, becomes="changed")
        for one in met
        if any(finding.code == "overlay.gone" for finding in one.findings)
    )


def _words(artefact: Artefact) -> set[str]:
    """What filters may name beside tools."""
    words: set[str] = set()
    for trait in artefact.traits.values():
        words |= {trait.operation, *trait.tags}
    return words


def _names(server: Server, step: Step) -> bool:
    config = read_config(server.config)
    exact = [pattern for pattern in config.allow or () if not is_wild(pattern)]
    return not step.gone.isdisjoint(exact) or not step.lost.isdisjoint((*config.methods, *(config.tags or ())))


def _shown(server: Server, artefact: Artefact, slug: str) -> tuple[str, ...]:
    selection = read_config({**server.config, "toolsets": None}).selection()
    return pick(Offer(tools=artefact.traits, prefix=slug, aliases=artefact.aliases), selection)
