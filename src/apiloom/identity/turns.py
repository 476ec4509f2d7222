"""How often one may ask within a minute, by where the question comes from. Pure: an address and the time in.

One address of IPv4 counts for itself; of IPv6 a network of 64 bits, for that is what one subscriber is given.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from apiloom.base.errors import CallerError

MOST: Final = 10_000
"""Addresses that are counted; of more, those that asked first in this minute are forgotten."""


class Turns:
    """So many a minute for each address, and, where ``every`` says so, for all of them together.

    Args:
        each: of one address.
        clock: seconds that only rise.
        every: of all; None: there is no such bound, so that nobody can use up what is others'.
    """

    def __init__(self, each: int, clock: Callable[[], float], *, every: int | None = None) -> None:
        self._each = each
        self._every = every
        self._clock = clock
        self._minute = float("-inf")
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._all = 0

    def left(self, address: str) -> bool:
        """Whether an address may ask."""
        minute = self._clock() // 60
        if minute != self._minute:
            self._minute, self._all = minute, 0
            self._counts.clear()
        if self._every is not None and self._all >= self._every:
            return False
        return self._counts.get(place_of(address), 0) < self._each

    def check(self, address: str) -> None:
        """Refuse whoever has none left.

        Raises:
            CallerError: ``sign_in.slow_down``.
        """
        if not self.left(address):
            raise CallerError("that was asked too often", code="sign_in.slow_down", hint="try again in a minute")

    def charge(self, address: str) -> None:
        """Count one."""
        place = place_of(address)
        self._counts[place] = self._counts.get(place, 0) + 1
        self._all += 1
        if len(self._counts) > MOST:
            self._counts.popitem(last=False)

    def take(self, address: str) -> None:
        """Count one, if there is one left.

        Raises:
            CallerError: ``sign_in.slow_down``.
        """
        self.check(address)
        self.charge(address)


def place_of(address: str) -> str:
    """What counts as one: an address of IPv4, a network of IPv6, or the text itself where it is neither."""
    if ":" not in address:
        return address
    try:
        read = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if read.ipv4_mapped is not None:
        return str(read.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(read) >> 64 << 64)}/64"
