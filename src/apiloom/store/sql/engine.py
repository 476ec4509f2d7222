"""The engine of a URL, and how its connections behave.

SQLite: write-ahead log, foreign keys, a busy timeout, and transactions that begin as they are meant: ``IMMEDIATE`` for
those that write, so that a writer waits at its beginning and never fails in its middle. PostgreSQL: a bounded pool with
time limits.
"""

from __future__ import annotations

import errno
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from apiloom.base import json
from apiloom.base.errors import CallerError, HouseFault

WRITES: Final = "apiloom_writes"
"""The execution option of a connection that is about to write."""

ASKS: Final = "apiloom_asks"
"""The execution option of a connection that asks one question, which needs no transaction around it."""

_BUSY_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 10.0
_COMMAND_SECONDS: Final = 60.0
_POOL: Final = 5
_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a store is: its URL with our driver, and the file of an SQLite one."""

    url: URL
    file: Path | None


def read_place(url: str) -> Place:
    """Where a URL leads: ``sqlite:///PATH`` or ``postgresql://…``, with or without the driver's name.

    Raises:
        CallerError: ``store.url`` when it is neither.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    driver = _DRIVERS.get(parsed.drivername) if parsed is not None else None
    in_memory = driver == "sqlite+aiosqlite" and parsed is not None and parsed.database in (None, "", ":memory:")
    if parsed is None or driver is None or in_memory:
        raise CallerError(
            "the store's address is neither sqlite:///PATH nor postgresql://USER@HOST/NAME",
            code="store.url",
            hint="give a folder for SQLite, or the URL of a PostgreSQL database",
        )
    file = Path(str(parsed.database)) if driver.startswith("sqlite") else None
    return Place(url=parsed.set(drivername=driver), file=file)


def build_engine(place: Place) -> AsyncEngine:
    """An engine; nothing is connected yet."""
    spelling: dict[str, Any] = {
        "json_serializer": lambda value: json.dumps(value).decode(),
        "json_deserializer": json.loads,
        "hide_parameters": True,
    }
    if place.file is not None:
        engine = create_async_engine(
            place.url,
            connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None},
            pool_timeout=_BUSY_SECONDS,
            **spelling,
        )
        event.listen(engine.sync_engine, "connect", _settle)
        event.listen(engine.sync_engine, "begin", _begin)
        return engine
    url, arguments = _arguments(place.url)
    return create_async_engine(
        url,
        connect_args=arguments,
        pool_size=_POOL,
        max_overflow=_POOL,
        pool_timeout=_CONNECT_SECONDS,
        pool_recycle=1800,
        pool_pre_ping=True,
        **spelling,
    )


def make_file(file: Path) -> None:
    """Make an SQLite store's file, for its owner alone, in a folder for its owner alone where there is none yet.

    Raises:
        HouseFault: ``store.unreachable`` when it cannot be made.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            # one that is there is not opened: closing it again would take away every lock that this process has on it,
            # and another process would think itself alone with the store (SQLite, "How To Corrupt", section 2.2)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if not file.is_file() or not os.access(file, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, "it may not be read and written")
        if os.name == "posix" and file.stat().st_mode & 0o077:
            file.chmod(0o600)
    except OSError as error:
        raise HouseFault(
            f"the store's file cannot be opened: {error.strerror or type(error).__name__}",
            code="store.unreachable",
            hint="look at who may write its folder",
        ) from None


def _arguments(url: URL) -> tuple[URL, dict[str, Any]]:
    """What asyncpg is told. ``?statement_cache_size=0`` in a URL is for a pooler that mixes transactions."""
    arguments: dict[str, Any] = {"timeout": _CONNECT_SECONDS, "command_timeout": _COMMAND_SECONDS}
    cache = url.query.get("statement_cache_size")
    if cache is not None:
        url = url.difference_update_query(["statement_cache_size"])
        arguments["statement_cache_size"] = int(cache) if isinstance(cache, str) and cache.isdigit() else 0
        if not arguments["statement_cache_size"]:
            arguments["prepared_statement_cache_size"] = 0
            arguments["prepared_statement_name_func"] = lambda: f"__apiloom_{uuid.uuid4().hex}__"
    return url, arguments


def _settle(connection: Any, _: object) -> None:
    """What holds for a connection to SQLite as long as it lives. ``synchronous=FULL``: what is committed is on disk."""
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "synchronous=FULL", "trusted_schema=OFF"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get(ASKS):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(WRITES) else "BEGIN")
