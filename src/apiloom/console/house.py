"""What the console needs from the house, as one frozen value of ports. ``app`` builds it; commands receive it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from apiloom.calls.call import Outcome
from apiloom.catalog.tool import Catalog

RESULT_TOKENS = 25_000
"""Tokens of an answer that a server shows where nobody says otherwise."""

LEAST_TOKENS = 100
"""The smallest limit that leaves room to say what was cut."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The ports of the console. Every one raises :class:`~apiloom.base.errors.ApiloomError` and nothing else.

    ``read``: one source to a connector. ``call``: one tool of a source, answered. ``preview``: what ``call`` would
    send, as ``{"method","url","headers":[[k,v]],"body":{"text"}|{"base64"}|null}``, secrets as ``***``. ``serve``:
    serve sources until told to stop; returns the exit code; every word it says is shown, on a line of its own, and the
    last port is handed what is served over HTTP once it can be reached.
    ``surroundings``: the machine the command was typed on.
    """

    read: Callable[[str, Options, Say], Connector]
    call: Callable[[str, Options, str, dict[str, Any], Say], Outcome]
    preview: Callable[[str, Options, str, dict[str, Any], Say], dict[str, Any]]
    serve: Callable[[Sequence[str], Options, Listen, Say, Callable[[Served], None]], int]
    surroundings: Surroundings = field(default_factory=Surroundings)
