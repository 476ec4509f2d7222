"""Versions of a connector: imported as proposals, promoted in one step, taken back in one step, and kept.

An import is heavy and happens outside every transaction; what it was compared with is looked at again when it is kept.
Promoting and taking back write a few rows in one transaction, so that whoever is killed in between has done nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from apiloom.base.errors import CallerError
from apiloom.compile.artefact import Artefact, unpack
from apiloom.flows import fields
from apiloom.flows.access import find, scope_of
from apiloom.flows.asking import Affected, Page, Query, Removal, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.dependants import Rebased, Step, asleep, broken_by, build_step, rebased_by
from apiloom.flows.ground import Ground, Imported, ImportJob
from apiloom.flows.parts import connector_named
from apiloom.flows.removing import MOST_AFFECTED, check_free
from apiloom.flows.sources import Source, read_source, source_again
from apiloom.flows.toolsets import keep_suggested
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_may
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Connector, Version

Say = Callable[[str], None]
Result = TypeVar("Result")

_FILTERS = {"state": str, "hash": str, "verdict": str}
_OVERTAKEN = "version.conflict"
_ATTEMPTS = 2
_MOST_PINNED = 8
"""Versions besides the one being served whose names an import keeps: those that were served on another line."""

_MOST_FINDINGS = 300
_NOW = Removal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What an import became. ``new`` is False when a version like it was there already: then it is that one.

    ``promoted`` says that it is being served now.
    """

    version: Version
    new: bool
    promoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A version that is being served now, or would be: then ``done`` is False.

    ``affected`` are the first servers and overlays that miss something in it, ``more`` how many else do.
    """

    version: Version
    before: int
    done: bool
    affected: tuple[Affected, ...] = ()
    more: int = 0


def silently(_: str) -> None:
    """Nobody is told how far an import is."""


async def list_versions(ground: Ground, who: Principal, slug: str, query: Query) -> Page[Version]:
    """The versions of a connector that is shown to the principal.

    Raises:
        CallerError: ``connector.not_found``, ``identity.forbidden``, ``list.…``.
    """
    check_may(who, "list", "versions", None)
    async with ground.store.reading() as work:
        scope = scope_of(work, who)
        await connector_named(scope, slug)
        narrowed = replace(query, where={**query.where, "connector": slug})
        page = await listed(scope.versions, narrowed, {**_FILTERS, "connector": str})
        return replace(page, items=tuple(_shown_to(who, each) for each in page.items))


async def read_version(ground: Ground, who: Principal, slug: str, number: int) -> Version:
    """One version.

    Raises:
        CallerError: ``connector.not_found``, ``version.not_found``, ``identity.forbidden``.
    """
    check_may(who, "read", "versions", None)
    async with ground.store.reading() as work:
        scope = scope_of(work, who)
        await connector_named(scope, slug)
        return _shown_to(who, await _numbered(scope, slug, number))


def _shown_to(who: Principal, version: Version) -> Version:
    """A version as a principal may read it: options may hold addresses of the house, and are for its roles alone."""
    return version if who.of_house else replace(version, options={}, created_by="")


async def read_document(ground: Ground, who: Principal, slug: str, number: int) -> bytes:
    """The document that a version was made from, as it was found; for the house's roles.

    Raises:
        CallerError: ``connector.not_found``, ``version.not_found``, ``identity.forbidden``.
    """
    check_may(who, "read", "versions", None)
    check_may(who, "read", "tenants", None)
    async with ground.store.reading() as work:
        house = scope_of(work, who)
        await connector_named(house, slug)
        version = await _numbered(house, slug, number)
        return await house.versions.document(version.id) or b""


async def import_version(
    ground: Ground,
    who: Principal,
    slug: str,
    wanted: Mapping[str, Any] | None = None,
    *,
    upload: bytes = b"",
    say: Say = silently,
) -> Proposal:
    """Import a connector's document anew, from ``source`` or from where it was fetched before, as a proposal.

    A document that makes what some version of the connector serves already makes no version. One whose verdict is
    ``none`` or ``additive`` is promoted at once where the connector is set to, unless somebody would miss something.

    Raises:
        CallerError: ``connector.not_found``, ``connector.source``, ``field.…``, ``identity.forbidden``,
            ``import.busy``; ``version.conflict`` when others promote all the time.
        ApiloomError: as :meth:`~apiloom.flows.ground.Imports.run`.
    """
    check_may(who, "create", "versions", None)
    given = fields.members(wanted or {}, ("source", "plan"))
    source = read_source(given["source"], upload) if given.get("source") is not None else None
    plan = fields.flag(given.get("plan") or False, "plan")

    async def attempt() -> Proposal:
        seen = await _seen(ground, slug)
        read = source or source_again(seen.connector.source)
        imported = await ground.imports.run(job_for(seen.connector, read, who, seen), say)
        entry = _Entry(seen=seen, source=read, imported=imported, artefact=await _opened(imported.artefact))
        if plan:
            async with ground.store.reading() as work:
                return await _like(work.house(), entry) or Proposal(version=_version(ground, who, entry, 0), new=True)
        return await changing(ground, lambda work: _proposed(ground, work, who, entry))

    return await _again(attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A connector as an import found it, with the artefact being served and those of other lines."""

    connector: Connector
    before: bytes = b""
    pinned: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    seen: Seen
    source: Source
    imported: Imported
    artefact: Artefact


