"""The steps of a visit to a connect page: opened, typed, sent to the provider, come back, connected.

A session belongs to the first browser that opens it, known by a cookie; what comes from another is refused, whoever
holds the link. A consent under way is used up by the first answer to it, before its code is exchanged. What was typed
is checked before it is kept, and forgotten when it was used.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from apiloom.base.errors import ApiloomError, CallerError
from apiloom.flows import fields
from apiloom.flows.changing import changing
from apiloom.flows.connect_account import Given, connect_account
from apiloom.flows.connect_granting import begun_way, give_back_all, go_on, poll_at, unasked, under_way
from apiloom.flows.connect_page import (
    Asked,
    Kept,
    checked_live,
    find_visit,
    gone,
    load_again,
    load_asked,
    open_kept,
    with_kept,
)
from apiloom.flows.connect_people import check_visitor
from apiloom.flows.connect_ports import Begun, Visitor
from apiloom.flows.connect_ways import Way, form_of
from apiloom.flows.connecting import BY_DEVICE, connecting_of, digest_of, knows, new_code
from apiloom.flows.ground import Ground, check_awake
from apiloom.flows.oauth_clients import redirect_uri
from apiloom.flows.parts import compiled
from apiloom.store.ports import Work
from apiloom.store.records import ConnectSession

MOST_TRIES = 20
"""How often one session's form may be sent: it is no place to guess at credentials."""

