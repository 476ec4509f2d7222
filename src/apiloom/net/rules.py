"""What holds on every road out: which origins may be reached, which headers may be planned, what may be repeated.

Knows no client and no socket. Both roads ask here, so that a plan is sent or refused alike on each of them.
"""

from __future__ import annotations

from apiloom.base.errors import CallerError, DesignError
from apiloom.net import target
from apiloom.net.request import Request
from apiloom.net.settings import NetSettings

FRAMING = frozenset(
    ["connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te"]
) | {"trailer", "transfer-encoding", "upgrade"}
"""Headers that belong to the connection (RFC 9110 section 7.6.1, RFC 9112 section 6): a plan may not set them."""

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"))
"""What may be sent again when a kept connection turns out to be dead (RFC 9110 section 9.2.2)."""

BODY_EXPECTED = frozenset(("POST", "PUT", "PATCH"))
"""Methods that say ``Content-Length: 0`` when they carry nothing (RFC 9110 section 8.6)."""

MOST_ORIGINS = 4096
"""How many origins a sender remembers before it starts anew."""


def admit(origin: str, settings: NetSettings) -> None:
    """Let an origin pass.

    Raises:
        DesignError: ``net.origin`` when it is not of the form http(s)://host[:port] or not one that may be reached.
    """
    if not target.plain_origin(origin):
        raise DesignError(
            "the request was not sent, because its server is not of the form http(s)://host[:port]",
            code="net.origin",
            hint="check the base URL and the server variables",
        )
    if settings.origins is not None and origin not in settings.origins:
        raise DesignError(
            f"the request was not sent, because {origin} is not a server this connector may reach",
            code="net.origin",
            hint="only the servers of its document and --base-url are allowed",
        )


def of_the_connection(name: str) -> CallerError:
    """The refusal of a header in :data:`FRAMING`."""
    return CallerError(
        f"the header {name} cannot be set: it belongs to the connection", code="net.header", hint="leave it out"
    )


def unsendable(request: Request) -> CallerError:
    """The refusal of a request whose method or headers are not valid HTTP. It never shows a header's value."""
    for name, value in request.headers:
        if not name or not name.isascii() or any(sign in value for sign in "\r\n\0"):
            return CallerError(
                f"the header {name[:80]!r} holds a line break or another character that no header can hold",
                code="net.header",
                hint="send a value of one line",
            )
    return CallerError(
        f"the request {request.method[:20]!r} cannot be built: its method or a header is not valid HTTP",
        code="net.header",
        hint="check the values sent as headers",
    )
