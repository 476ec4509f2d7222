"""The calls that the benchmarks make, and what the upstream must answer to each.

One cell is one shape of call: its tool and arguments for MCP, the same call as plain HTTP, and the exact JSON that has
to come back. Arguments follow from the number of the call, so that no answer can be right by chance or from a cache.
The upstream makes its answers from the same functions, given only what arrived on its wire.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

COLORS = ("red", "green", "blue", "grey")
_FILLER = "a wheel of seasoned oak, turned by hand and oiled twice, kept in the third row of the second shed; " * 3
_EVENT = (
    '{"seq":%d,"user":"@KEY@","kind":"login","at":"2026-01-%02dT10:00:00Z","agent":"loom/%d (test; rv:%d)",'
    '"notes":"%s","ok":true,"score":%d.5}'
)
_EVENTS = (
    '{"user":"@KEY@","items":['
    + ",".join(_EVENT % (n, n % 28 + 1, n, n, "q" * 228, n) for n in range(50))
    + '],"next":"@KEY@-2"}'
).encode()
_ROW = '{"row":%d,"report":"@KEY@","label":"line %d","text":"%s","values":[%d,%d.25,null,true]}'
_REPORT = (
    '{"id":"@KEY@","rows":['
    + ",".join(
        (_ROW if n % 100 == 0 else _ROW.replace("@KEY@", "same")) % (n, n, 'x \\"quoted\\" ' * 10, n, n)
        for n in range(920)
    )
    + '],"total":920}'
).encode()


def item(number: str, color: str, size: str) -> bytes:
    """The answer to ``GET /items/{number}``: 0.4 KB."""
    return f'{{"id":{number},"color":"{color}","size":{size},"tags":["oak","{color}"],"about":"{_FILLER}"}}'.encode()


def order(received: bytes) -> bytes:
    """The answer to ``POST /orders``: the body that arrived, and 0.2 KB."""
    return b'{"order":%s,"status":"created","note":"%s"}' % (received, _FILLER[:170].encode())


def events(user: str) -> bytes:
    """The answer to ``GET /events``: 50 items, 18 KB."""
    return _EVENTS.replace(b"@KEY@", user.encode())


def report(number: str) -> bytes:
    """The answer to ``GET /reports/{number}``: 200 KB."""
    return _REPORT.replace(b"@KEY@", number.encode())


@dataclass(frozen=True, slots=True)
class Direct:
    """A call as plain HTTP."""

    method: str
    target: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Cell:
    """One shape of call. Each function takes the number of the call."""

    name: str
    tool: str
    arguments: Callable[[int], dict[str, Any]]
    direct: Callable[[int], Direct]
    expected: Callable[[int], bytes]


def _item_values(n: int) -> tuple[int, str, int]:
    return n * 7 % 1_000_003, COLORS[n % 4], n % 90 + 1


def _item_arguments(n: int) -> dict[str, Any]:
    number, color, size = _item_values(n)
    return {"item_id": number, "color": color, "size": size}


def _item_direct(n: int) -> Direct:
    number, color, size = _item_values(n)
    return Direct("GET", f"/items/{number}?color={color}&size={size}")


def _item_expected(n: int) -> bytes:
    number, color, size = _item_values(n)
    return item(str(number), color, str(size))


def _order_arguments(n: int) -> dict[str, Any]:
    return {
        "customer": {"id": n, "name": f"customer {n}", "address": {"city": "Ulm", "lines": [f"street {n % 99}", "b"]}},
        "lines": [{"sku": f"S-{n % 1000}", "count": n % 9 + 1, "price": n % 500 + 0.5}, {"sku": "S-x", "count": 2}],
        "express": n % 2 == 0,
    }


def _order_body(n: int) -> bytes:
    return _encode(_order_arguments(n))


CELLS = {
    "get": Cell("get", "get_item", _item_arguments, _item_direct, _item_expected),
    "post": Cell(
        "post",
        "create_order",
        _order_arguments,
        lambda n: Direct("POST", "/orders", _order_body(n)),
        lambda n: order(_order_body(n)),
    ),
    "list": Cell(
        "list",
        "list_events",
        lambda n: {"user": f"u{n}", "limit": 50},
        lambda n: Direct("GET", f"/events?user=u{n}&limit=50"),
        lambda n: events(f"u{n}"),
    ),
    "big": Cell(
        "big",
        "get_report",
        lambda n: {"report_id": f"r{n}"},
        lambda n: Direct("GET", f"/reports/r{n}"),
        lambda n: report(f"r{n}"),
    ),
}


def answer(method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
    """What the upstream says to one request, from nothing but the request; ``path`` is decoded, ``query`` is not."""
    values = dict(parse_qsl(query, keep_blank_values=True))
    if path.startswith("/items/") and method == "GET":
        return 200, item(path[7:], values.get("color", ""), values.get("size", "0"))
    if path == "/orders" and method == "POST":
        return 201, order(body)
    if path == "/events":
        return 200, events(values.get("user", ""))
    if path.startswith("/reports/"):
        return 200, report(path[9:])
    return 404, _encode({"error": f"no {method} {path} here"})


def same_json(left: bytes, right: bytes) -> bool:
    """Whether two JSON texts say the same. The second is known to be JSON, so equal bytes need no decoding."""
    return left == right or bool(_decode(left) == _decode(right))
