"""The way out as this process's environment sets it: proxies, further certificate authorities, a client certificate.

The usual proxy variables count here and not in ``net``, whose other users are told where to go. What is on this machine
is never asked for through them, so that an API under development works behind a company's proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from apiloom.app.environment import CERTIFICATE
from apiloom.base.errors import DesignError
from apiloom.base.secret import replaced
from apiloom.net.client import connect
from apiloom.net.guard import Guard, public_guard
from apiloom.net.request import Request, Response, Sender
from apiloom.net.settings import NetSettings

_LARGEST_FILE = 1024 * 1024
_PROXIES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})
_USUAL = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


ALLOWED = "APILOOM_ALLOW_ADDRESSES"
"""The environment variable of what a gateway may reach besides public addresses."""


def read_guard(environment: Mapping[str, str]) -> Guard:
    """The guard of a gateway: public addresses, and what ``APILOOM_ALLOW_ADDRESSES`` names besides.

    Raises:
        DesignError: ``net.settings``.
    """
    return public_guard(environment.get(ALLOWED, "").split(","))


def open_identified(environment: Mapping[str, str], guard: Guard | None, identity: bytes) -> Sender:
    """A sender with a pool of its own that shows a certificate to whoever asks; close it when done.

    Raises:
        DesignError: ``net.settings``.
    """
    settings = NetSettings(
        proxy=_proxy(environment.get("APILOOM_PROXY", "").strip()),
        ca_pem=_pem(environment, "APILOOM_CA_FILE"),
        guard=guard,
        identity_pem=identity,
    )
    return _proxied(settings, environment)


def open_sender(environment: Mapping[str, str], homes: Container[str], guard: Guard | None = None) -> Sender:
    """A sender with a pool of its own; close it when done.

    ``APILOOM_PROXY`` takes everything, the usual variables all but this machine. ``APILOOM_CA_FILE`` names authorities
    to trust besides the system's, ``APILOOM_CLIENT_CERTIFICATE`` a certificate with its key; both are PEM. The
    certificate says who we are, so it is shown to ``homes`` alone: the origins that credentials belong to, which may
    become more while the sender lives. With a ``guard`` it decides what may be reached.

    Raises:
        DesignError: ``net.settings``.
    """
    settings = NetSettings(
        proxy=_proxy(environment.get("APILOOM_PROXY", "").strip()),
        ca_pem=_pem(environment, "APILOOM_CA_FILE"),
        guard=guard,
    )
    sender = _proxied(settings, environment)
    certificate = _pem(environment, CERTIFICATE)
    if not certificate:
        return sender
    shown = _proxied(replaced(settings, identity_pem=certificate), environment)
    return _Split(first=shown, second=sender, is_first=lambda origin: origin in homes)


def _proxy(url: str) -> str:
    """The proxy's URL. The client takes no notice of one it does not know, and would go out past it."""
    scheme, mark, _ = url.partition("://")
    if mark and scheme.lower() not in _PROXIES:
        raise DesignError(
            f"APILOOM_PROXY is of the kind {scheme[:20]!r}, which is none",
            code="net.settings",
            hint="write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT",
        )
    return url


def _proxied(settings: NetSettings, environment: Mapping[str, str]) -> Sender:
    if settings.proxy or not any(environment.get(name) for name in _USUAL):
        return connect(settings)
    if settings.guard is not None:
        return _guarded(settings, environment)
    elsewhere = connect(replaced(settings, environment_proxies=True))
    return _Split(first=connect(settings), second=elsewhere, is_first=_is_here)


def _guarded(settings: NetSettings, environment: Mapping[str, str]) -> Sender:
    """The usual variables, read here: under a guard it must be known beforehand who goes by a proxy and who does not.

    Addresses in ``NO_PROXY`` count for hosts that are written as addresses, names also for everything below them.
    """
    sender = connect(settings)
    excepted = _variable(environment, "no_proxy")
    for scheme in ("http", "https"):
        proxy = _variable(environment, f"{scheme}_proxy") or _variable(environment, "all_proxy")
        if proxy:
            # a proxy is often named without its scheme
            proxy = proxy if "://" in proxy else f"http://{proxy}"
            sender = _Split(
                first=connect(replaced(settings, proxy=proxy)),
                second=sender,
                is_first=lambda origin, start=f"{scheme}://": (  # type: ignore[misc]
                    origin.startswith(start) and not _is_here(origin) and not _is_excepted(origin, excepted)
                ),
            )
    return sender


def _variable(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(name.upper()) or "").strip()


@lru_cache(maxsize=4096)
def _is_excepted(origin: str, excepted: str) -> bool:
    host = urlsplit(origin).hostname or ""
    entries = [entry.strip().lower() for entry in excepted.split(",") if entry.strip()]
    try:
        address = ip_address(host)
    except ValueError:
        return any(entry == "*" or f".{host}".endswith(f".{entry.lstrip('*.')}") for entry in entries)
    return "*" in entries or any(address in network for entry in entries for network in _network(entry))


def _network(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return (ip_network(text, strict=False),)
    except ValueError:
        return ()


class _Split:
    """Two ways out, chosen by the origin."""

    def __init__(self, *, first: Sender, second: Sender, is_first: Callable[[str], bool]) -> None:
        self._first = first
        self._second = second
        self._is_first = is_first

    async def send(self, request: Request) -> Response:
        """See :class:`~apiloom.net.request.Sender`."""
        return await (self._first if self._is_first(request.origin) else self._second).send(request)

    async def close(self) -> None:
        """Close both."""
        await self._first.close()
        await self._second.close()


@lru_cache(maxsize=4096)
def _is_here(origin: str) -> bool:
    host = urlsplit(origin).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _pem(environment: Mapping[str, str], name: str) -> bytes:
    place = environment.get(name)
    if not place:
        return b""
    try:
        with Path(place).open("rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError as error:
        raise DesignError(
            f"{name} names {place}, which cannot be read: {error.strerror}",
            code="net.settings",
            hint="check the path, and who may read it",
        ) from None
