"""What durable flows need of whoever runs them. A flow is a plain function of named steps and knows no engine.

A step may be run twice: when a node dies in one, another begins it again. So each is harmless when repeated, and only
ids and plain JSON cross from one to the next. :mod:`~apiloom.flows.durable.dbos_engine` is the engine of a gateway,
:mod:`~apiloom.flows.durable.in_memory` its twin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

Plain = str | int | float | bool | None
"""What crosses a step."""

Step = Callable[..., Awaitable[Plain]]


class Steps(Protocol):
    """Runs the steps of one flow: each that was completed is not run again when the flow goes on elsewhere."""

    async def run(self, name: str, step: Step, *given: Plain) -> Plain: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A durable flow. ``run`` gets its steps and the ids it was started with; what fails it answers, and never raises:
    an engine writes down what it is told.
    """

    name: str
    run: Callable[..., Awaitable[Plain]]


class Engine(Protocol):
    """Runs flows.

    Raises:
        HouseFault: ``durable.failed`` when its database does not take what it is told.
    """

    async def start(self, flow: str, key: str, *given: Plain, whose: str = "") -> None:
        """Have a flow run once for a key, on whichever node; a key that was used already starts nothing. ``whose``
        flows it is: a node gives nobody more than a share of what it runs at the same time.
        """

    async def take_over(self, gone: Collection[str]) -> int:
        """Go on with what nodes left unfinished that are no more; how many flows that were."""

    async def forget(self, seconds: float) -> None:
        """Drop the record of flows that ended longer ago than that."""

    async def close(self) -> None:
        """Run nothing any more here. What is unfinished is another's, or is gone on with after the next start."""
