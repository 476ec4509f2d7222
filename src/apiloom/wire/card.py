"""What an endpoint says about itself, encoded once for each revision: discovery, initialisation, pages of tools.

Made anew when the endpoint is swapped; nothing here is rendered per request. Cursors name the listing they belong to,
so that a client which pages across a swap starts again instead of missing a tool.
"""

from __future__ import annotations

import re
from typing import Final

from apiloom.base import json
from apiloom.calls.endpoint import Endpoint, Listed
from apiloom.protocol import results
from apiloom.protocol.revisions import REVISIONS, Revision
from apiloom.wire.settings import WireSettings

_CURSOR: Final = re.compile(r"([0-9a-f]{16})\.([0-9]{1,9})")


class Card:
    """An endpoint's own words in every revision, with its own listing or the one given."""

    __slots__ = ("_edition", "_listing", "endpoint", "imprints")

    def __init__(self, endpoint: Endpoint, settings: WireSettings, listing: Listed | None = None) -> None:
        self.endpoint = endpoint
        self._listing = listing or endpoint.listing
        self.imprints = {row.name: _imprint(row, endpoint, settings) for row in REVISIONS.values()}
        # An etag may hold anything; a cursor should not.
        self._edition = json.digest(self._listing.etag)[:16]

    @property
    def ready(self) -> bool:
        """Whether its pages take no time."""
        return self._listing.ready

    def discovery(self, revision: Revision) -> bytes:
        """The result of ``server/discover``."""
        return results.discovery(self.imprints[revision.name], self.endpoint.instructions)

    def initialization(self, revision: Revision) -> bytes:
        """The result of ``initialize``."""
        return results.initialization(self.imprints[revision.name], self.endpoint.instructions)

    def tools(self, revision: Revision, cursor: str | None) -> bytes | None:
        """One page of ``tools/list``, or None when the cursor is none of this listing's.

        No cursor and the empty one mean the first page. An endpoint without tools has one empty page.
        """
        pages = self._listing.pages or (b"",)
        number = self._page(cursor)
        if number is None or number >= len(pages):
            return None
        following = f"{self._edition}.{number + 1}" if number + 1 < len(pages) else ""
        return results.listing(self.imprints[revision.name], pages[number], following)

    def _page(self, cursor: str | None) -> int | None:
        if not cursor:
            return 0
        match = _CURSOR.fullmatch(cursor)
        return int(match[2]) if match and match[1] == self._edition else None


def _imprint(row: Revision, endpoint: Endpoint, settings: WireSettings) -> results.Imprint:
    server = results.implementation(endpoint.name, endpoint.title, endpoint.version, titled=row.titles)
    return results.imprint(row, server, ttl_ms=settings.ttl_ms, scope=settings.cache_scope)
