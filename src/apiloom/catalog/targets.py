"""The request target: path template and query compiled, so that a call only fills in values.

What comes out holds nothing an HTTP client would rewrite: no dot segments in any spelling, no apostrophe in the
query, no character that would be escaped on the way. A target never leaves its origin nor the folder its server
names. Literal text of the document stays byte for byte where a client can send it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from apiloom.base.errors import CallerError, DesignError
from apiloom.base.values import replace
from apiloom.catalog.bodies import form_text
from apiloom.catalog.content import FORM, content_text
from apiloom.catalog.media import essence
from apiloom.catalog.styles import Writer, escape_query_name, path_writer, query_writer
from apiloom.catalog.tool import BoundParameter, HttpBinding
from apiloom.catalog.values import escape, escape_except, plain, refuse

Arguments = Mapping[str, Any]

_placeholder = re.compile(r"\{([^{}]*)\}")
_dot_segment = re.compile(r"/(?:\.|%2[eE]){1,2}(?:[/;]|\Z)").search
_climbs = re.compile(r"(?:/|%2[fF]|%5[cC])(?:\.|%2[eE]){2}(?:[/;]|\Z|%2[fF]|%5[cC]|%3[bB])").search
"""Two dots between slashes, escaped or not: many servers undo the escapes before they look at where a path leads."""

_path_literal = lru_cache(maxsize=4096)(escape_except("!$&'()*+,;=:@/[]^|", triplets=True))
_query_literal = escape_except("!$&()*+,;=:@/?[]^|{}`\\", triplets=True)


def compile_path(binding: HttpBinding, prefix: str) -> Callable[[Arguments], str]:
    """A closure from arguments to the path, ``prefix`` (a server's folder, without trailing slash) in front.

    A placeholder written ``{+name}`` takes its value with slashes, as in RFC 6570.

    Raises:
        DesignError: ``path.placeholder`` for one that no parameter fills, ``path.dot_segment`` for a path that leads
            out of its folder by itself, ``parameter.style``.
    """
    pieces = _placeholder.split(binding.path)
    literals, names = [_literal(piece, binding) for piece in pieces[::2]], pieces[1::2]
    head = prefix + (literals[0] if literals[0].startswith("/") else "/" + literals[0])
    steps = [(*_path_step(binding, name), literal) for name, literal in zip(names, literals[1:], strict=True)]
    if _dot_segment(head + "".join("x" + literal for _, _, literal in steps)):
        raise DesignError(
            f"the path {binding.path[:120]!r} holds a segment '.' or '..'",
            code="path.dot_segment",
            hint="write the path it leads to",
        )
    if not steps:
        return lambda _: head

    def path(arguments: Arguments) -> str:
        text = head
        for argument, write, literal in steps:
            if argument not in arguments:
                raise refuse(argument, "is missing", "it is part of the path")
            text += write(arguments[argument]) + literal
        if (("/." in text or "/%2" in text) and _dot_segment(text)) or _climbs(text):
            raise _leads_elsewhere(arguments, [(argument, write) for argument, write, _ in steps])
        return text

    return path


def _literal(text: str, binding: HttpBinding) -> str:
    if "{" in text or "}" in text:
        raise DesignError(
            f"the path {binding.path[:120]!r} has a brace without its partner",
            code="path.placeholder",
            hint="write placeholders as {name}",
        )
    return _path_literal(text)


def _path_step(binding: HttpBinding, name: str) -> tuple[str, Writer]:
    for parameter in binding.parameters:
        if parameter.place == "path" and parameter.name in (name, name.removeprefix("+")):
            if parameter.media_type is not None:
                return parameter.argument, _content(parameter)
            greedy = replace(parameter, slashes=True) if parameter.name != name else parameter
            return parameter.argument, path_writer(greedy)
    raise DesignError(
        f"the path {binding.path[:120]!r} has the placeholder {name[:60]!r}, which no parameter fills",
        code="path.placeholder",
        hint="declare it as a path parameter",
    )


def _leads_elsewhere(arguments: Arguments, steps: list[tuple[str, Writer]]) -> CallerError:
    dotted = re.compile(r"(?:\.|%2[eE]){1,2}").fullmatch
    written = [(argument, write(arguments[argument])) for argument, write in steps]
    guilty = [argument for argument, text in written if dotted(text) or _climbs(f"/{text}/")]
    return refuse(
        (guilty or [steps[0][0]])[0],
        "makes a path segment '.' or '..', which leads to another place",
        "give the name itself",
    )


def _content(parameter: BoundParameter) -> Writer:
    """Path text of a parameter described by a media type."""
    said = content_text(parameter.media_type or "", parameter.argument)

    def write(value: Any) -> str:
        text = said(value)
        if not text:
            raise refuse(parameter.argument, "is empty, but it is part of the path")
        return escape(text)

    return write


QueryStep = tuple[str, Writer]


def compile_query(binding: HttpBinding) -> tuple[str, tuple[QueryStep, ...]]:
    """What stands in every query, and the writer of each argument behind it, in the document's order.

    A writer's text is one or more pairs, or empty. Placeholders inside the fixed query take the parameter they name.

    Raises:
        DesignError: ``path.placeholder``, ``parameter.style``.
    """
    steps: list[QueryStep] = []
    fixed: list[str] = []
    for piece in filter(None, binding.fixed_query.split("&")):
        if "{" not in piece:
            fixed.append(_query_literal(piece))
        else:
            steps += _filled(binding, piece)
    for parameter in binding.parameters:
        if parameter.place == "query":
            steps.append((parameter.argument, _query_value(parameter)))
        elif parameter.place == "querystring":
            steps.append((parameter.argument, _querystring(parameter)))
    return "&".join(fixed), tuple(steps)


def _query_value(parameter: BoundParameter) -> Writer:
    if parameter.media_type is None:
        return query_writer(parameter)
    said = content_text(parameter.media_type, parameter.argument)
    head = escape_query_name(parameter.name) + "="
    return lambda value: head + escape(said(value))


def _querystring(parameter: BoundParameter) -> Writer:
    """The whole query in one argument (OpenAPI 3.2): a form, or any other content percent-encoded."""
    argument, media_type = parameter.argument, parameter.media_type or FORM
    if essence(media_type) == FORM:
        encodings = parameter.encodings
        return lambda value: form_text(value, argument, encodings)
    said = content_text(media_type, argument)
    return lambda value: escape(said(value))


def _filled(binding: HttpBinding, piece: str) -> Iterator[QueryStep]:
    """A pair of the fixed query with a placeholder: a path parameter fills it, a query parameter replaces it."""
    literals, names = _placeholder.split(piece)[::2], _placeholder.split(piece)[1::2]
    found = [p for p in binding.parameters if p.name in names and p.place in ("path", "query")]
    if len(names) != 1 or not found or any(brace in "".join(literals) for brace in "{}"):
        raise DesignError(
            f"the query {piece[:80]!r} in the path has a placeholder that no parameter fills",
            code="path.placeholder",
            hint="declare it as a query parameter",
        )
    if found[0].place == "path":
        argument, before, behind = found[0].argument, _query_literal(literals[0]), _query_literal(literals[1])
        yield argument, lambda value: before + escape(plain(value, argument)) + behind
