"""The keys that providers sign with, as they publish them (RFC 7517): fetched when needed, kept for a while.

A key that is not among them is looked for once more, since providers change keys; but not again and again, for whoever
sends unknown key ids would make us ask each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from apiloom.base import json
from apiloom.base.errors import UpstreamError
from apiloom.net.request import Request, Sender
from apiloom.vault.oauth.asking import LARGEST_ANSWER, TIMEOUT, split_url
from apiloom.vault.oauth.refusals import host_of

LIFE = 600.0
"""Seconds that a set is used without asking again."""

PAUSE = 30.0
"""Seconds between two questions for a key that is not there."""

_MOST_SETS = 1_000
_MOST_KEYS = 100


@dataclass(slots=True)
class KeySets:
    """Published keys by URL. ``clock`` gives seconds that only rise."""

    clock: Callable[[], float] = monotonic
    _kept: dict[str, tuple[float, list[Mapping[str, Any]]]] = field(default_factory=dict)

    async def fetch(self, sender: Sender, url: str, key_id: str) -> list[Mapping[str, Any]]:
        """The keys that may have signed: those with this id, or all where none is named.

        Raises:
            UpstreamError: ``oauth.identity`` when no keys can be read; ``net.*``.
        """
        at, keys = self._kept.get(url, (-LIFE, []))
        age = self.clock() - at
        found = _fitting(keys, key_id)
        if age >= LIFE or (not found and age >= PAUSE):
            keys = await _fetched(sender, url)
            if len(self._kept) >= _MOST_SETS:
                self._kept.clear()
            self._kept[url] = (self.clock(), keys)
            found = _fitting(keys, key_id)
        return found


def _fitting(keys: list[Mapping[str, Any]], key_id: str) -> list[Mapping[str, Any]]:
    usable = [key for key in keys if key.get("use", "sig") == "sig"]
    return [key for key in usable if key.get("kid") == key_id] if key_id else usable


async def _fetched(sender: Sender, url: str) -> list[Mapping[str, Any]]:
    origin, target = split_url(url)
    headers = [("accept", "application/json")]
    response = await sender.send(
        Request(method="GET", origin=origin, target=target, headers=headers, timeout=TIMEOUT, max_bytes=LARGEST_ANSWER)
    )
    try:
        value = json.loads(response.body) if response.status == 200 else None
    except ValueError:
        value = None
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list):
        raise UpstreamError(
            f"the keys of {host_of(url)} cannot be read (HTTP {response.status})",
            code="oauth.identity",
            hint="try again later",
        )
    return [key for key in keys[:_MOST_KEYS] if isinstance(key, dict)]
