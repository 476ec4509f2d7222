"""When a pair of tokens is used, and when it is renewed: a clock compared with what is known of the pair.

Stands below the keeping of pairs.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from apiloom.vault.ports import Held

LIFE = 0.8
"""The share of a token's life after which it is renewed ahead of its end."""

AHEAD = 60.0
"""Seconds before its end when a token is renewed at the latest, where its life is twice as long."""

MARGIN = 5.0
"""Seconds before its end from which a token is not used any more: it must still live when it arrives."""

SETTLED = 10.0
"""Seconds after a renewal in which nothing is renewed only because a pair ends soon: it is used to its very end."""

BRIEFEST = 1.0
"""Seconds for which a new pair is used although it says that it is over: asking again brings no other."""

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What passes for time: ``now`` in seconds since the epoch, ``clock`` seconds that only rise, ``pause`` waits,
    ``dice`` gives 0 to 1 so that no two nodes do the same at the same moment.
    """

    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    pause: Pause = asyncio.sleep
    dice: Callable[[], float] = random.random


def used_until(held: Held) -> float:
    """Until when an access token is used, in seconds since the epoch: :data:`MARGIN` before its end, or to the end
    where it was made less than :data:`SETTLED` ago.
    """
    if held.tokens is None:
        return -math.inf
    end = held.tokens.expires_at
    if end is None:
        return math.inf
    if held.made_at is None:
        return end - MARGIN
    return max(end - MARGIN, min(held.made_at + SETTLED, max(end, held.made_at + BRIEFEST)))


def refresh_at(expires_at: float | None, timing: Timing) -> float | None:
    """When a token is renewed ahead of its end: at four fifths of its life, a little earlier by chance, and at least
    :data:`AHEAD` before the end where it lives twice as long; not before it has :data:`SETTLED`.
    """
    if expires_at is None:
        return None
    now = timing.now()
    life = max(0.0, expires_at - now)
    share = LIFE * life * (1 - 0.05 * timing.dice())
    return now + max(SETTLED, min(share, life - AHEAD) if life >= 2 * AHEAD else share)
