"""The slug of a connector: what its tools are prefixed with when several share a server."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NOISE = re.compile(r"(open)?api|rest|swagger|openapi|the|v\d+(\.\d+)*|version|\d+\.\d+(\.\d+)*")


def slug_of(title: str, source: str) -> str:
    """A slug (``[a-z][a-z0-9]{0,11}``) from an API's title, or from its source where the title gives none."""
    for text in (title, source.rsplit("/", 1)[-1].split(".", 1)[0], source):
        words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word and not _NOISE.fullmatch(word)]
        slug = "".join(words).lstrip("0123456789")[:12]
        if slug:
            return slug
    return "api"


def seat_slugs(slugs: Sequence[str]) -> tuple[str, ...]:
    """What the tools of each of a server's accounts are prefixed with, by the slugs of their connectors, in order.

    The first account of a connector has its slug, further ones ``{slug}2``, ``{slug}3``. No number ever makes the slug
    of another connector of the server.
    """
    taken = set(slugs)
    seen: set[str] = set()
    given: list[str] = []
    for slug in slugs:
        free, number = slug, 2
        while free in seen or (free in taken and free != slug):
            free = f"{slug[: 12 - len(str(number))]}{number}"
            number += 1
        seen.add(free)
        given.append(free)
    return tuple(given)


def unique_slugs(wanted: Sequence[str]) -> tuple[str, ...]:
    """The slugs in order, later ones numbered where they repeat an earlier one."""
    taken: set[str] = set()
    given: list[str] = []
    for slug in wanted:
        free, number = slug, 2
        while free in taken:
            free = f"{slug[: 12 - len(str(number))]}{number}"
            number += 1
        taken.add(free)
        given.append(free)
    return tuple(given)
