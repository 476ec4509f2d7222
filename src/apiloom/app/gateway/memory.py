"""What a node knows of the store: every record that serving needs, by id, and where the records meet.

Loaded whole at the start and then piece by piece, by the feed of changes. Tokens lie here only hashed, accounts without
their credentials. Nothing here asks the store by itself, so that whoever looks something up for a call never waits.
Says which servers a change touches; what is done about it is its callers' matter.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.catalog.server_config import ServerConfig, read_config
from apiloom.identity.index import Holder, TokenIndex
from apiloom.identity.principal import Principal
from apiloom.store.ports import Rows, Scope
from apiloom.store.records import (
    Account,
    ApiToken,
    Change,
    Connector,
    Grant,
    Overlay,
    Server,
    ServerToken,
    TokenFamily,
    Toolset,
)

_log = logging.getLogger("apiloom.gateway")


@dataclass(slots=True)
class Touched:
    """What a set of changes means for what is being served.

    ``servers`` show something else now, or are no more; ``guarded`` are those of them that let in others than before;
    ``tokens`` (ids) are gone, or may no longer what they might; ``accounts`` were changed. ``grants`` are those that
    were, by id, None for one that is gone.
    """

    servers: set[str] = field(default_factory=set)
    guarded: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    grants: dict[str, Grant | None] = field(default_factory=dict)


class Memory:
    """The records of one node. Lives on one event loop. ``edition`` rises with every change that is taken in."""

    def __init__(self, index: TokenIndex) -> None:
        self.index = index
        self.edition = 0
        self.connectors: dict[str, Connector] = {}
        self.accounts: dict[str, Account] = {}
        self.servers: dict[str, Server] = {}
        self.families: dict[str, TokenFamily] = {}
        self._configs: dict[bytes, Mapping[str, Any]] = {}
        self._settings: dict[int, ServerConfig] = {}
        self._overlays: dict[str, Overlay] = {}
        self._toolsets: dict[str, Toolset] = {}
        self._of_connector: dict[str, dict[str, dict[str, None]]] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._users: dict[str, dict[str, None]] = {}
        self._tokens: dict[str, ServerToken] = {}
        self._ends: list[tuple[float, str]] = []
        self._takers: Mapping[str, tuple[str, Callable[[str, Any, Touched], None]]] = {
            "connector": ("connectors", self._take_connector),
            "account": ("accounts", self._take_account),
            "server": ("servers", self._take_server),
            "server_token": ("server_tokens", self._take_server_token),
            "api_token": ("api_tokens", self._take_api_token),
            "overlay": ("overlays", self._take_overlay),
            "toolset": ("toolsets", self._take_toolset),
            "token_family": ("token_families", self._take_family),
            "grant": ("grants", self._take_grant),
        }

    # what is asked

    def overlays(self, connector: str) -> list[Overlay]:
        """The overlays of a connector, of every layer."""
        return [self._overlays[id_] for id_ in self._at(connector, "overlay")]

    def toolsets(self, connector: str) -> list[Toolset]:
        """The toolsets of a connector, of every tenant."""
        return [self._toolsets[id_] for id_ in self._at(connector, "toolset")]

    def accounts_of(self, tenant: str, connector: str) -> list[Account]:
        """A tenant's accounts at a connector, in the order of their ids."""
        found = (self.accounts[id_] for id_ in sorted(self._at(connector, "account")))
        return [account for account in found if account.tenant == tenant]

    def live(self, server: str, now: float) -> Server | None:
        """A server that may be called at this second."""
        found = self.servers.get(server)
        if found is None or not found.enabled or not (found.expires_at is None or now < found.expires_at):
            return None
        return found

    def settings(self, server: Server) -> ServerConfig:
        """A server's config, read."""
        return self._settings[id(server.config)]

    def named(self, tenant: str, name: str) -> str:
        """The id of a tenant's server; empty when there is none of that name."""
        return self._by_name.get((tenant, name), "")

    def due(self, now: float) -> set[str]:
        """Ids of servers and tokens that have ended since this was last asked."""
        over: set[str] = set()
        while self._ends and self._ends[0][0] <= now:
            at, id_ = heapq.heappop(self._ends)
            if self._end_of(id_) == at:
                over.add(id_)
        return over

    # how it is filled

    async def load(self, scope: Scope) -> Touched:
        """Read everything and forget what was known before, in one step once all is read; all of it is touched."""
        found: dict[str, Sequence[Any]] = {}
        for kind, (name, _) in self._takers.items():
            rows: Rows[Any] = getattr(scope, name)
            found[kind] = await rows.every() if kind not in _PASSED_ON else ()
        fresh = Memory(self.index)
        tokens = {holder.token for holder in self.index.held()}
        for token in tokens:
            self.index.remove(token)
        for kind, (_, take) in fresh._takers.items():
            for record in found[kind]:
                take(record.id, record, Touched())
        touched = Touched(
            servers={*self.servers, *fresh.servers},
            tokens={token for token in tokens if self.index.holder(token) is None}
            | (self.families.keys() - fresh.families.keys()),
            accounts={*self.accounts, *fresh.accounts},
        )
        self.edition += 1
        for name in _TABLES:
            setattr(self, name, getattr(fresh, name))
        return touched

    async def follow(self, scope: Scope, changes: Sequence[Change]) -> Touched:
        """Read what was changed, once each, then take it in without a pause; says what that touches."""
        wanted: dict[str, dict[str, None]] = {}
        for change in changes:
            if change.kind in self._takers:
                wanted.setdefault(change.kind, {})[change.id] = None
        steps: list[tuple[int, str, str, Any]] = []
        for kind, ids in wanted.items():
            rows: Rows[Any] = getattr(scope, self._takers[kind][0])
            found = await rows.load_all(tuple(ids))
            for id_ in ids:
                record = found.get(id_)
                # an account that is gone is needed until its servers are known not to show it any more
                place = len(_ORDER) if record is None and kind == "account" else _ORDER[kind]
                steps.append((place, kind, id_, record))
        touched = Touched()
        self.edition += 1
        for _, kind, id_, record in sorted(steps, key=lambda step: step[0]):
            self._takers[kind][1](id_, record, touched)
        return touched

    # one kind after the other: ``record`` is None when it is gone

    def _take_connector(self, id_: str, record: Connector | None, touched: Touched) -> None:
        _put(self.connectors, id_, record)
        touched.servers.update(self._at(id_, "server"))

    def _take_account(self, id_: str, record: Account | None, touched: Touched) -> None:
        before = self.accounts.get(id_)
        known = record or before
        if known is not None:
            self._note(known.connector, "account", id_, there=record is not None)
        _put(self.accounts, id_, None if record is None else replace(record, sealed=b"", metadata={}))
        touched.accounts.add(id_)
        touched.servers.update(self._users.get(id_, ()))

    def _take_server(self, id_: str, record: Server | None, touched: Touched) -> None:
        before = self.servers.get(id_)
        if before is not None:
            self._shown(before, there=False)
        if record is not None:
            record = self._settled(record)
            if before is not None and self._guard(before) != self._guard(record):
                touched.guarded.add(id_)
            self._shown(record, there=True)
            self._ends_at(id_, record.expires_at)
        _put(self.servers, id_, record)
        touched.servers.add(id_)
        for holder in self.index.of_server(id_):
            # a token ends with its server, so an end that moved moves that of its tokens
            token = self._tokens.get(holder.token)
            if token is not None:
                self._index(token)

    def _shown(self, server: Server, *, there: bool) -> None:
        if there:
            self._by_name[server.tenant, server.name] = server.id
        elif self._by_name.get((server.tenant, server.name)) == server.id:
            del self._by_name[server.tenant, server.name]
        slugs = {*server.connectors}
        for account in server.accounts:
            users = self._users.setdefault(account, {})
            _mark(users, server.id, there=there)
            if not users:
                del self._users[account]
            if account in self.accounts:
                slugs.add(self.accounts[account].connector)
        for slug in slugs:
            self._note(slug, "server", server.id, there=there)

    def _take_server_token(self, id_: str, record: ServerToken | None, touched: Touched) -> None:
        if record is None:
            self._tokens.pop(id_, None)
            if self.index.remove(id_) is not None:
                touched.tokens.add(id_)
            return
        self._tokens[id_] = record
        self._index(record)

    def _index(self, token: ServerToken) -> None:
        server = self.servers.get(token.server)
        end = _earlier(token.expires_at, None if server is None else server.expires_at)
        principal = Principal(
            id=f"server:{token.server}",
            tenant=token.tenant,
            token=token.id,
            servers=(token.server,),
            expires_at=math.inf if end is None else end,
        )
        self._hold(token.digest, Holder(principal, token.server))
        self._ends_at(token.id, end)

    def _hold(self, digest: bytes, holder: Holder) -> None:
        """Take in a token. One whose hash is damaged, or another's, is nobody's: a node does not stop for it."""
        try:
            self.index.put(digest, holder)
        except ValueError:
            self.index.remove(holder.token)
            _log.error("token %s is not taken: what is kept of it is damaged", holder.token)

    def _take_api_token(self, id_: str, record: ApiToken | None, touched: Touched) -> None:
        if record is None:
            if self.index.remove(id_) is not None:
                touched.tokens.add(id_)
            return
        before = self.index.holder(id_)
        principal = Principal(
            id=f"token:{id_}",
            tenant=record.tenant or "",
            role=record.role,
            token=id_,
            servers=record.servers,
            end_user=record.end_user or "",
            allow_commands=record.allow_commands,
            expires_at=math.inf if record.expires_at is None else record.expires_at,
        )
        self._hold(record.digest, Holder(principal))
        self._ends_at(id_, record.expires_at)
        if before is not None and replace(before.principal, expires_at=principal.expires_at) != principal:
            touched.tokens.add(id_)

    def _take_overlay(self, id_: str, record: Overlay | None, touched: Touched) -> None:
        known = record or self._overlays.get(id_)
        _put(self._overlays, id_, record)
        if known is not None:
            self._note(known.connector, "overlay", id_, there=record is not None)
            touched.servers.update(self._under(known))

    def _under(self, overlay: Overlay) -> Iterable[str]:
        """The servers that an overlay's layer reaches."""
        if overlay.layer == "server":
            return (overlay.target,)
        if overlay.layer == "account":
            return tuple(self._users.get(overlay.target, ()))
        showing = self._at(overlay.connector, "server")
        if overlay.layer == "connector":
            return tuple(showing)
        return [id_ for id_ in showing if id_ in self.servers and self.servers[id_].tenant == overlay.target]

    def _take_toolset(self, id_: str, record: Toolset | None, touched: Touched) -> None:
        known = record or self._toolsets.get(id_)
        _put(self._toolsets, id_, record)
        if known is not None:
            self._note(known.connector, "toolset", id_, there=record is not None)
            touched.servers.update(self._at(known.connector, "server"))

    def _take_grant(self, id_: str, record: Grant | None, touched: Touched) -> None:
        touched.grants[id_] = None if record is None else replace(record, sealed=b"")

    def _take_family(self, id_: str, record: TokenFamily | None, touched: Touched) -> None:
        """A sign-in at the gateway: of one that has ended nothing is known."""
        if record is not None and not record.ended:
            self.families[id_] = replace(record, digest=b"")
            self._ends_at(id_, record.expires_at)
        elif self.families.pop(id_, None) is not None:
            touched.tokens.add(id_)

    # small things

    def _at(self, connector: str, kind: str) -> Mapping[str, None]:
        return self._of_connector.get(connector, {}).get(kind, {})

    def _note(self, connector: str, kind: str, id_: str, *, there: bool) -> None:
        _mark(self._of_connector.setdefault(connector, {}).setdefault(kind, {}), id_, there=there)

    def _settled(self, server: Server) -> Server:
        """The server with its config shared: ten thousand servers have a handful of different ones.

        One whose config this release cannot read is not served: what it would leave out is not known.
        """
        self._forget_unused()
        key = json.canonical(dict(server.config))
        config = self._configs.get(key)
        if config is None:
            config = server.config
            try:
                self._settings[id(config)] = read_config(config)
            except CallerError as error:
                _log.error("server %s is not served: %s", server.id, error.sentence())
                self._settings[id(config)] = ServerConfig()
                return replace(server, enabled=False)
            self._configs[key] = config
        return replace(server, config=config, metadata={})

    def _guard(self, server: Server) -> tuple[object, ...]:
        settings = self.settings(server)
        return settings.require_api_token_auth, settings.allowed_addresses

    def _forget_unused(self) -> None:
        """Configs that no server has any more go, once they are the most."""
        if len(self._settings) <= 2 * len(self.servers) + _SLACK:
            return
        used = {id(server.config) for server in self.servers.values()}
        self._configs = {key: config for key, config in self._configs.items() if id(config) in used}
        self._settings = {place: settings for place, settings in self._settings.items() if place in used}

    def _ends_at(self, id_: str, at: float | None) -> None:
        if at is None:
            return
        if len(self._ends) > 4 * (len(self.servers) + len(self.index) + len(self.families)) + _SLACK:
            # ends that were moved lie about until they are due: those of long lives could become many
            self._ends = [end for end in set(self._ends) if self._end_of(end[1]) == end[0]]
            heapq.heapify(self._ends)
        heapq.heappush(self._ends, (at, id_))

    def _end_of(self, id_: str) -> float | None:
        if id_ in self.servers:
            return self.servers[id_].expires_at
        if id_ in self.families:
            return self.families[id_].expires_at
        holder = self.index.holder(id_)
        return None if holder is None else holder.principal.expires_at


_SLACK = 1000
"""How many of what is no longer used may lie about."""

_ORDER = {
    kind: place
    for place, kind in enumerate(
        ("connector", "account", "server", "server_token", "api_token", "overlay", "toolset", "grant", "token_family")
    )
}
"""What refers to something comes behind it."""

_PASSED_ON = frozenset({"grant"})
"""Kinds of which word is passed on, and nothing is kept here."""

_TABLES = (
    "connectors",
    "accounts",
    "servers",
    "families",
    "_configs",
    "_settings",
    "_overlays",
    "_toolsets",
    "_of_connector",
    "_by_name",
    "_users",
    "_tokens",
    "_ends",
)


def _put(table: dict[str, Any], id_: str, record: Any) -> None:
    if record is None:
        table.pop(id_, None)
    else:
        table[id_] = record


def _mark(marks: dict[str, None], id_: str, *, there: bool) -> None:
    if there:
        marks[id_] = None
    else:
        marks.pop(id_, None)


def _earlier(one: float | None, other: float | None) -> float | None:
    ends = [end for end in (one, other) if end is not None]
    return min(ends) if ends else None
