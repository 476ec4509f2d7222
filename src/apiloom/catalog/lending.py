"""What a server's ``delegation`` says: for which connectors a call goes out with what its caller lends for it.

Pure reading of plain JSON. By a header, the caller's own upstream credential comes with each request; by exchange, the
token that the caller was let in with is exchanged for one of the API's (RFC 8693). Knows no requests and no tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from apiloom.base.errors import CallerError
from apiloom.base.nearest import nearest
from apiloom.model.schema import escape

MODES: Final = ("header", "exchange")
HEADER: Final = "X-Upstream-Authorization-"
"""How the header begins that carries the upstream's own ``Authorization``; the connector's slug follows."""

MOST: Final = 50
"""Connectors with a delegation."""

_LONGEST: Final = 2000
_MOST_SCOPES: Final = 100
_EXCHANGE: Final = ("client", "audience", "resource", "scopes")
_KNOWN: Final = ("mode", "fallback", *_EXCHANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lending:
    """How calls of one connector are signed with what their caller lends.

    ``fallback`` lets a call without it go out with the account it would use otherwise; else it is refused. ``client``
    is the id of the OAuth client that exchanges, empty: the connector's own; ``audience``, ``resource`` and ``scopes``
    are what the exchange asks for.
    """

    mode: Literal["header", "exchange"] = "header"
    fallback: bool = False
    client: str = ""
    audience: str = ""
    resource: str = ""
    scopes: tuple[str, ...] = ()


def read_lendings(raw: Any, at: str) -> dict[str, Lending]:
    """Delegations by the slugs of connectors; ``at`` is where they stand.

    Raises:
        CallerError: ``config.form``, ``config.unknown``.
    """
    if not isinstance(raw, Mapping) or len(raw) > MOST:
        raise _wrong(at, f"is an object of at most {MOST} connectors")
    found = {}
    for slug, one in raw.items():
        place = f"{at}/{escape(str(slug)[:80])}"
        if one is not None:
            found[str(slug)] = _read(one, place)
    return dict(sorted(found.items()))


def check_names(raw: Mapping[Any, Any], known: Sequence[str], at: str) -> None:
    """That every setting of an object is known.

    Raises:
        CallerError: ``config.unknown`` with the nearest name.
    """
    for name in raw:
        if name not in known:
            close = nearest(str(name), known)
            raise CallerError(
                f"there is no setting {str(name)[:80]!r}",
                code="config.unknown",
                hint=f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}",
                pointer=f"{at}/{escape(str(name)[:80])}",
            )


def lendings_to_json(lendings: Mapping[str, Lending]) -> dict[str, Any]:
    """The same as plain JSON, without what does not apply."""
    return {slug: _to_json(one) for slug, one in lendings.items()}


def _read(raw: Any, at: str) -> Lending:
    if not isinstance(raw, Mapping):
        raise _wrong(at, 'is an object such as {"mode": "header"}')
    check_names(raw, _KNOWN, at)
    said = {name: value for name, value in raw.items() if value is not None}
    mode = said.get("mode")
    if mode not in MODES:
        raise _wrong(f"{at}/mode", f"is one of {', '.join(MODES)}")
    stray = next((name for name in _EXCHANGE if name in said and mode != "exchange"), "")
    if stray:
        raise _wrong(f"{at}/{stray}", "belongs to the mode exchange")
    fallback = said.get("fallback", False)
    if type(fallback) is not bool:
        raise _wrong(f"{at}/fallback", "is true or false")
    return Lending(
        mode=mode,
        fallback=fallback,
        client=_text(said, "client", at),
        audience=_text(said, "audience", at),
        resource=_text(said, "resource", at),
        scopes=_scopes(said.get("scopes", ()), f"{at}/scopes"),
    )


def _text(said: Mapping[str, Any], name: str, at: str) -> str:
    value = said.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or not (value.isprintable() and value.isascii()):
        raise _wrong(f"{at}/{name}", f"is a text of at most {_LONGEST} characters")
    return value


def _scopes(value: Any, at: str) -> tuple[str, ...]:
    fits = isinstance(value, list | tuple) and len(value) <= _MOST_SCOPES
    if not fits or not all(isinstance(one, str) and 0 < len(one) <= 500 and " " not in one for one in value):
        raise _wrong(at, f"is a list of at most {_MOST_SCOPES} scopes")
    return tuple(dict.fromkeys(value))


def _to_json(one: Lending) -> dict[str, Any]:
    told: dict[str, Any] = {"mode": one.mode, "fallback": one.fallback}
    if one.mode == "exchange":
        told |= {"client": one.client, "audience": one.audience, "resource": one.resource, "scopes": list(one.scopes)}
    return told


def _wrong(at: str, rule: str) -> CallerError:
    name = at.rpartition("/")[2]
    return CallerError(f"{name or 'delegation'} {rule}", code="config.form", hint="mend it and try again", pointer=at)
