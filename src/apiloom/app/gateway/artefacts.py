"""Compiled connector versions, one of each in memory however many servers show it.

Loaded from the store when an endpoint is compiled, never for a call. Those that endpoints still use stay for as long as
they do; of the others the last few.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from weakref import WeakValueDictionary

from apiloom.base.errors import HouseFault
from apiloom.compile.artefact import Artefact, unpack
from apiloom.store.ports import Store
from apiloom.store.records import Connector

KEPT = 32
"""Artefacts that stay though nobody uses them now."""


class Shared:
    """An artefact that many hold. A class of its own, so that it can be forgotten with its last holder."""

    __slots__ = ("__weakref__", "artefact", "number", "slug")

    def __init__(self, slug: str, number: int, artefact: Artefact) -> None:
        self.slug = slug
        self.number = number
        self.artefact = artefact


class Artefacts:
    """Loads artefacts, each once however many want it at the same time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: WeakValueDictionary[str, Shared] = WeakValueDictionary()
        self._kept: OrderedDict[str, Shared] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Shared]] = {}

    async def get(self, connector: Connector, number: int) -> Shared:
        """The artefact of a version. A connector that was made anew under the same slug is another one.

        Raises:
            HouseFault: ``store.unreachable``; ``gateway.version`` when there is none; ``artefact.damaged``.
        """
        slug = connector.id
        id_ = f"{slug}/{number}/{connector.created_at}"
        known = self._known.get(id_)
        if known is None:
            task = self._loading.get(id_)
            if task is None:
                task = self._loading[id_] = asyncio.create_task(self._load(slug, number))
                task.add_done_callback(lambda done: self._loaded(id_, done))
            # one who leaves early must not take the others' artefact along
            known = await asyncio.shield(task)
        self._kept[id_] = known
        self._kept.move_to_end(id_)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return known

    def forget(self) -> None:
        """The store may be another one now, where a number stands for something else. What is in use stays in use."""
        self._known.clear()
        self._kept.clear()
        self._loading.clear()

    async def _load(self, slug: str, number: int) -> Shared:
        async with self._store.reading() as work:
            content = await work.house().versions.artefact(f"{slug}/{number}")
        if content is None:
            raise HouseFault(
                f"version {number} of {slug} has nothing compiled", code="gateway.version", hint="import it again"
            )
        return Shared(slug, number, await asyncio.to_thread(unpack, content))

    def _loaded(self, id_: str, task: asyncio.Task[Shared]) -> None:
        if self._loading.get(id_) is not task:
            return  # it was forgotten meanwhile
        del self._loading[id_]
        if not task.cancelled() and task.exception() is None:
            self._known[id_] = task.result()
