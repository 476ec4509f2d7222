"""Recognising strangers: a bearer that is none of the house's own, judged by the word of an operator's issuer.

What is found is kept in :class:`~apiloom.identity.guests.Guests`, where the path of a call finds it without waiting.
Keys are fetched when first needed, again when they are old, and once, not more often than twice a minute, for a key
that is not known; while the issuer cannot be reached those that were fetched go on serving. Whoever was recognised by a
key that its issuer publishes no more is recognised no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.app.gateway.asking import Client, fetch_body, fetch_metadata, post_form
from apiloom.base import json
from apiloom.base.errors import ApiloomError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.identity.claims import (
    Unfit,
    audiences,
    bound_to,
    check_subject,
    check_times,
    granted_scopes,
    lacking,
    principal_id,
)
from apiloom.identity.guests import API, MCP, Guest, Guests
from apiloom.identity.jwts import LONGEST, Keys, looks_signed, peek, read_keys, verify
from apiloom.identity.rules import build_principal, map_claims, view_of
from apiloom.identity.settings import Identity, Introspection, Issuer
from apiloom.identity.turns import Turns, place_of
from apiloom.net.request import Sender

FRESH = 900.0
"""Seconds after which keys are fetched anew, while the old ones serve."""

AGAIN = 30.0
"""Seconds between two questions for keys that are not known."""

REFUSED_FOR = 10.0
MOST_REFUSED = 10_000
"""How long, and of how many, it is remembered that an issuer does not know a token."""

MOST_ASKED = 16
"""Questions to one issuer at the same time about strangers, and as many about tokens that it has vouched for."""

MOST_ASKED_EACH = 4
"""Questions about strangers from one address at the same time."""

MOST_WRONG = 60
"""Tokens a minute from one address that an issuer does not know, before it is asked about no more of them."""

PERIODS = 5
"""Periods of an answer after which a token counts no more about which its issuer could not be asked again."""

FARTHEST = 86_400.0
"""Seconds for which somebody is recognised at most, however late their token ends."""

_log = logging.getLogger("apiloom.gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """What recognising stands on. ``server_id`` finds the id of a tenant's server by id or name ("": none)."""

    sender: Sender
    public_url: str
    now: Callable[[], float]
    clock: Callable[[], float]
    server_id: Callable[[str, str], str]
    secret: Callable[[str], Secret]


class KeyRing:
    """The keys of one issuer. ``fetched`` is told of them whenever they were."""

    def __init__(self, town: Town, issuer: str, jwks: str, fetched: Callable[[Keys], None] = lambda _: None) -> None:
        self._town = town
        self._issuer = issuer
        self._jwks = jwks
        self._tell = fetched
        self._keys: Keys | None = None
        self._asked = float("-inf")
        self._fetched = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def get(self) -> Keys:
        """The keys as last fetched.

        Raises:
            UpstreamError: they never were, and cannot be now.
        """
        if self._keys is None:
            # a dead issuer is not asked anew by every caller
            if self._town.clock() - self._asked < 1.0 and self._fetching is None:
                raise _unreachable(self._issuer)
            await asyncio.shield(self._fetch())
        else:
            self.look_again()
        if self._keys is None:
            raise _unreachable(self._issuer)
        return self._keys

    def look_again(self) -> None:
        """Have the keys fetched anew where they are old; nobody waits for it."""
        if self._town.clock() - max(self._fetched, self._asked) > FRESH:
            self._fetch()

    async def renewed(self) -> Keys | None:
        """The keys fetched once more, for one that is not among them; None where they were asked for just now."""
        if self._fetching is None and self._town.clock() - self._asked < AGAIN:
            return None
        await asyncio.shield(self._fetch())
        return self._keys

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._asked = self._town.clock()
            self._fetching = asyncio.create_task(self._fetched_now())
        return self._fetching

    async def _fetched_now(self) -> None:
        try:
            if not self._jwks:
                self._jwks = (await fetch_metadata(self._town.sender, self._issuer)).jwks
            self._keys = read_keys(await fetch_body(self._town.sender, self._jwks))
            self._fetched = self._town.clock()
            self._tell(self._keys)
        except (ApiloomError, ValueError) as error:
            code = error.code if isinstance(error, ApiloomError) else "identity.issuer"
            _log.warning("the keys of an issuer cannot be fetched: %s", code)
        finally:
            self._fetching = None


