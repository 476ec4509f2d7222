"""Two sources beside each other, the second read as the next version of the first."""

from __future__ import annotations

from typing import Any

from apiloom.app.connectors import Reading
from apiloom.catalog.difference import compare, to_json
from apiloom.catalog.pins import pins_of
from apiloom.console.house import Options, Say


def compare_sources(old: str, new: str, options: Options, say: Say, *, trusted: bool) -> dict[str, Any]:
    """The difference as JSON. Tools of the new source keep the names that the old one gave them.

    Raises:
        DesignError: one of them cannot be read.
    """
    before = Reading(say).catalog(old, options)
    after = Reading(say, {new: pins_of(before.tools, before.aliases)}).catalog(new, options)
    say("comparing")
    return to_json(compare(before, after, trusted=trusted))