_STATE = "connect.state"
_ATTEMPT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step led to: the session as it is now, and where the person goes next, empty: nowhere else.

    ``link`` is the session's own, for whoever comes back without it; ``error`` is why the account is not connected.
    """

    session: ConnectSession
    url: str = field(default="", repr=False)
    link: str = field(default="", repr=False)
    error: ApiloomError | None = None
    scheme: str = ""
    """What is granted there."""


async def bind(
    ground: Ground, text: str, browser: str, channel: str = "", visitor: Visitor | None = None
) -> ConnectSession:
    """The session of a link for the browser that opens it: the first one, or that one again.

    ``channel`` is a hash of what another page of the same visitor can show, to be told what came of it. The first one
    stays: a later one, from whoever else holds the link, takes nothing from it. ``visitor`` is who signed in just now.

    Raises:
        CallerError: ``connect.gone``; ``connect.browser`` for any other browser; ``connect.sign_in`` where it is for
            somebody who signs in first, ``connect.person`` for anybody but them.
    """
    session = await find_visit(ground, text)
    if session.browser:
        check_browser(ground, session, browser)
        if not channel or session.state == "done":
            return session
    else:
        check_visitor(session, visitor)

    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(session.tenant)
        now = await load_again(ground, work, session)
        kept = await open_kept(ground, scope, now)
        if now.browser:
            check_browser(ground, now, browser)
        else:
            state = "bound" if now.state == "open" else now.state
            now = replace(now, browser=digest_of(ground, f"browser {now.id}", browser), state=state)
        if channel and not kept.channel:
            now = await with_kept(ground, scope, now, replace(kept, channel=channel))
        return await scope.connect_sessions.save(now, now.revision)

    return await changing(ground, change)


def check_browser(ground: Ground, session: ConnectSession, browser: str) -> None:
    """That this is the browser a session belongs to.

    Raises:
        CallerError: ``connect.browser``.
    """
    if not browser or not knows(ground, session.browser, f"browser {session.id}", browser):
        raise CallerError(
            "this link was already opened in another browser, and works only there",
            code="connect.browser",
            hint="go on there, or go back to where you got it and ask for a new one",
        )


# what was typed


async def submit(ground: Ground, link: str, session: ConnectSession, number: int, typed: Mapping[str, str]) -> Step:
    """Take what was typed for one way: connect the account, or lead to the provider and back to the ``link``.

    Raises:
        CallerError: ``connect.missing`` (its ``fields`` say what), ``connect.tries``, ``connect.gone``,
            ``store.dormant``, ``field.…``, and whatever the account is refused with.
        DesignError: as :meth:`~apiloom.flows.ground.Versions.check_account`.
        UpstreamError: the provider cannot be asked.
    """
    if session.state == "done":
        return Step(session=session)
    check_awake(ground)
    if session.wanted.get(BY_DEVICE):
        return Step(session=session)  # nothing is typed for it
    session, kept = await _counted(ground, session)
    asked = await load_asked(ground, session)
    way = asked.way(number)
    if kept.granted and kept.way == way.number:
        given = Given(way=way, variables=kept.variables, credentials=kept.credentials)
    else:
        given = await checked(ground, asked, way, typed)
    if way.consents:
        return await _begin(ground, asked, given, link)
    return Step(session=await connect_account(ground, asked, given))


async def checked(ground: Ground, asked: Asked, way: Way, typed: Mapping[str, str]) -> Given:
    """What was typed for a way, once it is known to fit.

    Raises:
        CallerError: ``connect.missing``, ``field.…``.
        DesignError: as :meth:`~apiloom.flows.ground.Versions.check_account`; ``oauth.variable``.
    """
    variables, credentials = _read(asked, way, typed)
    own = {blank.name for each in asked.blanks.values() for blank in each}
    left = {name: value for name, value in variables.items() if name in asked.needs.known or name not in own}
    async with ground.store.reading() as work:
        made = compiled(work.tenant(asked.session.tenant), asked.version)
        await ground.versions.check_account(made, left, credentials)
    for scheme in way.consents:
        connecting_of(ground).check_blank(asked.consents[scheme], variables)
    return Given(way=way, variables=variables, credentials=credentials)


async def _counted(ground: Ground, session: ConnectSession) -> tuple[ConnectSession, Kept]:
    seen: list[Kept] = []

    async def change(work: Work) -> ConnectSession:
        seen.clear()
        scope = work.tenant(session.tenant)
        now = await load_again(ground, work, session)
        kept = await open_kept(ground, scope, now)
        if kept.tries >= MOST_TRIES:
            raise CallerError(
                "this form was sent too often",
                code="connect.tries",
                hint="go back to where you got the link and ask for a new one",
            )
        seen.append(replace(kept, tries=kept.tries + 1))
        now = await with_kept(ground, scope, now, seen[0])
        return await scope.connect_sessions.save(now, now.revision)

    return await changing(ground, change), seen[0]


def _read(asked: Asked, way: Way, typed: Mapping[str, str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Variables and credentials of what was typed, with what the vendor or the account knew before."""
    wanted = asked.fields(way)
    lacking = tuple(one.name for one in wanted if one.required and not typed.get(one.name, "").strip())
    if lacking:
        raise CallerError(
            "something is left to fill in", code="connect.missing", hint="fill in what is marked", fields=lacking
        )
    given = {name: typed[f"v:{name}"].strip() for name in asked.variables(way)}
    variables = fields.values({**asked.known, **given}, "variables")
    credentials: dict[str, dict[str, str]] = {}
    for name in way.typed:
        members = form_of(asked.needs.schemes[name])
        credentials[name] = {member: _one(typed.get(f"c:{name}:{member}", ""), member) for member in members}
    return variables, credentials


def _one(value: str, member: str) -> str:
    # what is pasted often brings a line break or a space along; a password may begin or end with a space
    value = value.strip("\r\n") if member == "password" else value.strip()
    if len(value) > 16 * 1024:
        raise fields.refused("credentials", "are too long", code="field.bounds")
    return value


# the provider


async def _begin(ground: Ground, asked: Asked, given: Given, link: str) -> Step:
    """Lead to the provider of what is granted next."""
    way = given.way
    port = connecting_of(ground)
    attempt = secrets.token_urlsafe(_ATTEMPT)
    state = port.sealers[0].seal(_STATE, f"{asked.session.id} {attempt}".encode())
    async with ground.store.reading() as work:
        before = await open_kept(ground, work.tenant(asked.session.tenant), asked.session)
    had = before.granted if before.way == way.number else {}
    consent = asked.consent(way, way.next(had), given.variables)
    begun = await port.begin(consent, state, redirect_uri(ground, consent.client))

    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(asked.session.tenant)
        now = await load_again(ground, work, asked.session)
        if now.state == "done":
            return now
        kept = under_way(await open_kept(ground, scope, now), given, consent, begun)
        kept = replace(kept, attempt=attempt, begun={**kept.begun, "link": link})
        now = replace(await with_kept(ground, scope, now, kept), state="authorizing", result={})
        now = replace(now, poll_at=poll_at(ground, now, kept))
        return await scope.connect_sessions.save(now, now.revision)

    session = await changing(ground, change)
    if before.granted and not had:
        await give_back_all(ground, asked, before)  # another way was chosen than what was granted first is for
    leads = isinstance(begun, Begun) and session.state != "done"
    return Step(session=session, url=begun.url if leads else "", scheme=consent.scheme.id)


