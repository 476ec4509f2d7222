"""How a connector's document is read and its API called, as a request says it: checked, bounded and in one form.

What an option does is known where it is used. One that says nothing is left out, so that equal options are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.catalog.servers import resolve_origin
from apiloom.flows import fields
from apiloom.model.api import Server

LONGEST_WAIT = 300
"""Seconds that one call may take at most."""

_MOST = 20


def read_options(value: Any) -> dict[str, Any]:
    """The options of a connector.

    ``base_url`` replaces the document's servers, ``server`` chooses among them by number or part of a name and
    ``variables`` fill them in; ``headers`` are sent with every call, ``trust`` are further origins that credentials may
    go to, ``auth`` defines a scheme where the document has none, ``timeout`` are seconds.

    Raises:
        CallerError: ``field.…`` with a pointer to the member.
    """
    given = fields.members({} if value is None else value, _READERS)
    read = {name: _READERS[name](given[name], f"options.{name}") for name in sorted(given) if given[name] is not None}
    return {name: each for name, each in read.items() if each not in ("", {}, [], False)}


def _base_url(value: Any, member: str) -> str:
    url = fields.text(value, member, most=2048)
    if url:
        _origin(url, member)
    return url


def _trusted(value: Any, member: str) -> list[str]:
    return sorted(_origin(each, member) for each in fields.texts(value, member, most=_MOST))


def _origin(url: str, member: str) -> str:
    try:
        return resolve_origin([Server(url=url)], own_servers=True).origin
    except DesignError as error:
        raise fields.refused(
            member, f"cannot be used: {error.message}", hint="write https://HOST or http://HOST"
        ) from None


def _headers(value: Any, member: str) -> dict[str, str]:
    return dict(sorted(fields.values(value, member).items()))


def _text(value: Any, member: str) -> str:
    return fields.text(value, member)


def _timeout(value: Any, member: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_WAIT:
        raise fields.refused(member, f"must be seconds, at most {LONGEST_WAIT}", code="field.bounds")
    return float(value)


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "auth": _text,
    "base_url": _base_url,
    "headers": _headers,
    "remote_refs": fields.flag,
    "require_descriptions": fields.flag,
    "server": _text,
    "timeout": _timeout,
    "trust": _trusted,
    "variables": _headers,
}
