"""That one node serves an SQLite store: a lock that lives and dies with the process that holds it.

It is an SQLite lock on a file beside the store's, so it holds on every system that SQLite does and a kill frees it.
Commands that only write beside a serving node do not take it. PostgreSQL has any number of nodes.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

from sqlalchemy import NullPool
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from apiloom.base.errors import CallerError
from apiloom.store.sql.engine import make_file, read_place
from apiloom.store.sql.failures import as_ours

SUFFIX: Final = ".node"


class NodeLock:
    """Held while a node serves; :meth:`release` when it ends."""

    def __init__(self, connection: AsyncConnection | None) -> None:
        self._connection = connection

    async def release(self) -> None:
        """Let another node serve."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def hold_node_lock(url: str) -> NodeLock:
    """Hold the lock of a serving node on the store of a URL; on PostgreSQL there is nothing to hold.

    Raises:
        CallerError: ``store.served`` when another node serves this store; ``store.url`` as in opening.
        HouseFault: ``store.unreachable`` when the lock's file cannot be made.
    """
    place = read_place(url)
    if place.file is None:
        return NodeLock(None)
    file = place.file.with_name(place.file.name + SUFFIX)
    make_file(file)
    engine = create_async_engine(
        place.url.set(database=str(file)), poolclass=NullPool, connect_args={"timeout": 0, "isolation_level": None}
    )
    async with AsyncExitStack() as failing:
        connection = await failing.enter_async_context(engine.connect())
        try:
            await connection.exec_driver_sql("BEGIN EXCLUSIVE")
        except OperationalError as error:
            if "locked" not in str(error.orig):
                raise as_ours(error) from None
            raise CallerError(
                "another node serves this data folder already",
                code="store.served",
                hint="stop it, or move to PostgreSQL, which takes any number of nodes",
            ) from None
        failing.pop_all()
        return NodeLock(connection)
