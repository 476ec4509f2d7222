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
from apiloom.flows.connect_ways import Way, form_of
from apiloom.flows.connecting import connecting_of, digest_of, knows, new_code
from apiloom.flows.ground import Ground, check_awake
from apiloom.flows.oauth_clients import redirect_uri, way_back
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


async def bind(ground: Ground, text: str, browser: str, channel: str = "") -> ConnectSession:
    """The session of a link for the browser that opens it: the first one, or that one again.

    ``channel`` is a hash of what another page of the same visitor can show, to be told what came of it. The first one
    stays: a later one, from whoever else holds the link, takes nothing from it.

    Raises:
        CallerError: ``connect.gone``; ``connect.browser`` for any other browser.
    """
    session = await find_visit(ground, text)
    if session.browser:
        check_browser(ground, session, browser)
        if not channel or session.state == "done":
            return session

    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(session.tenant)
        now = await load_again(ground, work, session)
        kept = await open_kept(ground, scope, now)
        if now.browser:
            check_browser(ground, now, browser)
        else:
            now = replace(now, browser=digest_of(ground, f"browser {now.id}", browser), state="bound")
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
    session = await _counted(ground, session)
    asked = await load_asked(ground, session)
    way = asked.way(number)
    variables, credentials = _read(asked, way, typed)
    async with ground.store.reading() as work:
        made = compiled(work.tenant(session.tenant), asked.version)
        await ground.versions.check_account(made, variables, credentials)
    if way.consent:
        return await _begin(ground, asked, Given(way=way, variables=variables, credentials=credentials), link)
    return Step(
        session=await connect_account(ground, asked, Given(way=way, variables=variables, credentials=credentials))
    )


async def _counted(ground: Ground, session: ConnectSession) -> ConnectSession:
    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(session.tenant)
        now = await load_again(ground, work, session)
        kept = await open_kept(ground, scope, now)
        if kept.tries >= MOST_TRIES:
            raise CallerError(
                "this form was sent too often",
                code="connect.tries",
                hint="go back to where you got the link and ask for a new one",
            )
        now = await with_kept(ground, scope, now, replace(kept, tries=kept.tries + 1))
        return await scope.connect_sessions.save(now, now.revision)

    return await changing(ground, change)


def _read(asked: Asked, way: Way, typed: Mapping[str, str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Variables and credentials of what was typed, with what the vendor or the account knew before."""
    wanted = asked.fields(way)
    lacking = tuple(one.name for one in wanted if one.required and not typed.get(one.name, "").strip())
    if lacking:
        raise CallerError(
            "something is left to fill in", code="connect.missing", hint="fill in what is marked", fields=lacking
        )
    known = asked.session.wanted.get("variables", {}) if asked.account is None else asked.account.variables
    given = {name: typed[f"v:{name}"].strip() for name in asked.variables()}
    variables = fields.values({**known, **given}, "variables")
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
    way = given.way
    port = connecting_of(ground)
    attempt = secrets.token_urlsafe(_ATTEMPT)
    state = port.sealers[0].seal(_STATE, f"{asked.session.id} {attempt}".encode())
    consent = asked.consent(way)
    begun = await port.begin(consent, state, redirect_uri(ground, consent.client))

    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(asked.session.tenant)
        now = await load_again(ground, work, asked.session)
        if now.state == "done":
            return now
        kept = await open_kept(ground, scope, now)
        kept = replace(
            kept,
            way=way.number,
            attempt=attempt,
            variables=dict(given.variables),
            credentials={name: dict(each) for name, each in given.credentials.items()},
            begun={
                **begun.kept,
                "scheme": way.consent,
                "client": consent.client.id,
                "back": way_back(consent.client),
                "link": link,
            },
        )
        now = replace(await with_kept(ground, scope, now, kept), state="authorizing")
        return await scope.connect_sessions.save(now, now.revision)

    session = await changing(ground, change)
    return Step(session=session, url="" if session.state == "done" else begun.url)


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
    raise _unasked()


def _unasked() -> CallerError:
    return CallerError(
        "this answer belongs to no question that is still open",
        code="connect.state",
        hint="go back to the page you came from and begin again",
    )


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
            raise _unasked()
        if kept.begun.get("back", "") != back:
            raise _unasked()  # it was given to another client than the one that asked
        taken.append(kept)
        # used up before anything is asked for it: whoever comes with the same answer again finds nothing
        now = replace(await with_kept(ground, scope, now, kept.forgotten()), state="bound")
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
    way = next((way for way in asked.ways if way.consent == kept.begun.get("scheme")), None)
    if way is None or asked.consents[way.consent].id != kept.begun.get("client"):
        raise _unasked()  # the connector or its client became another meanwhile
    consent = asked.consent(way)
    granted = await port.finish(consent, redirect_uri(ground, consent.client), kept.begun, query)
    given = Given(way=way, variables=kept.variables, credentials=kept.credentials, consent=consent, granted=granted)
    try:
        return await connect_account(ground, asked, given)
    except ApiloomError:
        await port.give_back(consent, granted)
        raise


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
