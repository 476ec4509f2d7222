"""The catalogue: well-known APIs by name, read from the file beside this one when first asked for.

An entry says where an API describes itself and how it recognises callers; what its tools are is read from its document
when it is added. Knows nothing of the store: whoever adds an entry makes a connector of it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from apiloom.base.errors import CallerError

_SLUG = 12
"""Characters of a connector's slug."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One well-known API.

    ``auth`` is ``bearer``, ``basic``, ``header:NAME``, ``query:NAME``, ``oauth2`` or ``none``; ``key`` says where a
    person gets the credential. ``options`` are further options of the connector. ``toolsets`` select tools by ``tags``,
    ``paths`` and ``tools`` (globs). ``quirks`` are sentences for people.
    """

    name: str
    title: str
    document: str
    auth: str
    key: str
    base_url: str = ""
    words: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    toolsets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The slug that a connector of it is given when nobody says otherwise."""
        return self.name.replace("-", "")[:_SLUG]

    def connector(self) -> dict[str, Any]:
        """The body of the request that creates it as a connector."""
        options = {"base_url": self.base_url, **self.options} if self.base_url else dict(self.options)
        return {"slug": self.slug, "source": {"url": self.document}, "options": options}


@cache
def entries() -> Sequence[Entry]:
    """Every entry, sorted by name."""
    text = Path(__file__).with_name("entries.toml").read_text(encoding="utf-8")
    return tuple(_entry(name, raw) for name, raw in sorted(tomllib.loads(text).items()))


def _entry(name: str, raw: Mapping[str, Any]) -> Entry:
    lists = {member: tuple(raw.get(member, ())) for member in ("words", "quirks")}
    return Entry(name=name, **{**raw, **lists})


def entry(name: str) -> Entry:
    """The entry of a name.

    Raises:
        CallerError: ``catalogue.not_found``, with the nearest names.
    """
    known = {one.name: one for one in entries()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name[:80], known, n=3) or [one.name for one in search(name)[:3]]
    raise CallerError(
        f"the catalogue has no API named {name[:80]!r}",
        code="catalogue.not_found",
        hint=f"did you mean {' or '.join(close)}?" if close else "apiloom catalogue search lists what there is",
    )


def search(text: str) -> list[Entry]:
    """The entries that fit a text, best first; all of them, by name, for an empty one."""
    wanted = [word for word in text[:200].casefold().split() if word]
    scored = [(_score(one, wanted), one) for one in entries()]
    found = [(score, one) for score, one in scored if score or not wanted]
    return [one for _, one in sorted(found, key=lambda pair: (-pair[0], pair[1].name))]


def _score(one: Entry, wanted: Sequence[str]) -> int:
    """How well it fits: every word must be found somewhere, in a name better than among the words."""
    scores = [_word_score(one, word) for word in wanted]
    return sum(scores) if all(scores) else 0


def _word_score(one: Entry, word: str) -> int:
    if word == one.name:
        return 8
    if word in one.name or word in one.title.casefold():
        return 4
    if any(word in known.casefold() for known in one.words):
        return 2
    return int(any(word in quirk.casefold() for quirk in one.quirks))