@dataclass(slots=True)
class _Known:
    """One issuer, and what is at hand of it."""

    terms: Issuer
    ring: KeyRing
    strangers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_ASKED))
    again: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_ASKED))


class Issuers:
    """Those whose word counts.

    Args:
        identity: the operator's settings.
        guests: where those who were recognised are kept.
        town: what it stands on.
    """

    def __init__(self, identity: Identity, guests: Guests, town: Town) -> None:
        self._town = town
        self._guests = guests
        self._binding = identity.certificates is not None
        self._known = {each.issuer: _Known(each, self._ring(each)) for each in identity.issuers}
        self._opaque = next((one for one in self._known.values() if one.terms.introspection is not None), None)
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Guest | None]] = {}
        self._wrong = Turns(MOST_WRONG, town.clock)
        self._from: Counter[str] = Counter()
        self._unsigned: set[str] = set()

    def _ring(self, terms: Issuer) -> KeyRing:
        def fetched(keys: Keys) -> None:
            names = keys.names
            self._unsigned |= self._guests.remove(
                lambda each: each.issuer == terms.issuer and each.signed_by not in names
            )

        return KeyRing(self._town, terms.issuer, terms.jwks, fetched)

    async def meet(self, token: str, address: str = "") -> Guest | None:
        """Recognise a bearer that is shown from an address; None for whoever is let in by nobody's word.

        Raises:
            UpstreamError: whoever could vouch cannot be asked now.
        """
        if len(token) > LONGEST:
            return None
        try:
            if looks_signed(token):
                guest = await self._signed(token)
                return None if guest is None else self._guests.put(token, guest)
            if self._opaque is None or not token.isascii() or not token.isprintable() or not token:
                return None
            return await self._once(token, self._opaque, address)
        except Unfit as unfit:
            _log.debug("a token is not accepted: %s", unfit.why)
            return None

    async def ask_again(self, open_tokens: Callable[[], set[str]]) -> set[str]:
        """Ask once more about tokens that have something open, and for keys that are old; the names of those that count
        no more.
        """
        if len(self._guests):
            for known in self._known.values():
                known.ring.look_again()
        unsigned, self._unsigned = self._unsigned, set()
        return unsigned | await self._asked_again(open_tokens)

    async def _asked_again(self, open_tokens: Callable[[], set[str]]) -> set[str]:
        asked = None if self._opaque is None else self._opaque.terms.introspection
        if asked is None:
            return set()
        now = self._town.now()
        last = now - PERIODS * asked.seconds
        # however long its issuer is silent: what was taken back meanwhile must not stay open for ever
        gone = self._guests.remove(lambda each: each.again is not None and each.counts_until <= last)
        due = self._guests.to_ask_again(now)
        busy = open_tokens() if due else set()
        idle = {guest.principal.token for guest in due} - busy
        if idle:
            self._guests.remove(lambda each: each.principal.token in idle)
        told = await asyncio.gather(*(self._still(guest) for guest in due if guest.principal.token in busy))
        return gone.union(name for name in told if name)

    async def _still(self, guest: Guest) -> str:
        """Ask about a token once more; its name where it counts no more."""
        try:
            known = guest.again is not None and await self.meet(guest.again.reveal()) is not None
        except UpstreamError:
            return ""
        return "" if known else guest.principal.token

    async def _signed(self, token: str) -> Guest | None:
        peeked = peek(token)
        known = self._known.get(peeked.issuer)
        if known is None or peeked.type not in known.terms.types:
            return None
        if peeked.algorithm not in known.terms.algorithms:
            return None
        keys = await known.ring.get()
        if not keys.fitting(peeked):
            keys = await known.ring.renewed() or keys
        proven = verify(token, peeked, keys, algorithms=known.terms.algorithms)
        claims = proven.claims
        if claims.get("iss") != known.terms.issuer:
            return None
        guest = self._guest(known.terms, claims, check_times(claims, self._town.now()))
        return None if guest is None else replace(guest, issuer=known.terms.issuer, signed_by=proven.key)

    async def _once(self, token: str, known: _Known, address: str) -> Guest | None:
        """Ask about a token, once for all who wait.

        Whom the issuer has vouched for before waits for nobody but their like; strangers have turns of their own, and
        of those one address has a part.
        """
        until = self._refused.get(token_key := _short(token))
        if until is not None and self._town.clock() < until:
            return None
        task = self._asking.get(token_key)
        if task is None:
            asking = (
                self._introspect(token, known, known.again)
                if self._guests.knows(token)
                else self._as_stranger(token, known, address)
            )
            task = self._asking[token_key] = asyncio.create_task(asking)
            task.add_done_callback(lambda _: self._asking.pop(token_key, None))
        guest = await asyncio.shield(task)
        if guest is None:
            self._refused[token_key] = self._town.clock() + REFUSED_FOR
            while len(self._refused) > MOST_REFUSED:
                self._refused.popitem(last=False)
        return guest

    async def _as_stranger(self, token: str, known: _Known, address: str) -> Guest | None:
        place = place_of(address)
        if known.strangers.locked() or self._from[place] >= MOST_ASKED_EACH or not self._wrong.left(address):
            raise _unreachable(known.terms.issuer)
        self._from[place] += 1
        try:
            guest = await self._introspect(token, known, known.strangers)
        finally:
            self._from[place] -= 1
            if not self._from[place]:
                del self._from[place]
        if guest is None:
            self._wrong.charge(address)
        return guest

    async def _introspect(self, token: str, known: _Known, turns: asyncio.Semaphore) -> Guest | None:
        """Ask an issuer about a token (RFC 7662 section 2)."""
        asked = known.terms.introspection
        assert asked is not None  # noqa: S101 - who is asked has one
        async with turns:
            status, answer = await post_form(
                self._town.sender, asked.url, {"token": token, "token_type_hint": "access_token"}, self._client(asked)
            )
        if status != 200:
            raise _unreachable(known.terms.issuer)
        if answer.get("active") is not True or answer.get("iss", known.terms.issuer) != known.terms.issuer:
            return None
        try:
            now = self._town.now()
            ends = check_times(answer, now) if "exp" in answer else float("inf")
            guest = self._guest(known.terms, answer, ends, until=now + asked.seconds, again=Secret(token))
        except Unfit as unfit:
            _log.debug("a token is not accepted: %s", unfit.why)
            return None
        return None if guest is None else self._guests.put(token, guest)

    def _client(self, asked: Introspection) -> Client:
        return Client(id=asked.client_id, secret=self._town.secret(asked.secret))

    def _guest(
        self,
        terms: Issuer,
        claims: Mapping[str, Any],
        ends: float,
        *,
        until: float = float("inf"),
        again: Secret | None = None,
    ) -> Guest | None:
        """Who these proven claims make of their holder."""
        bound = bound_to(claims)
        if bound and not self._binding:
            # nobody is believed here who could tell of the certificate that must be shown beside it
            return None
        subject = check_subject(claims)
        told = audiences(claims)
        resources = self._resources(terms, told)
        mapped = map_claims(terms.rules, claims, unverified_email=terms.unverified_email)
        if mapped is None or not resources:
            return None
        granted = granted_scopes(claims)
        wanted = ((MCP, terms.scopes), (API, terms.api_scopes))
        if ends != float("inf"):
            ends = min(ends, self._town.now() + FARTHEST)
        principal = build_principal(
            mapped, principal_id(terms.issuer, subject, mapped.tenant), ends, self._town.server_id
        )
        return Guest(
            principal=principal,
            key=view_of(principal),
            resources=resources,
            lacking=tuple((at, scopes) for at, scopes in wanted if lacking(scopes, granted)),
            counts_until=until,
            again=again,
            bound=bound,
        )

    def _resources(self, terms: Issuer, told: frozenset[str]) -> frozenset[str]:
        """The paths a token was given for: by the URL of each (RFC 8707), all by an audience of the operator's."""
        if told & frozenset(terms.audiences):
            return frozenset({MCP, API})
        url = self._town.public_url
        return frozenset(each[len(url) :] for each in told if each.startswith(f"{url}/"))


def _short(token: str) -> str:
    return json.digest(token)


def _unreachable(issuer: str) -> UpstreamError:
    return UpstreamError(
        f"the issuer {issuer} cannot be asked now", code="identity.unreachable", hint="try again in a moment"
    )
