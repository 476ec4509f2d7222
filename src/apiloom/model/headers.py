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
