"""Who is let in where: a secret URL, a bearer token or both, an address and the time become a server and a principal.

Answered from memory and never waiting, for it stands in the path of every request; asked anew for each of them, on
sessions and streams too, so that what has ended a second ago is over. Nothing that is said here tells what was never
there from what is another's, has expired or was revoked. No token is in anything that leaves this room.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

from apiloom.app.gateway.addresses import Networks, caller_address, within
from apiloom.app.gateway.delegating import Lends
from apiloom.app.gateway.memory import Memory
from apiloom.app.gateway.welcome import Welcome
from apiloom.base.values import Value
from apiloom.catalog.selection import CLASSES, EVERYTHING
from apiloom.console.api.door import Refused
from apiloom.identity.challenges import insufficient, named_resource
from apiloom.identity.guests import API, MCP
from apiloom.identity.index import Holder
from apiloom.identity.principal import Principal
from apiloom.identity.roles import may_call
from apiloom.protocol.headers import fold
from apiloom.store.records import Server
from apiloom.wire.door import Reply, Visitor, refused

AUTHORIZATION = b"authorization"

UNAUTHORIZED = refused(
    401,
    "A valid bearer token is needed in the Authorization header",
    (b"www-authenticate", b"Bearer"),
)
GONE = refused(404, "There is no server here")
OUT_OF_DATE = refused(
    503, "This server cannot be answered for now: its settings could not be read lately", (b"retry-after", b"5")
)


class Admitted(Value):
    """Somebody who may call the endpoint under a key: a server's id, or for a union that of an API token or a view."""

    key: str
    principal: Principal


