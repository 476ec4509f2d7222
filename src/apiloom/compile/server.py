"""Servers become Endpoints, and share what they have in common.

Ten thousand servers over two hundred connectors mostly show the same few sets of tools. So what is shown is one value
(:class:`View`) that every server which shows the same holds; it lives as long as one of them does. Lists are rendered
when first asked for and kept in one bounded place. A server's own are its backends and its routes, and those are
compiled on their first call.

Stands on ``compile/endpoint``, which knows the policies around a tool; knows nothing of records, tokens or stores.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from apiloom.base import json
from apiloom.calls.endpoint import Endpoint, Route, build_route
from apiloom.calls.policies.results import Budget
from apiloom.calls.ports import AuditSink, Backend
from apiloom.catalog.listing import entry_of
from apiloom.catalog.overlaid import Overlaid, Patch, apply_overlays
from apiloom.catalog.profiles import DEFAULT
from apiloom.catalog.selection import Members, Offer, Selection, pick
from apiloom.catalog.slugs import seat_slugs
from apiloom.catalog.tool import MOST_WITH_OUTPUT, Tool
from apiloom.catalog.views import Views
from apiloom.compile.artefact import Artefact
from apiloom.compile.endpoint import UNBOUNDED, Making, Shared, build_listing, build_policies, line_of
from apiloom.compile.routes import Routes

MOST_RENDERED: Final = 64_000_000
"""Bytes of rendered lists that are kept; those used longest ago are rendered anew."""

MOST_INSTRUCTIONS: Final = 4_000
"""Characters that a server tells of itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Edition:
    """A connector's version as servers show it: under overlays, and only what a selection leaves.

    ``names`` are those of the tools shown, without a prefix; ``aliases`` further ones that they answer to. Equal keys
    mean equal tools.
    """

    key: str
    slug: str
    artefact: Artefact = field(repr=False)
    tools: Overlaid = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    aliases: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a connector is cut for a server: overlays in the order of their layers, a selection, toolsets' members.

    Members name tools as the connector does. ``prefix`` is what patterns may write before a tool's name, empty where
    the server shows bare names.
    """

    selection: Selection
    patches: Sequence[Patch] = ()
    toolsets: Members = field(default_factory=dict)
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One account's, or one connector's, place in a server. ``label`` tells two accounts of one connector apart.

    ``backend`` makes the answering side of one tool, with the credentials of whoever is meant; ``sink`` is told of its
    calls.
    """

    edition: Edition
    backend: Callable[[Tool], Backend]
    label: str = ""
    sink: AuditSink | None = None


class Shelf:
    """What the servers of a node have in common. Safe in any thread: to cut a large connector takes a while."""

    def __init__(self, most: int = MOST_RENDERED) -> None:
        self._overlaid: WeakValueDictionary[str, Overlaid] = WeakValueDictionary()
        self._editions: WeakValueDictionary[str, Edition] = WeakValueDictionary()
        self._views: WeakValueDictionary[str, View] = WeakValueDictionary()
        self._pages = _Pages(most)
        self._lock = threading.Lock()

    def edition(self, slug: str, artefact: Artefact, cut: Cut) -> Edition:
        """What a connector shows when it is cut so; the same one for all who ask for the same.

        Raises:
            CallerError: ``selection.pattern``.
        """
        under = json.digest([artefact.hash, list(cut.patches)])
        key = json.digest([under, slug, cut.prefix, _fields(cut.selection), _named_members(cut)])
        found = self._editions.get(key)
        if found is None:
            made = self._cut(key, under, (slug, artefact), cut)
            with self._lock:
                found = self._editions.setdefault(key, made)
        return found

    def view(self, seats: Sequence[Seat], *, prefixed: bool) -> View:
        """What seats show together; the same one for all servers that show the same."""
        prefixes = seat_slugs([seat.edition.slug for seat in seats]) if prefixed else ("",) * len(seats)
        shares = tuple(
            Share(prefix=prefix, label=seat.label, edition=seat.edition)
            for prefix, seat in zip(prefixes, seats, strict=True)
        )
        key = json.digest([[share.prefix, share.label, share.edition.key] for share in shares])
        found = self._views.get(key)
        if found is None:
            made = View(key, shares, self._pages)
            with self._lock:
                found = self._views.setdefault(key, made)
        return found

    def _cut(self, key: str, under: str, source: tuple[str, Artefact], cut: Cut) -> Edition:
        slug, artefact = source
        tools = self._overlaid.get(under)
        if tools is None:
            made = apply_overlays(artefact.tools, cut.patches, artefact.aliases)
            with self._lock:
                tools = self._overlaid.setdefault(under, made)
        aliases = _aliases(artefact, tools)
        members = {name: [tools.renamed(one) for one in held] for name, held in cut.toolsets.items()}
        traits = tools.traits(artefact.traits)
        offer = Offer(tools=traits, toolsets=members, prefix=cut.prefix, slug=slug, aliases=aliases)
        names = pick(offer, cut.selection)
        shown = frozenset(names)
        kept = {alias: name for alias, name in aliases.items() if name in shown and alias not in shown}
        return Edition(key=key, slug=slug, artefact=artefact, tools=tools, names=names, aliases=kept)


