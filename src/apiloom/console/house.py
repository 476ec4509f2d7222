"""What the console needs from the house, as one frozen value of ports. ``app`` builds it; commands receive it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from apiloom.calls.call import Outcome
from apiloom.catalog.tool import Catalog
from apiloom.net.request import Sender

if TYPE_CHECKING:
    from apiloom.console.client import Gateway as Client

RESULT_TOKENS = 25_000
"""Tokens of an answer that a server shows where nobody says otherwise."""

LEAST_TOKENS = 100
"""The smallest limit that leaves room to say what was cut."""


WARNINGS = "dev.apiloom/warnings"
"""Where the outcome of a single call says, in sentences, what whoever typed it should know of what was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How sources are read and called, by the names of the command line.

    ``auth`` is the ``--auth`` value for documents without schemes; ``credentials`` the path of a 0600 file.
    ``require_descriptions`` switches the documentation gate on; ``remote_refs`` allows references to other URLs.
    ``base_urls``, ``servers``, ``variables`` and ``headers`` (``NAME=VALUE``) and ``trusted`` are for one source each:
    among several a value begins with its slug and a colon. ``result_tokens`` is the longest result, 0 for any length.
    """

    base_url: str = ""
    base_urls: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    name: str = ""
    auth: str = ""
    credentials: str = ""
    profile: str = "intersection"
    require_descriptions: bool = False
    remote_refs: bool = False
    cache: bool = True
    timeout: float = 60.0
    result_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to serve: standard input and output, or an address. ``base`` is the public URL, if one was given."""

    stdio: bool = False
    host: str = "127.0.0.1"
    port: int = 8787
    public_url: str = ""
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that callers can connect to now. They must send ``token`` as bearer; empty asks for none.

    ``everywhere`` says that it listens at every address of this machine, not only the one in ``url``.
    """

    title: str
    url: str
    tools: int
    token: str = field(default="", repr=False)
    everywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The gateway to serve: ``data`` is a folder or a database's URL, empty for the usual place.

    ``admin`` is a host and port of its own for the admin API. ``token_file`` takes the first owner's token. ``allowed``
    may be reached besides public addresses. ``identity`` is the file that says whose word counts on who somebody is.
    """

    data: str = field(default="", repr=False)
    admin: tuple[str, int] | None = None
    token_file: str = ""
    allowed: tuple[str, ...] = ()
    identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A gateway that callers can connect to now. ``place`` is where it keeps what it knows, fit to be shown.

    A house without an owner got one: its ``token`` is shown to a person once, or lies in ``token_file``.
    """

    url: str
    place: str
    servers: int
    token: str = field(default="", repr=False)
    token_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The gateway that a command asks: over the network with a token, or where it keeps what it knows.

    ``gateway`` is a URL; empty means to open ``data`` (as :class:`Gateway` has it) in this process, as its owner.
    ``public_url`` is what URLs of servers begin with then.
    """

    gateway: str = ""
    token: str = field(default="", repr=False)
    data: str = field(default="", repr=False)
    public_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAsk:
    """What is asked about the keys of a gateway: ``create``, ``show`` or ``rotate``.

    ``data`` as :class:`Gateway` has it. ``tenant`` and ``house`` say whose sealing key is rotated; without either it is
    the key-encryption key.
    """

    word: str
    data: str = field(default="", repr=False)
    tenant: str = ""
    house: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyAsk:
    """What is asked about copies of a gateway's data: ``backup``, ``restore``, ``upgrade``, ``claim`` or ``doctor``.

    ``data`` as :class:`Gateway` has it; ``file`` is the backup. ``journals`` are folders with journals besides the own.
    ``sure`` does what would else only be told (``claim``), or puts a backup in the place of what is there
    (``restore``). ``keep_grants`` trusts the tokens of a copy without a journal. ``deep`` opens all that is sealed.
    """

    word: str
    data: str = field(default="", repr=False)
    file: str = ""
    journals: tuple[str, ...] = ()
    sure: bool = False
    keep_grants: bool = False
    deep: bool = False
    public_url: str = ""


def _no_copies(_ask: CopyAsk, _say: Say) -> Mapping[str, Any]:
    raise NotImplementedError


def _no_keys(_ask: KeyAsk, _say: Say) -> Mapping[str, Any]:
    raise NotImplementedError


def _no_platform(_reach: Reach, _say: Say, _work: Callable[[Client], Awaitable[Any]]) -> Any:
    raise NotImplementedError


def _no_gateway(_gateway: Gateway, _listen: Listen, _say: Say, _ready: Callable[[Opened], None]) -> int:
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """One source, read: its slug, catalog, and the ``inspect --json`` report (made when asked)."""

    slug: str
    source: str
    catalog: Catalog
    report: Callable[[], dict[str, Any]]
    rendered: Callable[[str], dict[str, Any]] = field(repr=False)
    """The default view of one tool by name: name, title, description, inputSchema, outputSchema, annotations."""


class Say(Protocol):
    """Tells a person what long work is doing; silent when nobody watches."""

    def __call__(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The machine as commands see it, so that none of them reads the environment itself.

    ``platform`` is a ``sys.platform``; ``python`` the interpreter that runs us, ``prefix`` its environment's folder.
    """

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    home: Path = field(default_factory=Path.home)
    folder: Path = field(default_factory=Path.cwd)
    platform: str = sys.platform
    python: str = sys.executable
    prefix: str = sys.prefix


def _no_outbound() -> Sender:
    raise NotImplementedError


def _no_comparison(_old: str, _new: str, _options: Options, _say: Say, _trusted: bool) -> dict[str, Any]:  # noqa: FBT001
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The ports of the console. Every one raises :class:`~apiloom.base.errors.ApiloomError` and nothing else.

    ``read``: one source to a connector. ``call``: one tool of a source, answered. ``preview``: what ``call`` would
    send, as ``{"method","url","headers":[[k,v]],"body":{"text"}|{"base64"}|null}``, secrets as ``***``. ``serve``:
    serve sources until told to stop; returns the exit code; every word it says is shown, on a line of its own, and the
    last port is handed what is served over HTTP once it can be reached. ``gateway``: the same for the gateway.
    ``platform``: work done with a client of the gateway's API, and what it returns.
    ``keys``: the keys of a gateway's data made, shown or rotated, and what was done.
    ``compare``: an old and a new source, and whether the new one's texts are trusted, to their difference as JSON.
    ``outbound``: a way out to the network, as this machine is set up for it, closed when done.
    ``surroundings``: the machine the command was typed on.
    """

    read: Callable[[str, Options, Say], Connector]
    call: Callable[[str, Options, str, dict[str, Any], Say], Outcome]
    preview: Callable[[str, Options, str, dict[str, Any], Say], dict[str, Any]]
    serve: Callable[[Sequence[str], Options, Listen, Say, Callable[[Served], None]], int]
    compare: Callable[[str, str, Options, Say, bool], dict[str, Any]] = _no_comparison
    keys: Callable[[KeyAsk, Say], Mapping[str, Any]] = _no_keys
    copies: Callable[[CopyAsk, Say], Mapping[str, Any]] = _no_copies
    gateway: Callable[[Gateway, Listen, Say, Callable[[Opened], None]], int] = _no_gateway
    platform: Callable[[Reach, Say, Callable[[Client], Awaitable[Any]]], Any] = _no_platform
    outbound: Callable[[], Sender] = _no_outbound
    surroundings: Surroundings = field(default_factory=Surroundings)
