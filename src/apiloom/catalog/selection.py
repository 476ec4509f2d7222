"""Which tools a server shows: methods and tags, then what is allowed, minus what is denied and switched off.

The order is a promise: members of ``methods`` are alternatives, members of ``tags`` are alternatives, a tool must meet
both; toolsets that are named narrow what is left; patterns that allow narrow it further; what is denied or switched off
goes, whatever else names it. A tool that was renamed is also found under the name it had: who denied the old name meant
the tool. Nothing here knows of tokens, roles or stores.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from apiloom.base.errors import CallerError
from apiloom.base.nearest import nearest
from apiloom.catalog.tool import Tool
from apiloom.catalog.traits import Globs, Trait, is_wild, traits_of

CLASSES: Final = ("read", "write", "custom")

Tools = Mapping[str, Tool] | Mapping[str, Trait]
Members = Mapping[str, Collection[str]]
"""The names of the tools of each toolset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a server shows of the tools it could.

    ``methods`` are classes and keys of operations (``GET /pets``). ``tags``, ``allow`` (patterns) and ``toolsets`` are
    None where nothing is said, which leaves all; ``deny`` (patterns) and ``toolsets_off`` take away. ``described``
    leaves out what no human has described.
    """

    methods: tuple[str, ...] = ("read",)
    tags: tuple[str, ...] | None = None
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    toolsets: tuple[str, ...] | None = None
    toolsets_off: tuple[str, ...] = ()
    described: bool = False


EVERYTHING: Final = Selection(methods=CLASSES)
"""All tools there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one connector has to select from. ``prefix`` is what its tools stand under, empty for bare names.

    ``slug`` is the connector's, by default its prefix: toolsets are named as they are or behind it. ``aliases`` are
    further names that tools answer to.
    """

    tools: Tools
    toolsets: Members = field(default_factory=dict)
    prefix: str = ""
    slug: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


def select(tools: Tools, selection: Selection, toolsets: Members | None = None) -> tuple[str, ...]:
    """The names of the tools of one connector that a selection shows, in their order.

    Raises:
        CallerError: ``selection.unknown`` for a name that stands for nothing, with the nearest one;
            ``selection.pattern``.
    """
    offer = Offer(tools=traits_of(tools), toolsets=toolsets or {})
    check_selection([offer], selection)
    return pick(offer, selection)


def pick(offer: Offer, selection: Selection) -> tuple[str, ...]:
    """As :func:`select`, but names that stand for nothing (any more) are let be: a server outlives what it names.

    Raises:
        CallerError: ``selection.pattern``.
    """
    methods = frozenset(_method(text) for text in selection.methods)
    tags = None if selection.tags is None else frozenset(selection.tags)
    allow = None if selection.allow is None else Globs(selection.allow)
    deny = Globs(selection.deny)
    shown = None if selection.toolsets is None else _held(offer, selection.toolsets)
    off = _held(offer, selection.toolsets_off)
    further = _further(offer)
    slug = offer.slug or offer.prefix

    def is_shown(name: str, trait: Trait) -> bool:
        if trait.kind not in methods and _method(trait.operation) not in methods:
            return False
        if (tags is not None and tags.isdisjoint(trait.tags)) or (selection.described and not trait.described):
            return False
        names = (name, *trait.names, *further.get(name, ()))
        every = (*names, *(f"{offer.prefix}_{each}" for each in names)) if offer.prefix else names
        # with or without a prefix: who denied slug_tool does not show it when it is the only connector left
        denied = (*every, *(f"{slug}_{each}" for each in names)) if slug and selection.deny else every
        if shown is not None and shown.isdisjoint(names):
            return False
        if allow is not None and not any(each in allow for each in every):
            return False
        return off.isdisjoint(names) and not any(each in deny for each in denied)

    return tuple(name for name, trait in traits_of(offer.tools).items() if is_shown(name, trait))


def idle_patterns(offers: Sequence[Offer], selection: Selection) -> tuple[str, ...]:
    """The patterns of a selection that match no tool at all: worth a warning, since one may be misspelt."""
    return tuple(
        one
        for patterns, names in ((selection.allow or (), _every_name(offers)), (selection.deny, _deniable(offers)))
        for one in patterns
        if is_wild(one) and not any(name in globs for globs in [Globs([one])] for name in names)
    )


def check_selection(offers: Sequence[Offer], selection: Selection, at: str = "/config") -> None:
    """See to it that every name in a selection stands for something that at least one of the offers has.

    ``at`` is where the selection stands in what the caller sent; ``pointer`` of an error begins with it.

    Raises:
        CallerError: ``selection.unknown``, ``selection.pattern``.
    """
    traits = [trait for offer in offers for trait in traits_of(offer.tools).values()]
    operations = {_method(trait.operation) for trait in traits}
    for index, text in enumerate(selection.methods):
        if _method(text) not in operations and text not in CLASSES:
            _unknown("method", text, (*CLASSES, *operations), f"{at}/methods/{index}")
    tags = {tag for trait in traits for tag in trait.tags}
    for index, tag in enumerate(selection.tags or ()):
        if tag not in tags:
            _unknown("tag", tag, tags, f"{at}/tags/{index}")
    names = _every_name(offers)
    for place, patterns, known in (
        ("allow", selection.allow or (), names),
        ("deny", selection.deny, _deniable(offers)),
    ):
        Globs(patterns)
        for index, pattern in enumerate(patterns):
            if not is_wild(pattern) and pattern not in known:
                _unknown("tool", pattern, names, f"{at}/tools/{place}/{index}")
    check_toolsets(offers, selection.toolsets or (), f"{at}/toolsets")
    check_toolsets(offers, selection.toolsets_off, "/toolsets_off")


def check_toolsets(offers: Sequence[Offer], toolsets: Sequence[str], at: str) -> None:
    """See to it that every toolset named is one that at least one of the offers has.

    Raises:
        CallerError: ``selection.unknown``.
    """
    known = {
        name
        for offer in offers
        for one in offer.toolsets
        for name in (one, f"{offer.slug or offer.prefix}/{one}".lstrip("/"))
    }
    for index, name in enumerate(toolsets):
        if name not in known:
            _unknown("toolset", name, known, f"{at}/{index}")


def _held(offer: Offer, toolsets: Sequence[str]) -> frozenset[str]:
    """The tools of some toolsets, named as they are or behind their connector: ``pets`` and ``shop/pets``."""
    slug = offer.slug or offer.prefix
    bare = {name.removeprefix(f"{slug}/") for name in toolsets} if slug else set(toolsets)
    return frozenset(tool for name in bare for tool in offer.toolsets.get(name, ()))


def _further(offer: Offer) -> dict[str, list[str]]:
    further: dict[str, list[str]] = {}
    for alias, name in offer.aliases.items():
        further.setdefault(name, []).append(alias)
    return further


def _every_name(offers: Sequence[Offer]) -> set[str]:
    found: set[str] = set()
    for offer in offers:
        bare = {name for tool, trait in traits_of(offer.tools).items() for name in (tool, *trait.names)}
        bare |= offer.aliases.keys()
        found |= bare
        if offer.prefix:
            found |= {f"{offer.prefix}_{name}" for name in bare}
    return found


def _deniable(offers: Sequence[Offer]) -> set[str]:
    """What patterns that deny may mean: names behind their connector, too, where they are shown without."""
    names = _every_name(offers)
    return names | {f"{offer.slug}_{name}" for offer in offers if offer.slug for name in _every_name([offer])}


def _method(text: str) -> str:
    """An operation's key with its method in upper case; classes and other keys as they are."""
    method, space, path = text.partition(" ")
    return f"{method.upper()} {path}" if space else text


def _unknown(what: str, text: str, known: Collection[str], pointer: str) -> NoReturn:
    close = nearest(text, sorted(known))
    there_are = f"there are {', '.join(sorted(known)[:8])}" if known else f"there is no {what} at all"
    raise CallerError(
        f"there is no {what} {text[:80]!r}",
        code="selection.unknown",
        hint=f"did you mean {' or '.join(close)}?" if close else there_are,
        pointer=pointer,
    )
