"""The error codes of JSON-RPC and MCP, and the value that says why a message was refused.

Knows codes and sentences; not who refused, nor how a transport shows it. HTTP statuses stand in the revisions' tables.
Source: MCP 2026-07-28, basic "Error Codes"; JSON-RPC 2.0 section 5.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

RESOURCE_NOT_FOUND: Final = -32002
"""Of the revisions before 2026-07-28, which answers -32602 in its place."""

HEADER_MISMATCH: Final = -32020
"""The HTTP headers do not say what the body says (2026-07-28, Streamable HTTP "Server Validation")."""

URL_ELICITATION_REQUIRED: Final = -32042
"""Of 2025-11-25 alone: a page must be visited first. Carries ``{"elicitations": [...]}``; 2026-07-28 forbids it."""

UNSUPPORTED_VERSION: Final = -32022
"""Carries ``{"supported": [...], "requested": ...}`` (2026-07-28, "Protocol Version Negotiation")."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a message gets an error response: JSON-RPC ``code``, one sentence, ``data`` when the code asks for it."""

    code: int
    message: str
    data: Mapping[str, Any] | None = None
