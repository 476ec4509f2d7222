"""Accounts connected by a confirmation at another screen (RFC 8628): begun, asked after, and come to an end.

Whichever node finds that a provider is to be asked says so in the session first, so that no two ask at once and another
goes on where one died. The code that it is asked with lies sealed in the session and nowhere else. What is late, fails
or is declined ends the session, or leads its page back to where it began. The page, the admin API and the rounds of a
node stand above.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from apiloom.base.errors import ApiloomError, CallerError, DesignError, HouseFault
from apiloom.flows.asking import Removal, Removed
from apiloom.flows.changing import changing
from apiloom.flows.connect_granting import DEVICE, begun_way, give_back_all, go_on, under_way
from apiloom.flows.connect_page import Asked, Kept, load_again, load_asked, open_kept, with_kept
from apiloom.flows.connect_ports import Confirming
from apiloom.flows.connect_visit import checked
from apiloom.flows.connect_ways import Way
from apiloom.flows.connecting import BY_DEVICE, connecting_of, delete_session, read_session
from apiloom.flows.ground import Ground, dormant_refusal
from apiloom.identity.principal import Principal
from apiloom.store.ports import Work
from apiloom.store.records import ConnectSession

CLAIMED: Final = 60.0
"""Seconds that whoever asks has: a provider that is slow, and an account that is kept. Then another asks."""

SLOWER: Final = 5.0
"""Seconds more between two questions, once a provider wants it so (RFC 8628 section 3.5)."""

LONGEST: Final = 300.0
"""Seconds between two questions at most, where a provider does not answer."""

PENDING: Final = "oauth.pending"
_AGAIN: Final = frozenset({"oauth.unavailable", "net.timeout", "net.broken", "net.refused", "store.unreachable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a person is shown who confirms something at another screen."""

    user_code: str = field(repr=False)
    url: str
    complete_url: str = field(repr=False)
    scheme: str


async def begin_device(ground: Ground, session: ConnectSession) -> tuple[ConnectSession, Kept, Confirming]:
    """A session that is not kept yet, with a code that a person confirms, what is kept of it, and what they are shown.

    Raises:
        CallerError: ``connect.device`` where no way to connect takes that alone.
        ApiloomError: why the provider gave none.
    """
    asked = await load_asked(ground, session)
    for way in asked.ways:
        if len(way.consents) != 1 or way.typed:
            continue
        lacking = asked.variables(way)
        if lacking:
            raise _unfit(f"it needs the variable {lacking[0]}", "give it in the request")
        begun = await _begun(ground, asked, way)
        if begun is not None:
            return begun
    raise _unfit("no one scheme of this connector that opens its tools is confirmed at another screen", "make a link")


async def _begun(ground: Ground, asked: Asked, way: Way) -> tuple[ConnectSession, Kept, Confirming] | None:
    """None where the provider of a way knows no such thing."""
    given = await checked(ground, asked, way, {})
    consent = asked.consent(way, way.next(), given.variables)
    try:
        begun = await connecting_of(ground).begin_device(consent)
    except DesignError as error:
        if error.code != "oauth.url":
            raise
        return None
    kept = replace(under_way(Kept(), given, consent, begun), attempt=asked.session.id)
    ends = min(asked.session.expires_at, begun.expires_at)
    at = ground.now() + begun.interval
    session = replace(asked.session, state="authorizing", expires_at=ends, poll_at=at)
    return session, kept, replace(begun, expires_at=ends)


def _unfit(why: str, hint: str) -> CallerError:
    return CallerError(f"the account cannot be connected by a device: {why}", code="connect.device", hint=hint)


async def load_shown(ground: Ground, session: ConnectSession) -> Shown | None:
    """What is confirmed at another screen just now; None where nothing is."""
    if session.state != "authorizing" or session.poll_at is None:
        return None
    async with ground.store.reading() as work:
        begun = (await open_kept(ground, work.tenant(session.tenant), session)).begun
    if not begun.get(DEVICE):
        return None
    return Shown(
        user_code=begun["user_code"], url=begun["url"], complete_url=begun["complete_url"], scheme=begun["scheme"]
    )


async def due_sessions(ground: Ground, most: int = 200) -> Sequence[ConnectSession]:
    """Sessions of every tenant that are to be looked at: those that wait longest first, or where there are more than
    that, one of each tenant in turn. Nobody's crowd holds up others.
    """
    now = ground.now()
    async with ground.store.reading() as work:
        due = await work.house().connect_sessions.due("poll_at", now, most)
        return due if len(due) < most else await work.house().connect_sessions.due("poll_at", now, most, in_turn=True)


