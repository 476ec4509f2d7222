"""The store as its users see it: transactions, and repositories that exist only inside a scope.

    async with store.writing() as work:
        accounts = work.tenant("acme").accounts
        account = await accounts.load("acc_1")
        await accounts.save(replace(account, label="new"), account.revision)

A scope is always named: one tenant's, or the whole house's (:meth:`Work.house`), which only the house's own roles are
given. Inside a tenant's scope an id of another tenant is simply not there, found by the same queries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from apiloom.store import records

Record = TypeVar("Record")


class Rows(Protocol[Record]):
    """The records of one kind inside a scope, ordered by id (``Audited``: newest first).

    ``where`` compares members for equality; a None matches None; a member ``metadata.NAME`` looks into the metadata,
    where texts are compared as they are and everything else by its JSON. Members that are JSON themselves, and names
    that the kind does not have, are our own mistake: ``store.member``.
    """

    async def load(self, id_: str) -> Record | None:
        """The record of an id, or None, for one of another scope too."""

    async def load_all(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """The records of many ids in few round trips, by their ids; those that there are in this scope."""

    async def page(
        self, *, limit: int = 50, after: str = "", where: Mapping[str, Any] | None = None
    ) -> tuple[Sequence[Record], str]:
        """Up to ``limit`` (at most 1,000) behind the id ``after``, and the id to go on from ("": that was all)."""

    async def every(self, where: Mapping[str, Any] | None = None) -> Sequence[Record]:
        """All of them; for kinds that are few, and for building what lives in memory."""

    async def due(self, member: str, at: float, limit: int = 500, *, in_turn: bool = False) -> Sequence[Record]:
        """Up to ``limit`` records whose ``member``, a time, has come at ``at``, earliest first. None never comes.
        ``in_turn``: first the earliest of each tenant, then the second of each, and so on: nobody's crowd hides others.
        """

    async def count(self, where: Mapping[str, Any] | None = None) -> int: ...

    async def add(self, record: Record) -> Record:
        """Keep a new record.

        Raises:
            CallerError: ``store.exists`` when its id, or what is unique of it, is taken.
            CallerError: ``store.scope`` when the record lies outside this scope.
            CallerError: ``store.value`` when it holds what not every database keeps.
        """

    async def save(self, record: Record, was: int) -> Record:
        """Replace a record that was read at revision ``was``; gives it back with its new revision.

        Raises:
            CallerError: ``store.stale`` when it is another revision by now, or gone; ``store.exists`` as :meth:`add`.
        """

    async def remove(self, id_: str) -> bool:
        """Remove a record; False when there is none in this scope."""

    async def add_all(self, records: Sequence[Record]) -> None:
        """Keep many new records in few round trips.

        Raises:
            CallerError: as :meth:`add`, for any of them; the transaction must not go on then.
        """

    async def remove_all(self, ids: Sequence[str]) -> int:
        """Remove many records in few round trips; how many there were in this scope."""


class VersionRows(Rows[records.Version], Protocol):
    """Versions, with what is too heavy to load beside them."""

    async def put_content(self, id_: str, *, document: bytes, artefact: bytes) -> None:
        """Keep the document and compiled artefact of a version that is there, compressed.

        Raises:
            CallerError: ``store.stale`` when there is no such version; ``store.scope`` in a tenant's scope.
        """

    async def artefact(self, id_: str) -> bytes | None: ...

    async def document(self, id_: str) -> bytes | None: ...


class Scope(Protocol):
    """What one tenant, or the house, can reach.

    In the scope of a tenant, ``tenants`` holds it alone; ``connectors`` and ``versions`` those shown to it, read only;
    ``overlays`` and ``toolsets`` its own and, read only, the connector's; ``api_tokens`` its own.
    """

    @property
    def tenants(self) -> Rows[records.Tenant]: ...
    @property
    def tenant_keys(self) -> Rows[records.TenantKey]: ...
    @property
    def connectors(self) -> Rows[records.Connector]: ...
    @property
    def versions(self) -> VersionRows: ...
    @property
    def accounts(self) -> Rows[records.Account]: ...
    @property
    def servers(self) -> Rows[records.Server]: ...
    @property
    def server_tokens(self) -> Rows[records.ServerToken]: ...
    @property
    def api_tokens(self) -> Rows[records.ApiToken]: ...
    @property
    def overlays(self) -> Rows[records.Overlay]: ...
    @property
    def toolsets(self) -> Rows[records.Toolset]: ...
    @property
    def audit(self) -> Rows[records.Audited]: ...
    @property
    def remembered(self) -> Rows[records.Remembered]: ...
    @property
    def house_keys(self) -> Rows[records.HouseKey]: ...
    @property
    def oauth_clients(self) -> Rows[records.OAuthClient]: ...
    @property
    def grants(self) -> Rows[records.Grant]: ...
    @property
    def connect_sessions(self) -> Rows[records.ConnectSession]: ...
    @property
    def events(self) -> Rows[records.Event]: ...
    @property
    def beats(self) -> Rows[records.Beat]: ...
    @property
    def registrations(self) -> Rows[records.Registration]: ...
    @property
    def sign_ins(self) -> Rows[records.SignIn]: ...
    @property
    def token_families(self) -> Rows[records.TokenFamily]: ...


class Work(Protocol):
    """One transaction. Every add, save and remove notes a :class:`~apiloom.store.records.Change`.

    Audit lines, tenant keys and remembered answers are kept without a change: nobody serves from them.
    """

    def tenant(self, id_: str) -> Scope: ...

    def house(self) -> Scope: ...

    async def is_dormant(self) -> bool:
        """Whether the store is marked as a copy that nobody has claimed, as of this transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Something that a transaction is about to end, or to renew: what must be known outside of the store as well.

    ``kind`` is a record's name such as ``server_token``. ``until`` is when it ends (0: at once, with the commit);
    ``generation``, above 0, is that of the pair of tokens that a grant gets.
    """

    kind: str
    id: str
    until: float = 0.0
    generation: int = 0


Watch = Callable[[Sequence[Ended], int, int], Awaitable[None]]
"""Told what a transaction ends before it commits, and the numbers of the last change before it and of its own last."""


class Store(Protocol):
    """What the gateway remembers.

    Every method raises :class:`~apiloom.base.errors.HouseFault` ``store.unreachable`` when the database does not
    answer, and nothing of a database library.
    """

    def reading(self) -> AbstractAsyncContextManager[Work]:
        """A transaction that only reads."""

    def writing(self) -> AbstractAsyncContextManager[Work]:
        """A transaction that commits when its block ends, and leaves nothing behind when the block raises.

        Writers take turns from the beginning, on every database: what a writer has read stays true until it commits,
        ``change_seq`` rises by one for each change, and whoever has seen a number has seen all below it. So a block
        should be short and wait for nothing else.

        Raises:
            CallerError: ``store.depended_on`` at its end, when a record would name another that is not there: a
                tenant, a connector, the server of a token. The order inside the block does not matter.
        """

    async def change_seq(self) -> int:
        """The number of the last committed change; one cheap query."""

    async def changes(self, after: int, limit: int = 1000) -> Sequence[records.Change] | None:
        """What was changed behind a number, oldest first; None when that is too long ago: read everything anew."""

    async def note_use(self, at: Mapping[str, float]) -> None:
        """Write when tokens (``tok_…``, ``key_…``) were last used; notes no change."""

    async def append_audit(self, entries: Sequence[records.Audited]) -> None:
        """Keep audit lines of any tenants, in one transaction."""

    def watch(self, watch: Watch) -> None:
        """Tell somebody of what ends, before each commit. What the watcher raises undoes the transaction."""

    async def installation(self) -> Mapping[str, str]:
        """``id`` of this store, ``key_fingerprint`` ("" before a key was bound to it), and what was set beside them."""

    async def set_installation(self, was: Mapping[str, str], becomes: Mapping[str, str]) -> bool:
        """Set values of the installation where those of ``was`` are as they were read ("": not set); else False."""

    async def place(self) -> str:
        """What the place of this store is known by: another one for a copy that lies elsewhere."""

    async def bind_key(self, fingerprint: str, was: str = "") -> bool:
        """Bind a store to a key in place of ``was`` (empty: none yet); False when it is bound to another."""

    async def close(self) -> None: ...
