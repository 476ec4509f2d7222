"""The quick server: sources in memory, one endpoint, no store.

It owns what lives longer than an endpoint (the pool of connections, credentials) and swaps endpoints whole when a
source changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from apiloom.app.answering import Answering
from apiloom.app.connectors import Loaded
from apiloom.app.environment import CredentialPlaces, Given, given_credentials
from apiloom.app.outbound import open_sender
from apiloom.app.slug import unique_slugs
from apiloom.calls.endpoint import Directory, Endpoint
from apiloom.compile.endpoint import Part, build_endpoint
from apiloom.console.house import Options
from apiloom.net.request import Sender


@dataclass(slots=True, kw_only=True)
class Quick:
    """One endpoint over several connectors.

    ``name`` is what clients are told, or empty for one made from what is served; it never prefixes a tool. ``given``
    looks up what a connector was given, by its slug among the slugs of all; ``timeout`` is in seconds.
    """

    name: str
    base_url: str
    timeout: float
    sender: Sender
    given: Callable[[Loaded, str, tuple[str, ...]], Given]
    directory: Directory = field(default_factory=Directory)

    def put(self, connectors: Sequence[Loaded]) -> Endpoint:
        """Compile connectors into the endpoint and swap it in.

        Raises:
            DesignError: ``server.*`` when a document does not say where its API answers and no base URL was given.
        """
        slugs = unique_slugs([loaded.slug for loaded in connectors])
        parts = [self._part(loaded, slug, slugs) for loaded, slug in zip(connectors, slugs, strict=True)]
        endpoint = build_endpoint(self.name or (parts[0].slug if len(parts) == 1 else "apiloom"), parts)
        self.directory.put(endpoint)
        return endpoint

    def _part(self, loaded: Loaded, slug: str, slugs: tuple[str, ...]) -> Part:
        answering = Answering(
            loaded=loaded,
            base_url=self.base_url,
            timeout=self.timeout,
            sender=self.sender,
            given=self.given(loaded, slug, slugs),
            slug=slug if len(slugs) > 1 else "",
        )
        answering.check()
        return Part(
            slug=slug,
            title=loaded.title,
            version=loaded.version,
            description=loaded.description,
            tools=loaded.tools,
            schemas=loaded.schemas,
            entries=loaded.entries,
            backend=answering.backend,
        )


def build_quick(options: Options, say: Callable[[str], None]) -> Quick:
    """The quick server's core, with the credentials that this process's environment and a file hold."""

    def given(loaded: Loaded, slug: str, slugs: tuple[str, ...]) -> Given:
        places = CredentialPlaces(environment=os.environ, slugs=slugs, file=options.credentials, auth=options.auth)
        found = given_credentials(loaded.schemes, slug, places)
        for warning in found.warnings:
            say(warning)
        return found

    return Quick(
        name=options.name,
        base_url=options.base_url,
        timeout=options.timeout,
        sender=open_sender(os.environ),
        given=given,
    )
