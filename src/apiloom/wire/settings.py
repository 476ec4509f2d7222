"""How a server speaks: who may reach it, and every bound on what comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LOOPBACK_HOSTS = ("localhost:*", "127.0.0.1:*", "[::1]:*")
"""Host values of this machine, on any port."""

LOOPBACK_ORIGINS = tuple(f"{scheme}://{host}" for scheme in ("http", "https") for host in LOOPBACK_HOSTS)
"""Origins of pages served by this machine, on any port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSettings:
    """Settings of one served endpoint.

    ``allowed_hosts`` holds ``host``, ``host:port`` or ``host:*`` (any port or none); ``allowed_origins`` the same with
    a scheme before it; ``*`` alone allows all. Forwarded headers are never read.

    Attributes:
        max_body: bytes of one message, over HTTP and on standard input.
        body_timeout: seconds a request's body may take to arrive.
        call_timeout: seconds a call may take, told to whoever answers it.
        max_upload: bytes of one upload of files.
        upload_timeout: seconds an upload or download of files may take in all; ``body_timeout`` without a byte end it.
        max_sessions: legacy sessions kept; the longest unused one gives way.
        session_idle: seconds after which an unused session is forgotten.
        max_streams: notification streams open at once, over HTTP.
        max_batch: messages in one batch.
        max_in_flight: requests being answered at once on standard input.
        keep_alive: seconds of silence after which a stream carries a comment.
        watch_after: seconds after which a call's connection is watched for a client that hangs up.
        drain: seconds that calls may still take when standard input has ended.
        ttl_ms: milliseconds a client may think a list fresh.
        cache_scope: ``public`` only when every caller sees the same tools.
    """

    allowed_hosts: tuple[str, ...] = LOOPBACK_HOSTS
    allowed_origins: tuple[str, ...] = LOOPBACK_ORIGINS
    max_body: int = 4 * 1024 * 1024
    body_timeout: float = 30.0
    call_timeout: float = 60.0
    max_upload: int = 512 * 1024 * 1024
    upload_timeout: float = 15 * 60.0
    max_sessions: int = 10_000
    session_idle: float = 30 * 60.0
    max_streams: int = 1_000
    max_batch: int = 100
    max_in_flight: int = 256
    keep_alive: float = 15.0
    watch_after: float = 0.02
    drain: float = 1.0
    ttl_ms: int = 60_000
    cache_scope: Literal["public", "private"] = "private"
