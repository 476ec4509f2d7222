"""How an operation gives its answers page by page, found from what its document says.

Only operations that read are looked at. Signals are asked in the order of their worth: what the author wrote for the
purpose (:mod:`paging_stated`), links to the next page, pairs of a cursor taken and a cursor given, and last the numbers
of pages and items, which count only beside a list. Where nothing is sure nothing is found: a page too few is told to a
model by the API itself, a page that is none would be asked for without end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from apiloom.base.values import Value, replace
from apiloom.catalog.lists import Answer, Member, key, look, main_list
from apiloom.catalog.media import successes
from apiloom.catalog.paging_stated import Said, stated
from apiloom.catalog.paging_words import (
    BESIDE_NEXT,
    CURSORS,
    LAST,
    LASTS,
    MORE,
    NEXT_CURSORS,
    NUMBERED,
    OFFSETS,
    OFFSETS_BESIDE_SIZE,
    PAGE_HEADERS,
    PAGES,
    SIZES,
    TOTAL_HEADERS,
    TOTAL_PAGES,
    TOTALS,
    URLS,
    WRAPPING,
)
from apiloom.catalog.semantics import SAFE, asks, is_disguised
from apiloom.catalog.shapes import Pool, flat, types
from apiloom.catalog.tool import Argument, Paging
from apiloom.model.api import Operation, Schema

_CONTINUING = CURSORS | LASTS | NUMBERED
_OF_PAGES = SIZES | PAGES | CURSORS | OFFSETS


class _Own(Value, frozen=True):
    """An argument that the operation itself takes."""

    name: str
    key: str
    place: str
    node: Mapping[str, Any]

    @property
    def counts(self) -> bool:
        """Whether it may be a number that is counted up."""
        kinds = types(self.node)
        return not kinds or bool({"integer", "number"} & set(kinds)) or (kinds == ("string",) and self.place == "query")

    @property
    def is_text(self) -> bool:
        kinds = types(self.node)
        return not kinds or "string" in kinds


class _Facts(Value, frozen=True):
    """Everything the rules ask about one operation."""

    own: tuple[_Own, ...]
    answer: Answer
    items: str | None
    headers: frozenset[str]
    linked: bool

    def taken(self, names: Collection[str]) -> _Own | None:
        """The first argument with one of these names; one that stands alone in the query goes before the body's."""
        found = [one for one in self.own if one.key in names]
        return min(found, key=lambda one: (one.place != "query", one.key, one.name)) if found else None

    def told(self, names: Collection[str], *kinds: str) -> Member | None:
        """The member with one of these names and types; the outermost, the first by name."""
        found = [one for one in self.answer.members if one.name in names]
        if kinds:
            found = [one for one in found if not set(kinds).isdisjoint(one.kinds)]
        return min(found, key=lambda one: (one.pointer.count("/"), one.pointer)) if found else None


def find_paging(
    operation: Operation, arguments: Iterable[Argument], schemas: Mapping[str, Schema], pool: Pool, *, linked: bool
) -> Said:
    """How the operation is paged, if it is; and what was wrong with what its author said about that.

    ``arguments`` are the tool's own, ``schemas`` what they take; ``linked`` says that this API tells of Link headers
    somewhere, if not here.
    """
    given = tuple(arguments)
    said = stated(operation, given)
    if said is not None and (said.paging is None or said.problem):
        return said
    if said is None and not _reads(operation):
        return Said()
    own = tuple(
        _Own(one.name, key(one.original), one.place, flat(schemas[one.name], pool))
        for one in given
        if one.place in ("query", "body") and one.original
    )
    answers = successes(operation.shape.responses)
    described = next((media.schema for one in answers for media in one.media if _is_json(media.type)), None)
    answer = look(described, pool)
    headers = frozenset(name for one in answers for name in one.headers)
    facts = _Facts(own, answer, main_list(answer, operation.shape.path, pool), headers, linked)
    found: Paging | None
    if said is not None and said.paging is not None:
        found = said.paging if said.paging.items is not None else replace(said.paging, items=facts.items)
    else:
        found = _found(facts, _rules(operation))
    return Said(_sized(found, facts) if found is not None else None)


def _reads(operation: Operation) -> bool:
    """A GET, or a POST that asks: whatever is asked for again must change nothing."""
    method = operation.shape.method.upper()
    return method in ("GET", "QUERY") or (method == "POST" and asks(operation))


def _is_json(media_type: str) -> bool:
    return "json" in media_type or media_type.partition(";")[0].strip() == "*/*"


Rule = Callable[[_Facts], Paging | None]


