"""What whoever runs us said about one source on the command line: which server, which variables, which headers.

With several sources a value names its own, as ``SLUG:VALUE``. What would reach every source alike is refused where it
could carry something to an API it was not meant for. Knows the form of options and nothing of what they do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apiloom.base.errors import DesignError
from apiloom.catalog.hidden import Settled
from apiloom.catalog.servers import resolve_origin
from apiloom.console.house import Options
from apiloom.model.api import Server
from apiloom.model.security import place_of
from apiloom.vault.signers import default_schemes

_SLUG = re.compile(r"([a-z][a-z0-9]{0,11}):(?!//)(.*)", re.DOTALL)
_DIGITS = "0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """For one source. ``base_url`` and ``server`` are empty where nothing was said; ``trusted`` are origins."""

    base_url: str = ""
    server: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    trusted: frozenset[str] = frozenset()


def directions(options: Options, slug: str, slugs: Sequence[str]) -> Directions:
    """What the options say about the source of this slug, one of ``slugs``.

    Raises:
        DesignError: ``option.source`` for a value that names no source where it must; ``option.form`` for one that
            cannot be read; ``server.invalid``.
    """
    return Directions(
        base_url=_single("--base-url", _ours("--base-url", options.base_urls, slug, slugs)) or options.base_url,
        server=_single("--server", _ours("--server", options.servers, slug, slugs)),
        variables=dict(
            _pair("--variable", text) for text in _ours("--variable", options.variables, slug, slugs, shared=True)
        ),
        headers=tuple(_pair("--header", text) for text in _ours("--header", options.headers, slug, slugs)),
        trusted=frozenset(_origin(text) for text in _ours("--trust", options.trusted, slug, slugs)),
    )


def settled_by(options: Options, slug: str) -> Settled:
    """The parameters that no model is asked for, in the source of this slug before it is numbered among its like."""
    found: dict[tuple[str, str], str] = {}
    for text in options.headers:
        prefix, rest = _prefix(text)
        if not prefix or prefix.rstrip(_DIGITS) == slug.rstrip(_DIGITS):
            found["header", rest.partition("=")[0].strip().lower()] = ""
    for scheme in default_schemes(options.auth).values() if options.auth else ():
        found[place_of(scheme)] = scheme.id
    return found


def _prefix(text: str) -> tuple[str, str]:
    found = _SLUG.fullmatch(text)
    return (found[1], found[2]) if found else ("", text)


def _ours(
    option: str, values: Sequence[str], slug: str, slugs: Sequence[str], *, shared: bool = False
) -> tuple[str, ...]:
    """The values for one source, without its name. ``shared``: what names no source is for all of them.

    Those that name it come last, since of two values for one thing the last counts.
    """
    general: list[str] = []
    own: list[str] = []
    for text in values:
        prefix, rest = _prefix(text)
        if prefix not in slugs:
            prefix, rest = "", text
        if not prefix and len(slugs) > 1 and not shared:
            known = ", ".join(slugs[:8])
            raise DesignError(
                f"{option} does not say which source it is for",
                code="option.source",
                hint=f"write {option} {slug}:…; the sources are {known}",
            )
        if not prefix:
            general.append(rest)
        elif prefix == slug:
            own.append(rest)
    return (*general, *own)


def _single(option: str, values: tuple[str, ...]) -> str:
    if len(values) > 1:
        raise DesignError(f"{option} is given twice for one source", code="option.form", hint="give it once")
    return values[0] if values else ""


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise DesignError(f"{option} {name[:60]!r} has no value", code="option.form", hint=f"write {option} NAME=VALUE")
    return name.strip(), value.strip()


def _origin(text: str) -> str:
    base = resolve_origin([Server(url=text)], own_servers=True)
    if base.path_prefix:
        raise DesignError(
            f"--trust {text[:100]!r} has a path, but credentials are trusted to a whole server",
            code="option.form",
            hint=f"write --trust {base.origin}",
        )
    return base.origin
