"""The same tools in another profile: rendered when first asked for, in a thread, once for all who wait.

A profile is named by the URL, or in a legacy session by the name its client gave; the door has refused names that are
none, so there are never more than a handful. Nothing here is on the way of a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from apiloom.calls.endpoint import Endpoint, Listed
from apiloom.catalog.profiles import DEFAULT, profile_of_client
from apiloom.wire.card import Card
from apiloom.wire.settings import WireSettings


def client_profile(endpoint: Endpoint, client: Any) -> str:
    """The profile for a client that named none, by ``clientInfo``: only where the server was not given one either."""
    if endpoint.profile != DEFAULT or not isinstance(client, dict):
        return ""
    return profile_of_client(client.get("name"))


class Listings:
    """Cards of one endpoint in other profiles than its own; forgotten when the endpoint is swapped."""

    __slots__ = ("_endpoint", "_made", "_making", "_settings")

    def __init__(self, settings: WireSettings) -> None:
        self._settings = settings
        self._endpoint: Endpoint | None = None
        self._made: dict[str, Card] = {}
        self._making: dict[str, asyncio.Task[Card]] = {}

    async def card(self, own: Card, profile: str) -> Card:
        """An endpoint's card in a profile; an empty name means its own. Its pages are ready then."""
        render = own.endpoint.listed
        if render is None or profile in ("", own.endpoint.profile):
            if own.endpoint.listing.ready:
                return own
            profile = ""
        if own.endpoint is not self._endpoint:
            self._endpoint, self._made, self._making = own.endpoint, {}, {}
        made = self._made.get(profile)
        if made is not None and made.ready:
            return made
        task = self._making.get(profile)
        if task is None:
            task = self._making[profile] = asyncio.create_task(self._make(own, render if profile else None, profile))
        # One who leaves early must not take the others' list with them.
        return await asyncio.shield(task)

    async def _make(self, own: Card, render: Callable[[str], Listed] | None, profile: str) -> Card:
        making, made = self._making, self._made

        def rendered() -> Listed:
            listing = render(profile) if render is not None else own.endpoint.listing
            _ = listing.pages
            return listing

        try:
            listing = await asyncio.to_thread(rendered)
            # Small APIs look the same in every profile: then one copy of the pages serves all.
            is_same = listing.etag == own.endpoint.listing.etag
            made[profile] = own if is_same else Card(own.endpoint, self._settings, listing)
            return made[profile]
        finally:
            del making[profile]