def _rules(operation: Operation) -> tuple[Rule, ...]:
    """The rules for an operation, the surest first: a GET that is named like an action must say clearly how it goes on,
    and the next page of a POST is never a mere address.
    """
    if operation.shape.method.upper() not in SAFE:
        return (_cursor, _scim, _offset, _page)
    if is_disguised(operation):
        return (_url, _cursor, _link)
    return (_url, _cursor, _link, _last_item, _scim, _offset, _page)


def _found(facts: _Facts, rules: Iterable[Rule]) -> Paging | None:
    return next((found for rule in rules if (found := rule(facts)) is not None), None)


def _url(facts: _Facts) -> Paging | None:
    """A member that holds the next page's address."""
    for one in facts.answer.members:
        rule = ""
        if one.name in URLS and (not one.kinds or "string" in one.kinds):
            rule = "odata" if one.name == "odatanextlink" else "next_url"
        elif one.name in ("href", "url", "uri") and one.around in ("next", "nextpage"):
            rule = "next_link"
        elif one.name in ("next", "nextpage") and one.around in BESIDE_NEXT and _is_address(one, facts):
            rule = "next_url"
        if rule and (facts.items is not None or rule == "odata"):
            return Paging(style="url", next=one.pointer, items=facts.items, rule=rule)
    return None


def _is_address(one: Member, facts: _Facts) -> bool:
    """Whether a member called ``next`` is an address, not a cursor: by its format, its words or its neighbours."""
    if one.kinds and "string" not in one.kinds:
        return False
    if str(one.node.get("format", "")).startswith(("uri", "url")):
        return True
    words = str(one.node.get("description", "")).lower()
    if any(word in words for word in ("url", "link", "uri")):
        return True
    if facts.taken(CURSORS) is not None:
        return False
    beside = {each.name for each in facts.answer.members if each.around == one.around}
    return (
        one.around == "links" or bool(beside & {"previous", "prev"}) or str(one.node.get("example", ""))[:4] == "http"
    )


def _cursor(facts: _Facts) -> Paging | None:
    """A pair: a cursor that is taken, and the next one in the answer."""
    taken = [one for one in facts.own if one.key in _CONTINUING]
    for one in sorted(taken, key=lambda one: (one.key not in CURSORS, one.key in LASTS, one.name)):
        told = _next_of(one, facts)
        if told is None:
            continue
        if facts.items is None and one.key not in ("pagetoken", "nexttoken", "cursor", "continue"):
            continue
        return Paging(
            style="cursor",
            argument=one.name,
            next=told.pointer,
            items=facts.items,
            rule="cursor" if told.pointer.count("/") == 1 else "nested_cursor",
        )
    return None


def _next_of(one: _Own, facts: _Facts) -> Member | None:
    """The member that gives what this argument takes: the likeliest name goes first."""
    names = [f"next{one.key}", one.key.replace("start", "next", 1), *sorted(NEXT_CURSORS)]
    if one.key in LASTS:
        names = [one.key]
    if one.key in NUMBERED:
        # a page or offset that comes back may be the one at hand; only what says next is next
        names = [f"next{one.key}", "nextpage", "nextoffset", "next", *(["offset"] if not one.counts else [])]
    ours = {"string", "integer", "number"} if not one.is_text or not types(one.node) else {"string"}
    if one.counts:
        ours |= {"integer", "number"}
    for name in dict.fromkeys(names):
        found = [each for each in facts.answer.members if each.name == name and _leads_on(each, facts)]
        for each in sorted(found, key=lambda each: (each.pointer.count("/"), each.pointer)):
            if not each.kinds or ours & set(each.kinds):
                return each
    if one.key in ("cursor", "exclusivestartkey") and (only := facts.told(("lastevaluatedkey",))) is not None:
        return only
    return None


def _leads_on(one: Member, facts: _Facts) -> bool:
    """Whether a member is about the list as a whole: inside the objects that are listed there are others."""
    if facts.items and one.pointer.startswith(f"{facts.items}/"):
        return False
    if one.name == "after":
        return one.around in ("cursors", "cursor", "paging", "pagination", "page", "next", "meta", "pageinfo")
    if one.name in LASTS:
        return one.around == "next"
    if one.name in ("cursor", "marker", "offset", "pagetoken", "next"):
        return one.around in WRAPPING or one.around == ""
    return True


