"""What a server's ``config`` says, read from JSON: filters, mode, profile, sizes, and who may reach it from where.

Everything in it is bounded, and a member that nobody knows is refused with the nearest one: a filter that is misspelt
must not be one that is not there. Whether the names in it stand for something is for ``selection`` to say.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from apiloom.base.errors import CallerError
from apiloom.catalog.lending import Lending, check_names, lendings_to_json, read_lendings
from apiloom.catalog.profiles import DEFAULT, check_profile
from apiloom.catalog.selection import Selection
from apiloom.catalog.traits import check_pattern
from apiloom.model.schema import escape

Mode = Literal["auto", "direct", "search", "code"]

MOST_NAMES: Final = 500
"""Names or patterns in one list."""
LONGEST_NAME: Final = 500
"""Characters of a method, a tag or a toolset."""
MOST_NETWORKS: Final = 100
MOST_RESULT_TOKENS: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """A server's settings. None where nothing is said: all tags, all tools, all toolsets, the current version.

    ``pin_version`` is a version's number, or one for each connector by its slug. ``result_tokens`` 0: results of any
    size. ``allowed_addresses`` are networks in CIDR notation, of which a caller's address must be in one.
    ``delegation`` says by slug for which connectors callers lend their own credential.
    """

    methods: tuple[str, ...] = ("read",)
    tags: tuple[str, ...] | None = None
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    toolsets: tuple[str, ...] | None = None
    mode: Mode = "auto"
    profile: str = DEFAULT
    result_tokens: int = 25_000
    require_api_token_auth: bool = False
    pin_version: int | Mapping[str, int] | None = None
    require_descriptions: bool = False
    allowed_addresses: tuple[str, ...] | None = None
    delegation: Mapping[str, Lending] = field(default_factory=dict)

    def selection(self, toolsets_off: tuple[str, ...] = ()) -> Selection:
        """The filters alone, with what is switched off beside them."""
        return Selection(
            methods=self.methods,
            tags=self.tags,
            allow=self.allow,
            deny=self.deny,
            toolsets=self.toolsets,
            toolsets_off=toolsets_off,
            described=self.require_descriptions,
        )

    def version(self, slug: str) -> int | None:
        """The version of a connector that is pinned."""
        return self.pin_version.get(slug) if isinstance(self.pin_version, Mapping) else self.pin_version


_PLAIN: Final = ServerConfig()


def read_config(raw: Any, *, defaults: ServerConfig = _PLAIN, at: str = "/config") -> ServerConfig:
    """A server's config from plain JSON, complete: what it does not say, or says null of, is as in ``defaults``.

    ``at`` is where it stands in what the caller sent; the ``pointer`` of an error begins with it.

    Raises:
        CallerError: ``config.unknown`` for a member there is none of, ``config.form`` for a value that is none;
            ``selection.pattern``, ``view.profile_unknown``.
    """
    found: dict[str, Any] = {}
    for name, value in _members(raw, (*_READERS, "tools"), at).items():
        if value is None:
            continue
        place = f"{at}/{name}"
        if name != "tools":
            found[name] = _READERS[name](value, place)
            continue
        for part, patterns in _members(value, ("allow", "deny"), place).items():
            if patterns is not None:
                found[part] = _patterns(patterns, f"{place}/{part}", may_be_empty=part == "deny")
    return ServerConfig(**{name: found.get(name, getattr(defaults, name)) for name in ServerConfig.__slots__})


def config_to_json(config: ServerConfig) -> dict[str, Any]:
    """A config as plain JSON with every member, which :func:`read_config` reads back. Without a delegation there is no
    member for it: releases that know none read the others.
    """
    pinned = config.pin_version
    told: dict[str, Any] = {
        "methods": list(config.methods),
        "tags": _listed(config.tags),
        "tools": {"allow": _listed(config.allow), "deny": list(config.deny)},
        "toolsets": _listed(config.toolsets),
        "mode": config.mode,
        "profile": config.profile,
        "result_tokens": config.result_tokens,
        "require_api_token_auth": config.require_api_token_auth,
        "pin_version": dict(sorted(pinned.items())) if isinstance(pinned, Mapping) else pinned,
        "require_descriptions": config.require_descriptions,
        "allowed_addresses": _listed(config.allowed_addresses),
    }
    if config.delegation:
        told["delegation"] = lendings_to_json(config.delegation)
    return told


def _listed(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


def _members(raw: Any, known: tuple[str, ...], at: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise _wrong(at, "is an object")
    check_names(raw, sorted(known), at)
    return dict(raw)


def _texts(value: Any, at: str, *, may_be_empty: bool = False) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST_NAMES:
        raise _wrong(at, f"is a list of at most {MOST_NAMES} texts")
    for index, text in enumerate(value):
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_NAME:
            raise _wrong(f"{at}/{index}", f"is a text of 1 to {LONGEST_NAME} characters")
    if not value and not may_be_empty:
        raise _wrong(at, "is not empty: leave it out, or say null, to leave nothing out")
    return tuple(dict.fromkeys(value))


def _patterns(value: Any, at: str, *, may_be_empty: bool) -> tuple[str, ...]:
    patterns = _texts(value, at, may_be_empty=may_be_empty)
    for index, pattern in enumerate(patterns):
        check_pattern(pattern, f"{at}/{index}")
    return patterns


def _mode(value: Any, at: str) -> str:
    if value not in get_args(Mode):
        raise _wrong(at, f"is one of {', '.join(get_args(Mode))}")
    return str(value)


def _profile(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise _wrong(at, "is the name of a profile")
    return check_profile(value)


def _tokens(value: Any, at: str) -> int:
    if type(value) is not int or not 0 <= value <= MOST_RESULT_TOKENS:
        raise _wrong(at, f"is a whole number from 0 to {MOST_RESULT_TOKENS}")
    return value


def _flag(value: Any, at: str) -> bool:
    if type(value) is not bool:
        raise _wrong(at, "is true or false")
    return value


def _version(value: Any, at: str) -> int | dict[str, int]:
    if isinstance(value, Mapping):
        if not 0 < len(value) <= MOST_NAMES:
            raise _wrong(at, "names one version for each of some connectors")
        return {str(slug): _number(number, f"{at}/{escape(str(slug)[:80])}") for slug, number in value.items()}
    return _number(value, at)


def _number(value: Any, at: str) -> int:
    if type(value) is not int or not 0 < value <= 10**9:
        raise _wrong(at, "is the number of a version, or an object of numbers by connector")
    return value


def _networks(value: Any, at: str) -> tuple[str, ...]:
    texts = _texts(value, at)
    if len(texts) > MOST_NETWORKS:
        raise _wrong(at, f"is a list of at most {MOST_NETWORKS} networks")
    found = []
    for index, text in enumerate(texts):
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError:
            raise _wrong(
                f"{at}/{index}", "is an address or a network such as 192.0.2.0/24, without host bits"
            ) from None
    return tuple(dict.fromkeys(found))


def _wrong(at: str, rule: str) -> CallerError:
    name = at.rpartition("/")[2] if not at.rpartition("/")[2].isdigit() else "/".join(at.rsplit("/", 2)[1:])
    return CallerError(f"{name or 'config'} {rule}", code="config.form", hint="mend it and try again", pointer=at)


_READERS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "methods": _texts,
    "tags": _texts,
    "toolsets": _texts,
    "mode": _mode,
    "profile": _profile,
    "result_tokens": _tokens,
    "require_api_token_auth": _flag,
    "pin_version": _version,
    "require_descriptions": _flag,
    "allowed_addresses": _networks,
    "delegation": read_lendings,
}
