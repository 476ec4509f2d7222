"""What a document says itself about how an operation is paged, in the members meant for that.

``x-apiloom-pagination`` is ours and goes before every guess; ``x-speakeasy-pagination`` and ``x-ms-pageable`` are what
authors wrote for other tools. None of them can make a tool of what is none, and what they say wrong is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from apiloom.base.values import Value
from apiloom.catalog.tool import Argument, Paging, PagingStyle
from apiloom.model.api import Operation
from apiloom.model.schema import escape

OURS = "x-apiloom-pagination"
STYLES = get_args(PagingStyle)

_TEXTS = ("next", "items", "more", "total", "pages")
_NUMBERS = ("first", "usual", "most")
_NEEDS = {
    "cursor": ("argument", "next"),
    "url": ("next",),
    "link": (),
    "offset": ("argument",),
    "page": ("argument",),
    "last_item": ("argument",),
}
_STEP = re.compile(r"\.([A-Za-z0-9_@$-]+)|\['([^']+)'\]")
_LAST_OF = re.compile(r"(.*)\[(?:-1:?|\(@\.length-1\))\](.*)")


class Said(Value, frozen=True):
    """How an operation is paged, None for not at all; ``problem`` says what was wrong with how that was stated."""

    paging: Paging | None = None
    problem: str = ""


def stated(operation: Operation, arguments: tuple[Argument, ...]) -> Said | None:
    """What the document says for the purpose; None where it says nothing. Its ``items`` may still be unknown."""
    given = operation.extensions
    if OURS in given:
        try:
            return Said(_ours(given[OURS], arguments))
        except ValueError as error:
            return Said(problem=f"{OURS} {error}")
    for name, read in (("x-speakeasy-pagination", _speakeasy), ("x-ms-pageable", _pageable)):
        value = given.get(name)
        if isinstance(value, dict):
            return read(value, arguments)
    return None


def _ours(value: Any, arguments: tuple[Argument, ...]) -> Paging | None:
    """Our own member. Names of arguments are those of the document.

    Raises:
        ValueError: what is wrong with it.
    """
    if value is False:
        return None
    if not isinstance(value, dict):
        raise ValueError("is false or an object")  # noqa: TRY004 - a document's mistake, not a caller's
    style = str(value.get("style"))
    if style not in STYLES:
        raise ValueError(f"has a style that is one of {', '.join(STYLES)}")
    lacking = [name for name in _NEEDS[style] if not value.get(name)]
    unknown = sorted(set(value) - {"style", "argument", "size", *_TEXTS, *_NUMBERS})
    if lacking or unknown:
        raise ValueError(f"needs {', '.join(lacking)}" if lacking else f"has the unknown member {unknown[0]!r}")
    texts = {name: _text(value, name) for name in _TEXTS if name in value}
    numbers = {name: _whole(value, name) for name in _NUMBERS if name in value}
    numbers.setdefault("first", 1 if style == "page" else 0)
    named = {name: _named(value[name], arguments) for name in ("argument", "size") if value.get(name)}
    if style == "last_item":
        texts.setdefault("next", "/id")
    return Paging(**{"items": None, **texts, **numbers, **named}, style=style, rule=OURS)  # type: ignore[arg-type]


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value[name]
    headed = name in ("total", "pages") and isinstance(text, str) and text.startswith("header:")
    if not isinstance(text, str) or (text and not headed and not text.removeprefix("!").startswith("/")):
        raise ValueError(f"has {name} that is no JSON Pointer such as /meta/next")
    return text.lower() if headed else text


def _whole(value: Mapping[str, Any], name: str) -> int:
    number = value[name]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"has {name} that is no whole number")
    return number


def _named(wanted: Any, arguments: tuple[Argument, ...]) -> str:
    """The tool's argument for a parameter or a member of the body, by the name it has in the document."""
    for places in (("query",), ("body",), ("header",)):
        for one in arguments:
            if one.place in places and one.original in (wanted, f"/{escape(str(wanted))}"):
                return one.name
    raise ValueError(f"names {str(wanted)[:60]!r}, which the operation does not take")


def _speakeasy(value: Mapping[str, Any], arguments: tuple[Argument, ...]) -> Said | None:
    inputs: dict[str, str] = {}
    for one in _objects(value.get("inputs")):
        try:
            inputs[str(one.get("type"))] = _named(one.get("name"), arguments)
        except ValueError as error:
            return Said(problem=f"x-speakeasy-pagination {error}")
    outputs = value.get("outputs")
    told = {name: _pointer(path) for name, path in outputs.items()} if isinstance(outputs, dict) else {}
    facts: dict[str, Any] = {
        "size": inputs.get("limit", ""),
        "items": told.get("results"),
        "pages": told.get("numPages") or "",
        "rule": "x-speakeasy-pagination",
    }
    kind = value.get("type")
    if kind == "url" and told.get("nextUrl"):
        return Said(Paging(style="url", next=told["nextUrl"] or "", **facts))
    if kind == "cursor" and "cursor" in inputs and isinstance(outputs, dict):
        last = _LAST_OF.fullmatch(str(outputs.get("nextCursor", "")))
        if last:
            facts["items"] = _pointer(last[1])
            return Said(
                Paging(style="last_item", argument=inputs["cursor"], next=_pointer(f"${last[2]}") or "", **facts)
            )
        if told.get("nextCursor"):
            return Said(Paging(style="cursor", argument=inputs["cursor"], next=told["nextCursor"] or "", **facts))
    if kind == "offsetLimit":
        for name, style, first in (("page", "page", 1), ("offset", "offset", 0)):
            if name in inputs:
                return Said(Paging(style=style, argument=inputs[name], first=first, **facts))  # type: ignore[arg-type]
    return None


def _pageable(value: Mapping[str, Any], _: tuple[Argument, ...]) -> Said | None:
    """Azure's: ``nextLinkName`` is null where there is one page only; ``itemName`` is ``value`` unless it says so."""
    name, items = value.get("nextLinkName"), value.get("itemName", "value")
    if "nextLinkName" in value and name is None:
        return Said()
    if not isinstance(name, str) or not name or not isinstance(items, str):
        return None
    return Said(Paging(style="url", next=_dotted(name), items=_dotted(items), rule="x-ms-pageable"))


def _dotted(name: str) -> str:
    """``@odata.nextLink`` is one name; other dots lead into objects."""
    if "odata." in name:
        return f"/{escape(name)}"
    return "".join(f"/{escape(part)}" for part in name.replace("\\.", "\0").split(".")).replace("\0", ".")


def _pointer(path: Any) -> str | None:
    """``$.meta.next`` as a JSON Pointer; None for a path that is none."""
    if not isinstance(path, str) or not path.startswith("$"):
        return None
    rest = path[1:].removesuffix("[*]")
    steps = _STEP.findall(rest)
    if "".join(match.group() for match in _STEP.finditer(rest)) != rest:
        return None
    return "".join(f"/{escape(plain or quoted)}" for plain, quoted in steps)


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()
