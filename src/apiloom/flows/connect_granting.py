"""Consents under way: what is kept of one while a person is at the provider, and what becomes of what they granted.

An account is connected once all that its way needs was granted. What was granted before the last of it lies sealed in
the session; where the rest never comes, it is given back. :mod:`apiloom.flows.connect_visit` and
:mod:`apiloom.flows.connect_device` stand above.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from apiloom.base.errors import ApiloomError, CallerError, HouseFault
from apiloom.flows.changing import changing, see_through
from apiloom.flows.connect_account import Given, check_same_person, connect_account
from apiloom.flows.connect_page import Asked, Kept, load_again, open_kept, with_kept
from apiloom.flows.connect_ports import Begun, Confirming, Consent, Granted
from apiloom.flows.connect_ways import Way
from apiloom.flows.connecting import connecting_of
from apiloom.flows.ground import Ground
from apiloom.flows.oauth_clients import way_back
from apiloom.store.ports import Work
from apiloom.store.records import ConnectSession

DEVICE = "device"
"""Member of a consent under way at another screen: that it is one."""


def under_way(kept: Kept, given: Given, consent: Consent, begun: Begun | Confirming) -> Kept:
    """What is kept while a consent is under way; what was granted for another way is not."""
    way = given.way
    told: Mapping[str, str] = begun.kept
    if isinstance(begun, Confirming):
        told = {
            **begun.kept,
            DEVICE: "1",
            "user_code": begun.user_code,
            "url": begun.url,
            "complete_url": begun.complete_url,
            "interval": str(begun.interval),
            "ends": str(begun.expires_at),
        }
    return replace(
        kept,
        way=way.number,
        variables=dict(given.variables),
        credentials={name: dict(each) for name, each in given.credentials.items()},
        begun={**told, "scheme": consent.scheme.id, "client": consent.client.id, "back": way_back(consent.client)},
        granted=kept.granted if kept.way == way.number else {},
    )


def poll_at(ground: Ground, session: ConnectSession, kept: Kept) -> float | None:
    """When a session is looked at next though nobody opens it."""
    if kept.begun.get(DEVICE):
        return ground.now() + float(kept.begun["interval"])
    return session.expires_at if kept.granted else None


def begun_way(asked: Asked, kept: Kept) -> tuple[Way, Consent]:
    """The way and the consent that are under way.

    Raises:
        CallerError: ``connect.state`` where the connector or its client became another meanwhile.
    """
    scheme = kept.begun.get("scheme", "")
    way = next((way for way in asked.ways if way.number == kept.way and scheme in way.consents), None)
    if way is None or asked.consents[scheme].id != kept.begun.get("client"):
        raise unasked()
    return way, asked.consent(way, scheme, kept.variables)


def unasked() -> CallerError:
    """What is said of an answer to no question."""
    return CallerError(
        "this answer belongs to no question that is still open",
        code="connect.state",
        hint="go back to the page you came from and begin again",
    )


async def go_on(ground: Ground, asked: Asked, way: Way, kept: Kept, granted: Granted) -> ConnectSession:
    """What was granted just now: the account is connected, or it waits for the rest of its way.

    Raises:
        ApiloomError: as :func:`~apiloom.flows.connect_account.connect_account`; it is given back then, and when
            whoever waited is gone.
    """
    port = connecting_of(ground)
    scheme = kept.begun["scheme"]
    fresh = (asked.consent(way, scheme, kept.variables), granted)
    had = {name: port.unpack(packed) for name, packed in kept.granted.items() if name in way.consents}
    had[scheme] = granted
    grants = tuple((asked.consent(way, name, kept.variables), had[name]) for name in way.consents if name in had)
    given = Given(way=way, variables=kept.variables, credentials=kept.credentials, grants=grants)
    is_kept = is_unused = False
    try:
        if way.next(had):
            check_same_person(asked, given)
            packed = {name: port.pack(each) for name, each in had.items()}
            session = await _waiting(ground, asked, kept, packed)
        else:
            session = await connect_account(ground, asked, given)
        is_kept = True
    except ApiloomError as error:
        is_unused = not isinstance(error, HouseFault)
        raise
    finally:
        if not is_kept:  # whoever waited may be gone
            await see_through(_spared(ground, asked.session, *fresh, is_unused=is_unused))
    return session


async def _spared(
    ground: Ground, session: ConnectSession, consent: Consent, granted: Granted, *, is_unused: bool
) -> None:
    """Give back what was granted just now, unless it turns out that it was kept before whoever waited was gone."""
    if not is_unused:
        with contextlib.suppress(ApiloomError):
            async with ground.store.reading() as work:
                now = await work.tenant(session.tenant).connect_sessions.load(session.id)
            if now is not None and now.state == "done":
                return
    await connecting_of(ground).give_back(consent, granted)


async def _waiting(
    ground: Ground, asked: Asked, kept: Kept, granted: Mapping[str, Mapping[str, object]]
) -> ConnectSession:
    """The session with what was granted so far, open for the next."""

    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(asked.session.tenant)
        now = await load_again(ground, work, asked.session)
        there = await open_kept(ground, scope, now)
        if now.state == "done" or there.attempt not in ("", kept.attempt):
            raise unasked()  # another form of the same page was quicker
        fresh = replace(kept, channel=there.channel, tries=there.tries, granted=granted).ended()
        now = replace(await with_kept(ground, scope, now, fresh), state="bound", poll_at=now.expires_at)
        return await scope.connect_sessions.save(now, now.revision)

    return await changing(ground, change)


async def give_back_all(ground: Ground, asked: Asked, kept: Kept) -> None:
    """Give back what was granted and will not be used."""
    port = connecting_of(ground)
    way = asked.way(kept.way)
    for scheme, packed in kept.granted.items():
        if scheme in asked.consents and scheme in asked.needs.schemes:
            await port.give_back(asked.consent(way, scheme, kept.variables), port.unpack(packed))


async def granted_so_far(ground: Ground, session: ConnectSession) -> tuple[int, tuple[str, ...]]:
    """The number of the way that was chosen, and for which of its schemes access was granted; 0 where nothing was."""
    if session.poll_at is None:
        return 0, ()  # what is granted in part is always to be tidied up
    async with ground.store.reading() as work:
        kept = await open_kept(ground, work.tenant(session.tenant), session)
    return (kept.way, tuple(kept.granted)) if kept.granted else (0, ())
