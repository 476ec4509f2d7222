"""Calls that go out with what their caller lends: the caller's own upstream credential, or one exchanged for the token
that the caller was let in with. Only where a server is configured for it, and never with anybody else's.

What is lent comes in with a request and goes with it; what a token was exchanged for is remembered in memory until it
ends, under a keyed hash of what it was given for. None of it is ever stored, and nothing here can be printed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from apiloom.app.gateway.memory import Memory
from apiloom.app.gateway.visits import LENT
from apiloom.app.gateway.whose import Whose
from apiloom.base import json, values
from apiloom.base.errors import ApiloomError, CallerError, HouseFault
from apiloom.base.secret import Secret
from apiloom.calls.call import Call, Outcome, refusal
from apiloom.calls.ports import Backend
from apiloom.catalog.lending import HEADER, Lending
from apiloom.catalog.tool import Tool
from apiloom.identity.delegation import Delegation
from apiloom.identity.principal import Principal
from apiloom.store.records import Account
from apiloom.vault.oauth.terms import Tokens
from apiloom.wire.door import Visitor, refused

LONGEST: Final = 16 * 1024
"""Characters of what is lent."""

MOST_EXCHANGED: Final = 10_000
"""Tokens that were exchanged for and are remembered; the longest unused give way."""

MARGIN: Final = 5.0
"""Seconds before its end from which such a token is not used any more: it must still live when it arrives."""

UNTOLD: Final = 60.0
"""Seconds for which one is used whose end nobody told."""

PAUSE: Final = 10.0
"""Seconds between two questions for the same: what was refused then is refused, and what came then is used."""

_PREFIX: Final = HEADER.lower().encode()
_TWICE = refused(400, f"A header {HEADER}… stands more than once")
_NO_VALUE = refused(400, f"A header {HEADER}… holds what no Authorization header may, or is too long")

Exchange = Callable[[str, str, Lending, Secret], Awaitable[Tokens]]
"""``exchange(tenant, slug, lending, subject)``: asks for a token of the API's in exchange for a caller's own.

Raises:
    ApiloomError: ``oauth.*``, ``net.*``, ``store.*``.
"""


@dataclass(frozen=True, slots=True)
class _Lendable:
    """What callers of an endpoint may lend: credentials for which slugs, and for servers of which tenants a token to be
    exchanged.
    """

    slugs: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()


_NOTHING: Final = _Lendable()


# -- what comes in -----------------------------------------------------------------------------------------------------


def lent_in(visitor: Visitor) -> Visitor:
    """A visitor with what the head lends, by slug. It follows from the head's bytes alone, like all that it says."""
    found: dict[str, Secret] = {}
    for name, raw in visitor.heads.items():
        if not name.startswith(_PREFIX):
            continue
        if name in visitor.twice:
            return replace(visitor, wrong=visitor.wrong or _TWICE)
        value = raw.decode("latin-1").strip(" \t")
        if len(value) > LONGEST or not (value.isascii() and value.isprintable()):
            return replace(visitor, wrong=visitor.wrong or _NO_VALUE)
        if value:
            found[name[len(_PREFIX) :].decode("latin-1")] = Secret(value)
    return replace(visitor, lent=found) if found else visitor