def _aliases(artefact: Artefact, tools: Overlaid) -> dict[str, str]:
    """Further names of tools that are still there. None of them is the name of another tool."""
    found = {alias: tools.renamed(name) for alias, name in artefact.aliases.items() if alias not in tools}
    return {alias: name for alias, name in found.items() if name}


def _fields(selection: Selection) -> list[Any]:
    return [getattr(selection, name) for name in Selection.__slots__]


def _named_members(cut: Cut) -> dict[str, list[str]]:
    """The members of the toolsets that a selection names: no others bear on what is shown."""
    named = {name.rpartition("/")[2] for name in (*(cut.selection.toolsets or ()), *cut.selection.toolsets_off)}
    return {name: sorted(cut.toolsets[name]) for name in sorted(named & cut.toolsets.keys())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An edition in a view, under its prefix; an empty one for bare names."""

    prefix: str
    label: str
    edition: Edition

    def shown(self, bare: str) -> str:
        """The name that a tool is shown under."""
        return f"{self.prefix}_{bare}" if self.prefix else bare


class View:
    """What a server shows, free of who answers: names and where they come from, lists, and checks of arguments.

    ``policies`` are those that depend on a tool alone, shared by the routes of all servers with this view.
    """

    __slots__ = ("__weakref__", "_instructions", "_lock", "_pages", "_places", "count", "key", "policies", "shares")

    def __init__(self, key: str, shares: tuple[Share, ...], pages: _Pages) -> None:
        self.key = key
        self.shares = shares
        self.count = sum(len(share.edition.names) for share in shares)
        self.policies: Shared = {}
        self._places: dict[str, tuple[int, str]] | None = None
        self._instructions: str | None = None
        self._pages = pages
        self._lock = threading.Lock()

    @property
    def places(self) -> dict[str, tuple[int, str]]:
        """By the name that is shown, and every alias: whose share a tool is of, and its bare name."""
        if self._places is None:
            places: dict[str, tuple[int, str]] = {}
            for index, share in enumerate(self.shares):
                for bare in share.edition.names:
                    places[share.shown(bare)] = (index, bare)
                for alias, bare in share.edition.aliases.items():
                    places.setdefault(share.shown(alias), (index, bare))
            self._places = places
        return self._places

    @property
    def instructions(self) -> str:
        """What clients are told of the server: what overlays say first, then each connector in a line."""
        if self._instructions is None:
            added = [share.edition.tools.instructions for share in self.shares]
            lines = [_told(share) for share in self.shares]
            told = "\n".join(dict.fromkeys(line for line in (*added, *lines) if line))
            self._instructions = told[:MOST_INSTRUCTIONS]
        return self._instructions

    def listing(self, profile: str) -> LaterListing:
        """The list in a profile, which is rendered when its pages are first asked for."""
        return LaterListing(self, profile)

    def is_rendered(self, profile: str) -> bool:
        """Whether the pages are at hand."""
        return self._pages.get((self.key, profile)) is not None

    def pages(self, profile: str) -> tuple[bytes, ...]:
        """The pages of the list in a profile, safe in any thread and rendered once for all who wait.

        Raises:
            CallerError: ``view.profile_unknown``.
        """
        place = (self.key, profile)
        found = self._pages.get(place)
        if found is None:
            with self._lock:
                found = self._pages.get(place)
                if found is None:
                    found = build_listing(self._entries(profile)).pages
                    self._pages.put(place, found)
        return found

    def _entries(self, profile: str) -> list[bytes]:
        is_long = self.count > MOST_WITH_OUTPUT
        pairs = [pair for share in self.shares for pair in _rendered(share, profile, is_long=is_long)]
        return [entry for _, entry in sorted(pairs)]


def _told(share: Share) -> str:
    artefact = share.edition.artefact
    named = ", ".join(
        word for word in (share.label, f"tools begin with {share.prefix}_" if share.prefix else "") if word
    )
    return line_of(f"{artefact.title} ({named})" if named else artefact.title, artefact.description)


def _rendered(share: Share, profile: str, *, is_long: bool) -> Iterator[tuple[str, bytes]]:
    """The entries of a share by the names they are shown under. What was rendered at import is used where it fits."""
    edition = share.edition
    artefact = edition.artefact
    fits = profile == artefact.profile and (len(artefact.tools) > MOST_WITH_OUTPUT) == is_long
    views: Views | None = None
    for bare in edition.names:
        shown = share.shown(bare)
        if fits and bare not in edition.tools.touched:
            yield shown, _prefixed(artefact.entries[bare], bare, shown)
            continue
        views = views or Views(artefact.schemas, profile, is_long=is_long)
        view = views.render(edition.tools[bare], with_output=not is_long)
        yield shown, entry_of({**view, "name": shown}, is_long=is_long)


def _prefixed(entry: bytes, bare: str, shown: str) -> bytes:
    """An entry under its prefixed name; entries begin with their names."""
    if bare == shown:
        return entry
    head = b'{"name":%b' % json.quoted(bare)
    if entry.startswith(head):
        return b'{"name":%b%b' % (json.quoted(shown), entry[len(head) :])
    return json.dumps({**json.loads(entry), "name": shown})


class LaterListing:
    """A list that is rendered when its pages are first asked for. Its etag names what it is made from.

    ``ready`` says that the pages are at hand; otherwise they may take a second, in any thread.
    """

    __slots__ = ("_profile", "_view", "count", "etag")

    def __init__(self, view: View, profile: str) -> None:
        self._view = view
        self._profile = profile
        self.count = view.count
        self.etag = f"{view.key[:24]}{profile}"

    @property
    def ready(self) -> bool:
        """Whether asking for the pages takes no time."""
        return self._view.is_rendered(self._profile)

    @property
    def pages(self) -> tuple[bytes, ...]:
        """As in ``calls.endpoint.Listing``."""
        return self._view.pages(self._profile)


class _Pages:
    """Rendered lists by view and profile, bounded by their bytes. The newest is always kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], tuple[bytes, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, place: tuple[str, str]) -> tuple[bytes, ...] | None:
        with self._lock:
            found = self._kept.get(place)
            if found is not None:
                self._kept.move_to_end(place)
            return found

    def put(self, place: tuple[str, str], pages: tuple[bytes, ...]) -> None:
        with self._lock:
            self._size += sum(map(len, pages)) - sum(map(len, self._kept.pop(place, ())))
            self._kept[place] = pages
            while self._size > self._most and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._size -= sum(map(len, oldest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a server answers: the profile it is listed in, how large results may be, whether names are prefixed.

    With several seats they always are.
    """

    profile: str = DEFAULT
    budget: Budget = UNBOUNDED
    prefixed: bool = False


_PLAIN: Final = Manner()


def build_server(name: str, seats: Sequence[Seat], shelf: Shelf, manner: Manner = _PLAIN) -> Endpoint:
    """The endpoint of a server. It costs memory for its own seats and routes only; the rest is shared."""
    view = shelf.view(seats, prefixed=manner.prefixed or len(seats) > 1)
    single = seats[0].edition.artefact if len(seats) == 1 else None
    return Endpoint(
        name=name,
        title=single.title if single is not None else name,
        version=single.version if single is not None else "",
        instructions=view.instructions,
        listing=view.listing(manner.profile),
        keeper=manner.budget.keeper,
        result_tokens=manner.budget.tokens,
        profile=manner.profile,
        listed=view.listing,
        routes=Routes(_Names(view), partial(_compile_route, view, tuple(seats), manner.budget)),
    )


def _compile_route(view: View, seats: tuple[Seat, ...], budget: Budget, shown: str) -> Route:
    index, bare = view.places[shown]
    edition = view.shares[index].edition
    tool = edition.tools[bare]
    schemas, sink = edition.artefact.schemas, seats[index].sink
    making = Making(shown=shown, tool=tool, schemas=schemas, budget=budget, sink=sink)
    return build_route(build_policies(making, view.policies), seats[index].backend(tool))


class _Names(Mapping[str, object]):
    """The names of a view's tools, laid out when first looked at."""

    __slots__ = ("_view",)

    def __init__(self, view: View) -> None:
        self._view = view

    def __getitem__(self, name: str) -> object:
        return self._view.places[name]

    def __contains__(self, name: object) -> bool:
        return name in self._view.places

    def __iter__(self) -> Iterator[str]:
        return iter(self._view.places)

    def __len__(self) -> int:
        return len(self._view.places)


def cost_of(endpoint: Endpoint) -> dict[str, int]:
    """How many tools a server lists and what the list costs a model, as the API answers it. Renders the list."""
    pages = endpoint.listing.pages
    size = sum(map(len, pages)) + len(pages) - 1 + 2
    return {"tools": endpoint.listing.count, "tokens": -(-size // 4)}
