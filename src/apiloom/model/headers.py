"""Headers of a request that no argument sets, whatever a document says. A table; knows neither formats nor tools."""

from __future__ import annotations

STATED = frozenset({"accept", "authorization", "content-type"})
"""OpenAPI ignores parameters of these names: media types and security say what they hold."""

FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""They say how a message travels; an argument could make two requests of one with them."""

NOT_ARGUMENTS = STATED | FRAMING

NOT_CREDENTIALS = FRAMING | {"accept-encoding", "content-encoding", "content-type", "range", "set-cookie"}
"""No key, and nothing else that is the same on every call, can stand in them: they say how a message is read."""