def _link(facts: _Facts) -> Paging | None:
    """A Link header (RFC 8288) beside a list, on an operation that takes a page or its size.

    Where it is told of elsewhere only, a cursor that nothing in the answer gives can come from nowhere else.
    """
    if facts.items is None:
        return None
    if "link" in facts.headers:
        sized = facts.taken(_OF_PAGES) is not None
        return Paging(style="link", items=facts.items, rule="link_header") if sized or facts.answer.is_list else None
    if facts.linked and facts.taken(("after", "cursor")) is not None and facts.taken(SIZES) is not None:
        return Paging(style="link", items=facts.items, rule="link_header_elsewhere")
    return None


def _last_item(facts: _Facts) -> Paging | None:
    """The next page begins behind an item that is named by its own member."""
    taken, more = facts.taken(LASTS), facts.told(MORE, "boolean")
    if taken is None or more is None or facts.items is None:
        return None
    return Paging(style="last_item", argument=taken.name, next="/id", items=facts.items, rule="last_item")


def _scim(facts: _Facts) -> Paging | None:
    """RFC 7644 section 3.4.2.4: indexes count from 1."""
    start, total = facts.taken(("startindex",)), facts.told(("totalresults",))
    if start is None or total is None or facts.items is None:
        return None
    return Paging(style="offset", argument=start.name, items=facts.items, total=total.pointer, first=1, rule="scim")


def _offset(facts: _Facts) -> Paging | None:
    taken, rule = facts.taken(OFFSETS), "offset"
    if taken is None and facts.taken(SIZES) is not None:
        taken = facts.taken(OFFSETS_BESIDE_SIZE)
    if taken is None or not taken.counts or facts.items is None or taken.node.get("format") in _MOMENTS:
        return None
    known = facts.told(TOTALS, "integer", "number") is not None
    if taken.key in OFFSETS_BESIDE_SIZE and not known and not _counts_items(taken):
        return None
    if facts.taken(SIZES) is None and not known and taken.key not in ("offset", "skip"):
        return None
    return Paging(style="offset", argument=taken.name, items=facts.items, first=_first(taken, 0), rule=rule)


def _counts_items(own: _Own) -> bool:
    """Whether the words for an argument such as ``from`` say that it counts items; it may as well be a moment."""
    words = str(own.node.get("description", "")).lower()
    return any(said in words for said in ("offset", "index", "skip", "pagination", "position", "row", "record"))


_MOMENTS = frozenset({"date", "date-time"})


def _page(facts: _Facts) -> Paging | None:
    taken = facts.taken(PAGES)
    if taken is None or not taken.counts or facts.items is None:
        return None
    if taken.key in ("p", "pg") and facts.taken(SIZES) is None:
        return None
    return Paging(style="page", argument=taken.name, items=facts.items, first=_first(taken, 1), rule="page")


def _first(taken: _Own, usual: int) -> int:
    """The number of the first page or item: its default, its least value where that is 0 or 1, else the usual one."""
    for keyword in ("default", "minimum"):
        value = taken.node.get(keyword)
        if isinstance(value, int) and not isinstance(value, bool) and value in (0, 1):
            return value
    words = str(taken.node.get("description", "")).lower()
    if any(said in words for said in ("zero-based", "zero based", "0-based", "0 based", "starts at 0", "start at 0")):
        return 0
    if any(said in words for said in ("one-based", "1-based", "1 based", "starts at 1", "start at 1")):
        return 1
    return usual


def _sized(paging: Paging, facts: _Facts) -> Paging:
    """With what else is known: the size of a page, the flag that there is more, and totals."""
    size = facts.taken(SIZES)
    if size is not None and size.name == paging.argument:
        size = None
    total = facts.told(TOTALS, "integer", "number")
    pages = facts.told(TOTAL_PAGES, "integer", "number")
    counted = paging.style in ("offset", "page")
    return replace(
        paging,
        size=paging.size or (size.name if size is not None else ""),
        more=paging.more or _flag(facts),
        total=paging.total or (_counter(total, facts, TOTAL_HEADERS) if counted else ""),
        pages=paging.pages or (_counter(pages, facts, PAGE_HEADERS) if paging.style == "page" else ""),
        usual=_number(size, "default"),
        most=_number(size, "maximum"),
    )


def _flag(facts: _Facts) -> str:
    for names, sign in ((MORE, ""), (LAST, "!")):
        told = facts.told(names, "boolean")
        if told is not None and told.kinds == ("boolean",):
            return f"{sign}{told.pointer}"
    return ""


def _counter(told: Member | None, facts: _Facts, headers: Iterable[str]) -> str:
    if told is not None:
        return told.pointer
    return next((f"header:{name}" for name in headers if name in facts.headers), "")


def _number(own: _Own | None, keyword: str) -> int:
    value = own.node.get(keyword) if own is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
