"""Hosts that must not be reached, in every form in which they can be written or meant."""

from __future__ import annotations

import socket

LITERALS: dict[str, str] = {
    "loopback": "127.0.0.1",
    "loopback with a dot behind it": "127.0.0.1.",
    "another loopback": "127.8.9.1",
    "one decimal number": "2130706433",
    "one hexadecimal number": "0x7f000001",
    "one octal number": "017700000001",
    "hexadecimal parts": "0x7F.0x0.0x0.0x1",
    "octal parts": "0177.0.0.01",
    "two parts": "127.1",
    "three parts": "127.0.1",
    "mixed parts": "0x7f.1",
    "zero": "0",
    "unspecified": "0.0.0.0",
    "this network": "0.1.2.3",
    "IPv6 loopback": "[::1]",
    "IPv6 loopback in full": "[0:0:0:0:0:0:0:1]",
    "IPv6 unspecified": "[::]",
    "mapped": "[::ffff:127.0.0.1]",
    "mapped in hexadecimal": "[::ffff:7f00:1]",
    "compatible": "[::127.0.0.1]",
    "translated": "[64:ff9b::7f00:1]",
    "translated locally": "[64:ff9b:1::7f00:1]",
    "6to4": "[2002:7f00:1::1]",
    "Teredo": "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "IPv6 link-local": "[fe80::1]",
    "IPv6 site-local": "[fec0::1]",
    "IPv6 unique local": "[fd12:3456::1]",
    "IPv6 multicast": "[ff02::1]",
    "IPv6 documentation": "[2001:db8::1]",
    "IPv6 discard": "[100::1]",
    "private ten": "10.1.2.3",
    "private one seven two": "172.31.255.254",
    "private one nine two": "192.168.0.1",
    "private in two parts": "10.66051",
    "carrier": "100.64.0.1",
    "link-local": "169.254.1.1",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "documentation": "192.0.2.1",
    "documentation again": "203.0.113.9",
    "benchmark": "198.18.0.1",
    "metadata": "169.254.169.254",
    "metadata as a number": "2852039166",
    "metadata mapped": "[::ffff:169.254.169.254]",
    "metadata translated": "[64:ff9b::a9fe:a9fe]",
    "metadata of containers": "169.254.170.2",
    "metadata in IPv6": "[fd00:ec2::254]",
    "metadata of a second cloud": "100.100.100.200",
    "metadata of a third cloud": "192.0.0.192",
    "metadata of a fourth cloud": "168.63.129.16",
}
"""Addresses, by what they are."""

NO_HOSTS: dict[str, str] = {
    "a zone": "[fe80::1%25eth0]",
    "a bare zone": "[fe80::1%lo]",
    "digits of full width": "１２７.0.0.1",
    "letters in circles": "ⓛocalhost",
    "another dot": "127。0。0。1",
    "an escape": "%31%32%37.0.0.1",
    "a user before it": "public.example@127.0.0.1",
    "a backslash": "public.example\\@127.0.0.1",
    "nested brackets": "[[::1]]",
}
"""What is no host of an origin."""

NAMES: dict[str, tuple[str, ...]] = {
    "to-loopback.example": ("127.0.0.1",),
    "to-loopback-6.example": ("::1",),
    "to-private.example": ("10.0.0.7",),
    "to-metadata.example": ("169.254.169.254",),
    "to-mapped.example": ("::ffff:127.0.0.1",),
    "to-zone.example": ("fe80::1%1",),
    "to-nowhere.example": (),
    "mixed.example": ("93.184.215.14", "127.0.0.1"),
    "mixed-families.example": ("2606:2800:21f:cb07::1", "10.0.0.7"),
    "localhost": ("127.0.0.1", "::1"),
    "inner.localhost": ("127.0.0.1",),
    "metadata.google.internal": ("169.254.169.254",),
}
"""Names, and what they resolve to."""


async def resolve(host: str, _port: int) -> tuple[str, ...]:
    """What the names here mean; nothing else has an address."""
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return NAMES[host]


class Rebinding:
    """A name that is public when it is first asked for and this machine from then on; ``asked`` counts."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers or ("93.184.215.14", "127.0.0.1")
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> tuple[str, ...]:
        self.asked += 1
        return (self.answers[min(self.asked, len(self.answers)) - 1],)
