"""A database library's errors as ours, translated once. No statement, value or address goes with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import exc

from apiloom.base import plugins
from apiloom.base.errors import ApiloomError
from apiloom.store import refusals

_UNIQUE = "23505"
_FOREIGN = "23503"
_NOT_NOW = ("08", "40", "53", "55", "57", "58", "28", "3D", "25006")
"""SQLSTATE classes (PostgreSQL, appendix A) of a server that is away, full, shutting down, busy, or keeps us out."""


class Taken(Exception):  # noqa: N818 - never leaves this folder; whoever knows the kind says what is taken
    """A unique constraint was in the way."""


def errors_of(dialect: str) -> tuple[type[BaseException], ...]:
    """What a database's libraries raise; a connection that cannot be made raises the driver's own errors."""
    ours = (exc.SQLAlchemyError, OSError, asyncio.TimeoutError)
    if dialect != "postgresql":
        return ours
    return (*ours, plugins.load("asyncpg:PostgresError"), plugins.load("asyncpg:InterfaceError"))


@asynccontextmanager
async def translated(errors: tuple[type[BaseException], ...]) -> AsyncIterator[None]:
    """What is raised inside by a database's library, as one of ours."""
    try:
        yield
    except errors as error:
        raise as_ours(error) from None


def as_ours(error: BaseException) -> ApiloomError | Taken:
    """One library error as ours."""
    if not isinstance(error, exc.DBAPIError):
        away = isinstance(error, (exc.TimeoutError, OSError, asyncio.TimeoutError)) or _state(error)
        return refusals.unreachable(error) if away else refusals.failed(error)
    state, text = _state(error.orig), str(error.orig)
    if state == _UNIQUE or "UNIQUE constraint failed" in text:
        return Taken()
    if state == _FOREIGN or "FOREIGN KEY constraint failed" in text:
        return refusals.depended_on()
    if error.connection_invalidated or isinstance(error, exc.InterfaceError) or state.startswith(_NOT_NOW):
        return refusals.unreachable(error.orig, state=state)
    # SQLite has no such states: operational errors, and a plain one where the file is no database at all
    if not state and (isinstance(error, exc.OperationalError) or type(error) is exc.DatabaseError):
        return refusals.unreachable(error.orig)
    return refusals.failed(error.orig or error, state=state)


def _state(error: Any) -> str:
    return str(getattr(error, "sqlstate", None) or "")
