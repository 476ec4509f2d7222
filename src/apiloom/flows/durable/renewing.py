"""Tokens renewed ahead of their end though nobody calls: what is due, each once for its generation and attempt.

Nodes that look at the same time find the same, and the same key starts one flow. A flow that is run twice does no harm:
whoever renews a grant holds its lease, and a pair that is newer than what was asked for is let be.
"""

from __future__ import annotations

from functools import partial

from apiloom.base.errors import ApiloomError
from apiloom.flows.durable.engine import Engine, Flow, Plain, Steps
from apiloom.flows.grants import due_grants
from apiloom.flows.ground import Ground
from apiloom.store.records import Grant

NAME = "refresh"

AGAIN = 300.0
"""Seconds after which an attempt that left no trace is made anew, such as one that met another node's lease."""


def renewing(ground: Ground) -> Flow:
    """The flow that renews one grant: its id and generation go in, ``ok`` or an error's code comes out."""
    return Flow(name=NAME, run=partial(_renew, ground))


async def _renew(ground: Ground, steps: Steps, id_: str, generation: int) -> Plain:
    async def renew(id_: str, generation: int) -> Plain:
        if ground.grants is None or ground.dormant():
            return "store.dormant"
        try:
            await ground.grants.renew(id_, generation)
        except ApiloomError as error:
            return error.code
        return "ok"

    return await steps.run("renew", renew, id_, generation)


async def start_due(ground: Ground, engine: Engine, most: int = 500) -> int:
    """Have everything renewed that is due; how much that was. A store that is a copy renews nothing.

    Raises:
        HouseFault: ``store.unreachable``, ``durable.failed``.
    """
    if ground.dormant():
        return 0
    due = await due_grants(ground, most)
    for grant in due:
        await engine.start(NAME, key_of(grant, ground.now()), grant.id, grant.generation, whose=grant.tenant)
    return len(due)


def key_of(grant: Grant, now: float) -> str:
    """The one attempt that is due now."""
    late = 0 if grant.refresh_at is None else int(max(0.0, now - grant.refresh_at) // AGAIN)
    return f"{NAME}/{grant.id}/{grant.generation}/{grant.failures}.{late}"