async def look_after(ground: Ground, due: ConnectSession) -> None:
    """Ask once what came of the confirmation of a session, or tidy up one that has ended.

    Raises:
        CallerError: ``store.dormant``: what is there now is a copy.
        HouseFault: ``store.unreachable``: what came of it is not lost, unless it was granted just now.
    """
    claimed = await _claimed(ground, due)
    if claimed is None:
        return
    session, kept = claimed
    try:
        asked = await load_asked(ground, session)
    except CallerError:
        await _settled(ground, session, kept, "connect.gone")
        return
    if min(session.expires_at, float(kept.begun.get("ends", 0.0))) <= ground.now():
        await _settled(ground, session, kept, "oauth.expired")
        await give_back_all(ground, asked, kept)
        return
    try:
        await _asked_once(ground, asked, kept)
    except ApiloomError as error:
        if error.code == PENDING or error.code in _AGAIN:
            await _later(ground, session, kept, error)
        else:
            await _settled(ground, session, kept, error.code)


async def _claimed(ground: Ground, due: ConnectSession) -> tuple[ConnectSession, Kept] | None:
    """The session, if nobody else asks after it just now."""
    found: list[tuple[ConnectSession, Kept]] = []

    async def change(work: Work) -> None:
        found.clear()
        if await work.is_dormant():
            raise dormant_refusal()  # all its rows may have been replaced since this node looked last
        scope = work.tenant(due.tenant)
        now = await scope.connect_sessions.load(due.id)
        if now is None or now.poll_at is None or now.poll_at > ground.now():
            return
        kept = await open_kept(ground, scope, now)
        claimed = replace(now, poll_at=ground.now() + CLAIMED)
        found.append((await scope.connect_sessions.save(claimed, now.revision), kept))

    try:
        await changing(ground, change)
    except HouseFault as error:
        if error.code != "vault.sealed":
            raise
        await _given_up(ground, due)
        return None
    return found[0] if found else None


async def _given_up(ground: Ground, due: ConnectSession) -> None:
    """What was kept of a session cannot be read: nobody asks after it any more."""

    async def change(work: Work) -> None:
        scope = work.tenant(due.tenant)
        now = await scope.connect_sessions.load(due.id)
        if now is not None:
            over = replace(now, poll_at=None, state="failed", result={"error": "vault.sealed"})
            await scope.connect_sessions.save(over, now.revision)

    await changing(ground, change)


async def _asked_once(ground: Ground, asked: Asked, kept: Kept) -> None:
    way, consent = begun_way(asked, kept)
    async with ground.store.reading() as work:
        await load_again(ground, work, asked.session)  # whoever made it may have lost their token meanwhile
    granted = await connecting_of(ground).finish_device(consent, kept.begun)
    await go_on(ground, asked, way, kept, granted)


async def _later(ground: Ground, session: ConnectSession, kept: Kept, error: ApiloomError) -> None:
    interval = float(kept.begun["interval"])
    if error.code == PENDING:
        interval += SLOWER if error.facts.get("slower") else 0.0
    else:
        interval = min(interval * 2, LONGEST)

    async def change(work: Work) -> None:
        scope = work.tenant(session.tenant)
        now = await scope.connect_sessions.load(session.id)
        there = None if now is None else await open_kept(ground, scope, now)
        if now is None or there is None or there.attempt != kept.attempt:
            return  # it has begun anew meanwhile, or is no more
        if str(interval) != there.begun["interval"]:
            there = replace(there, begun={**there.begun, "interval": str(interval)})
            now = await with_kept(ground, scope, now, there)
        at = min(ground.now() + interval, max(now.expires_at, ground.now()))
        await scope.connect_sessions.save(replace(now, poll_at=at), now.revision)

    await changing(ground, change)


async def _settled(ground: Ground, session: ConnectSession, kept: Kept, code: str) -> None:
    """It came to nothing: a page goes back to where it began, and what was begun without one has failed."""

    async def change(work: Work) -> None:
        scope = work.tenant(session.tenant)
        now = await scope.connect_sessions.load(session.id)
        there = None if now is None else await open_kept(ground, scope, now)
        if now is None or there is None or now.state == "done" or there.attempt != kept.attempt:
            return
        is_over = bool(now.wanted.get(BY_DEVICE)) or now.expires_at <= ground.now()
        left = there.forgotten() if is_over else there.ended()
        now = await with_kept(ground, scope, now, left)
        failed = bool(now.wanted.get(BY_DEVICE))
        at = now.expires_at if left.granted else None
        over = replace(now, state="failed" if failed else "bound", poll_at=at, result={"error": code})
        await scope.connect_sessions.save(over, now.revision)

    await changing(ground, change)


async def end_session(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """End a session as :func:`~apiloom.flows.connecting.delete_session` does; what was granted in it before it was
    connected is given back.

    Raises:
        CallerError: as there.
    """
    before = await read_session(ground, who, id_)
    asked: Asked | None = None
    kept = Kept()
    if before.poll_at is not None and not how.plan:
        async with ground.store.reading() as work:
            kept = await open_kept(ground, work.tenant(before.tenant), before)
        with contextlib.suppress(CallerError):
            asked = await load_asked(ground, before) if kept.granted else None
    removed = await delete_session(ground, who, id_, how)
    if asked is not None:
        await give_back_all(ground, asked, kept)
    return removed
