"""Headers and cookies: arguments become header values, and pairs for the one Cookie header.

Nothing is escaped in a header (OpenAPI 3.2 forbids it), so what a header cannot carry is refused; cookies are escaped
or refused by their style. Knows which headers no argument may set.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.catalog.content import ascii_json, content_text
from apiloom.catalog.media import is_json
from apiloom.catalog.styles import Pairs, PairWriter, Spelling, spell
from apiloom.catalog.tool import BoundParameter, HttpBinding
from apiloom.catalog.values import Escape, bare, escape, escape_except, plain, refuse
from apiloom.model.headers import NOT_ARGUMENTS

HeaderWriter = Callable[[Any], str | None]
"""A header's value, or None when it says nothing."""

HeaderStep = tuple[str, str, HeaderWriter]
"""Argument, header name and writer."""

CookieStep = tuple[str, PairWriter]
"""Argument and writer."""

is_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_field_value = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?").fullmatch
_cookie_value = re.compile(r"[\x20\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*").fullmatch
_quoted = re.compile(r'"(?:[^"\\]|\\.)*"').fullmatch

IN_COOKIE = "!$&'()*+/:=?@#[]"
"""Reserved characters that a cookie value may hold (RFC 6265 cookie-octet)."""


def compile_headers(binding: HttpBinding) -> tuple[HeaderStep, ...]:
    """The writers of an operation's header parameters, in the document's order.

    Raises:
        DesignError: ``parameter.name`` for one that no header can have, ``parameter.style``.
    """
    return tuple(
        (parameter.argument, parameter.name, _header_value(parameter))
        for parameter in binding.parameters
        if parameter.place == "header"
    )


def _header_value(parameter: BoundParameter) -> HeaderWriter:
    if not is_token(parameter.name):
        raise DesignError(
            f"{parameter.name[:60]!r} cannot be the name of a header",
            code="parameter.name",
            hint="a header's name has letters, digits and hyphens",
        )
    argument = parameter.argument
    if parameter.name.lower() in NOT_ARGUMENTS:

        def refused(_: Any) -> str:
            raise refuse(argument, f"would set {parameter.name}, which no argument may set", "leave it out")

        return refused
    if parameter.media_type is None:
        return header_writer(parameter)
    said = content_text(parameter.media_type, argument)
    if is_json(parameter.media_type):
        return lambda value: field_value(ascii_json(said(value)), argument)
    return lambda value: field_value(said(value), argument)


def compile_cookies(binding: HttpBinding) -> tuple[CookieStep, ...]:
    """The writers of an operation's cookie parameters, in the document's order.

    Raises:
        DesignError: ``parameter.style``.
    """
    return tuple(
        (parameter.argument, _cookie_pairs(parameter))
        for parameter in binding.parameters
        if parameter.place == "cookie"
    )


def _cookie_pairs(parameter: BoundParameter) -> PairWriter:
    if parameter.media_type is None:
        return cookie_writer(parameter)
    said, name = content_text(parameter.media_type, parameter.argument), _cookie_name(parameter.name)
    return lambda value: [(name, escape(said(value)))]


def _cookie_name(name: str) -> str:
    """Servers look a cookie up by the name as it stands, so one that may stand (RFC 6265) does."""
    return name if is_token(name) and "%" not in name else escape(name)


def header_writer(parameter: BoundParameter) -> HeaderWriter:
    """The field value of one header in style simple; None when it says nothing.

    Values pass unchanged: OpenAPI 3.2 forbids escaping or quoting them, so what a header cannot carry is refused.

    Raises:
        DesignError: ``parameter.style``.
    """
    if parameter.style != "simple":
        raise DesignError(
            f"header parameter {parameter.name!r} has style {parameter.style[:40]!r}",
            code="parameter.style",
            hint="a header value is simple",
        )
    argument, sign = parameter.argument, "=" if parameter.explode else ""
    between = sign or ","

    def write(value: Any) -> str | None:
        if isinstance(value, dict):
            text = ",".join(
                [f"{_item(key, argument, sign)}{between}{_item(item, argument)}" for key, item in value.items()]
            )
        elif isinstance(value, list | tuple):
            text = ",".join([_item(item, argument) for item in value])
        else:
            return field_value(plain(value, argument), argument)
        if value:
            return field_value(text, argument)
        if parameter.required:
            raise refuse(argument, "is empty, which has no form in a header, but it is required")
        return None

    return write


def _item(value: Any, argument: str, also: str = "") -> str:
    """One text of a list. ``also`` is what else would end it: the sign between a name and its value."""
    text = plain(value, argument)
    if ("," in text and not _quoted(text)) or (also and also in text):
        raise refuse(
            argument, "holds a separator inside a value, which a header list cannot carry", "quote it as HTTP does"
        )
    return text


def field_value(text: str, argument: str) -> str:
    """The text if it can be a header's value (RFC 9110 section 5.5) and comes out as it went in.

    Raises:
        CallerError: control characters, characters outside ASCII, white space at either end.
    """
    if _field_value(text):
        return text
    if not text.isascii():
        raise refuse(argument, "holds characters outside ASCII, which a header cannot carry")
    if text.strip(" \t") != text:
        raise refuse(argument, "begins or ends with white space, which a header loses")
    raise refuse(argument, "holds a line break or control character, which a header cannot carry")


def cookie_writer(parameter: BoundParameter) -> PairWriter:
    """The cookies of one parameter, as name and value pairs for the one Cookie header.

    Style ``form`` percent-encodes; style ``cookie`` (OpenAPI 3.2) passes values unchanged and refuses what a cookie
    cannot hold. Exploded values are several cookies: the ampersand of RFC 6570 is never right here.

    Raises:
        DesignError: ``parameter.style``.
    """
    if parameter.style not in ("form", "cookie"):
        raise DesignError(
            f"cookie parameter {parameter.name!r} has style {parameter.style[:40]!r}",
            code="parameter.style",
            hint="a cookie value is form or cookie",
        )
    unescaped = parameter.style == "cookie"
    alone: Escape = bare if unescaped else escape
    if parameter.allow_reserved and not unescaped:
        alone = escape_except(IN_COOKIE, triplets=True)
    spelling = Spelling(
        argument=parameter.argument,
        name=parameter.name,
        explode=parameter.explode,
        forbidden="," if unescaped else "",
        text=alone,
        item=alone,
        label=bare if unescaped else _cookie_name,
    )

    def write(value: Any) -> Pairs:
        if parameter.explode and isinstance(value, dict | list):
            _refuse_nesting(value, parameter.argument)
        pairs = spell(spelling, value)
        if parameter.required and not pairs:
            raise refuse(parameter.argument, "is empty, which has no form in a cookie, but it is required")
        commas = not parameter.explode and isinstance(value, dict | list)
        if unescaped and not all(_carried(name, text, commas=commas) for name, text in pairs):
            raise refuse(
                parameter.argument, "holds a character that a cookie cannot carry", "escape it as the API wants"
            )
        return pairs

    return write


def _refuse_nesting(value: dict[str, Any] | list[Any], argument: str) -> None:
    for item in value.values() if isinstance(value, dict) else value:
        plain(item, argument)


def _carried(name: str, text: str, *, commas: bool) -> bool:
    """Whether a cookie comes out as it went in. A space inside is what OpenAPI 3.2's own example has."""
    said = text.replace(",", "") if commas else text
    return bool(name and is_token(name) and text.strip(" ") == text and _cookie_value(said))
