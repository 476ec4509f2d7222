"""That keys are rotated by one at a time: a lock that lives and dies with whoever holds it.

On SQLite it is a lock on a file beside the store's, on PostgreSQL an advisory lock of a transaction of its own: a kill
frees either, and no pooler that mixes transactions keeps it. Nodes that serve do not take it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

from sqlalchemy import NullPool, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from apiloom.base.errors import CallerError
from apiloom.store.sql.engine import build_engine, make_file, read_place
from apiloom.store.sql.failures import as_ours, errors_of, translated

SUFFIX: Final = ".keys"
_LOCK: Final = 0x61706C6B6579
"""The advisory lock of PostgreSQL."""


class TurningLock:
    """Held while keys are rotated; :meth:`release` when it ends."""

    def __init__(self, engine: AsyncEngine, connection: AsyncConnection) -> None:
        self._engine = engine
        self._connection = connection

    async def release(self) -> None:
        """Let another rotation begin."""
        await self._connection.close()
        await self._engine.dispose()


async def hold_turning_lock(url: str) -> TurningLock:
    """Hold the lock of rotating the keys of the store at a URL.

    Raises:
        CallerError: ``custody.turning`` when somebody rotates them at this moment; ``store.url`` as in opening.
        HouseFault: ``store.unreachable``.
    """
    place = read_place(url)
    if place.file is None:
        engine = build_engine(place)
    else:
        file = place.file.with_name(place.file.name + SUFFIX)
        make_file(file)
        engine = create_async_engine(
            place.url.set(database=str(file)), poolclass=NullPool, connect_args={"timeout": 0, "isolation_level": None}
        )
    async with AsyncExitStack() as failing:
        failing.push_async_callback(engine.dispose)
        async with translated(errors_of(engine.dialect.name)):
            connection = await engine.connect()
            failing.push_async_callback(connection.close)
            if not await _taken(connection):
                raise CallerError(
                    "the keys of this store are being rotated at this moment",
                    code="custody.turning",
                    hint="wait until that has ended; what it leaves undone the next one completes",
                )
        failing.pop_all()
    return TurningLock(engine, connection)


async def _taken(connection: AsyncConnection) -> bool:
    if connection.dialect.name == "postgresql":
        # the transaction waits for as long as that takes
        await connection.execute(select(func.set_config("idle_in_transaction_session_timeout", "0", True)))
        return bool((await connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK)))).scalar_one())
    try:
        await connection.exec_driver_sql("BEGIN EXCLUSIVE")
    except OperationalError as error:
        if "locked" not in str(error.orig):
            raise as_ours(error) from None
        return False
    return True
