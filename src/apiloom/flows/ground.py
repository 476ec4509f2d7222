"""What flows stand on: the store and the ports that others implement, as one frozen value that ``app`` hands in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiloom.base.errors import CallerError
from apiloom.catalog import overlays
from apiloom.flows.connect_ports import Connecting
from apiloom.flows.grant_ports import Grants
from apiloom.store.ports import Scope, Store
from apiloom.store.records import Account, Overlay, Server, Toolset, Verdict, Version

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
    artefact of the version that the new one is compared with, and ``pinned`` are those of further versions whose names
    are kept; ``tenant`` is for whom the work is done, so that nobody's imports hold up another's.
    """

    slug: str
    tenant: str = ""
    url: str = ""
    document: bytes = field(default=b"", repr=False)
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = False
    before: bytes = field(default=b"", repr=False)
    pinned: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a document became. ``difference`` is :func:`catalog.difference.to_json`'s, empty without ``before``.

    ``hash`` is the artefact's, the SHA-256 of what is served in hexadecimal; ``ledger`` the counts of ``inspect``.
    """

    document: bytes = field(repr=False)
    artefact: bytes = field(repr=False)
    hash: str
    title: str
    api_version: str
    tools: int
    ledger: Mapping[str, int]
    findings: tuple[Mapping[str, Any], ...]
    verdict: Verdict
    difference: Mapping[str, Any]


class Imports(Protocol):
    """Reads and compares documents elsewhere, within bounds of time and memory."""

    async def run(self, job: ImportJob, say: Callable[[str], None]) -> Imported:
        """Import one document; ``say`` is told how far it is.

        Raises:
            DesignError: the document cannot be used; ``import.bounds`` when it needs more time or memory than there is
                for one.
            CallerError: ``import.busy`` when too many are waiting.
            UpstreamError: it cannot be fetched.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A version with the way to its artefact, which is large: whoever knows its ``hash`` already need not load it."""

    version: Version
    artefact: Callable[[], Awaitable[bytes]]
    """Loads the artefact, once for each call. Only while the flow that made it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One connector of a server, with all that shapes what is shown of it.

    ``account`` is the one that is named or shared, None where it depends on who calls; ``overlays`` are those of every
    layer that reach this server, ``toolsets`` those that the tenant sees. ``granted`` are the schemes for which the
    account holds what was granted by OAuth, besides those that it has credentials for.
    """

    compiled: Compiled
    account: Account | None = None
    overlays: tuple[Overlay, ...] = ()
    toolsets: tuple[Toolset, ...] = ()
    granted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a server shows: tools, their estimated tokens, and in sentences what its owner should know.

    ``unknown`` is ``selection.unknown`` for the first name in its filters that none of its connectors has: an error to
    whoever writes it, and let be where it has come to be so.
    """

    tools: int
    tokens: int
    warnings: tuple[str, ...] = ()
    unknown: CallerError | None = None


class Versions(Protocol):
    """What only the compiled version of a connector can say. None of it reaches the API itself."""

    async def read(self, compiled: Compiled) -> overlays.Ground:
        """The tools as they were read, before any overlay, with their definitions and further names."""

    async def check_account(
        self, compiled: Compiled, variables: Mapping[str, str], credentials: Mapping[str, Mapping[str, Any]]
    ) -> frozenset[str]:
        """Check variables and credentials against what the version asks for; the origins that they lead to.

        Raises:
            DesignError: ``server.variable`` for a variable that no server has, or a value it may not have;
                ``credentials.scheme`` for an unknown scheme, ``credentials.form`` and ``credentials.value`` for what
                cannot be sent with it.
        """

    async def show(self, server: Server, parts: Sequence[Part]) -> Shown:
        """What the server would show to whoever may use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The ports of every flow.

    ``versions`` answers what compiled versions say. ``digests`` gives the keyed digests of a text under every live key
    version, newest first. ``mint`` makes a token of a kind. ``committed`` is called after each transaction that changed
    something, so that this node serves it at once. ``test_call`` takes an account's id and a tool's name (empty: one
    that only reads and needs no argument), calls it with the account's credentials and says what came of it.
    ``connecting`` is the vault's side of connect sessions, None where accounts are not connected by a page.
    ``now`` is the time in seconds since the epoch. ``public_url`` has no trailing slash. ``dormant`` says whether the
    store is a copy that nobody has claimed: nothing is then renewed, scheduled or sent (:func:`check_awake`).
    ``grants`` is the vault's side of what accounts were granted, None where nothing is renewed. ``providers`` gives the
    ids of the known OAuth providers, none where they are not known.
    """

    store: Store
    sealing: Sealing
    imports: Imports
    versions: Versions
    digests: Callable[[str], tuple[bytes, ...]]
    mint: Callable[[TokenKind], Minted]
    now: Callable[[], float]
    public_url: str = ""
    committed: Callable[[], None] = lambda: None
    test_call: Callable[[str, str], Awaitable[Mapping[str, Any]]] | None = None
    dormant: Callable[[], bool] = lambda: False
    providers: Callable[[], frozenset[str]] = frozenset
    connecting: Connecting | None = None
    grants: Grants | None = None


def dormant_refusal() -> CallerError:
    """``store.dormant``: what is said where a copy that nobody has claimed would do more than serve."""
    return CallerError(
        "this store is a copy: it renews, schedules and sends nothing",
        code="store.dormant",
        hint="if it takes the place of the one it was copied from, run apiloom db claim",
    )


def check_awake(ground: Ground) -> None:
    """That the store is no dormant copy.

    Raises:
        CallerError: ``store.dormant``.
    """
    if ground.dormant():
        raise dormant_refusal()
