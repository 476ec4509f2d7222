"""From where somebody calls: the address of the connection, or what a trusted proxy says of it.

A forwarded header is what anybody may write; only the entries that trusted proxies added themselves count, read from
the end (RFC 7239 section 8.1 says the same of its successor). Several of these headers are one list, in their order
(RFC 9110 section 5.3): some proxies add a header of their own below the client's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache

from apiloom.base.errors import DesignError

FORWARDED = b"x-forwarded-for"
_LONGEST = 4096
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")

Networks = tuple[str, ...]
"""In CIDR notation."""


def read_proxies(text: str) -> Networks:
    """Trusted proxies: addresses or networks, with commas between.

    Raises:
        DesignError: ``gateway.proxies``.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(str(ipaddress.ip_network(part)))
        except ValueError:
            raise DesignError(
                f"APILOOM_TRUSTED_PROXIES names {part[:60]!r}, which is no address or network",
                code="gateway.proxies",
                hint="write 10.0.0.0/8,192.0.2.7",
            ) from None
    return tuple(found)


def caller_address(peer: str, heads: Mapping[bytes, bytes], trusted: Networks) -> str:
    """The address of whoever calls: the last one that no trusted proxy is, empty where that cannot be known."""
    if not trusted or not within(peer, trusted):
        return peer
    said = heads.get(FORWARDED, b"")
    if len(said) > _LONGEST:
        return ""
    for entry in reversed(said.decode("latin-1").split(",")):
        address = _without_port(entry.strip())
        if address and not within(address, trusted):
            return address
    return peer


def _without_port(entry: str) -> str:
    """The address of an entry, to which some proxies write the port that a connection came from."""
    found = _WITH_PORT.fullmatch(entry)
    return entry if found is None else found[1] or found[2]


def within(address: str, networks: Networks) -> bool:
    """Whether an address lies in one of some networks; an IPv4 address that is written as IPv6 counts as what it is."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in _networks(networks))


@lru_cache(maxsize=1024)
def _networks(texts: Networks) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
