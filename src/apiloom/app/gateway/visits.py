"""Where people are sent who have to do something before a call can succeed: one link for one need, however many ask.

A link to connect an account anew is for the person whose account it is: whoever else calls with it is told a sentence.
Who makes links is handed in; without it a sentence has to do. A link is remembered for a while, at most until shortly
before it ends.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from apiloom.base import json
from apiloom.base.errors import ApiloomError
from apiloom.base.secret import InTheClear, closed, replaced
from apiloom.calls.call import Call, Outcome, Text, Visit, refusal
from apiloom.identity.principal import Principal
from apiloom.store.records import Account

_MOST = 10_000
REMEMBERED = 900.0
"""Seconds for which the same link is handed out."""

_SIGN_INS = ({"gst", "fam"}, {"fam"})
"""What the names of a caller's tokens begin with who signed in and has shown nothing else: that of the bearer, and that
of the sign-in.
"""

LENT: Final = "~"
"""Stands in a caller's id before the mark of what they lend for one call; who they are stands before it."""

_SLACK = 60.0
"""Seconds before the end of a link from which it is not handed out any more."""


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Linked(InTheClear):
    """A page to visit, and until when it is there, in seconds since the epoch."""

    url: str = field(repr=False)
    expires_at: float


Make = Callable[[Account, Sequence[str], str], Awaitable[Linked | None]]
"""Makes a link to connect an account anew, with these scopes besides those that it asks for anyway, for the person of
an id who signed in, empty: for whoever opens it; None: it cannot.
"""

MakeFirst = Callable[[str, str, str, str], Awaitable[Linked | None]]
"""Makes a link for an end user of a tenant who has no account at a connector yet, and for a person; None: it cannot."""

Need = tuple[str, str]
"""The key of a need, and the URL to go to, empty where there is none."""


@dataclass(slots=True, kw_only=True)
class Links:
    """Links by need. Asking never fails: the call that asks does anyway."""

    make: Make | None = None
    make_first: MakeFirst | None = None
    now: Callable[[], float] = lambda: 0.0
    _known: OrderedDict[str, Linked] = field(default_factory=OrderedDict, repr=False)
    _making: dict[str, asyncio.Task[Linked | None]] = field(default_factory=dict, repr=False)

    async def get(self, account: Account, principal: Principal, scopes: Sequence[str] = ()) -> Need:
        """Where an account is connected anew, by whoever calls."""
        person = signed_in_as(principal)
        key = _key("reconnect", account.id, account.revision, sorted(scopes), person)
        return await self._linked(key, None if self.make is None else partial(self.make, account, scopes, person))

    async def first(self, tenant: str, connector: str, principal: Principal) -> Need:
        """Where whoever calls connects their first account."""
        person, end_user = signed_in_as(principal), principal.end_user
        key = _key("connect", tenant, connector, end_user, person)
        make = None if self.make_first is None else partial(self.make_first, tenant, connector, end_user, person)
        return await self._linked(key, make)

    async def _linked(self, key: str, make: Callable[[], Awaitable[Linked | None]] | None) -> Need:
        if make is None:
            return key, ""
        known = self._known.get(key)
        if known is not None and self.now() < known.expires_at - _SLACK:
            return key, known.url
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._made(make, key))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        linked = await asyncio.shield(task)
        return key, "" if linked is None else linked.url

    async def _made(self, make: Callable[[], Awaitable[Linked | None]], key: str) -> Linked | None:
        try:
            linked = await make()
        except ApiloomError:
            return None
        if linked is not None:
            # one that somebody opened and left is of no use to the next
            self._known[key] = replaced(linked, expires_at=min(linked.expires_at, self.now() + REMEMBERED))
            self._known.move_to_end(key)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return linked


def is_own(account: Account, principal: Principal) -> bool:
    """Whether an account is the caller's own, so that they may connect it anew: no shared one, and none that a server
    names for everybody, unless it is theirs.
    """
    return bool(account.end_user) and account.end_user == principal.end_user


def signed_in_as(principal: Principal) -> str:
    """The id of the person who signed in at this gateway by the word of an issuer; empty for whoever shows anything
    else: who else could sign in as them is not known then.
    """
    kinds = {one.partition("_")[0] for one in principal.token.split(" ")}
    # whoever signed in with an API token, or came with a server's, has that token's id beside the sign-in's
    return principal.id.partition(LENT)[0] if kinds in _SIGN_INS else ""


def _key(*of: object) -> str:
    """The key of a need. An end user is called what its vendor likes: no two needs may ever read the same, for then one
    person would be handed the link of another.
    """
    return f"{of[0]}/{json.digest(of)}"


async def sent_to_first(links: Links, place: tuple[str, str], principal: Principal, error: ApiloomError) -> Outcome:
    """An error as an outcome that says where somebody connects their first account.

    Args:
        links: makes the link.
        place: tenant and connector.
        principal: who it is for.
        error: what is told.
    """
    return _told(error, await links.first(*place, principal))


async def sent_to(
    links: Links, account: Account, principal: Principal, error: ApiloomError, scopes: Sequence[str] = ()
) -> Outcome:
    """An error as an outcome that says where to go."""
    return _told(error, await links.get(account, principal, scopes))


def _told(error: ApiloomError, need: Need) -> Outcome:
    key, url = need
    outcome = refusal(error, retryable=False)
    if not url:
        return outcome
    error.hint = f"open {url} and connect it, then try again"
    outcome.content = (Text(error.sentence()),)
    outcome.visit = Visit(key=key, url=url, message=f"{error.message[:1].upper()}{error.message[1:]}.")
    return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusing:
    """A :class:`~apiloom.calls.ports.Backend` of a tool that cannot be called with an account as it is now."""

    links: Links
    account: Account
    build: Callable[[], ApiloomError]
    scopes: tuple[str, ...] = ()
    visit: bool = True

    async def answer(self, call: Call) -> Outcome:
        """Why it cannot, and where to go, for whoever may."""
        error = self.build()
        if self.visit:
            if not is_own(self.account, call.principal):
                return refusal(error, retryable=False)
            return await sent_to(self.links, self.account, call.principal, error, self.scopes)
        return refusal(error, retryable=True)

    def preview(self, call: Call) -> dict[str, Any]:  # noqa: ARG002
        """Nothing would be sent."""
        raise self.build()
