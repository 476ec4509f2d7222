"""An engine that lives and dies with its process: the twin of the durable one, for tests and for what needs no more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from apiloom.flows.durable.engine import Flow, Plain, Step


class InMemoryEngine:
    """An :class:`~apiloom.flows.durable.engine.Engine`. ``results`` are those of flows that have ended, by key."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        self.results: dict[str, Plain] = {}
        self._flows = {flow.name: flow for flow in flows}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._started: set[str] = set()

    async def start(
        self,
        flow: str,
        key: str,
        *given: Plain,
        whose: str = "",  # noqa: ARG002 - it runs everything at once
    ) -> None:
        """See the port."""
        if key not in self._started:
            self._started.add(key)
            self._running[key] = asyncio.create_task(self._run(self._flows[flow], key, given))

    async def take_over(self, gone: Collection[str]) -> int:  # noqa: ARG002 - its nodes share a process
        """See the port."""
        return 0

    async def forget(self, seconds: float) -> None:  # noqa: ARG002 - it keeps no times
        """See the port."""
        self.results.clear()

    async def idle(self) -> None:
        """Wait until nothing runs."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def close(self) -> None:
        """See the port."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, flow: Flow, key: str, given: tuple[Plain, ...]) -> None:
        try:
            self.results[key] = await flow.run(_Steps(), *given)
        finally:
            self._running.pop(key, None)


class _Steps:
    async def run(self, _name: str, step: Step, *given: Plain) -> Plain:
        return await step(*given)
