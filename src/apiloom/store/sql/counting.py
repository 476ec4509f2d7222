"""Counts what goes to the database, for tests and benchmarks: a call must send nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, event


@dataclass(slots=True)
class Counted:
    """What was sent while counting. ``statements`` are their texts without values, ``ends`` commits and rollbacks."""

    statements: list[str] = field(default_factory=list)
    ends: int = 0

    @property
    def trips(self) -> int:
        """Round trips, except the pool's own."""
        return len(self.statements) + self.ends


@contextmanager
def counting() -> Iterator[Counted]:
    """Count the round trips of every store of this process."""
    counted = Counted()

    def sent(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        counted.statements.append(statement)

    def ended(_connection: object) -> None:
        counted.ends += 1

    heard = (("before_cursor_execute", sent), ("commit", ended), ("rollback", ended))
    for name, listener in heard:
        event.listen(Engine, name, listener)
    try:
        yield counted
    finally:
        for name, listener in heard:
            event.remove(Engine, name, listener)
