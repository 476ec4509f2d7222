"""Calls that wait for a person: the client is asked to open a page, and comes back with what we gave it to carry.

Nothing is kept between the two requests. What the client carries is sealed with a key of the house, so that any node
goes on, and it counts for the same caller, endpoint and call only, for a while. Each need is asked for once in a call:
what is still lacking when the client comes back is told as the tool's error, and no client asks its user in circles.
Knows no era's words; those are in :mod:`apiloom.protocol.visits`.
Source: MCP 2026-07-28, basic/patterns/mrtr "Server Requirements".
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from apiloom.base import json
from apiloom.base.seal import Sealer
from apiloom.identity.principal import Principal
from apiloom.protocol.errors import INVALID_PARAMS, Rejection
from apiloom.protocol.frames import Params
from apiloom.protocol.visits import answered

LIFE: Final = 15 * 60.0
"""Seconds that a person may take."""

LONGEST: Final = 4096
"""Characters of state; nothing longer is looked at."""

MOST_ASKED: Final = 4
"""Needs that one call asks for; further ones are told as errors."""

LONGEST_KEY: Final = 128
"""Characters by which a need is named to a client: so that the state of a call that asks for most of them is taken."""

_PURPOSE: Final = "visit"
_INVALID: Final = Rejection(
    INVALID_PARAMS, "params.requestState is not of this call, or has expired; call again without it"
)
_NO_ANSWER: Final = Rejection(
    INVALID_PARAMS, "params.inputResponses must hold an action for what was asked: accept, decline or cancel"
)


def named(key: str) -> str:
    """What a need is called between us and a client: its key, or a hash of one that is long, as many scopes make it."""
    if len(key) <= LONGEST_KEY and key.isascii():
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Visits:
    """Seals and opens what waiting calls of one endpoint are told by.

    Args:
        sealers: with every live key of the house, the one to seal with first; without, nobody else opens it.
        now: seconds since the epoch.
        endpoint: for calls of which it counts.
        life: seconds that state is taken for.
    """

    __slots__ = ("_endpoint", "_life", "_now", "_sealers")

    def __init__(
        self,
        sealers: Sequence[Sealer] = (),
        now: Callable[[], float] = time.time,
        endpoint: str = "",
        life: float = LIFE,
    ) -> None:
        self._sealers = tuple(sealers) or (Sealer(secrets.token_bytes(32)),)
        self._now = now
        self._endpoint = endpoint
        self._life = life

    def bound(self, principal: Principal, params: Params) -> bytes:
        """What state comes back with: the endpoint, the caller, the call word for word. Empty: it cannot be said."""
        try:
            said = json.canonical([self._endpoint, principal.id, "tools/call", params.name, params.arguments or {}])
        except (ValueError, TypeError, RecursionError):
            return b""
        return hashlib.sha256(said).digest()

    def seal(self, bound: bytes, asked: Sequence[str]) -> str:
        """State of a call that asked for these needs, the last of them now."""
        return self._sealers[0].seal(_PURPOSE, json.dumps([self._now() + self._life, *asked]), bound)

    def open(self, text: str, bound: bytes, responses: Mapping[str, Any] | None) -> tuple[str, ...] | Rejection:
        """The needs that are not asked for again; the last one counts among them once something was said to it."""
        if len(text) > LONGEST:
            return _INVALID
        found = (sealer.unseal(_PURPOSE, text, bound) for sealer in self._sealers)
        payload = next((content for content in found if content is not None), None)
        if payload is None:
            return _INVALID
        expires, *asked = json.loads(payload)
        if expires < self._now():
            return _INVALID
        action = answered(responses, asked[-1])
        if action is None:
            return _NO_ANSWER
        return tuple(asked) if action else tuple(asked[:-1])
