"""What the place of a store is known by: a copy that lies elsewhere is another place, the same database is not.

SQLite: the path of its file and the file's number in its file system, so that neither a copied nor a moved folder is
the same. PostgreSQL: how it is reached, which database it is, and the number that a cluster is given when it is made.
Names of this machine stand in neither, so a container that is made anew on the same volume is at the same place.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from apiloom.base.errors import HouseFault
from apiloom.store.sql.failures import translated

_DATABASE: Final = text("SELECT current_database(), oid::text FROM pg_database WHERE datname = current_database()")
_CLUSTER: Final = text("SELECT system_identifier::text FROM pg_control_system()")


async def identify(engine: AsyncEngine, errors: tuple[type[BaseException], ...]) -> str:
    """The place that an engine leads to, as a text for machines; it holds no password.

    Raises:
        HouseFault: ``store.unreachable``.
    """
    if engine.dialect.name == "sqlite":
        return _file(Path(str(engine.url.database)))
    async with translated(errors), engine.connect() as connection:
        name, number = (await connection.execute(_DATABASE)).one()
        await connection.rollback()
        try:
            cluster = str((await connection.execute(_CLUSTER)).scalar_one())
        except DBAPIError:  # some hosts do not let their guests see it
            cluster = ""
        await connection.rollback()
    host = (engine.url.host or str(engine.url.query.get("host", ""))).lower()
    return "\n".join(("postgresql", host, str(engine.url.port or 5432), name, number, cluster))


def _file(file: Path) -> str:
    try:
        # links are followed: a folder may be reached by several names
        return "\n".join(("sqlite", os.path.realpath(file), str(file.stat().st_ino)))
    except OSError as error:
        raise HouseFault(
            f"the store's file cannot be looked at: {error.strerror or type(error).__name__}",
            code="store.unreachable",
            hint="look at who may read its folder",
        ) from None
