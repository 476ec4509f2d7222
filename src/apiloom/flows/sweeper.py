"""The broom: expired servers and tokens are no longer served the second they end; here their records go too.

An account that nobody tries any more, though it was never seen to work, goes along, and what it was granted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apiloom.flows.audit import note
from apiloom.flows.changing import changing
from apiloom.flows.connecting import KEPT_FOR, TRIED_FOR, is_tried
from apiloom.flows.grants import told_back
from apiloom.flows.ground import Ground
from apiloom.flows.removing import remove_account, remove_server
from apiloom.identity.principal import Principal
from apiloom.store.ports import Rows, Scope, Work
from apiloom.store.records import Account, ConnectSession, Event, Grant, Server

SWEEPER = Principal(id="sweeper", role="owner")
"""Who signs for what has ended by itself."""

_BATCH = 100
"""Records of one transaction, so that nobody waits long for their turn to write."""

_PAGE = 200

TOLD_FOR = 90 * 86400.0
"""Seconds for which it can be asked what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """How many records went. ``more``: some that have ended are left for the next time."""

    servers: int = 0
    server_tokens: int = 0
    api_tokens: int = 0
    remembered: int = 0
    connect_sessions: int = 0
    events: int = 0
    accounts: int = 0
    more: bool = False


_TIMED = {"remembered": ("expires_at", 0.0), "connect_sessions": ("expires_at", KEPT_FOR), "events": ("at", TOLD_FOR)}
"""Kinds that are found by a time of theirs, without looking at every record: that time, and how long they are kept."""

_FEWER: dict[str, dict[str, Any]] = {"accounts": {"enabled": False}}
"""Kinds of which only some records can have ended: what those have in common."""


async def sweep(ground: Ground, most: int = 500) -> Swept:
    """Remove servers, tokens, remembered answers and connect sessions that have ended, events that are long past, and
    accounts whose trial came to no end, at most so many of each kind, in small steps.
    """
    counts: dict[str, int] = {}
    more = False
    for kind in ("servers", "server_tokens", "api_tokens", "remembered", "connect_sessions", "events", "accounts"):
        ended = await _ended(ground, kind, most + 1)
        more = more or len(ended) > most
        ended = ended[:most]
        counts[kind] = 0
        for at in range(0, len(ended), _BATCH):
            parted: list[tuple[Account, Sequence[Grant]]] = []
            counts[kind] += await changing(ground, _sweeping(ground, kind, ended[at : at + _BATCH], parted))
            for account, grants in parted:
                await told_back(ground, account, grants)
    return Swept(**counts, more=more)


async def _ended(ground: Ground, kind: str, most: int) -> list[str]:
    """Ids of records that have ended; most kinds page by page, so that no transaction stands open for long."""
    if kind in _TIMED:
        member, kept = _TIMED[kind]
        async with ground.store.reading() as work:
            return [record.id for record in await _rows(work.house(), kind).due(member, ground.now() - kept, most)]
    found: list[str] = []
    after = ""
    while True:
        async with ground.store.reading() as work:
            page, after = await _rows(work.house(), kind).page(limit=_PAGE, after=after, where=_FEWER.get(kind))
        found += [record.id for record in page if _is_over(record, ground.now())]
        if not after or len(found) >= most:
            return found[:most]


def _sweeping(
    ground: Ground, kind: str, ids: Sequence[str], parted: list[tuple[Account, Sequence[Grant]]]
) -> Callable[[Work], Awaitable[int]]:
    """What removes some records. ``parted`` is told of the accounts among them, with what they were granted."""

    async def change(work: Work) -> int:
        parted.clear()
        house = work.house()
        gone = 0
        for id_ in ids:
            record = await _rows(house, kind).load(id_)
            if record is None or not _is_over(record, ground.now()):
                continue  # somebody gave it more time meanwhile, or was quicker
            if isinstance(record, Server):
                await remove_server(house, record)
            elif isinstance(record, Account):
                parted.append((record, await house.grants.every({"account": id_})))
                await remove_account(house, id_)
            else:
                await _rows(house, kind).remove(id_)
            if kind not in _TIMED:
                await note(ground, house, SWEEPER, "expire", record)
            gone += 1
        return gone

    return change


def _rows(scope: Scope, kind: str) -> Rows[Any]:
    rows: Rows[Any] = getattr(scope, kind)
    return rows


def _is_over(record: Any, now: float) -> bool:
    if isinstance(record, Event):
        return record.at + TOLD_FOR <= now
    if isinstance(record, Account):
        return is_tried(record) and record.created_at + TRIED_FOR <= now
    # what came of a connect session is asked for after its link has ended
    kept = KEPT_FOR if isinstance(record, ConnectSession) else 0.0
    return record.expires_at is not None and record.expires_at + kept <= now