class Admission:
    """The gate of a node.

    Args:
        memory: the records.
        now: seconds since the epoch.
        stale: whether the records may be out of date for too long.
        proxies: those whose word on where a request comes from counts.

    Attributes:
        welcome: where others than the house say who somebody is; None: nobody does.
        lends: what callers may lend for a call; None: nothing.
    """

    __slots__ = ("_memory", "_now", "_proxies", "_stale", "lends", "welcome")

    def __init__(
        self, memory: Memory, now: Callable[[], float], stale: Callable[[], bool], proxies: Networks = ()
    ) -> None:
        self._memory = memory
        self._proxies = proxies
        self._now = now
        self._stale = stale
        self.welcome: Welcome | None = None
        self.lends: Lends | None = None

    @property
    def proxies(self) -> Networks:
        """Those whose word counts on where a request comes from, and who showed them a certificate."""
        return self._proxies

    def address(self, visitor: Visitor, peer: str) -> str:
        """From where a request comes; empty where that cannot be known."""
        if not self._proxies:
            return peer
        return caller_address(peer, visitor.heads, self._proxies)

    def shown(self, visitor: Visitor, peer: str, *, alone: bool = False) -> bytes:
        """What a request shows, as the value of an Authorization header: its own, or what stands for the certificate
        that a trusted proxy tells of. ``alone``: its URL lets the caller in, and so no certificate does.
        """
        certified = None if self.welcome is None else self.welcome.certified
        if certified is None:
            return visitor.heads.get(AUTHORIZATION, b"")
        return certified.shown(visitor.heads, visitor.twice, peer, self.address(visitor, peer), alone=alone)

    def by_path(self, token: str, authorization: bytes, address: str) -> Admitted | Reply:
        """``/mcp/{server-token}``: whoever knows the URL, with an API token besides where the server asks for one."""
        now = self._now()
        holder = self._memory.index.get(token, now)
        server = self._memory.live(holder.server, now) if holder is not None else None
        if holder is None or server is None:
            return GONE
        settings = self._memory.settings(server)
        if settings.allowed_addresses is not None and not within(address, settings.allowed_addresses):
            return GONE
        principal = holder.principal
        if settings.require_api_token_auth:
            second = self._bearer(authorization, now) or self._guest(authorization, now)
            # the same URL's token shown twice is no second factor
            if second is None or second.server or not may_call(second.principal, server.tenant, server.id):
                return UNAUTHORIZED
            principal = _both(holder, second)
        return self._current(server) or Admitted(server.id, principal)

    def by_name(self, name: str, authorization: bytes, address: str) -> Admitted | Reply:
        """``/mcp/s/{server}``: an id, or for a tenant's token a name."""
        now = self._now()
        holder = self._caller(authorization, address, now, name)
        if isinstance(holder, Reply):
            return holder
        caller = holder.principal
        server = self._memory.live(name, now)
        if server is None or not may_call(caller, server.tenant, server.id):
            # that somebody else's server has this id changes nothing: it may still be the name of one's own
            server = self._memory.live(self._memory.named(caller.tenant, name), now)
        if server is None or not may_call(caller, server.tenant, server.id) or not self._open_to(server, address):
            return GONE
        return self._current(server) or Admitted(server.id, caller)

    def by_bearer(self, authorization: bytes, address: str) -> Admitted | Reply:
        """``/mcp``: the server of a server token, or all that an API token may use."""
        now = self._now()
        holder = self._caller(authorization, address, now)
        if isinstance(holder, Reply):
            return holder
        if not holder.server:
            return Admitted(holder.view or holder.token, holder.principal) if not self._stale() else OUT_OF_DATE
        server = self._memory.servers[holder.server]
        return self._current(server) or Admitted(server.id, holder.principal)

    def peer(self, scope: MutableMapping[str, Any]) -> str:
        """From where a request comes that is none of MCP's."""
        client = scope.get("client")
        peer = str(client[0]) if client else ""
        if not self._proxies:
            return peer
        return caller_address(peer, fold(scope["headers"])[0], self._proxies)

    def with_shown(self, scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A request that is none of MCP's, with what stands for its caller's certificate as its bearer."""
        certified = None if self.welcome is None else self.welcome.certified
        if certified is None:
            return scope
        heads, twice = fold(scope["headers"])
        if AUTHORIZATION in twice:
            return scope
        client = scope.get("client")
        told = certified.shown(heads, twice, str(client[0]) if client else "", self.peer(scope))
        if told == heads.get(AUTHORIZATION, b""):
            return scope
        kept = [(name, value) for name, value in scope["headers"] if name != AUTHORIZATION]
        return {**scope, "headers": [*kept, (AUTHORIZATION, told)]}

    def own(self, token: str) -> Principal | None:
        """Whose API token of the house's own a text is."""
        holder = self._memory.index.get(token, self._now())
        return None if holder is None or holder.server else holder.principal

    def api(self, token: str) -> Principal | Refused:
        """Whose API token a text is, or who signed in with it for the admin API; else what they are told."""
        now = self._now()
        holder = self._memory.index.get(token, now)
        if holder is not None and not holder.server:
            return holder.principal
        welcome = self.welcome
        if welcome is None:
            return Refused()
        guest = welcome.guest(token, now) if holder is None else None
        if guest is None or not guest.fits(API):
            return Refused(challenge=welcome.challenge(API))
        if scopes := guest.lacks(API):
            return Refused(challenge=insufficient(welcome.public_url, API, scopes), scopes=scopes)
        return guest.principal

    def usable(self, principal: Principal) -> list[Server]:
        """The servers that a union shows to whoever holds an API token, by their names."""
        now = self._now()
        found = (self._memory.live(id_, now) for id_ in tuple(self._memory.servers))
        live = [one for one in found if one is not None]
        mine = [one for one in live if may_call(principal, one.tenant, one.id) and self._open_to(one, None)]
        return sorted(mine, key=lambda server: (server.tenant, server.name))

    def _caller(self, authorization: bytes, address: str, now: float, name: str = "") -> Holder | Reply:
        """Who shows a token as bearer. That of a server counts where the server may be called so, and from there.

        ``name`` is that of the server that is called, empty for a union.
        """
        holder = self._bearer(authorization, now)
        if holder is None:
            return self._stranger(authorization, now, name)
        if holder.server:
            server = self._memory.live(holder.server, now)
            if server is None or not self._open_to(server, address):
                return self._refusal(name)
        return holder

    def _stranger(self, authorization: bytes, now: float, name: str) -> Holder | Reply:
        """Who shows a token of another's, given for what is called and with every scope that needs."""
        welcome = self.welcome
        if welcome is None:
            return UNAUTHORIZED
        guest = welcome.shown(authorization, now)
        resource = named_resource(name) if name else MCP
        if guest is None or not guest.fits(resource):
            return welcome.refusal(resource)
        if scopes := guest.lacks(resource):
            return welcome.forbidden(resource, scopes)
        return Holder(guest.principal, view=guest.key)

    def _guest(self, authorization: bytes, now: float) -> Holder | None:
        found = self._stranger(authorization, now, "")
        return None if isinstance(found, Reply) else found

    def _refusal(self, name: str) -> Reply:
        if self.welcome is None:
            return UNAUTHORIZED
        return self.welcome.refusal(named_resource(name) if name else MCP)

    def _bearer(self, authorization: bytes, now: float) -> Holder | None:
        scheme, _, token = authorization.partition(b" ")
        # the scheme's name is case-insensitive (RFC 9110 section 11.1)
        if scheme.lower() != b"bearer":
            return None
        return self._memory.index.get(token.strip(b" ").decode("latin-1"), now)

    def _open_to(self, server: Server, address: str | None) -> bool:
        """Whether the server may be reached on other roads than its secret URL: not where that is one of two factors.

        An address of None is not known yet; then a server that asks for one is not open.
        """
        settings = self._memory.settings(server)
        if settings.require_api_token_auth:
            return False
        allowed = settings.allowed_addresses
        return allowed is None or (address is not None and within(address, allowed))

    def _current(self, server: Server) -> Reply | None:
        """A refusal while nobody knows whether the server still is what it was: one that expires, or filters."""
        if not self._stale():
            return None
        selection = self._memory.settings(server).selection(server.toolsets_off)
        unbounded = replace(selection, methods=EVERYTHING.methods) == EVERYTHING and {*CLASSES} <= {*selection.methods}
        return None if unbounded and server.expires_at is None else OUT_OF_DATE


def _both(first: Holder, second: Holder) -> Principal:
    """One who has shown two tokens: a person, who is gone as soon as either of them is."""
    return replace(
        second.principal,
        token=f"{first.token} {second.token}",
        servers=(first.server,),
        expires_at=min(first.principal.expires_at, second.principal.expires_at),
    )
