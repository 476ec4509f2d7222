"""The names under which a running server has published its tools: they are kept when a document changes.

A client that listed a tool, and a model in the middle of its work, find it under the same name after the change; what
was renamed upstream answers to its old name too. Kept for as long as the process runs; knows no document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apiloom.app.connectors import Loaded
from apiloom.base import plugins

if TYPE_CHECKING:
    from apiloom.catalog.pins import Pin


@dataclass(slots=True)
class Published:
    """Pins by source."""

    _pins: dict[str, tuple[Pin, ...]] = field(default_factory=dict)

    def after(self, served: Iterable[Loaded]) -> Mapping[str, tuple[Pin, ...]]:
        """What each source has published up to now, those that are being served included.

        Decodes every tool: work for when a document has changed, and for another thread.
        """
        pins_of = plugins.load("apiloom.catalog.pins:pins_of")
        for loaded in served:
            self._pins[loaded.source] = pins_of(loaded.tools, loaded.aliases, self._pins.get(loaded.source, ()))
        return self._pins
