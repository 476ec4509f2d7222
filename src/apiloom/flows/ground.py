"""What flows stand on: the store and the ports that others implement, as one frozen value that ``app`` hands in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiloom.store.ports import Scope, Store

TokenKind = str
"""``als`` for server tokens, ``ala`` for API tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A new token: its text, shown once, and what is kept of it."""

    text: str = field(repr=False)
    digest: bytes = field(repr=False)
    key_version: int


class Sealing(Protocol):
    """Seals what is secret under a tenant's data key, for one record and member of it."""

    async def seal(self, scope: Scope, tenant: str, record: str, plain: bytes) -> bytes: ...

    async def open(self, scope: Scope, tenant: str, record: str, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            HouseFault: ``vault.sealed`` when it was sealed for another record or tenant, or is damaged.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """A document to import.

    ``document`` is its bytes, or empty with ``url`` to fetch. ``options`` are the connector's; ``before`` is the
    artefact of the version that names are kept from and that the new one is compared with; ``tenant`` is for whom the
    work is done, so that nobody's imports hold up another's.
    """

    slug: str
    tenant: str = ""
    url: str = ""
    document: bytes = field(default=b"", repr=False)
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = False
    before: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a document became. ``difference`` is :func:`catalog.difference.to_json`'s, empty without ``before``.

    ``hash`` is the SHA-256 of the artefact in hexadecimal; ``ledger`` the counts of ``inspect``.
    """

    document: bytes = field(repr=False)
    artefact: bytes = field(repr=False)
    hash: str
    title: str
    api_version: str
    tools: int
    ledger: Mapping[str, int]
    findings: tuple[Mapping[str, Any], ...]
    verdict: str
    difference: Mapping[str, Any]


class Imports(Protocol):
    """Reads and compares documents elsewhere, within bounds of time and memory."""

    async def run(self, job: ImportJob, say: Callable[[str], None]) -> Imported:
        """Import one document; ``say`` is told how far it is.

        Raises:
            DesignError: the document cannot be used.
            UpstreamError: it cannot be fetched.
            HouseFault: ``import.bounds`` when it needs more time or memory than there is for one.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The ports of every flow.

    ``mint`` makes a token of a kind. ``committed`` is called after each transaction that changed something, so that
    this node serves it at once. ``test_call`` calls one tool with an account's credentials and says what came of it.
    ``now`` is the time in seconds since the epoch. ``public_url`` has no trailing slash.
    """

    store: Store
    sealing: Sealing
    imports: Imports
    mint: Callable[[TokenKind], Minted]
    now: Callable[[], float]
    public_url: str = ""
    committed: Callable[[], None] = lambda: None
    test_call: Callable[[str, str], Awaitable[Mapping[str, Any]]] | None = None
