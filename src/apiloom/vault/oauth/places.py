"""Where endpoints lie: origins, by which it is told whether a later document leads a secret to somebody else.

Plain values and no requests. The room of connections keeps places with what is secret and asks here before it sends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from apiloom.base.errors import DesignError
from apiloom.vault.oauth.asking import split_url
from apiloom.vault.oauth.terms import Endpoints, Provider

_DEFAULT = {"https": ":443", "http": ":80"}


def place_of(url: str) -> str:
    """The origin of a URL as requests are sent to it, in one spelling (RFC 6454 section 4); empty where it is none."""
    try:
        origin = split_url(url)[0].lower()
    except DesignError:
        return ""  # nothing can be sent there
    return origin.removesuffix(_DEFAULT[urlsplit(origin).scheme])


def urls_of(endpoints: Endpoints) -> tuple[str, ...]:
    """The addresses of a provider that something is sent to, or a person."""
    found = (
        endpoints.token_url,
        endpoints.refresh_url,
        endpoints.revocation_url,
        endpoints.device_url,
        endpoints.identity_url,
        endpoints.authorization_url,
        endpoints.issuer,
    )
    return tuple(url for url in found if url)


def places_of(endpoints: Endpoints) -> frozenset[str]:
    """The origins of endpoints."""
    return frozenset(place for place in map(place_of, urls_of(endpoints)) if place)


def token_places(endpoints: Endpoints) -> frozenset[str]:
    """The origins of endpoints that tokens themselves are sent to."""
    sent = (endpoints.token_url, endpoints.refresh_url, endpoints.revocation_url, endpoints.identity_url)
    return frozenset(place for place in map(place_of, (*sent, endpoints.device_url)) if place)


def entry_endpoints(provider: Provider, token_url: str) -> Endpoints:
    """The addresses of a provider's entry that go with a token URL: none where tokens are asked for elsewhere than at
    the provider's, such as at an installation of one's own. What is secret there is nobody else's to be told; and where
    customers have addresses of their own, not what another customer's is told.
    """
    known = provider.endpoints
    ours = places_of(known) if provider.variables else own_places([provider])
    return known if not token_url or place_of(token_url) in ours else Endpoints()


def own_places(providers: Iterable[Provider]) -> frozenset[str]:
    """The origins that are providers' own whoever writes them; not those below a suffix, where anybody may have one."""
    found: set[str] = set()
    for provider in providers:
        found |= places_of(provider.endpoints)
        found.update(f"https://{host.lower()}" for host in provider.hosts if not host.startswith("*."))
    return frozenset(found)
