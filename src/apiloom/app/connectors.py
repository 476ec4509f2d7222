"""A source becomes a connector: read, shaped and listed, or taken from the compiled cache when nothing has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from apiloom import __version__
from apiloom.app.cachedir import cache_folder
from apiloom.app.directions import settled_by
from apiloom.app.fetching import fetch_url
from apiloom.app.sources import MISSING, FetchUrl, Opened, open_source
from apiloom.base import json, plugins
from apiloom.base.errors import DesignError
from apiloom.catalog.slugs import slug_of
from apiloom.catalog.tool import Catalog, Tool
from apiloom.compile.artefact import Artefact, pack_parts
from apiloom.compile.cache import Cache
from apiloom.console.house import Options
from apiloom.model.api import ApiModel, Schema, SecurityScheme

if TYPE_CHECKING:
    from apiloom.catalog.hidden import Settled
    from apiloom.catalog.pins import Pin

LONGEST_FETCH = 300.0
"""Seconds after which a document is given up, however long calls may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A connector ready to be compiled into an endpoint. ``catalog`` is None when it came from the cache.

    ``location`` is where its entry document stands. ``entries`` are the list entries by bare tool name, and ``listed``
    renders them in another profile; ``keep`` writes the compiled cache. Both may take a second.
    """

    slug: str
    source: str
    location: str
    title: str
    version: str
    description: str
    base_url: str
    schemes: Mapping[str, SecurityScheme]
    tools: Mapping[str, Tool]
    schemas: Mapping[str, Schema]
    entries: Mapping[str, bytes]
    reads: Mapping[str, str]
    catalog: Catalog | None
    aliases: Mapping[str, str] = field(default_factory=dict)
    listed: Callable[[str], Mapping[str, bytes]] = field(repr=False)
    keep: Callable[[], None] = field(repr=False)


class Reading:
    """Sources as one command reads them: what was opened or shaped once is not opened or shaped again.

    ``say`` is told what is going on. ``published`` are names of tools to keep, by source: a connector built with them
    is neither taken from the compiled cache nor kept there, since its names follow from more than its document.
    """

    def __init__(self, say: Callable[[str], None], published: Mapping[str, Sequence[Pin]] | None = None) -> None:
        self._say = say
        self._published = published or {}
        self._opened: dict[tuple[str, bool], Opened] = {}
        self._catalogs: dict[tuple[str, Options], Catalog] = {}

    def connector(self, source: str, options: Options) -> Loaded:
        """The connector of a source, from the compiled cache when nothing has changed.

        Raises:
            DesignError: ``document.*`` when it cannot be read; ``catalog.empty`` when it names no operation at all.
        """
        opened = self._open(source, options)
        cached = options.cache and not self._published.get(source)
        return load_connector(source, opened, options, lambda: self.catalog(source, options), cached=cached)

    def catalog(self, source: str, options: Options) -> Catalog:
        """The catalog of a source.

        Raises:
            DesignError: ``document.*`` when it cannot be read.
        """
        known = self._catalogs.get((source, options))
        if known is None:
            opened = self._open(source, options)
            published = self._published.get(source, ())
            known = read_catalog(opened, options, self._say, source, published)
            self._catalogs[source, options] = known
        return known

    def _open(self, source: str, options: Options) -> Opened:
        key = (source, options.remote_refs)
        if key not in self._opened:
            self._say(f"opening {source}")
            fetch = fetching(source, options)
            self._opened[key] = open_source(source, remote_refs=options.remote_refs, fetch_url=fetch, say=self._say)
        return self._opened[key]


def fetching(source: str, options: Options) -> FetchUrl:
    """How what a source refers to is fetched: no longer than the options allow."""
    parts = urlsplit(source) if source.lower().startswith(("http://", "https://")) else None
    home = f"{parts.scheme}://{parts.netloc}" if parts else ""
    return partial(fetch_url, seconds=min(options.timeout, LONGEST_FETCH), home=home)


def load_connector(
    source: str, opened: Opened, options: Options, build: Callable[[], Catalog], *, cached: bool
) -> Loaded:
    """The connector of an opened source, whose catalog is built only when the cache, if it is used, has none.

    Raises:
        DesignError: ``catalog.empty`` when it names no operation at all.
    """
    if not cached:
        return _built(source, opened, options, build(), keep=lambda _: None)
    chosen = {
        "profile": options.profile,
        "require_descriptions": options.require_descriptions,
        "remote_refs": options.remote_refs,
        "settled": [text.partition("=")[0] for text in options.headers],
        "auth": options.auth,
    }
    cache = Cache(cache_folder(), release=__version__)
    key = cache.key(opened.document.location, opened.document.content, chosen)
    kept = cache.get(key, lambda reads: _unchanged(opened, reads))
    if kept is not None:
        return _from_cache(source, opened.document.location, *kept)
    return _built(source, opened, options, build(), keep=partial(_keep, cache, key, options.profile))


def _keep(cache: Cache, key: str, profile: str, loaded: Loaded) -> None:
    if loaded.catalog is not None:
        artefact = pack_parts(loaded.catalog, loaded.entries, options={"profile": profile}, encode=json.dumps)
        cache.put(key, loaded.reads, artefact)


def read_catalog(
    opened: Opened, options: Options, say: Callable[[str], None], source: str = "", published: Sequence[Pin] = ()
) -> Catalog:
    """The catalog of an opened source, read afresh; ``source`` is as it was asked for, where that is known.

    ``published`` are the names to keep.

    The rooms that read are loaded here: a cached start needs none.
    """
    say(f"reading {opened.document.location}")
    read_document = plugins.load("apiloom.readers.read:read_document")
    model = read_document(opened.document, opened.fetch, remote_refs=options.remote_refs)
    settled = settled_by(options, slug_of(model.title, source or opened.document.location))
    return shape_model(model, settled, say, published=published, require_descriptions=options.require_descriptions)


def shape_model(
    model: ApiModel,
    settled: Settled,
    say: Callable[[str], None],
    *,
    published: Sequence[Pin] = (),
    require_descriptions: bool = False,
) -> Catalog:
    """The catalog of an API that was read, without the parameters that are ``settled``."""
    say(f"shaping {len(model.operations)} operations")
    model = plugins.load("apiloom.catalog.hidden:without_settled")(model, settled)
    building = plugins.load("apiloom.catalog.build")
    chosen = building.CatalogOptions(require_descriptions=require_descriptions)
    catalog: Catalog = building.build_catalog(model, chosen, published)
    return catalog


def _built(
    source: str, opened: Opened, options: Options, catalog: Catalog, *, keep: Callable[[Loaded], None]
) -> Loaded:
    if not catalog.ledger:
        raise DesignError(
            f"{opened.document.location} describes no operation",
            code="catalog.empty",
            hint="an OpenAPI document lists them under paths",
        )
    entries = plugins.load("apiloom.catalog.listing:render_listing")(catalog, options.profile)
    loaded = Loaded(
        slug=slug_of(catalog.title, source),
        source=source,
        location=opened.document.location,
        title=catalog.title,
        version=catalog.version,
        description=catalog.description,
        base_url=catalog.base_url,
        schemes=catalog.schemes,
        tools=catalog.tools,
        schemas=catalog.schemas,
        entries=entries,
        reads=dict(opened.reads),
        catalog=catalog,
        aliases=catalog.aliases,
        listed=partial(_listed, catalog.tools, catalog.schemas),
        keep=lambda: keep(loaded),
    )
    return loaded


def _listed(tools: Mapping[str, Tool], schemas: Mapping[str, Schema], profile: str) -> Mapping[str, bytes]:
    entries: Mapping[str, bytes] = plugins.load("apiloom.catalog.listing:render_entries")(tools, schemas, profile)
    return entries


def _from_cache(source: str, location: str, reads: Mapping[str, str], artefact: Artefact) -> Loaded:
    return Loaded(
        slug=slug_of(artefact.title, source),
        source=source,
        location=location,
        title=artefact.title,
        version=artefact.version,
        description=artefact.description,
        base_url=artefact.base_url,
        schemes=artefact.schemes,
        tools=artefact.tools,
        schemas=artefact.schemas,
        entries=artefact.entries,
        reads=reads,
        catalog=None,
        listed=partial(_listed, artefact.tools, artefact.schemas),
        keep=lambda: None,
    )


def _unchanged(opened: Opened, reads: Mapping[str, str]) -> bool:
    for location, digest in reads.items():
        if location == opened.document.location:
            continue
        try:
            found = hashlib.sha256(opened.fetch(location)).hexdigest()
        except DesignError:
            found = MISSING
        if found != digest:
            return False
    return True
