"""How one parameter of path or query is written: OpenAPI's style table compiled to closures.

A writer is made once per parameter and called once per call with the argument's value. Separators stand bare,
everything reserved inside a value is escaped (RFC 6570); what a style cannot say unambiguously is refused. The cells
that OpenAPI leaves undefined are decided in ``docs/requests.md``. Headers and cookies stand in
``headers``. Knows nothing of targets or bodies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.base.values import Value
from apiloom.catalog.tool import BoundParameter
from apiloom.catalog.values import Escape, bare, empty_inside, escape, escape_except, nested, plain, refuse
from apiloom.model.api import Nesting

Pairs = list[tuple[str, str]]
Writer = Callable[[Any], str]
PairWriter = Callable[[Any], Pairs]

Lettering = tuple[Escape, Escape]
"""How a value is escaped that stands alone, and one that stands in a joined list."""

QUERY_STYLES = frozenset({"form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"})

DELIMITERS = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}
"""What joins the items of a list that is not exploded, before escaping; all but the comma are escaped themselves."""

IN_QUERY = "!$()*,/:;=?@"
"""Reserved characters with no meaning of their own in a query value; ``&``, ``+`` and ``#`` have one, ``[`` and ``]``
are not allowed there (RFC 3986), and HTTP clients rewrite the apostrophe."""

IN_PATH = "!$&()*+,:;=@"
"""Reserved characters that a path value may hold (RFC 3986 pchar), without the apostrophe."""


escape_query_name: Escape = escape_except("!$()*,/:;?@")
"""Parameter names keep what reads well and means nothing (``$top``, ``a:b``); brackets are escaped."""


class Spelling(Value, frozen=True, kw_only=True):
    """How one value becomes name and value pairs: form, its delimited kin and deepObject.

    ``text`` escapes a value that stands alone, ``item`` one that stands in a joined list, ``label`` a name.
    ``forbidden`` is a delimiter that no item may hold, because it looks the same when escaped. ``nesting`` set by the
    document also spells lists that need no nesting.
    """

    argument: str
    name: str
    explode: bool
    deep: bool = False
    delimiter: str = ","
    forbidden: str = ""
    nesting: Nesting = ""
    text: Escape = escape
    item: Escape = escape
    label: Escape = escape_query_name


def spell(spelling: Spelling, value: Any) -> Pairs:
    """The pairs of one value; none for an empty list or object, which RFC 6570 section 2.3 calls undefined.

    Raises:
        CallerError: nesting, null or a delimiter where the style has no form for it.
    """
    if isinstance(value, dict):
        return _spell_object(spelling, value)
    if isinstance(value, list | tuple):
        return _spell_list(spelling, value)
    return [(spelling.label(spelling.name), spelling.text(plain(value, spelling.argument)))]


def _spell_object(spelling: Spelling, value: dict[str, Any]) -> Pairs:
    label, text, argument = spelling.label, spelling.text, spelling.argument
    if spelling.deep:
        return _nested(spelling, spelling.name, value)
    if spelling.explode:
        pairs: Pairs = []
        for key, item in value.items():
            if isinstance(item, dict | list | tuple):
                if not item:
                    raise empty_inside(argument)
                pairs += _nested(spelling, key, item)
            else:
                pairs.append((label(key), text(plain(item, argument))))
        return pairs
    flat = [part for member in value.items() for part in member]
    return [(label(spelling.name), _joined(spelling, flat))] if flat else []


def _spell_list(spelling: Spelling, value: list[Any] | tuple[Any, ...]) -> Pairs:
    grows = spelling.nesting or any(isinstance(item, dict | list | tuple) for item in value)
    if spelling.deep or (spelling.explode and grows):
        return _nested(spelling, spelling.name, value)
    if spelling.explode:
        name, text, argument = spelling.label(spelling.name), spelling.text, spelling.argument
        return [(name, text(plain(item, argument))) for item in value]
    return [(spelling.label(spelling.name), _joined(spelling, list(value)))] if value else []


def _nested(spelling: Spelling, name: str, value: Any) -> Pairs:
    label, text = spelling.label, spelling.text
    return [(label(key), text(said)) for key, said in nested(name, value, spelling.argument, spelling.nesting)]


def _joined(spelling: Spelling, items: list[Any]) -> str:
    return spelling.delimiter.join(
        map(spelling.item, _told_apart(items, spelling.forbidden, spelling.argument, "list separator"))
    )


def _told_apart(items: list[Any], forbidden: str, argument: str, role: str) -> list[str]:
    """The items as text, refused when one holds a character that would be taken for a separator."""
    said = [plain(item, argument) for item in items]
    for char in forbidden:
        if any(char in text for text in said):
            raise refuse(argument, f"holds {char!r} inside a value, which this API's style takes for a {role}")
    return said


def reserved(keep: str) -> Lettering:
    """How values are escaped where ``allowReserved`` leaves the characters of ``keep`` bare: alone, and in lists."""
    return escape_except(keep, triplets=True), escape_except(keep.replace(",", ""), triplets=True)


def form_spelling(
    argument: str,
    name: str,
    style: str,
    *,
    explode: bool,
    lettering: Lettering = (escape, escape),
    nesting: Nesting = "",
) -> Spelling:
    """The spelling of a query parameter or form field. Its name is escaped unless nothing is.

    Raises:
        DesignError: ``parameter.style`` for a style that has no place here.
    """
    if style not in QUERY_STYLES:
        raise DesignError(
            f"parameter {name!r} has style {style[:40]!r}, which no query or form value can have",
            code="parameter.style",
            hint=f"use one of {', '.join(sorted(QUERY_STYLES))}",
        )
    raw = DELIMITERS.get(style, ",")
    text, item = lettering
    return Spelling(
        argument=argument,
        name=name,
        explode=explode,
        deep=style == "deepObject",
        delimiter="," if raw == "," else item(raw),
        forbidden="" if raw == "," and item is not bare else raw,
        nesting=nesting,
        text=text,
        item=item,
        label=bare if item is bare else escape_query_name,
    )


def query_writer(parameter: BoundParameter) -> Writer:
    """Query text of one parameter, ``name=value`` pairs joined by ``&``; empty when it says nothing.

    Raises:
        DesignError: ``parameter.style``.
    """
    lettering = reserved(IN_QUERY) if parameter.allow_reserved else (escape, escape)
    spelling = form_spelling(
        parameter.argument,
        parameter.name,
        parameter.style,
        explode=parameter.explode,
        lettering=lettering,
        nesting=parameter.nesting,
    )
    head = escape_query_name(parameter.name) + "="
    text, required, allow_empty = spelling.text, parameter.required, parameter.allow_empty

    def write(value: Any) -> str:
        kind = type(value)
        if kind is str:
            return head + text(value)
        if kind is int:
            return head + plain(value, parameter.argument)
        if allow_empty and (value is None or value in ([], {})):
            return head
        pairs = spell(spelling, value)
        if required and not pairs:
            raise refuse(parameter.argument, "is empty, which has no form in a query, but it is required")
        return "&".join([f"{name}={said}" for name, said in pairs])

    return write


def path_writer(parameter: BoundParameter) -> Writer:
    """Path text of one parameter in style simple, label or matrix.

    Raises:
        DesignError: ``parameter.style``.
    """
    keep = (IN_PATH if parameter.allow_reserved else "") + ("/" if parameter.slashes else "")
    makers = {"simple": _simple, "label": _label, "matrix": _matrix}
    if parameter.style not in makers:
        raise DesignError(
            f"path parameter {parameter.name!r} has style {parameter.style[:40]!r}",
            code="parameter.style",
            hint="a path value is simple, label or matrix",
        )
    said = makers[parameter.style](parameter, keep)
    argument = parameter.argument

    def write(value: Any) -> str:
        if value == "" and parameter.style == "simple":
            raise refuse(argument, "is empty, but it is part of the path")
        if isinstance(value, dict | list | tuple) and not value:
            raise refuse(argument, "is empty, but it is part of the path")
        text = said(value)
        if not text:
            raise refuse(argument, "is empty, but it is part of the path")
        return text

    return write


@lru_cache(maxsize=64)
def _escapes(keep: str, separators: str, *, triplets: bool) -> Escape:
    kept = "".join(char for char in keep if char not in separators)
    return escape_except(kept, triplets=triplets) if kept or triplets else escape


def _simple(parameter: BoundParameter, keep: str) -> Writer:
    argument, explode, triplets = parameter.argument, parameter.explode, parameter.allow_reserved
    alone, among = _escapes(keep, "", triplets=triplets), _escapes(keep, ",=", triplets=triplets)

    def write(value: Any) -> str:
        if isinstance(value, dict):
            between = "=" if explode else ","
            return ",".join(f"{among(key)}{between}{among(plain(item, argument))}" for key, item in value.items())
        if isinstance(value, list | tuple):
            return ",".join([among(plain(item, argument)) for item in value])
        return alone(plain(value, argument))

    return write


def _label(parameter: BoundParameter, keep: str) -> Writer:
    argument, explode, triplets = parameter.argument, parameter.explode, parameter.allow_reserved
    alone, among = _escapes(keep, "", triplets=triplets), _escapes(keep, ",=", triplets=triplets)
    # A full stop is unreserved: escaped or not it reads the same, so an exploded value must not hold one.
    separator, between, forbidden = (".", "=", ".") if explode else (",", ",", "")

    def write(value: Any) -> str:
        if isinstance(value, dict):
            flat = _told_apart([part for member in value.items() for part in member], forbidden, argument, "separator")
            members = zip(flat[::2], flat[1::2], strict=True)
            return "." + separator.join(f"{among(key)}{between}{among(item)}" for key, item in members)
        if isinstance(value, list | tuple):
            return "." + separator.join(map(among, _told_apart(list(value), forbidden, argument, "separator")))
        return "." + alone(plain(value, argument))

    return write


def _matrix(parameter: BoundParameter, keep: str) -> Writer:
    argument, explode, triplets = parameter.argument, parameter.explode, parameter.allow_reserved
    alone, among = _escapes(keep, ";", triplets=triplets), _escapes(keep, ";,=", triplets=triplets)
    name = escape(parameter.name)

    def named(key: str, text: str) -> str:
        return f";{key}={text}" if text else f";{key}"  # RFC 6570 section 3.2.7: no equals sign before nothing

    def write(value: Any) -> str:
        if isinstance(value, dict):
            members = [(among(key), among(plain(item, argument))) for key, item in value.items()]
            if explode:
                return "".join([named(key, text) for key, text in members])
            return named(name, ",".join([part for member in members for part in member]))
        if isinstance(value, list | tuple):
            items = [among(plain(item, argument)) for item in value]
            return "".join([named(name, text) for text in items]) if explode else named(name, ",".join(items))
        return named(name, alone(plain(value, argument)))

    return write
