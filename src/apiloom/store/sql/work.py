"""One transaction on a database: scopes, the turn that writers take, and the changes they leave.

Above it stands the store, which begins and ends it; below it the rows of each kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Executable, delete, func, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection

from apiloom.base.errors import HouseFault
from apiloom.store import records, refusals
from apiloom.store.kinds import BY_ROWS, Kind
from apiloom.store.ports import Ended, Watch
from apiloom.store.sql import reach
from apiloom.store.sql.failures import as_ours
from apiloom.store.sql.rows import SqlRows, SqlVersionRows
from apiloom.store.sql.tables import CHANGE_SEQ, CHANGES, INSTALLATION

Record = TypeVar("Record")

KEPT_CHANGES: Final = 100_000
"""Changes that are kept for nodes that lag behind; whoever lags further reads everything anew."""

_PRUNED_EVERY: Final = 1000

_TURN: Final = select(CHANGE_SEQ.c.seq).with_for_update()
_LIMITS: Final = select(
    func.set_config("lock_timeout", "20s", True),
    func.set_config("idle_in_transaction_session_timeout", "10s", True),
)
"""A writer that waits, or is waited for, gives up: a node that hangs does not stop the others for long. One that stands
still in its turn loses it before those who wait for theirs give up.
"""


class SqlWork:
    """See :class:`~apiloom.store.ports.Work`."""

    def __init__(self, connection: AsyncConnection, errors: tuple[type[BaseException], ...], *, writes: bool) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self.errors = errors
        self._writes = writes
        self._ended = False
        self._setting = ""
        self._notes: list[dict[str, Any]] = []
        self._ends: list[Ended] = []
        self._alone = asyncio.Lock()

    def tenant(self, id_: str) -> SqlScope:
        """What one tenant reaches."""
        return SqlScope(self, id_)

    def house(self) -> SqlScope:
        """What the house reaches: everything."""
        return SqlScope(self, None)

    async def is_dormant(self) -> bool:
        """See the port."""
        marked = select(INSTALLATION.c.value).where(INSTALLATION.c.name == "dormant")
        return bool((await self.run(None, marked)).scalar_one_or_none())

    async def take_turn(self) -> None:
        """Wait until no other writer is at work. On SQLite beginning to write was that already."""
        if self.dialect == "postgresql":
            await self.connection.execute(_LIMITS)
            await self.connection.execute(_TURN)

    async def run(
        self, tenant: str | None, statement: Executable, given: Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run one statement in a scope, one at a time.

        Raises:
            HouseFault: ``store.unreachable``, ``store.failed``, or ``store.over`` after the transaction's end.
            Taken: a unique constraint was in the way.
        """
        async with self._alone:
            if self._ended:
                raise refusals.over()
            try:
                await self._enter(tenant)
                return await self.connection.execute(statement, given)
            except self.errors as error:
                raise as_ours(error) from None

    async def attempt(self, tenant: str | None, statement: Executable) -> CursorResult[Any]:
        """Run a statement that may be refused for what is unique, without ending the transaction by that."""
        if self.dialect != "postgresql":
            return await self.run(tenant, statement)
        async with self._alone:
            if self._ended:
                raise refusals.over()
            try:
                await self._enter(tenant)
                async with self.connection.begin_nested():
                    return await self.connection.execute(statement)
            except self.errors as error:
                raise as_ours(error) from None

    def check_writes(self) -> None:
        """Refuse to write where only reading was begun."""
        if not self._writes:
            raise HouseFault("this transaction only reads", code="store.over", hint="begin one that writes")

    def note(self, kind: Kind, id_: str, tenant: str | None) -> None:
        """Leave word of a change, told when the transaction commits."""
        if kind.noted:
            self._notes.append({"kind": kind.name, "id": id_, "tenant": tenant})

    async def tell(self) -> None:
        """Write the changes that were noted, numbered behind the last."""
        if not self._notes:
            return
        count = len(self._notes)
        raised = update(CHANGE_SEQ).values(seq=CHANGE_SEQ.c.seq + count).returning(CHANGE_SEQ.c.seq)
        last = (await self.run(None, raised)).scalar_one()
        first = last - count + 1
        told = [{"seq": seq, **note} for seq, note in enumerate(self._notes, first)]
        await self.run(None, insert(CHANGES), told)
        if last // _PRUNED_EVERY != (first - 1) // _PRUNED_EVERY:
            await self.run(None, delete(CHANGES).where(CHANGES.c.seq <= last - KEPT_CHANGES))

    def end(self, ended: Ended) -> None:
        """Remember what ends with this transaction, for whoever watches."""
        self._ends.append(ended)

    async def warn(self, watch: Watch | None) -> None:
        """Tell whoever watches what ends, now that the numbers of its changes are known."""
        if watch is None or not self._ends:
            return
        last = int((await self.run(None, select(CHANGE_SEQ.c.seq))).scalar_one())
        await watch(tuple(self._ends), last - len(self._notes), last)

    def close(self) -> None:
        """Let nobody go on with it."""
        self._ended = True

    async def _enter(self, tenant: str | None) -> None:
        """Tell PostgreSQL whose scope the next statement is in: its policies show nothing else."""
        setting = reach.setting(tenant)
        if self.dialect == "postgresql" and setting != self._setting:
            await self.connection.execute(select(func.set_config(reach.SETTING, setting, True)))
            self._setting = setting


class _RowsOf(Generic[Record]):
    """A member of a scope: the rows of the kind that has its name, inside that scope."""

    def __set_name__(self, _: type[SqlScope], name: str) -> None:
        self._kind = BY_ROWS[name]

    def __get__(self, scope: SqlScope, _: type[SqlScope]) -> SqlRows[Record]:
        return SqlRows(scope.work, self._kind, scope.tenant)


class SqlScope:
    """See :class:`~apiloom.store.ports.Scope`; what a scope shows of each kind is in the table of kinds."""

    __slots__ = ("tenant", "work")

    def __init__(self, work: SqlWork, tenant: str | None) -> None:
        self.work = work
        self.tenant = tenant

    @property
    def versions(self) -> SqlVersionRows:
        """Versions of connectors that are shown, with what is too heavy to load beside them."""
        return SqlVersionRows(self.work, BY_ROWS["versions"], self.tenant)

    tenants = _RowsOf[records.Tenant]()
    tenant_keys = _RowsOf[records.TenantKey]()
    connectors = _RowsOf[records.Connector]()
    accounts = _RowsOf[records.Account]()
    servers = _RowsOf[records.Server]()
    server_tokens = _RowsOf[records.ServerToken]()
    api_tokens = _RowsOf[records.ApiToken]()
    overlays = _RowsOf[records.Overlay]()
    toolsets = _RowsOf[records.Toolset]()
    audit = _RowsOf[records.Audited]()
    remembered = _RowsOf[records.Remembered]()
    house_keys = _RowsOf[records.HouseKey]()
    oauth_clients = _RowsOf[records.OAuthClient]()
    grants = _RowsOf[records.Grant]()
    connect_sessions = _RowsOf[records.ConnectSession]()
    events = _RowsOf[records.Event]()
    beats = _RowsOf[records.Beat]()
    registrations = _RowsOf[records.Registration]()
    sign_ins = _RowsOf[records.SignIn]()
    token_families = _RowsOf[records.TokenFamily]()
