"""What a copy of a store must not bring back, and what becomes of its grants when it is claimed.

Every step can be done again, so whoever is stopped in the middle starts over. Knows neither journals nor places: what
was ended since the copy was made is handed in, in the order in which it happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from apiloom.base.errors import CallerError
from apiloom.flows import events
from apiloom.flows.access import HOST
from apiloom.flows.accounts import delete_account
from apiloom.flows.asking import Removal
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.flows.servers import delete_server
from apiloom.flows.tenants import delete_tenant
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Grant

STALE = "copies.stale"
"""Why a grant needs to be connected anew: what this copy holds of it was renewed elsewhere since."""

MACHINE = frozenset({"client_credentials", "jwt_bearer", "token_exchange"})
"""Kinds of grants that hold nothing which works once."""


class Entry(Protocol):
    """Something that ended, or was renewed, at a time; see :class:`~apiloom.store.ports.Ended`."""

    @property
    def at(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def until(self) -> float: ...
    @property
    def generation(self) -> int: ...


@dataclass(slots=True)
class Reapplied:
    """What was ended again: ``ended`` by kind, and grants that need to be connected anew."""

    ended: int = 0
    stale: int = 0


async def reapply(ground: Ground, entries: Iterable[Entry]) -> Reapplied:
    """End again what the entries say has ended, and mark grants that were renewed since: the refresh token that this
    copy holds was used, and using it once more would end them everywhere (RFC 9700 section 4.14.2).

    Raises:
        HouseFault: ``store.unreachable``.
    """
    done = Reapplied()
    for entry in _last(entries):
        if entry.kind in _WHOLE:
            done.ended += await _ended_whole(ground, entry)
        elif entry.kind in _ROWS:
            ended, stale = await changing(ground, _Reapplying(ground, entry).change)
            done.ended += ended
            done.stale += stale
    return done


def _last(entries: Iterable[Entry]) -> list[Entry]:
    """Of each thing its last end, and the highest generation since; removals of what holds others come last."""
    ends: dict[tuple[str, str], Entry] = {}
    renewed: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        thing = (entry.kind, entry.id)
        if not entry.generation:
            # of a token, which never comes back, its removal counts, whatever the clocks of two machines say
            if not (entry.until and thing in ends and not ends[thing].until):
                ends[thing] = entry
            # what comes under the same id from here on is another one, and counts from the beginning
            renewed.pop(thing, None)
        elif thing not in renewed or renewed[thing].generation <= entry.generation:
            renewed[thing] = entry
    return sorted((*ends.values(), *renewed.values()), key=lambda entry: entry.kind in _WHOLE)


_WHOLE = {"server": delete_server, "account": delete_account, "tenant": delete_tenant}
_ROWS = frozenset({"server_token", "api_token", "grant", "token_family"})


async def _ended_whole(ground: Ground, entry: Entry) -> int:
    """Remove what was removed, unless it was made anew since under the same id."""
    async with ground.store.reading() as work:
        house = work.house()
        places: dict[str, Any] = {"server": house.servers, "account": house.accounts, "tenant": house.tenants}
        there = await places[entry.kind].load(entry.id)
    if there is None or there.created_at > entry.at:
        return 0
    try:
        await _WHOLE[entry.kind](ground, HOST, entry.id, Removal(cascade=True))
    except CallerError as error:
        if error.code.endswith(".not_found"):
            return 0
        raise
    return 1


@dataclass(frozen=True, slots=True)
class _Reapplying:
    """One entry about one row."""

    ground: Ground
    entry: Entry

    async def change(self, work: Work) -> tuple[int, int]:
        """How much was ended, and marked."""
        house, entry = work.house(), self.entry
        if entry.kind == "server_token":
            return await self._token(house.server_tokens), 0
        if entry.kind == "api_token":
            return await self._token(house.api_tokens), 0
        if entry.kind == "token_family":
            return await self._family(house), 0
        grant = await house.grants.load(entry.id)
        if grant is None or grant.created_at > entry.at:
            return 0, 0
        if not entry.generation:
            return int(await house.grants.remove(grant.id)), 0
        if grant.generation >= entry.generation or grant.kind in MACHINE:
            return 0, 0
        return 0, await mark_stale(self.ground, work, grant)

    async def _token(self, rows: Any) -> int:
        entry = self.entry
        token = await rows.load(entry.id)
        if token is None:
            return 0
        if not entry.until:
            return int(await rows.remove(token.id))
        if token.expires_at is not None and token.expires_at <= entry.until:
            return 0
        await rows.save(replace(token, expires_at=entry.until), token.revision)
        return 1

    async def _family(self, house: Scope) -> int:
        """A family whose tokens were renewed since is over: nobody can tell what is still held of it."""
        family = await house.token_families.load(self.entry.id)
        if family is None or family.ended or 0 < self.entry.generation <= family.generation:
            return 0
        await house.token_families.save(replace(family, ended=True), family.revision)
        return 1


async def mark_stale(ground: Ground, work: Work, grant: Grant) -> int:
    """Mark a grant as one that only a person can renew; an access token that it holds lives until its end."""
    if grant.state == "needs_reconnect":
        return 0
    now, scope = ground.now(), work.tenant(grant.tenant)
    marked = replace(grant, state="needs_reconnect", refresh_at=None, last_error=STALE, last_error_at=now)
    await scope.grants.save(marked, grant.revision)
    await events.record_of_grant(scope, grant, events.NEEDS_RECONNECT, at=now, code=STALE)
    return 1


async def renewable(ground: Ground) -> list[Grant]:
    """Grants that hold what may work once: of all that a person has granted, those that are not over."""
    async with ground.store.reading() as work:
        grants = await work.house().grants.every()
    return [grant for grant in grants if grant.kind not in MACHINE and grant.state != "needs_reconnect"]


async def mark_all_stale(ground: Ground) -> int:
    """Mark every grant that may have been renewed elsewhere: without a journal nobody knows which were."""
    marked = 0
    for known in await renewable(ground):

        async def change(work: Work, id_: str = known.id) -> int:
            grant = await work.house().grants.load(id_)
            return 0 if grant is None else await mark_stale(ground, work, grant)

        marked += await changing(ground, change)
    return marked
