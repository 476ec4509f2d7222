"""The way out as this process's environment sets it: proxies, further certificate authorities, a client certificate.

The usual proxy variables count here and not in ``net``, whose other users are told where to go. What is on this machine
is never asked for through them, so that an API under development works behind a company's proxy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from apiloom.base.errors import DesignError
from apiloom.net.client import connect
from apiloom.net.request import Request, Response, Sender
from apiloom.net.settings import NetSettings

_LARGEST_FILE = 1024 * 1024
_USUAL = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def open_sender(environment: Mapping[str, str]) -> Sender:
    """A sender with a pool of its own; close it when done.

    ``APILOOM_PROXY`` takes everything, the usual variables all but this machine. ``APILOOM_CA_FILE`` names authorities
    to trust besides the system's, ``APILOOM_CLIENT_CERTIFICATE`` a certificate with its key; both are PEM.

    Raises:
        DesignError: ``net.settings``.
    """
    settings = NetSettings(
        proxy=environment.get("APILOOM_PROXY", ""),
        ca_pem=_pem(environment, "APILOOM_CA_FILE"),
        identity_pem=_pem(environment, "APILOOM_CLIENT_CERTIFICATE"),
    )
    if settings.proxy or not any(environment.get(name) for name in _USUAL):
        return connect(settings)
    return _Split(here=connect(settings), elsewhere=connect(replace(settings, environment_proxies=True)))


class _Split:
    """Two ways out, chosen by whether the origin is on this machine."""

    def __init__(self, *, here: Sender, elsewhere: Sender) -> None:
        self._here = here
        self._elsewhere = elsewhere
        self._known: dict[str, Sender] = {}

    async def send(self, request: Request) -> Response:
        """See :class:`~apiloom.net.request.Sender`."""
        chosen = self._known.get(request.origin)
        if chosen is None:
            chosen = self._here if _is_here(request.origin) else self._elsewhere
            self._known[request.origin] = chosen
        return await chosen.send(request)

    async def close(self) -> None:
        """Close both."""
        await self._here.close()
        await self._elsewhere.close()


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
