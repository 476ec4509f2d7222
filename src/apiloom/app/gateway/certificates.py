"""Recognising callers by a client certificate, which a trusted proxy in front tells of in a header.

What such a proxy tells is turned into a word that only this process knows, and goes on in the place of a bearer, so
that everybody behind the door sees one kind of caller. It is judged here, and nowhere else, whether the header counts:
only from a trusted peer, only once, and for letting somebody in only where the request shows nothing else and no page
of another origin has had it sent. Who was recognised is kept in :class:`~apiloom.identity.guests.Guests` like all
strangers; nobody is asked, and nothing waits.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from apiloom.app.gateway.addresses import Networks, within
from apiloom.app.gateway.issuers import MOST_WRONG, Town
from apiloom.base.errors import DesignError
from apiloom.identity.certificates import LONGEST, certificate_in, holder_id
from apiloom.identity.claims import SKEW, Unfit
from apiloom.identity.guests import API, MCP, Guest, Guests
from apiloom.identity.rules import build_principal, map_claims, view_of
from apiloom.identity.settings import Certificates
from apiloom.identity.turns import Turns
from apiloom.vault.x509 import Authorities, Unusable, read_certificate, thumbprint

FRESH: Final = 60.0
"""Seconds after which a certificate is read anew: servers that rules name may have come or gone."""

_HEADER: Final = b"authorization"
_SCHEME: Final = b"Bearer "

_OWN_SITES: Final = frozenset({b"none", b"same-origin"})

_log = logging.getLogger("apiloom.gateway")


@dataclass(frozen=True, slots=True)
class _Told:
    """A certificate that stands in a header."""

    thumbprint: bytes
    der: bytes


class Certified:
    """Callers with certificates.

    Args:
        terms: the operator's settings.
        proxies: those whose word counts.
        guests: where those who were recognised are kept.
        town: what it stands on.
        authorities: those who must have signed; None: the proxy sees to that.
    """

    def __init__(
        self, terms: Certificates, proxies: Networks, guests: Guests, town: Town, authorities: Authorities | None = None
    ) -> None:
        self._terms = terms
        self._guests = guests
        self._town = town
        self._authorities = authorities
        self._header = terms.header.encode()
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(town.public_url)).lower().encode()
        self._primed = hashlib.blake2b(key=secrets.token_bytes(32), digest_size=32, person=b"apiloom shown")
        self._wrong = Turns(MOST_WRONG, town.clock)
        # a proxy repeats itself: the same peers, and for each client the same header with every request
        self._trusts = lru_cache(maxsize=1024)(lambda peer: within(peer, proxies))
        self._told = lru_cache(maxsize=256)(self._read)

    def shown(
        self, heads: Mapping[bytes, bytes], twice: Collection[bytes], peer: str, address: str, *, alone: bool = False
    ) -> bytes:
        """What a request shows, as the value of an Authorization header: its own, or what stands for its certificate.

        ``peer`` is who is at the other end of the connection, ``address`` from where the caller comes. ``alone`` says
        that something else of the request lets its caller in, so that a certificate does not.
        """
        authorization = heads.get(_HEADER)
        value = heads.get(self._header)
        if value is None or self._header in twice or len(value) > LONGEST or not self._trusts(peer):
            return authorization or b""
        if authorization is None and (alone or self._by_foreign_page(heads)):
            return b""
        told = self._told(value)
        if told is None:
            return authorization or b""
        if authorization is not None:
            return self._proven(authorization, told)
        word = self._met(told, address)
        return _SCHEME + word.encode() if word else b""

    def _by_foreign_page(self, heads: Mapping[bytes, bytes]) -> bool:
        """Whether a page of another origin had a browser ask: browsers show certificates whoever's page asks them to
        (Fetch, "Origin" and "Sec-Fetch-Site").
        """
        origin, site = heads.get(b"origin"), heads.get(b"sec-fetch-site", b"none")
        return (origin is not None and origin.lower() != self._origin) or site not in _OWN_SITES

    def proves(self, guest: Guest, proof: str) -> bool:
        """Whether what was shown beside a token is what it is bound to."""
        return secrets.compare_digest(self._word(guest.bound).encode(), proof.encode("utf-8", "surrogatepass"))

    def _proven(self, authorization: bytes, told: _Told) -> bytes:
        """A bearer that is bound to a certificate goes on with a word for the one that was shown."""
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return authorization
        token = token.strip(b" ")
        guest = self._guests.get(token.decode("latin-1"), self._town.now())
        if guest is None or not guest.bound:
            return authorization
        return b"".join((_SCHEME, token, b" ", self._word(told.thumbprint).encode()))

    def _read(self, value: bytes) -> _Told | None:
        try:
            der = certificate_in(self._terms.form, value)
        except Unfit as unfit:
            _log.debug("a client certificate is not accepted: %s", unfit.why)
            return None
        return _Told(thumbprint(der), der)

    def _met(self, told: _Told, address: str) -> str:
        """The word for whoever has a certificate; empty where it lets nobody in."""
        if not self._terms.rules:
            return ""
        word = self._word(told.thumbprint)
        now = self._town.now()
        if self._guests.get(word, now) is not None:
            return word
        # whoever was recognised before waits for no turn of others who come from the same place
        is_new = not self._guests.knows(word)
        if is_new and not self._wrong.left(address):
            return ""
        try:
            self._guests.put(word, self._recognised(told, now))
        except (Unfit, Unusable) as error:
            _log.debug("a client certificate is not accepted: %s", error)
            if is_new:
                self._wrong.charge(address)
            return ""
        return word

    def _recognised(self, told: _Told, now: float) -> Guest:
        """Who the rules make of somebody with this certificate.

        Raises:
            Unfit, Unusable: nobody.
        """
        read = read_certificate(told.der)
        ends = read.ends + SKEW
        if not read.begins - SKEW <= now < ends:
            raise Unfit("its time is over, or to come")
        if self._authorities is not None:
            self._authorities.check(told.der, min(max(now, read.begins), read.ends))
        # who signs certificates answers for every name in them
        mapped = map_claims(self._terms.rules, read.claims, unverified_email=True)
        if mapped is None:
            raise Unfit("no rule lets it in, or two disagree")
        principal = build_principal(mapped, holder_id(read.claims, mapped.tenant), ends, self._town.server_id)
        return Guest(
            principal=principal,
            key=view_of(principal),
            resources=frozenset({MCP, API}),
            counts_until=now + FRESH,
        )

    def _word(self, of: bytes) -> str:
        """A bearer that stands for a certificate in this process, and that nobody outside of it can know."""
        taking = self._primed.copy()
        taking.update(of)
        return f"crt_{taking.hexdigest()}"


def check_proxies(proxies: Networks) -> None:
    """Refuse to believe certificates from nobody, or from everybody.

    Raises:
        DesignError: ``gateway.proxies``.
    """
    if not proxies or any(network.endswith("/0") for network in proxies):
        raise DesignError(
            "certificates are told of by trusted proxies, and APILOOM_TRUSTED_PROXIES names "
            + ("every address" if proxies else "none"),
            code="gateway.proxies",
            hint="name the addresses of the proxies that end TLS, as APILOOM_TRUSTED_PROXIES=10.0.0.7",
        )


def open_authorities(pem: bytes) -> Authorities:
    """Those who must have signed certificates.

    Raises:
        DesignError: ``identity.unreadable``.
    """
    try:
        return Authorities(pem)
    except Unusable as error:
        raise DesignError(
            f"the authorities of certificates cannot be used: {error}",
            code="identity.unreadable",
            hint="name a file of certificates in PEM, one after the other",
        ) from None
