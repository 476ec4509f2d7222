"""Addresses of next pages as an API gives them: what a Link header says, and which of them may be followed.

An address is only followed where the call itself would have gone: the same host, under the folder of the server. What
is taken from it is its path and query; where it is sent to is ours to say, and so are the credentials in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import quote, unquote_plus, urljoin, urlsplit

from apiloom.net.target import sent_exactly

LONGEST = 16_384
"""Characters of an address that is followed."""

_PIECE = re.compile(r"<[^<>]*>|\"(?:[^\"\\]|\\.)*\"|[^,<\"]+|.", re.DOTALL)
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]{0,1000})\"|([^\s\",;]{0,1000}))", re.IGNORECASE)
_SAFE = "!$%&()*+,;=:@/?[]~-._|^"
_CLIMBS = re.compile(r"(?:/|%2[fF]|%5[cC])(?:\.|%2[eE]){2}(?:[/;]|\Z|%2[fF]|%5[cC]|%3[bB])").search
_PORTS = {"http": 80, "https": 443}
_ERASED = "***"
_MOST_READ = 16_384


class Unfollowed(Exception):  # noqa: N818 - a signal between these modules, never shown as an error
    """An address that is not followed; the message says why."""


def relations(links: Sequence[str]) -> dict[str, str]:
    """The addresses of Link headers by relation (RFC 8288 section 3), the first of each."""
    found: dict[str, str] = {}
    for header in links:
        for link in _split(header[:_MOST_READ]):
            address, closed, parameters = link.strip().removeprefix("<").partition(">")
            told = _RELATION.search(parameters) if closed else None
            for name in (told[1] or told[2] or "").lower().split() if told else ():
                found.setdefault(name, address)
    return found


def _split(header: str) -> Iterator[str]:
    """The links of one header: commas stand between them, and inside addresses and quoted words too."""
    link = ""
    for piece in _PIECE.findall(header):
        if piece == ",":
            yield link
            link = ""
        else:
            link += piece
    yield link


def next_of(links: Sequence[str]) -> str | None:
    """The address of the next page that Link headers tell."""
    return relations(links).get("next")


def target_of(address: str, origin: str, target: str, prefix: str, hidden: Collection[str]) -> str:
    """The request target of an address that was given as the answer to a request.

    ``prefix`` is the server's folder; query parameters called one of ``hidden`` (lower-case) carry credentials, and are
    left to the signer, as is every value that was erased because it is one.

    Raises:
        Unfollowed: it leads elsewhere, or cannot be sent.
    """
    if len(address) > LONGEST:
        raise Unfollowed("its address is too long to be passed on")
    try:
        # an address as an IRI or with bare signs in it is as common as a right one
        parts = urlsplit(urljoin(origin + target, quote(address.strip(), safe=_SAFE + "#\\")))
        ours = urlsplit(origin)
        same = _host(parts.scheme, parts.hostname, parts.port) == _host(ours.scheme, ours.hostname, ours.port)
    except ValueError:
        raise Unfollowed("its address is none") from None
    if not same or "@" in parts.netloc:
        raise Unfollowed(f"it is at another address ({parts.scheme[:20]}://{parts.netloc.rpartition('@')[2][:100]})")
    path = parts.path or "/"
    if not (path + "/").startswith(prefix + "/") or _CLIMBS(path):
        raise Unfollowed(f"it is outside of {prefix or '/'}")
    query = "&".join(pair for pair in parts.query.split("&") if not _is_hidden(pair, hidden))
    found = f"{path}?{query}" if query else path
    if not sent_exactly(found):
        raise Unfollowed("its address cannot be sent as it stands")
    return found


def _host(scheme: str, host: str | None, port: int | None) -> tuple[str, int | None]:
    """Host and port; an API behind a proxy often says ``http`` of itself where it is asked by ``https``."""
    standard = port is None or port == _PORTS.get(scheme)
    if scheme not in _PORTS:
        raise ValueError(scheme)
    return (host or "").lower(), None if standard else port


def _is_hidden(pair: str, hidden: Collection[str]) -> bool:
    name, _, value = pair.partition("=")
    return unquote_plus(name).lower() in hidden or _ERASED in unquote_plus(value)
