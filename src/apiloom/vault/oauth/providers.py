"""Providers and what they do differently: data, read when first needed.

``providers.toml`` holds entries with all their oddities, ``more_providers.toml`` addresses of further ones from an open
data set. The first are recognised by where tokens are asked for, the others by name alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from apiloom.base.errors import DesignError
from apiloom.base.nearest import nearest
from apiloom.base.plugins import load
from apiloom.vault.oauth.terms import Endpoints, Provider

_VARIABLE = re.compile(r"\{(\w+)\}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_KINDS = {
    "label": re.compile(_LABEL, re.ASCII).fullmatch,
    "labels": re.compile(rf"{_LABEL}(?:\.{_LABEL}){{0,3}}", re.ASCII).fullmatch,
    "name": re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,98}[A-Za-z0-9])?", re.ASCII).fullmatch,
    "host": re.compile(rf"{_LABEL}(?:\.{_LABEL}){{1,8}}", re.ASCII).fullmatch,
}
"""What a variable may hold: one label of a host, a few with dots between them, one part of a path, or a whole host.
What stands around it in an address is the provider's own; where nothing does, it is ``host``.
"""

OPEN = frozenset({"label", "labels", "name"})
"""The kinds that leave an address at its provider, whatever they hold."""
_MORE_SOURCE = "https://github.com/simov/grant"


def provider_for(which: str | Endpoints, variables: Mapping[str, str] | None = None) -> Provider:
    """The provider of a name, or the one that is known at an address; the plain one where none is.

    ``variables`` fill in what differs for each customer; endpoints that lack one are empty.

    Raises:
        DesignError: ``oauth.provider`` for a name that is not known, ``oauth.variable`` for a value that cannot stand
            in an address.
    """
    if isinstance(which, Endpoints):
        found = _at(which)
    elif which:
        found = _known().get(which) or _further().get(which)
        if found is None:
            close = nearest(which, provider_ids())
            raise DesignError(
                f"there is no OAuth provider {which[:60]!r}",
                code="oauth.provider",
                hint=f"did you mean {' or '.join(close)}?" if close else "leave it out, and give the endpoints",
            )
    else:
        found = None
    return Provider() if found is None else _filled(found, variables or {})


def provider_of(id_: str, endpoints: Endpoints, variables: Mapping[str, str] | None = None) -> Provider:
    """The provider of a name where one is told, else the one that is known at the endpoints.

    Raises:
        DesignError: ``oauth.provider``, ``oauth.variable``.
    """
    return provider_for(id_ or endpoints, variables)


def provider_ids() -> tuple[str, ...]:
    """The names of all known providers, sorted."""
    return tuple(sorted({*_known(), *_further()}))


def _at(endpoints: Endpoints) -> Provider | None:
    try:
        host = urlsplit(endpoints.token_url or endpoints.authorization_url).hostname or ""
    except ValueError:
        return None
    for provider in _known().values():
        for known in provider.hosts:
            if host == known or (known.startswith("*.") and host.endswith(known[1:])):
                return provider
    return None


def _filled(provider: Provider, variables: Mapping[str, str]) -> Provider:
    if not provider.variables:
        return provider
    values = {name: variables.get(name) or value for name, value in provider.variables.items()}
    for name, value in values.items():
        if value and (not _KINDS[provider.kinds[name]](value) or ".." in value):
            raise DesignError(
                f"the variable {name} of {provider.title} holds what cannot stand in an address",
                code="oauth.variable",
                hint="give the name alone, such as acme",
            )

    def filled(url: str) -> str:
        if not all(values.get(name) for name in _VARIABLE.findall(url)):
            return ""
        return _VARIABLE.sub(lambda found: values[found[1]], url)

    urls: dict[str, Any] = {
        one.name: filled(value)
        for one in fields(Endpoints)
        if isinstance(value := getattr(provider.endpoints, one.name), str)
    }
    return replace(provider, endpoints=replace(provider.endpoints, **urls))


@cache
def _known() -> Mapping[str, Provider]:
    return {id_: _built(id_, told) for id_, told in _read("providers.toml").items()}


@cache
def _further() -> Mapping[str, Provider]:
    return {
        id_: Provider(
            id=id_,
            title=id_,
            separator=separator,
            endpoints=Endpoints(authorization_url=authorization_url, token_url=token_url),
            source=_MORE_SOURCE,
        )
        for id_, (authorization_url, token_url, separator) in _read("more_providers.toml").items()
    }


def _built(id_: str, told: Mapping[str, Any]) -> Provider:
    members: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    members |= {"id": id_, "endpoints": Endpoints(**told.get("endpoints", {}))}
    return Provider(**members)


def _read(name: str) -> dict[str, Any]:
    text = Path(__file__).with_name(name).read_text("utf-8")
    found: dict[str, Any] = load("tomllib:loads")(text)
    return found