async def _seen(ground: Ground, slug: str) -> Seen:
    async with ground.store.reading() as work:
        house = work.house()
        connector = await connector_named(house, slug)
        served = await _served(house, connector)
        before = await house.versions.artefact(f"{slug}/{connector.current}") if connector.current else None
        others = [each for each in _lines(served) if each.number != connector.current][:_MOST_PINNED]
        pinned = [await house.versions.artefact(each.id) or b"" for each in reversed(others)]
        return Seen(connector=connector, before=before or b"", pinned=tuple(filter(None, pinned)))


async def _served(house: Scope, connector: Connector) -> list[Version]:
    """Every version that was served once, the one being served included."""
    past = await house.versions.every({"connector": connector.id, "state": "past"})
    now = await house.versions.load(f"{connector.id}/{connector.current}")
    return [*past, now] if now is not None else list(past)


def _lines(served: list[Version]) -> list[Version]:
    """The ends of all lines of versions, newest first: each was built with the names of those before it."""
    by_number = {version.number: version for version in served}
    passed: set[int] = set()
    for version in served:
        before = by_number.get(version.against)
        while before is not None and before.number not in passed:
            passed.add(before.number)
            before = by_number.get(before.against)
    return sorted((each for each in served if each.number not in passed), key=lambda each: -each.number)


def job_for(connector: Connector, source: Source, who: Principal, seen: Seen) -> ImportJob:
    """The import of a source. What is done for one tenant's connector waits in that tenant's line."""
    only = connector.tenants[0] if connector.tenants is not None and len(connector.tenants) == 1 else ""
    return ImportJob(
        slug=connector.id,
        tenant=only or who.tenant or who.id,
        url=source.url,
        document=source.document,
        name=source.name,
        options=connector.options,
        trusted=connector.trusted,
        before=seen.before,
        pinned=seen.pinned,
    )


async def _opened(artefact: bytes) -> Artefact:
    """An artefact, checked where nobody waits for it."""
    return await asyncio.to_thread(unpack, artefact)


async def _step(connector: Connector, before: bytes, after: bytes) -> Step | None:
    """The step between two artefacts; None where nothing was served before."""
    if not before:
        return None
    return await asyncio.to_thread(lambda: build_step(connector.id, unpack(before), unpack(after)))


