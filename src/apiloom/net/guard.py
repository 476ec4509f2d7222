"""The address guard: where requests may go when strangers say where to.

A name is resolved once, every address it has is looked at, and the connection is made to exactly what was looked at:
a name that means another place a moment later changes nothing. Numbers written as hosts are read here and not by the
system, in every form it would take. What is refused is told by the name that was asked for, never by what it means.

Knows no HTTP. :mod:`apiloom.net.plain` asks it before it connects, :mod:`apiloom.net.proxied` before it hands on.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from apiloom.base.errors import DesignError
from apiloom.net.names import Resolve, resolve

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a carrier's translation; 100.100.100.200 gives credentials at Alibaba
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; 169.254.169.254 gives credentials at nearly every cloud
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 gives credentials at Oracle
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""Of IPv4, what the IANA registry of special purposes does not call globally reachable (RFC 6890)."""

_UNICAST = IPv6Network("2000::/3")
"""Of IPv6, all that is handed out to be reached by everybody."""

_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them, which hides an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which holds an IPv4 address
        "3fff::/20",  # documentation
    )
)
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""An IPv4 address as a network that has IPv6 only reaches it (RFC 6052)."""

_METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",  # credentials of tasks and pods
        "169.254.170.23",
        "169.254.0.23",
        "169.254.42.42",
        "fd00:42::42",
        "fd00:c1::a9fe:a9fe",
        "fd00:ec2::23",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",  # public by its number, but Azure answers there to its own machines
    )
)
"""Where clouds give credentials to whoever asks from inside."""

_LOCAL_NAMES = frozenset(
    ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "instance-data", "metadata")
) | {"metadata.google.internal", "metadata.goog"}
_NUMBERS = re.compile(r"(?:[0-9A-Fa-fXx]{1,40}\.){0,3}(?:0[Xx][0-9A-Fa-f]{0,40}|[0-9]{1,40})").fullmatch
_LAST = re.compile(r"[0-9]+|0[Xx][0-9A-Fa-f]*").fullmatch
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?").fullmatch
_MOST_ENTRIES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Public addresses, and what an operator lets through besides; a port of None is any port.

    ``networks`` let addresses through however they are named, ``names`` a host whatever its addresses are. A metadata
    address is let through by itself only, not by a network that holds it or a name that leads to it.
    """

    networks: frozenset[tuple[Network, int | None]] = frozenset()
    names: frozenset[tuple[str, int | None]] = frozenset()
    resolve: Resolve = resolve

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses to connect to: all of the host's. One of them that may not be reached is the end of it.

        Raises:
            DesignError: ``net.address``.
            socket.gaierror, UnicodeError: the name cannot be resolved.
        """
        known = read_literal(host)
        if known is None and _ends_in_number(_plain_name(host)):
            raise refused(host)  # no name does, and who reads it as which address is anybody's guess
        found = (str(known),) if known is not None else await self.resolve(host, port)
        named = self._is_named(host, port)
        if not found or not all(self._lets(address, port, named=named) for address in found):
            raise refused(host)
        return found

    async def check(self, host: str, port: int) -> None:
        """Look at a host that somebody else will resolve. A name that cannot be resolved here says nothing.

        Raises:
            DesignError: ``net.address``.
        """
        name = _plain_name(host)
        if (name in _LOCAL_NAMES or name.endswith(".localhost")) and not self._is_named(host, port):
            raise refused(host)
        try:
            await self.addresses(host, port)
        except (OSError, UnicodeError):
            return

    def _is_named(self, host: str, port: int) -> bool:
        name = _plain_name(host)
        return (name, None) in self.names or (name, port) in self.names

    def _lets(self, text: str, port: int, *, named: bool) -> bool:
        try:
            address = plain_address(ip_address(text.partition("%")[0]))
        except ValueError:
            return False
        inner = inner_address(address)
        if address in _METADATA or inner in _METADATA:
            return self._is_listed(address, port, exactly=True)
        return named or is_public(address) or self._is_listed(inner or address, port, exactly=False)

    def _is_listed(self, address: Address, port: int, *, exactly: bool) -> bool:
        return any(
            address in network
            for network, only in self.networks
            if only in (None, port) and (not exactly or network.num_addresses == 1)
        )


def public_guard(allowed: Sequence[str] = ()) -> Guard:
    """A guard from an operator's list: networks, addresses and host names, each with or without a port.

    Raises:
        DesignError: ``net.settings`` for an entry that is none of these.
    """
    entries = [entry.strip() for entry in allowed if entry.strip()]
    if len(entries) > _MOST_ENTRIES:
        raise _unreadable(f"{len(entries)} entries")
    networks: set[tuple[Network, int | None]] = set()
    names: set[tuple[str, int | None]] = set()
    for entry in entries:
        host, port = _split(entry)
        try:
            networks.add((ip_network(host), port))
        except ValueError:
            name = _plain_name(host)
            if not _NAME(name) or _ends_in_number(name):
                raise _unreadable(repr(entry[:80])) from None
            names.add((name, port))
    return Guard(networks=frozenset(networks), names=frozenset(names))


def read_literal(host: str) -> Address | None:
    """The address that a host is the writing of, in any form that a system or a URL parser takes for one; else None.

    That is ``inet_aton``'s: one to four numbers, decimal, octal or hexadecimal, a dot behind them or not.
    """
    bare = host.strip("[]")
    if ":" in bare:
        try:
            return ip_address(bare.partition("%")[0])
        except ValueError:
            return None
    bare = bare.removesuffix(".")
    if not _NUMBERS(bare):
        return None  # inet_aton also takes what has words behind it
    try:
        return IPv4Address(socket.inet_aton(bare))
    except OSError:
        return None


def plain_address(address: Address) -> Address:
    """An IPv4 address written as IPv6 is the IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def inner_address(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address is translated to on the way."""
    return IPv4Address(address.packed[12:]) if address in _TRANSLATED else None


def is_public(address: Address) -> bool:
    """Whether an address is one that the whole internet reaches."""
    address = inner_address(address) or plain_address(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC)
    return address in _UNICAST and not any(address in network for network in _NOT_PUBLIC_6)


def refused(host: str) -> DesignError:
    """The refusal. It is the same whatever the name means, so that nobody learns what is where inside."""
    return DesignError(
        f"the request was not sent, because {host[:200]} is not at a public address",
        code="net.address",
        hint="an operator may let it be reached, by --allow-address or APILOOM_ALLOW_ADDRESSES",
        host=host[:200],
    )


def _split(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry; a colon belongs to a port only where the rest is no IPv6 address."""
    host, port = entry, ""
    if entry.startswith("["):
        host, closed, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
        if not closed or (rest and not port) or port == rest != "":
            raise _unreadable(repr(entry[:80]))
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65_536):
        raise _unreadable(repr(entry[:80]))
    return host, int(port)


def _ends_in_number(name: str) -> bool:
    """Whether the last part is a number, which makes the whole an IPv4 address or nothing (URL Standard, 3.5)."""
    return _LAST(name.rpartition(".")[2]) is not None


def _plain_name(host: str) -> str:
    return host.lower().removesuffix(".")


def _unreadable(what: str) -> DesignError:
    return DesignError(
        f"the list of allowed addresses has {what}, which cannot be used",
        code="net.settings",
        hint="write addresses, networks or host names, such as 10.0.0.0/8, 192.168.1.7:8080 or api.internal",
    )