class Lends:
    """Says what a caller of an endpoint may lend, from the settings of the servers that it shows.

    Args:
        memory: the records.
        members: the ids of the servers behind the key of an endpoint that is no server.
        verified: the token in an ``Authorization`` header that an issuer vouches for and that let this very principal
            in; None for every other one.
        key: a secret of the house, by which callers of one token are told apart.
    """

    __slots__ = ("_edition", "_key", "_known", "_members", "_memory", "_verified")

    def __init__(
        self,
        memory: Memory,
        members: Callable[[str], frozenset[str]],
        verified: Callable[[bytes, Principal], Secret | None],
        key: bytes,
    ) -> None:
        self._key = key
        self._memory = memory
        self._members = members
        self._verified = verified
        self._edition = -1
        self._known: dict[str, _Lendable] = {}

    def _of(self, key: str) -> _Lendable:
        """What may be lent at an endpoint, nothing at nearly all. Which server of a union it is used for, and how, each
        server's own seat says: several may show one connector and have it lent differently.
        """
        if self._edition != self._memory.edition:
            self._edition, self._known = self._memory.edition, {}
        known = self._known.get(key)
        return self._read(key) if known is None else known

    def _read(self, key: str) -> _Lendable:
        servers = self._memory.servers
        ids = (key,) if key in servers else sorted(self._members(key))
        slugs, tenants = set(), set()
        for server in (servers[id_] for id_ in ids if id_ in servers):
            for slug, lending in self._memory.settings(server).delegation.items():
                if lending.mode == "header":
                    slugs.add(slug)
                else:
                    tenants.add(server.tenant)
        found = _Lendable(frozenset(slugs), frozenset(tenants)) if slugs or tenants else _NOTHING
        if ids:  # which servers a view shows is known once it has been made
            if len(self._known) > _MOST_KNOWN:
                self._known = {}
            self._known[key] = found
        return found

    def lending(self, key: str, principal: Principal, visitor: Visitor) -> Principal:
        """The principal with what it may lend here of what it brought, and of nothing else."""
        lendable = self._of(key)
        if lendable is _NOTHING:
            return principal
        lent = visitor.lent
        headers = {slug: lent[slug] for slug in lendable.slugs if slug in lent}
        subject = None
        if principal.tenant and principal.tenant in lendable.tenants:
            subject = self._verified(visitor.heads.get(b"authorization", b""), principal)
        if not headers and subject is None:
            return principal
        # one URL may be shown to many people: what is kept for one of them, and their sessions, are no other's
        who = f"{principal.id}{LENT}{self._mark(headers, subject)}"
        # a token that lets its bearer in tells whose a file is, and is all that is shown where files are sent
        caller = "" if headers else principal.id
        return replace(principal, id=who, delegation=Delegation(headers=headers, subject=subject, caller=caller))

    def _mark(self, headers: Mapping[str, Secret], subject: Secret | None) -> str:
        """A name for whoever lends this, from which nothing of it can be guessed."""
        told: list[object] = [[slug, headers[slug].reveal()] for slug in sorted(headers)]
        if subject is not None:
            told.append(subject.reveal())
        return hmac.digest(self._key, b"lent " + json.canonical(told), hashlib.sha256).hex()[:20]


# -- what a token is exchanged for -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Exchanged:
    """What came, an ``Authorization`` or why there is none. It counts until ``until``; before ``again`` nobody asks
    anew because the API does not take it.
    """

    came: Secret | ApiloomError
    until: float
    again: float

    def told(self) -> Secret:
        """What came, raised where it is a reason."""
        if isinstance(self.came, Secret):
            return self.came
        error = self.came  # each who is told gets one of their own: an error keeps where it was raised
        raise type(error)(error.message, code=error.code, hint=error.hint, **error.facts)


