"""Who opens a link: somebody who has to sign in at the operator's issuer first, where the link is for them alone.

The way to the issuer and back belongs to the browser it began in and to one session: the state is sealed for both, and
what proves the answer is made from it by a key of the house. Nothing is kept meanwhile, and nothing of the session is
shown. :mod:`apiloom.flows.connect_visit` and the page stand above.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping

from apiloom.base.errors import CallerError
from apiloom.base.secret import Secret
from apiloom.flows.connect_page import find_visit, gone
from apiloom.flows.connect_ports import People, Question, Visitor
from apiloom.flows.connecting import SIGNED_IN, connecting_of
from apiloom.flows.ground import Ground
from apiloom.store.records import ConnectSession

MARK = "who."
"""What the states of these sign-ins begin with, so that whoever meets them all can tell them apart."""

MINUTES = 600.0
"""Seconds that a person has to sign in."""

_PURPOSE = "connect-who"


def is_for_somebody(session: ConnectSession) -> bool:
    """Whether whoever opens a session's link has to sign in first."""
    return bool(session.wanted.get(SIGNED_IN)) and not session.browser


def check_visitor(session: ConnectSession, visitor: Visitor | None) -> None:
    """That a link is opened by the one it is for, where that is said.

    Raises:
        CallerError: ``connect.sign_in`` where it is not known yet who opens it, ``connect.person`` for another.
    """
    wanted = session.wanted.get(SIGNED_IN)
    if not wanted:
        return
    if visitor is None:
        raise CallerError(
            "this link is for somebody who signs in first", code="connect.sign_in", hint="open it in a browser"
        )
    if isinstance(wanted, str):
        fits = secrets.compare_digest(visitor.id.encode(), wanted.encode())
    else:  # by the vendor's own word of whom it is for
        fits = bool(visitor.end_user) and (visitor.tenant, visitor.end_user) == (session.tenant, session.end_user)
    if not fits:
        raise another()


def another() -> CallerError:
    """What anybody is told whom a link is not for."""
    return CallerError(
        "this link is for somebody else than who signed in",
        code="connect.person",
        hint="sign in as the person it was given to",
    )


async def ask_who(ground: Ground, link: str, browser: str) -> str:
    """Where somebody goes who opens a link and has to say who they are.

    Raises:
        CallerError: ``connect.gone``, ``connect.people``.
        UpstreamError: the issuer cannot be asked.
    """
    session = await find_visit(ground, link)
    payload = f"{session.id} {int(ground.now() + MINUTES)} {secrets.token_urlsafe(16)}"
    sealer = connecting_of(ground).sealers[0]
    state = f"{MARK}{sealer.seal(_PURPOSE, payload.encode(), browser.encode())}"
    return await _people(ground).away(_question(ground, state))


def session_asked(ground: Ground, state: str, browser: str) -> str:
    """The id of the session for which somebody was sent away, in this browser.

    Raises:
        CallerError: ``connect.state``: none was, not here, or too long ago.
    """
    for sealer in connecting_of(ground).sealers:
        payload = sealer.unseal(_PURPOSE, state.removeprefix(MARK), browser.encode()) if browser else None
        if payload is not None:
            id_, ends, _ = payload.decode("ascii").split(" ")
            if ground.now() < int(ends):
                return id_
    raise CallerError(
        "this sign-in is over, or began in another browser", code="connect.state", hint="open the link again"
    )


async def recognise(ground: Ground, link: str, browser: str, form: Mapping[str, str]) -> Visitor:
    """Who came back from the issuer; ``form`` is what they brought.

    Raises:
        CallerError: ``connect.state``, ``connect.gone``, ``connect.people``; ``connect.person`` for somebody whom
            nobody here knows.
        UpstreamError: the issuer cannot be asked.
    """
    state = form.get("state", "")
    if link.partition(".")[0] != session_asked(ground, state, browser):
        raise gone()
    await find_visit(ground, link)
    try:
        return await _people(ground).home(form, _question(ground, state))
    except CallerError as error:
        if error.code.startswith("sign_in."):
            raise another() from None
        raise


def check_people(ground: Ground) -> None:
    """That people can sign in here.

    Raises:
        CallerError: ``connect.people``.
    """
    _people(ground)


def _people(ground: Ground) -> People:
    people = connecting_of(ground).people
    if people is None or not people.is_there():
        raise CallerError(
            "nobody can sign in at this gateway to open the link",
            code="connect.people",
            hint="it takes a façade in front of an issuer: ask whoever runs this gateway",
        )
    return people


def _question(ground: Ground, state: str) -> Question:
    """What goes with a state: it cannot be told from it without a key of this house."""
    verifier, nonce = (_derived(ground, what, state) for what in ("verifier", "nonce"))
    return Question(state=state, verifier=Secret(verifier), nonce=nonce)


def _derived(ground: Ground, what: str, state: str) -> str:
    """Of the 43 characters or more that a verifier has (RFC 7636 section 4.1)."""
    digest = b"".join(ground.digests(f"connect {what} {part} {state}")[0] for part in (1, 2))
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