async def _again(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Do once more what others have overtaken."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await attempt()
        except CallerError as error:
            if error.code != _OVERTAKEN:
                raise
    return await attempt()


def _check_current(connector: Connector, seen: Connector) -> None:
    if connector.current != seen.current or connector.options != seen.options:
        raise CallerError(
            f"{connector.id} was changed by somebody else in the meantime",
            code=_OVERTAKEN,
            hint="look at what is served now, then try again",
        )


def _version(ground: Ground, who: Principal, entry: _Entry, number: int) -> Version:
    imported, connector = entry.imported, entry.seen.connector
    return new_version(connector, imported, number, ground.now(), who.id)


def new_version(connector: Connector, imported: Imported, number: int, now: float, by: str) -> Version:
    """The record of an import, as a proposal against what the connector serves."""
    return Version(
        id=f"{connector.id}/{number}",
        connector=connector.id,
        number=number,
        hash=imported.hash,
        title=imported.title,
        api_version=imported.api_version,
        tools=imported.tools,
        ledger=imported.ledger,
        findings=imported.findings,
        verdict=imported.verdict,
        difference=imported.difference,
        against=connector.current,
        options=connector.options,
        created_by=by,
        created_at=now,
    )


async def _like(house: Scope, entry: _Entry) -> Proposal | None:
    """A version that serves just this, if there is one: a proposal against another version is none."""
    connector = entry.seen.connector
    for version in await house.versions.every({"connector": connector.id, "hash": entry.imported.hash}):
        if version.state != "proposed" or version.against == connector.current:
            return Proposal(version=version, new=False, promoted=version.number == connector.current)
    return None


async def _proposed(ground: Ground, work: Work, who: Principal, entry: _Entry) -> Proposal:
    house, seen = work.house(), entry.seen.connector
    if there := await _like(house, entry):
        return there
    connector = await connector_named(house, seen.id)
    # The first change: from here on nobody else adds or promotes a version.
    connector = await house.connectors.save(replace(connector, source=entry.source.kept()), connector.revision)
    _check_current(connector, seen)
    if there := await _like(house, entry):
        return there
    number = 1 + await house.versions.count({"connector": seen.id})
    version = await house.versions.add(_version(ground, who, entry, number))
    content = entry.imported
    await house.versions.put_content(version.id, document=content.document, artefact=content.artefact)
    await note(ground, house, who, "import", version, verdict=version.verdict, against=version.against)
    if connector.auto_promote and version.verdict in ("none", "additive"):
        step = await _step(connector, entry.seen.before, entry.imported.artefact)
        switch = _Switch(connector=connector, target=version, step=step, after=entry.artefact, how=_NOW)
        affected, met = await _looked_at(house, switch)
        if not affected:
            version = await _switched(ground, work, who, switch, met)
            return Proposal(version=version, new=True, promoted=True)
    return Proposal(version=version, new=True)


async def promote_version(ground: Ground, who: Principal, slug: str, number: int, how: Removal = _NOW) -> Promoted:
    """Serve a version from now on, whichever state it is in.

    Raises:
        CallerError: ``connector.not_found``, ``version.not_found``, ``identity.forbidden``, ``version.conflict``;
            ``version.depended_on`` when servers or overlays name what it does not have, unless ``how`` cascades: they
            stay as they are and show less.
    """
    check_may(who, "update", "versions", None)

    async def chosen(house: Scope, connector: Connector) -> Version:
        return await _numbered(house, connector.id, number)

    return await _again(lambda: _moved(ground, who, slug, chosen, how))


async def rollback_version(ground: Ground, who: Principal, slug: str, how: Removal = _NOW) -> Promoted:
    """Serve again what was served before; once more: what was served before that.

    Nothing stands in its way: what servers and overlays miss is told, not refused.

    Raises:
        CallerError: ``connector.not_found``, ``identity.forbidden``, ``version.conflict`` when nothing was served
            before.
    """
    check_may(who, "update", "versions", None)

    async def chosen(house: Scope, connector: Connector) -> Version:
        now = await house.versions.load(f"{slug}/{connector.current}")
        since = (now.promoted_at or 0.0) if now is not None else 0.0
        past = await house.versions.every({"connector": slug, "state": "past"})
        earlier = [each for each in past if each.promoted_at is not None and each.promoted_at < since]
        if not earlier:
            raise CallerError(
                f"{slug} served no version before this one",
                code="version.conflict",
                hint="promote the version that you mean",
            )
        return max(earlier, key=lambda each: each.promoted_at or 0.0)

    return await _again(lambda: _moved(ground, who, slug, chosen, replace(how, cascade=True), back=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Switch:
    """From the version that a connector serves to another. ``back``: the way it came."""

    connector: Connector
    target: Version
    step: Step | None
    after: Artefact
    how: Removal
    back: bool = False


async def _moved(
    ground: Ground,
    who: Principal,
    slug: str,
    chosen: Callable[[Scope, Connector], Awaitable[Version]],
    how: Removal,
    *,
    back: bool = False,
) -> Promoted:
    async with ground.store.reading() as work:
        house = work.house()
        connector = await connector_named(house, slug)
        check_revision(connector, how.if_match)
        target = await chosen(house, connector)
        if target.number == connector.current:
            return Promoted(version=target, before=connector.current, done=not how.plan)
        contents = [await house.versions.artefact(f"{slug}/{number}") for number in (connector.current, target.number)]
    before, after = contents
    step = await _step(connector, before or b"", after or b"")
    opened = step.after if step is not None else await _opened(after or b"")
    switch = _Switch(connector=connector, target=target, step=step, after=opened, how=how, back=back)
    if how.plan:
        async with ground.store.reading() as work:
            affected, _ = await _looked_at(work.house(), switch)
        return _told(switch, target, affected)

    async def change(work: Work) -> Promoted:
        house = work.house()
        there = await connector_named(house, slug)
        check_revision(there, how.if_match)
        now = await house.connectors.save(there, there.revision)  # the first change: what is read from here on is final
        _check_current(now, connector)
        moving = replace(switch, connector=now, target=await _numbered(house, slug, target.number))
        affected, met = await _looked_at(house, moving)
        check_free("version", target.id, affected, how)
        return _told(moving, await _switched(ground, work, who, moving, met), affected)

    return await changing(ground, change, how.if_match)


async def _looked_at(house: Scope, switch: _Switch) -> tuple[tuple[Affected, ...], tuple[Rebased, ...]]:
    """Who misses something in the target, and what becomes of overlays."""
    step = switch.step
    if step is None:
        return (), ()
    met = await rebased_by(house, step)
    return (*await broken_by(house, step), *asleep(met)), met


async def _switched(ground: Ground, work: Work, who: Principal, switch: _Switch, met: tuple[Rebased, ...]) -> Version:
    """Make the target the one that is served, within a transaction in which it is this writer's turn."""
    house, connector, target = work.house(), switch.connector, switch.target
    now = ground.now()
    old = await house.versions.load(f"{connector.id}/{connector.current}") if connector.current else None
    if old is not None:
        now = max(now, (old.promoted_at or 0.0) + 0.001)  # the order of promotions is what a rollback goes by
        # One that is taken back is nothing to go back to.
        past = replace(old, state="past", promoted_at=None if switch.back else old.promoted_at)
        await house.versions.save(past, old.revision)
    await house.connectors.save(replace(connector, current=target.number), connector.revision)
    at = target.promoted_at if switch.back else now
    own = [_plain(finding) for one in met if one.overlay.tenant is None for finding in one.findings]
    findings = (*(each for each in target.findings if not str(each.get("code")).startswith("overlay.")), *own)
    promoted = replace(target, state="current", promoted_at=at, findings=findings[:_MOST_FINDINGS])
    version = await house.versions.save(promoted, target.revision)
    await keep_suggested(house, connector.id, switch.after.toolsets, now)
    action = "rollback" if switch.back else "promote"
    await note(ground, house, who, action, version, before=connector.current)
    for one in met:
        if one.overlay.tenant is not None:
            told = [_plain(finding) for finding in one.findings]
            await note(ground, work.tenant(one.overlay.tenant), who, "met", one.overlay, findings=told[:20])
    return version


def _told(switch: _Switch, version: Version, affected: tuple[Affected, ...]) -> Promoted:
    return Promoted(
        version=version,
        before=switch.connector.current,
        done=not switch.how.plan,
        affected=affected[:MOST_AFFECTED],
        more=max(0, len(affected) - MOST_AFFECTED),
    )


def _plain(finding: Any) -> dict[str, str]:
    return {
        "level": finding.level,
        "code": finding.code,
        "message": finding.message[:1000],
        "pointer": finding.pointer[:1000],
    }


async def reject_version(ground: Ground, who: Principal, slug: str, number: int) -> Version:
    """Turn a proposal down. It stays, and may be promoted after all.

    Raises:
        CallerError: ``connector.not_found``, ``version.not_found``, ``identity.forbidden``; ``version.conflict`` for
            what is no proposal.
    """
    check_may(who, "update", "versions", None)

    async def change(work: Work) -> Version:
        house = work.house()
        await connector_named(house, slug)
        version = await _numbered(house, slug, number)
        if version.state == "rejected":
            return version
        if version.state != "proposed":
            raise CallerError(
                f"{version.id} is no proposal", code="version.conflict", hint="roll back what is being served"
            )
        rejected = await house.versions.save(replace(version, state="rejected"), version.revision)
        await note(ground, house, who, "reject", rejected)
        return rejected

    return await changing(ground, change)


async def _numbered(scope: Scope, slug: str, number: int) -> Version:
    return await find(scope.versions, "version", f"{slug}/{number}")
