"""Server-Sent Events: one message as one event, and the comment that keeps a quiet stream open.

Source: the WHATWG HTML standard, "Server-sent events"; MCP 2026-07-28, Streamable HTTP "Receiving Messages".
"""

from __future__ import annotations

from typing import Final

KEEP_ALIVE: Final = b":\n\n"
"""A comment: carries nothing, and tells proxies that the stream lives."""

HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
"""What a stream's answer begins with; the last line tells nginx not to hold events back."""


def event(frame: bytes) -> bytes:
    """A JSON-RPC message as one event. Frames hold no line breaks: JSON escapes them inside strings."""
    return b"event: message\ndata: " + frame + b"\n\n"
