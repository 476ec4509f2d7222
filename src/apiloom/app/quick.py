"""The quick server: sources in memory, one endpoint, no store.

It owns what lives longer than an endpoint (the pool of connections, credentials, and which server each source was
found at) and swaps endpoints whole when a source changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from apiloom.app.answering import Answering, fresh_sealer
from apiloom.app.cachedir import cache_folder
from apiloom.app.connectors import Loaded
from apiloom.app.directions import directions
from apiloom.app.environment import CredentialPlaces, Given, given_credentials
from apiloom.app.keys import user_sealer
from apiloom.app.outbound import open_sender
from apiloom.base.errors import DesignError
from apiloom.base.plugins import load
from apiloom.base.seal import Sealer
from apiloom.calls.endpoint import Directory, Endpoint
from apiloom.calls.observing import Drift
from apiloom.calls.policies.results import Budget
from apiloom.catalog.slugs import unique_slugs
from apiloom.compile.endpoint import Part, build_endpoint
from apiloom.console.house import Options
from apiloom.net.request import Sender
from apiloom.store.kept import KeptFiles

if TYPE_CHECKING:
    from apiloom.app.own_tokens import OwnTokens


@dataclass(slots=True, kw_only=True)
class Quick:
    """One endpoint over several connectors.

    The name in ``options`` is what clients are told, or empty for one made from what is served; it never prefixes a
    tool. ``base_url``, where not empty, is that of every source. ``given`` looks up what a connector was given, by its
    slug among the slugs of all. ``homes`` grows by the origins that credentials may go to. ``keeper`` holds files.
    """

    options: Options
    sender: Sender
    given: Callable[[Loaded, str, tuple[str, ...]], Given]
    base_url: str = ""
    drift: Drift = field(default_factory=Drift)
    sealer: Sealer = field(default_factory=fresh_sealer)
    directory: Directory = field(default_factory=Directory)
    homes: set[str] = field(default_factory=set)
    keeper: KeptFiles = field(default_factory=KeptFiles)
    tokens: OwnTokens | None = field(default=None, init=False)
    _settled: dict[str, str] = field(default_factory=dict, init=False)
    _slugs: tuple[str, ...] = field(default=(), init=False)

    async def close(self) -> None:
        """Close the pool, and end what gets tokens."""
        if self.tokens is not None:
            await self.tokens.close()
        await self.sender.close()

    def put(self, connectors: Sequence[Loaded]) -> Endpoint:
        """Compile connectors into the endpoint and swap it in.

        Where a source's API answers is settled by the first time: a document that names another server later, however
        that came about, would take credentials there. So is what the source is called: one that takes another one's
        title later would be given what its variables and options hold.

        Raises:
            DesignError: ``server.*`` when a document does not say where its API answers and no base URL was given, or
                says something else than before; ``header.*`` and ``option.*`` for options that cannot be used.
        """
        slugs = self._called(connectors)
        answering = [self._answering(loaded, slug, slugs) for loaded, slug in zip(connectors, slugs, strict=True)]
        self._check_variables(answering)
        for one in answering:
            self._refuse_move(one)
        parts = [_part(one, slug) for one, slug in zip(answering, slugs, strict=True)]
        name = self.options.name or (parts[0].slug if len(parts) == 1 else "apiloom")
        endpoint = build_endpoint(
            name, parts, self.options.profile, Budget(tokens=self.options.result_tokens, keeper=self.keeper)
        )
        self._slugs = slugs
        self._settled.update({one.loaded.source: one.home for one in answering})
        self.homes.update(*(one.pinned for one in answering))
        self.directory.put(endpoint)
        return endpoint

    def _called(self, connectors: Sequence[Loaded]) -> tuple[str, ...]:
        if len(self._slugs) == len(connectors):
            return self._slugs
        return unique_slugs([loaded.slug for loaded in connectors])

    def _answering(self, loaded: Loaded, slug: str, slugs: tuple[str, ...]) -> Answering:
        said = directions(self.options, slug, slugs)
        given = self.given(loaded, slug, slugs)
        if given.credentials.forms and self.tokens is None:
            self.tokens = load("apiloom.app.own_tokens:OwnTokens")(self.sender)
        answering = Answering(
            loaded=loaded,
            directions=said if said.base_url or not self.base_url else replace(said, base_url=self.base_url),
            timeout=self.options.timeout,
            sender=self.sender,
            drift=self.drift,
            sealer=self.sealer,
            given=given,
            keeper=self.keeper,
            slug=slug if len(slugs) > 1 else "",
            tokens=self.tokens,
        )
        try:
            answering.check()
        except DesignError as error:
            if len(slugs) > 1 and error.code.startswith(("server.", "credentials.")):
                error.message = f"{slug}: {error.message}"
                error.hint = error.hint.replace("--base-url", f"--base-url {slug}:URL")
                error.hint = error.hint.replace("--variable ", f"--variable {slug}:")
            raise
        return answering

    def _refuse_move(self, answering: Answering) -> None:
        before = self._settled.get(answering.loaded.source)
        if before is not None and before != answering.home:
            raise DesignError(
                f"the document now says that its API answers at {answering.home or 'several servers'}, "
                f"not at {before or 'several servers'}",
                code="server.moved",
                hint="start apiloom anew if that is meant",
            )

    def _check_variables(self, answering: Sequence[Answering]) -> None:
        """Refuse a variable that no server has: it was misspelt, and the one that was meant keeps its default."""
        wanted = {name for one in answering for name in one.directions.variables}
        if wanted:
            known = frozenset[str]().union(*(one.named_variables() for one in answering))
            for name in sorted(wanted - known):
                raise _no_variable(name, known)


def _no_variable(name: str, known: frozenset[str]) -> DesignError:
    there_are = f"there are {', '.join(sorted(known)[:12])}" if known else "leave it out, or mend its name"
    return DesignError(f"no server has the variable {name[:60]!r}", code="server.variable", hint=there_are)


def _part(answering: Answering, slug: str) -> Part:
    loaded = answering.loaded
    return Part(
        slug=slug,
        title=loaded.title,
        version=loaded.version,
        description=loaded.description,
        tools=loaded.tools,
        schemas=loaded.schemas,
        entries=loaded.entries,
        aliases=loaded.aliases,
        listed=loaded.listed,
        backend=answering.backend,
    )


def build_quick(options: Options, say: Callable[[str], None]) -> Quick:
    """The quick server's core, with the credentials that this process's environment and a file hold."""

    def given(loaded: Loaded, slug: str, slugs: tuple[str, ...]) -> Given:
        places = CredentialPlaces(environment=os.environ, slugs=slugs, file=options.credentials, auth=options.auth)
        found = given_credentials(loaded.schemes, slug, places)
        if len(slugs) > 1 and slug != loaded.slug:
            # whose key is whose must not hang on what documents call themselves without anybody being told
            say(f"{loaded.location} is called {slug} here, though its title makes it {loaded.slug}")
        for warning in found.warnings:
            say(warning)
        return found

    homes: set[str] = set()
    quick = Quick(options=options, sender=open_sender(os.environ, homes), given=given, homes=homes, drift=Drift(say))
    if options.cache:
        quick.sealer = user_sealer(cache_folder())
    return quick
