"""One change: a transaction, and word of it to this node once it is committed.

Every flow that writes does so here. Writers take turns from their first change on, so what is read after it is final:
flows change first, look then at what forbids it, and raise, which undoes all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from apiloom.base.errors import CallerError
from apiloom.flows.ground import Ground
from apiloom.store.ports import Work

Result = TypeVar("Result")

_ATTEMPTS = 4
_ENDING: set[asyncio.Task[None]] = set()


class Revised(Protocol):
    """A record that says how often it was saved."""

    @property
    def revision(self) -> int: ...


async def changing(ground: Ground, change: Callable[[Work], Awaitable[Result]], if_match: int | None = None) -> Result:
    """Run ``change`` in one transaction. Whoever did not say which revision was read is no loser of a race: the
    change is made again on what the winner left.

    Raises:
        CallerError: ``store.stale`` with ``if_match``, or when the record is changed all the time.
    """
    for attempt in range(_ATTEMPTS):
        try:
            async with ground.store.writing() as work:
                result = await change(work)
        except CallerError as error:
            if error.code != "store.stale" or if_match is not None or attempt == _ATTEMPTS - 1:
                raise
        else:
            ground.committed()
            return result
    raise AssertionError("the last attempt either answers or raises")


async def see_through(step: Coroutine[Any, Any, None]) -> None:
    """Take a step to its end though whoever waits for it is gone: what was half done is undone all the same.

    Raises:
        BaseException: whatever the step raises.
    """
    task = asyncio.ensure_future(step)
    _ENDING.add(task)  # nobody else may hold it
    task.add_done_callback(_ENDING.discard)
    await asyncio.shield(task)


def check_revision(record: Revised, if_match: int | None) -> None:
    """Refuse to change what is not what was read.

    Raises:
        CallerError: ``store.stale``.
    """
    if if_match is not None and record.revision != if_match:
        raise CallerError(
            "it has been changed since it was read",
            code="store.stale",
            hint="read it again, then change that",
            revision=record.revision,
        )
