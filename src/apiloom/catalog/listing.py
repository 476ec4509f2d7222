"""Every tool of a catalog as it stands in ``tools/list``, rendered once, and what that costs a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apiloom.base import json
from apiloom.catalog.tool import MOST_WITH_OUTPUT, Catalog
from apiloom.catalog.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a list costs: UTF-8 bytes divided by 4, rounded up; of the whole list and of its largest entry."""

    list: int
    largest: int


def render_listing(catalog: Catalog, profile: str = "intersection") -> dict[str, bytes]:
    """The list entry of every tool as JSON, by name and sorted by it.

    Raises:
        CallerError: ``view.profile_later`` or ``view.profile_unknown``.
    """
    views = Views(catalog.schemas, profile)
    with_output = len(catalog.tools) <= MOST_WITH_OUTPUT
    return {name: json.dumps(views.render(tool, with_output=with_output)) for name, tool in catalog.tools.items()}


def tokens_of(entries: Iterable[bytes]) -> Tokens:
    """What list entries cost, the array around them included."""
    sizes = [len(entry) for entry in entries]
    return Tokens(list=_tokens(sum(sizes) + max(len(sizes) - 1, 0) + 2), largest=_tokens(max(sizes, default=0)))


def _tokens(size: int) -> int:
    return -(-size // 4)
