"""How often one may ask within a minute, by where the question comes from. Pure: an address and the time in.

One address of IPv4 counts for itself; of IPv6 a network of 64 bits, for that is what one subscriber is given. Where
all together have a bound, those who ask much get no more than half of it: the rest is for those who ask seldom, and the
last quarter for those who have not asked yet.
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
        every: of all; None: there is no such bound, so that nobody can use up what is others'. Half of it is kept for
            addresses with less than a tenth of their turns, half of that for the first turn of an address; and a
            network (24 bits of IPv4, 48 of IPv6) gets of what is kept no more than one address may have at all.
    """

    def __init__(self, each: int, clock: Callable[[], float], *, every: int | None = None) -> None:
        self._each = each
        self._every = every
        self._clock = clock
        self._minute = float("-inf")
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._networks: dict[str, int] = {}
        self._all = 0

    def left(self, address: str) -> bool:
        """Whether an address may ask."""
        minute = self._clock() // 60
        if minute != self._minute:
            self._minute, self._all = minute, 0
            self._counts.clear()
            self._networks.clear()
        place = place_of(address)
        had = self._counts.get(place, 0)
        if had >= self._each:
            return False
        return self._every is None or self._all < self._every - self._every // 2 or self._is_kept(self._every, place)

    def _is_kept(self, every: int, place: str) -> bool:
        """Whether a place may have of what is kept for those who ask seldom."""
        had = self._counts.get(place, 0)
        if had >= max(1, self._each // 10) or self._networks.get(network_of(place), 0) >= self._each:
            return False
        return self._all < (every - every // 4 if had else every)

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
        if self._every is not None:
            network = network_of(place)
            self._networks[network] = self._networks.get(network, 0) + 1
        if len(self._counts) > MOST:
            self._counts.popitem(last=False)

    def take(self, address: str) -> float:
        """Count one, if there is one left; gives the minute it counts in.

        Raises:
            CallerError: ``sign_in.slow_down``.
        """
        self.check(address)
        self.charge(address)
        return self._minute

    def give_back(self, address: str, minute: float) -> None:
        """Count one less of those that were taken in a minute, if that is not over: what turned out to be right. Many
        who ask at the same time are counted before anybody knows which of them are.
        """
        place = place_of(address)
        if minute != self._minute or not self._counts.get(place):
            return
        self._counts[place] -= 1
        self._all -= 1
        if self._every is not None:
            self._networks[network_of(place)] -= 1


def place_of(address: str) -> str:
    """What counts as one: an address of IPv4, a network of IPv6, or the text itself where it is neither.

    Some proxies write the caller's port behind its address; that is another one for each connection, and no place.
    """
    if ":" not in address:
        return address
    host, _, port = address.rpartition(":")
    if port.isdecimal() and ((host.startswith("[") and host.endswith("]")) or host.count(".") == 3):
        address = host.strip("[]")
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(read, ipaddress.IPv4Address):
        return str(read)
    if read.ipv4_mapped is not None:
        return str(read.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(read) >> 64 << 64)}/64"


def network_of(place: str) -> str:
    """The network of a place, of which somebody with many addresses likely has them; the text where it is none."""
    try:
        read = ipaddress.ip_network(place)
    except ValueError:
        return place
    return str(read.supernet(new_prefix=24 if read.version == 4 else 48))