class Exchanges:
    """Tokens by what they were given for: asked for once for all who wait, again when they have ended, and for the same
    at most once in :data:`PAUSE` seconds, whatever comes of it.
    """

    __slots__ = ("_asking", "_exchange", "_key", "_known", "_now")

    def __init__(self, exchange: Exchange, now: Callable[[], float]) -> None:
        self._exchange = exchange
        self._now = now
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, _Exchanged] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[_Exchanged]] = {}

    async def get(self, tenant: str, slug: str, lending: Lending, subject: Secret) -> Secret:
        """The ``Authorization`` that a caller's token is worth at a connector.

        Raises:
            ApiloomError: as :data:`Exchange`.
        """
        key = self._hash(tenant, slug, lending, subject)
        known = self._known.get(key)
        if known is not None and self._now() < known.until:
            self._known.move_to_end(key)
            return known.told()
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._asked(key, tenant, slug, lending, subject))
            task.add_done_callback(lambda done: self._done(key, done))
        return (await asyncio.shield(task)).told()

    def forget(self, tenant: str, slug: str, lending: Lending, subject: Secret) -> None:
        """The API did not take what was exchanged: a later call asks anew, though none does at once."""
        known = self._known.get(self._hash(tenant, slug, lending, subject))
        if known is not None:
            known.until = min(known.until, known.again)

    async def _asked(self, key: bytes, tenant: str, slug: str, lending: Lending, subject: Secret) -> _Exchanged:
        try:
            tokens = await self._exchange(tenant, slug, lending, subject)
        except HouseFault:
            raise
        except ApiloomError as error:
            again = self._now() + PAUSE
            made = _Exchanged(error.with_traceback(None), again, again)
        else:
            now = self._now()
            until = now + UNTOLD if tokens.expires_at is None else tokens.expires_at - MARGIN
            made = _Exchanged(Secret(f"Bearer {tokens.access.reveal()}"), until, now + PAUSE)
        if self._now() < made.until:
            self._known[key] = made
            self._known.move_to_end(key)
            while len(self._known) > MOST_EXCHANGED:
                self._known.popitem(last=False)
        return made

    def _done(self, key: bytes, task: asyncio.Task[_Exchanged]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever waits is told; that nobody does is no fault

    def _hash(self, tenant: str, slug: str, lending: Lending, subject: Secret) -> bytes:
        asked = [tenant, slug, lending.client, lending.audience, lending.resource, lending.scopes, subject.reveal()]
        return hashlib.blake2b(json.canonical(asked), key=self._key, digest_size=32).digest()


# -- what goes out -----------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Delegating:
    """One connector of a server whose calls are signed with what their callers lend.

    Where the API is, an account may say (its variables); its credentials are never used, unless ``lending`` lets a call
    without anything lent fall back to it.
    """

    whose: Whose
    lending: Lending
    exchanges: Exchanges | None = None
    _made: dict[tuple[str, str], tuple[Account | None, Backend]] = field(default_factory=dict, init=False, repr=False)

    def backend(self, tool: Tool) -> Backend:
        """The backend of one tool."""
        return _Lent(self, tool, self.whose.backend(tool))

    async def lent(self, principal: Principal) -> Secret | None:
        """What the caller's calls are signed with; None where nothing was lent.

        Raises:
            ApiloomError: as :data:`Exchange`.
        """
        delegation = principal.delegation
        if delegation is None:
            return None
        slug = self.whose.connector.id
        if self.lending.mode == "header":
            return delegation.headers.get(slug)
        subject = self._subject(principal)
        if subject is None or self.exchanges is None:
            return None
        return await self.exchanges.get(self.whose.tenant, slug, self.lending, subject)

    def lends(self, principal: Principal) -> bool:
        """Whether a caller lends what this connector is called with."""
        if self.lending.mode == "exchange":
            return self._subject(principal) is not None
        delegation = principal.delegation
        return delegation is not None and self.whose.connector.id in delegation.headers

    def _subject(self, principal: Principal) -> Secret | None:
        """The caller's token, where it may be exchanged: it is nothing that another tenant's server may pass on, nor
        any server at all where somebody of the house calls.
        """
        if principal.delegation is None or not principal.tenant or principal.tenant != self.whose.tenant:
            return None
        return principal.delegation.subject

    def refused(self, principal: Principal) -> None:
        """The API did not take what was lent."""
        subject = self._subject(principal) if self.lending.mode == "exchange" else None
        if self.exchanges is not None and subject is not None:
            self.exchanges.forget(self.whose.tenant, self.whose.connector.id, self.lending, subject)

    def made(self, principal: Principal, tool: Tool) -> Backend:
        """The backend of one tool for where a caller's account says that the API is.

        Raises:
            DesignError: as :meth:`~apiloom.app.gateway.connections.Connections.lent`.
        """
        whose = self.whose
        account = whose.account(principal)
        key = (tool.name, "" if account is None else account.id)
        known = self._made.get(key)
        if known is not None and known[0] is account:
            return known[1]
        if len(self._made) >= _MOST_MADE:
            self._made.clear()
        backend = whose.connections.lent(account, whose.tenant, whose.connector, whose.shared).backend(tool)
        self._made[key] = (account, backend)
        return backend

    def missing(self) -> CallerError:
        """What is said where nothing was lent."""
        slug = self.whose.connector.id
        if self.lending.mode == "header":
            hint = f"the client must send it as {HEADER}{slug}"
        else:
            hint = "sign in with your own account at the identity provider; other tokens cannot be exchanged"
        return CallerError(
            f"this server calls {slug} with your own access, and this request brought none",
            code="account.missing",
            hint=hint,
        )


_MOST_MADE = 1024
_MOST_KNOWN = 10_000


class _Lent:
    """A :class:`~apiloom.calls.ports.Backend` that signs with what its caller lends."""

    __slots__ = ("_delegating", "_otherwise", "_tool")

    def __init__(self, delegating: Delegating, tool: Tool, otherwise: Backend) -> None:
        self._delegating = delegating
        self._tool = tool
        self._otherwise = otherwise

    async def answer(self, call: Call) -> Outcome:
        delegating = self._delegating
        try:
            value = await delegating.lent(call.principal)
        except HouseFault:
            raise
        except ApiloomError as error:
            return refusal(error, retryable=False)
        if value is None:
            return await self._otherwise.answer(call) if delegating.lending.fallback else refusal(delegating.missing())
        outcome = await delegating.made(call.principal, self._tool).answer(self._signed(call, value))
        if outcome.failed and outcome.meta.get("dev.apiloom/error", {}).get("status") == 401:
            delegating.refused(call.principal)
        return outcome

    def preview(self, call: Call) -> dict[str, Any]:
        delegating = self._delegating
        if delegating.lends(call.principal):
            return delegating.made(call.principal, self._tool).preview(self._signed(call, Secret("Bearer ***")))
        if delegating.lending.fallback:
            return self._otherwise.preview(call)
        raise delegating.missing()

    def _signed(self, call: Call, value: Secret) -> Call:
        """The call with nothing lent but what it is signed with."""
        said = call.principal.delegation
        caller = "" if said is None else said.caller
        lent = Delegation(headers={self._delegating.whose.connector.id: value}, caller=caller)
        return values.replace(call, principal=replace(call.principal, delegation=lent))
