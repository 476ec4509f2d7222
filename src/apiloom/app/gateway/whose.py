"""The backend of a tool that does not know beforehand whose account it uses: that follows from who calls.

The account is looked up in memory for every call, so that one that was switched off, shared or given new credentials a
moment ago counts at once, and no endpoint is made anew for it. What an account needs to be called is opened when it is
called first and then stays; a warm call asks nobody. A token that the API refuses is renewed once, and the call made
again with the new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiloom.app.gateway.artefacts import Shared
from apiloom.app.gateway.connections import Connection, Connections
from apiloom.app.gateway.memory import Memory
from apiloom.app.gateway.obstacles import hinted, is_refused, obstacle, repeatable, unmended
from apiloom.app.gateway.visits import Refusing, is_own, sent_to_first
from apiloom.base.errors import ApiloomError, CallerError
from apiloom.calls.call import Call, Outcome, refusal
from apiloom.calls.ports import Backend
from apiloom.catalog.tool import Tool
from apiloom.identity.principal import Principal
from apiloom.identity.whose import choose_account
from apiloom.store.records import Account, Connector

_MOST_READY = 64
"""Accounts for which one tool keeps its backend made; more are made again."""

_MOST_CHOSEN = 10_000
"""Callers whose account is remembered for one connector of a server."""


@dataclass(slots=True, kw_only=True)
class Whose:
    """Whose account one connector of a server uses. ``named`` is the id of the one that the server names, or empty."""

    memory: Memory
    connections: Connections
    connector: Connector
    shared: Shared
    tenant: str
    named: str = ""
    _chosen: dict[str, str] = field(default_factory=dict, init=False)
    _edition: int = field(default=-1, init=False)

    def account(self, principal: Principal) -> Account | None:
        """The account for a caller, never another's."""
        accounts = self.memory.accounts
        if self.named:
            found = accounts.get(self.named)
            return found if found is not None and found.enabled else None
        if self._edition != self.memory.edition or len(self._chosen) > _MOST_CHOSEN:
            self._edition = self.memory.edition
            self._chosen = {}
        chosen = self._chosen.get(principal.end_user)
        if chosen is None:
            account = choose_account("", self.memory.accounts_of(self.tenant, self.connector.id), principal)
            chosen = self._chosen[principal.end_user] = "" if account is None else account.id
        return accounts.get(chosen)

    def backend(self, tool: Tool) -> Backend:
        """The backend of one tool."""
        return _Following(self, tool)

    def made(self, connection: Connection, tool: Tool) -> Backend:
        """The backend of one tool with one account.

        Raises:
            DesignError: as :meth:`~apiloom.app.gateway.connections.Connections.answering`.
        """
        return self.connections.answering(connection, self.connector, self.shared).backend(tool)

    def obstacle(self, connection: Connection, tool: Tool) -> Refusing | None:
        """What keeps a tool from being called with an account until somebody does something about it."""
        if not connection.alive:
            return None
        return obstacle(connection, self.connector, self.shared, tool, self.connections.links)

    def missing(self) -> CallerError:
        """What is said when there is no account for a caller."""
        slug = self.connector.id
        if self.named:
            return CallerError(
                f"the {slug} account of this server is switched off or gone",
                code="account.missing",
                hint="ask whoever runs this server",
            )
        return CallerError(
            f"you have no {slug} account here, and none is shared",
            code="account.missing",
            hint=f"ask whoever runs this server to connect your {slug} account",
        )

    async def unconnected(self, principal: Principal) -> Outcome:
        """What a caller is told who has no account: where to connect one, where that is for them to do."""
        error = self.missing()
        if self.named or not principal.end_user:
            return refusal(error)
        return await sent_to_first(self.connections.links, (self.tenant, self.connector.id), principal, error)


class _Following:
    """A :class:`~apiloom.calls.ports.Backend` that answers with the account of whoever calls."""

    __slots__ = ("_ready", "_tool", "_whose")

    def __init__(self, whose: Whose, tool: Tool) -> None:
        self._whose = whose
        self._tool = tool
        self._ready: dict[str, tuple[Connection, Backend]] = {}

    async def answer(self, call: Call) -> Outcome:
        whose = self._whose
        account = whose.account(call.principal)
        if account is None:
            return await whose.unconnected(call.principal)
        connection = whose.connections.get(account) or await whose.connections.connect(account)
        if not connection.watched:
            return await self._with(connection).answer(call)
        return await self._watched(connection, call)

    async def _watched(self, connection: Connection, call: Call) -> Outcome:
        """The answer with tokens that can be renewed: once, when the API refuses them."""
        whose = self._whose
        call, again = repeatable(call)
        outcome = await self._with(connection).answer(call)
        if not is_refused(outcome):
            return outcome
        try:
            renewed = await whose.connections.renewed(connection)
        except ApiloomError:
            return outcome  # what the API said is nearer to the caller than why nothing can be done about it now
        if renewed is None and not connection.alive:
            return outcome  # it refers to a secret elsewhere: there is nothing to connect anew
        if renewed is None:
            if not is_own(connection.account, call.principal):
                return unmended(outcome, whose.connector.id)
            links, account = whose.connections.links, connection.account
            return await hinted(links, account, call.principal, outcome, whose.connector.id)
        return await self._with(renewed).answer(again())

    def preview(self, call: Call) -> dict[str, Any]:
        whose = self._whose
        account = whose.account(call.principal)
        connection = None if account is None else whose.connections.get(account)
        if connection is None:
            raise whose.missing()
        return self._with(connection).preview(call)

    def _with(self, connection: Connection) -> Backend:
        ready = self._ready.get(connection.account.id)
        if ready is not None and ready[0] is connection:
            return ready[1]
        if len(self._ready) >= _MOST_READY:
            self._ready.clear()
        backend = self._whose.obstacle(connection, self._tool) or self._whose.made(connection, self._tool)
        self._ready[connection.account.id] = (connection, backend)
        return backend
