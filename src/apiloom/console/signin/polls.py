"""How often a device asks whether somebody has decided: too early, and it is told to wait longer. In memory alone.

Behind several nodes a device may ask each of them so often; what counts is that a storm of questions reaches no store.
Source: RFC 8628 section 3.5.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from apiloom.flows.device_sign_ins import INTERVAL

MORE: Final = 5.0
"""Seconds that a device which asks too early waits longer from then on."""

SLOWEST: Final = 60.0
MOST: Final = 10_000
"""Codes that are looked after; of more, those that asked longest ago are forgotten."""

_SLACK = 1.0


class Polls:
    """When each device asked last, by a hash of its code.

    Args:
        clock: seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, code: str) -> bool:
        """Whether whoever shows a code may ask now."""
        key = hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
        now = self._clock()
        last, interval = self._asked.get(key, (float("-inf"), float(INTERVAL)))
        early = now - last < interval - _SLACK
        self._asked[key] = (last, min(interval + MORE, SLOWEST)) if early else (now, interval)
        self._asked.move_to_end(key)
        if len(self._asked) > MOST:
            self._asked.popitem(last=False)
        return not early
