"""Every tool of a catalog as it stands in ``tools/list`` in a profile, and what that costs a model.

Long lists say less of each tool: nothing about its answer, its title once, less of each argument, and no hint that
says what its absence says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiloom.base import json
from apiloom.catalog.profiles import DEFAULT
from apiloom.catalog.tool import MOST_WITH_OUTPUT, Catalog, Tool
from apiloom.catalog.views import Views
from apiloom.model.api import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a list costs: UTF-8 bytes divided by 4, rounded up; of the whole list and of its largest entry."""

    list: int
    largest: int


def render_listing(catalog: Catalog, profile: str = DEFAULT) -> dict[str, bytes]:
    """The list entry of every tool as JSON, by name and sorted by it.

    Raises:
        CallerError: ``view.profile_unknown``.
    """
    return render_entries(catalog.tools, catalog.schemas, profile)


def render_entries(tools: Mapping[str, Tool], schemas: Mapping[str, Schema], profile: str) -> dict[str, bytes]:
    """The list entry of every tool as JSON, by name, in the order given.

    Raises:
        CallerError: ``view.profile_unknown``.
    """
    is_long = len(tools) > MOST_WITH_OUTPUT
    views = Views(schemas, profile, is_long=is_long)
    return {name: entry_of(views.render(tools[name], with_output=not is_long), is_long=is_long) for name in tools}


def entry_of(view: Mapping[str, Any], *, is_long: bool) -> bytes:
    """A rendered tool as an entry of a list, which is a long one or not."""
    if not is_long:
        return json.dumps(view)
    kept = {key: value for key, value in view.items() if key != "outputSchema"}
    hints = {key: value for key, value in view["annotations"].items() if key != "title"}
    if not hints["idempotentHint"]:
        # The others are asked for by directories of tools; this one is false where it is not there (ToolAnnotations).
        del hints["idempotentHint"]
    return json.dumps({**kept, "annotations": hints})


def tokens_of(entries: Iterable[bytes]) -> Tokens:
    """What list entries cost, the array around them included."""
    sizes = [len(entry) for entry in entries]
    return Tokens(list=_tokens(sum(sizes) + max(len(sizes) - 1, 0) + 2), largest=_tokens(max(sizes, default=0)))


def _tokens(size: int) -> int:
    return -(-size // 4)