def session_of(ground: Ground, state: str) -> tuple[str, str]:
    """The session and the attempt that a state was sealed for.

    Raises:
        CallerError: ``connect.state`` for every state that was not made here.
    """
    for sealer in connecting_of(ground).sealers:
        payload = sealer.unseal(_STATE, state)
        if payload is not None:
            id_, _, attempt = payload.decode("ascii").partition(" ")
            return id_, attempt
    raise unasked()


async def returned(ground: Ground, browser: str, state: str, query: str, back: str = "") -> Step:
    """What the provider sent the browser back with; ``query`` is all of it as it came, ``back`` what stood in its path
    (:func:`~apiloom.flows.oauth_clients.way_back`).

    Raises:
        CallerError: ``connect.state``, ``connect.gone``, ``connect.browser``: nothing was asked of anybody then.
    """
    id_, attempt = session_of(ground, state)
    taken: list[Kept] = []

    async def change(work: Work) -> ConnectSession:
        taken.clear()
        found = await work.house().connect_sessions.load(id_)
        if found is None:
            raise gone()
        check_browser(ground, found, browser)
        now = await checked_live(ground, work.house(), found)
        scope = work.tenant(now.tenant)
        kept = await open_kept(ground, scope, now)
        if now.state != "authorizing" or not secrets.compare_digest(kept.attempt, attempt):
            raise unasked()
        if kept.begun.get("back", "") != back:
            raise unasked()  # it was given to another client than the one that asked
        taken.append(kept)
        # used up before anything is asked for it: whoever comes with the same answer again finds nothing
        now = replace(await with_kept(ground, scope, now, kept.ended()), state="bound")
        return await scope.connect_sessions.save(now, now.revision)

    session = await changing(ground, change)
    return await _answered(ground, session, taken[0], query)


async def _answered(ground: Ground, session: ConnectSession, kept: Kept, query: str) -> Step:
    link = kept.begun.get("link", "")
    try:
        return Step(session=await _exchanged(ground, session, kept, query), link=link)
    except ApiloomError as error:
        return Step(session=session, link=link, error=error)


async def _exchanged(ground: Ground, session: ConnectSession, kept: Kept, query: str) -> ConnectSession:
    port = connecting_of(ground)
    asked = await load_asked(ground, session)
    way, consent = begun_way(asked, kept)
    granted = await port.finish(consent, redirect_uri(ground, consent.client), kept.begun, query)
    return await go_on(ground, asked, way, kept, granted)


# what came of it, for the page that waits


async def told(ground: Ground, text: str, channel_hash: str) -> tuple[ConnectSession, str]:
    """The session as it is, and once, when it is done, a code for the vendor's backend.

    Only whoever showed the channel first is given the code: holding the link is not enough.

    Raises:
        CallerError: ``connect.gone``.
    """
    session = await find_visit(ground, text)
    if session.state != "done" or session.code:
        return session, ""
    async with ground.store.reading() as work:
        kept = await open_kept(ground, work.tenant(session.tenant), session)
    if not kept.channel or not secrets.compare_digest(kept.channel, channel_hash):
        return session, ""
    return await issue_code(ground, session)


async def issue_code(ground: Ground, session: ConnectSession) -> tuple[ConnectSession, str]:
    """A code of a session that is done; empty when it has one already."""
    codes: list[str] = []

    async def change(work: Work) -> ConnectSession:
        codes.clear()
        scope = work.tenant(session.tenant)
        now = await scope.connect_sessions.load(session.id)
        if now is None:
            raise gone()
        if now.state != "done" or now.code:
            return now
        code, changed = new_code(ground, now)
        codes.append(code)
        return await scope.connect_sessions.save(changed, now.revision)

    kept = await changing(ground, change)
    return kept, codes[0] if codes else ""
