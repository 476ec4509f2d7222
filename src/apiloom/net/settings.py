"""How the way out is set up: deadlines, pool, proxy, TLS. Plain values; who chose them does not matter here."""

from __future__ import annotations

from dataclasses import dataclass, field

from apiloom import __version__
from apiloom.base.secret import InTheClear, closed
from apiloom.net.guard import Guard


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class NetSettings(InTheClear):
    """Times are in seconds.

    ``timeout`` bounds an exchange whose request names no time of its own; ``idle`` is how long an unused connection
    is kept, below the 60 s after which common servers close theirs. ``proxy`` is a URL (http, https, socks5) and may
    hold a user and password; ``environment_proxies`` lets the usual variables (``HTTPS_PROXY``, ``NO_PROXY``, …)
    decide when no proxy is set. ``ca_pem`` is trusted besides the system's authorities; ``identity_pem`` (certificate
    and key) is shown to servers that ask. ``origins``, when given, are the only ones that may be reached; with a
    ``guard`` only the addresses that it lets through, whatever an origin is called.
    """

    timeout: float = 60.0
    connect_timeout: float = 10.0
    idle: float = 50.0
    max_idle_per_host: int = 64
    proxy: str = field(default="", repr=False)
    environment_proxies: bool = False
    ca_pem: bytes = b""
    identity_pem: bytes = field(default=b"", repr=False)
    verify: bool = True
    http2: bool = True
    user_agent: str = f"apiloom/{__version__}"
    origins: frozenset[str] | None = None
    guard: Guard | None = None
