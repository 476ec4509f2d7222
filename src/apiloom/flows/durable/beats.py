"""Heartbeats: how nodes know that one of them is no more, whatever their clocks say.

A node writes its row every few seconds. One whose row was seen unchanged for :data:`DEAD` by the clock of whoever looks
is gone; times of different machines are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from apiloom.flows.ground import Ground
from apiloom.store.records import Beat

BEAT = 5.0
"""Seconds between two beats."""

DEAD = 30.0
"""Seconds without a beat after which a node's work is another's."""


@dataclass(slots=True, kw_only=True)
class Beats:
    """The heartbeat of one node, and its view of the others'.

    ``node`` is its id. ``alone`` says that the store has one node at a time: then every other is gone. ``clock`` gives
    seconds that only rise.
    """

    ground: Ground
    node: str
    clock: Callable[[], float]
    alone: bool = False
    _said: bool = field(default=False, init=False)
    _left: tuple[str, ...] = field(default=(), init=False)
    """Where it is alone, those whose work was not taken over yet."""
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict, init=False)

    async def beat(self) -> Collection[str]:
        """Say that this node lives; the nodes that do not any more.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        if self.alone and self._said:
            return self._left  # nobody looks for it while it runs, and an idle house writes nothing
        now = self.ground.now()
        async with self.ground.store.writing() as work:
            beats = work.house().beats
            mine = await beats.load(self.node)
            if mine is None:
                await beats.add(Beat(id=self.node, started_at=now, at=now))
            else:
                await beats.save(replace(mine, at=now), mine.revision)
            others = [one for one in await beats.every() if one.id != self.node]
        self._said = True
        gone = tuple(one.id for one in others if self._is_gone(one))
        self._left = gone if self.alone else ()
        return gone

    async def gone(self) -> Collection[str]:
        """The nodes that do not live any more, without a word of this one: who runs no flows leaves none behind.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        async with self.ground.store.reading() as work:
            others = [one for one in await work.house().beats.every() if one.id != self.node]
        return tuple(one.id for one in others if self._is_gone(one))

    async def forget(self, gone: Collection[str]) -> None:
        """Drop the rows of nodes whose work was taken over."""
        async with self.ground.store.writing() as work:
            for id_ in gone:
                await work.house().beats.remove(id_)
        for id_ in gone:
            self._seen.pop(id_, None)
        self._left = tuple(id_ for id_ in self._left if id_ not in gone)

    def _is_gone(self, other: Beat) -> bool:
        if self.alone:
            return True
        revision, since = self._seen.get(other.id, (-1, 0.0))
        if revision != other.revision:
            self._seen[other.id] = (other.revision, self.clock())
            return False
        return self.clock() - since >= DEAD
