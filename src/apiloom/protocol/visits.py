"""Pages that a person must visit before a request can succeed: how a client is asked to open one, in each revision.

Pure: what a client can be asked, the words of the asking, and what it said to it. Knows no call and no keys; who seals
the state that a client carries back stands above.
Source: MCP 2026-07-28, basic/patterns/mrtr and client/elicitation "URL Mode"; 2025-11-25, client/elicitation "URL
Elicitation Required Error".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from apiloom.base import json
from apiloom.protocol.errors import URL_ELICITATION_REQUIRED, Rejection
from apiloom.protocol.results import Imprint

ACTIONS: Final = frozenset({"accept", "decline", "cancel"})
"""What a person can say to being asked (``ElicitResult``)."""

_OPENING: Final = b'"resultType":"input_required",'


def opens_pages(capabilities: Any) -> bool:
    """Whether ``ClientCapabilities`` say that the client can be asked to open a page; by form alone is not enough."""
    elicitation = capabilities.get("elicitation") if isinstance(capabilities, dict) else None
    return isinstance(elicitation, dict) and isinstance(elicitation.get("url"), dict)


def asking(given: Imprint, answer_to: bytes, visit: tuple[str, str, str], state: str) -> bytes:
    """The response with an ``InputRequiredResult``; ``visit`` is the key of the need, the URL and the message."""
    key, url, message = visit
    request = json.dumps(
        {key: {"method": "elicitation/create", "params": {"mode": "url", "url": url, "message": message}}}
    )
    parts = [b'{"jsonrpc":"2.0","id":', answer_to, b',"result":{', _OPENING, b'"inputRequests":', request]
    parts += (b',"requestState":', json.quoted(state))
    if given.signed:
        parts += (b',"_meta":{', given.signed, b"}")
    return b"".join((*parts, b"}}"))


def required(visit: tuple[str, str, str]) -> Rejection:
    """``URLElicitationRequiredError``: the same need gets the same id, so that a client asks once for it."""
    key, url, message = visit
    named = hashlib.sha256(f"{key}\n{url}".encode()).hexdigest()[:32]
    asked = {"mode": "url", "elicitationId": named, "url": url, "message": message}
    return Rejection(URL_ELICITATION_REQUIRED, message, {"elicitations": [asked]})


def answered(responses: Mapping[str, Any] | None, key: str) -> str | None:
    """What was said to one asking: an action, empty where nothing was, None where it is no ``ElicitResult``."""
    if not responses or key not in responses:
        return ""
    said = responses[key]
    action = said.get("action") if isinstance(said, dict) else None
    return action if isinstance(action, str) and action in ACTIONS else None
