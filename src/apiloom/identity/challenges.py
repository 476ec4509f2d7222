"""How a caller is told where to get a token and for what: challenges and metadata, as text and plain values.

Sources: RFC 6750 section 3, RFC 9728 sections 2, 3 and 5; MCP 2026-07-28, "Authorization".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from apiloom.identity.guests import API, MCP, NAMED

WELL_KNOWN = "/.well-known/oauth-protected-resource"
LONGEST_NAME = 200


def resource_of(path: str) -> str | None:
    """The path of a protected resource as it stands in URLs, by the path that follows the well-known one.

    The same for a server that is there and for one that is not. None for what is no resource of any gateway.
    """
    if path in {"", MCP}:
        return MCP
    if path == API:
        return API
    name = path[len(NAMED) :] if path.startswith(NAMED) else ""
    return named_resource(name) if 0 < len(name) <= LONGEST_NAME and "/" not in name else None


def named_resource(name: str) -> str:
    """The path of a server by its name or id. What cannot stand in a URL, or would end a header, is encoded."""
    return NAMED + quote(name, safe="")


def challenge(public_url: str, resource: str, scopes: Iterable[str] = ()) -> bytes:
    """The value of WWW-Authenticate for a caller who has shown nothing that counts; the same whatever was shown."""
    return _bearer([("resource_metadata", f"{public_url}{WELL_KNOWN}{resource}"), ("scope", " ".join(scopes))])


def insufficient(public_url: str, resource: str, scopes: Iterable[str]) -> bytes:
    """The value of WWW-Authenticate for a token that lacks a scope; ``scopes`` are all that are needed."""
    return _bearer(
        [
            ("error", "insufficient_scope"),
            ("scope", " ".join(scopes)),
            ("resource_metadata", f"{public_url}{WELL_KNOWN}{resource}"),
        ]
    )


def metadata(public_url: str, resource: str, issuers: Sequence[str], scopes: Sequence[str]) -> Mapping[str, Any]:
    """The document of a protected resource (RFC 9728 section 2)."""
    value: dict[str, Any] = {
        "resource": f"{public_url}{resource}",
        "authorization_servers": list(issuers),
        "bearer_methods_supported": ["header"],
        "resource_name": "apiloom",
    }
    if scopes:
        value["scopes_supported"] = list(scopes)
    return value


def _bearer(members: Iterable[tuple[str, str]]) -> bytes:
    text = ", ".join(f'{name}="{value}"' for name, value in members if value)
    return f"Bearer {text}".encode("ascii", "replace")
