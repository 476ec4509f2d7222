"""The bookshop: a small HTTP API in the standard library alone, whose answers depend on what it is asked.

It is the upstream of ``examples/demo.py`` and of tests. Run it alone with ``python examples/bookshop/upstream.py``; it
serves its own description at ``/openapi.yaml``.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "bookworm"
DOCUMENT = Path(__file__).with_name("openapi.yaml")
MOST_BYTES = 5 * 1024 * 1024


class ShopError(Exception):
    """The shop says no: a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass
class Asked:
    """One request, taken apart. ``rest`` holds what stood in the path's placeholders."""

    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    rest: tuple[str, ...] = ()

    def first(self, name: str, default: str) -> str:
        return self.query.get(name, [default])[0]

    def number(self, name: str, default: float) -> float:
        try:
            return float(self.first(name, str(default)))
        except ValueError:
            raise ShopError(422, f"{name} is no number") from None

    def object(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ShopError(422, "the body is no JSON object")
        return value


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    type: str = "application/json"


@dataclass
class Shop:
    """The shelf and the till. One lock: the shop is small."""

    books: dict[str, dict[str, Any]] = field(default_factory=lambda: {book["isbn"]: dict(book) for book in SHELF})
    covers: dict[str, bytes] = field(default_factory=dict)
    orders: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, asked: Asked) -> Answer:
        known = False
        for allowed, pattern, handle in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and allowed == method:
                asked.rest = tuple(unquote(part) for part in found.groups())
                with self.lock:
                    return handle(self, asked)
            known = known or found is not None
        raise ShopError(405, f"{method} is not done here") if known else ShopError(404, f"there is no {path}")

    def book(self, isbn: str) -> dict[str, Any]:
        if isbn not in self.books:
            raise ShopError(404, f"no book has the number {isbn}")
        return self.books[isbn]


def list_books(shop: Shop, asked: Asked) -> Answer:
    author, tags = asked.first("author", "").lower(), set(asked.query.get("tag", ()))
    dearest = asked.number("max_price", float("inf"))
    found = [
        book
        for book in shop.books.values()
        if author in book["author"]["name"].lower()
        and tags <= set(book.get("tags", ()))
        and book["price"]["amount"] <= dearest
    ]
    order = asked.first("sort", "title")
    keys: dict[str, Callable[[dict[str, Any]], Any]] = {
        "title": lambda book: book["title"],
        "price": lambda book: book["price"]["amount"],
        "year": lambda book: book.get("year", 0),
    }
    if order not in keys:
        raise ShopError(422, f"books cannot be sorted by {order}")
    found.sort(key=keys[order])
    start, most = int(asked.number("offset", 0)), int(asked.number("limit", 20))
    return as_json({"total": len(found), "items": [shown(shop, book) for book in found[start : start + most]]})


def add_book(shop: Shop, asked: Asked) -> Answer:
    book = asked.object()
    missing = [name for name in ("isbn", "title", "author", "price") if name not in book]
    if missing:
        raise ShopError(422, f"the book has no {', '.join(missing)}")
    check_book(book)
    if book["isbn"] in shop.books:
        raise ShopError(409, f"{book['isbn']} stands on the shelf already")
    shop.books[book["isbn"]] = {"stock": 0, **book}
    return as_json(shown(shop, shop.books[book["isbn"]]), 201)


def check_book(book: dict[str, Any]) -> None:
    """What the shelf needs to be sorted and searched; the rest is the customer's."""
    sound = (
        isinstance(book["title"], str)
        and isinstance(book["author"].get("name"), str)
        and isinstance(book["price"].get("amount"), int | float)
        and isinstance(book.get("stock", 0), int)
        and isinstance(book.get("year", 0), int)
    )
    if not sound:
        raise ShopError(422, "title, author, price, stock or year is not as described")


def get_book(shop: Shop, asked: Asked) -> Answer:
    return as_json(shown(shop, shop.book(asked.rest[0])))


def change_book(shop: Shop, asked: Asked) -> Answer:
    book = shop.book(asked.rest[0])
    changes = asked.object()
    changed: dict[str, Any] = {
        **book,
        **{name: changes[name] for name in ("title", "price", "stock", "tags") if name in changes},
    }
    check_book(changed)
    book.update(changed)
    return as_json(shown(shop, book))


def remove_book(shop: Shop, asked: Asked) -> Answer:
    demand_key(asked)
    shop.book(asked.rest[0])
    del shop.books[asked.rest[0]]
    return Answer(204)


def show_cover(shop: Shop, asked: Asked) -> Answer:
    isbn = shop.book(asked.rest[0])["isbn"]
    return Answer(200, shop.covers.get(isbn) or drawn_cover(isbn), "image/png")


def bring_cover(shop: Shop, asked: Asked) -> Answer:
    isbn = shop.book(asked.rest[0])["isbn"]
    head = f"Content-Type: {asked.headers.get('content-type', '')}\r\n\r\n".encode("latin-1")
    message = message_from_bytes(head + asked.body)
    parts = {part.get_param("name", header="content-disposition"): part for part in message.walk()}
    if "picture" not in parts:
        raise ShopError(422, "no picture was brought")
    picture = parts["picture"].get_payload(decode=True)
    shop.covers[isbn] = picture if isinstance(picture, bytes) else b""
    caption = parts["caption"].get_payload(decode=True) if "caption" in parts else None
    return as_json(
        {
            "bytes": len(shop.covers[isbn]),
            "filename": parts["picture"].get_filename(),
            "caption": caption.decode() if isinstance(caption, bytes) else None,
        }
    )


def place_order(shop: Shop, asked: Asked) -> Answer:
    demand_key(asked)
    order = asked.object()
    lines = [(shop.book(line["isbn"]), int(line["copies"])) for line in order.get("lines", ())]
    for book, copies in lines:
        if book["stock"] < copies:
            raise ShopError(409, f"only {book['stock']} of {book['title']} are left, {copies} were asked for")
    for book, copies in lines:
        book["stock"] -= copies
    shop.orders += 1
    total = sum(book["price"]["amount"] * copies for book, copies in lines)
    return as_json(
        {
            "number": shop.orders,
            "customer": order.get("customer", {}).get("name", ""),
            "copies": sum(copies for _, copies in lines),
            "total": {"amount": round(total, 2), "currency": "EUR"},
        },
        201,
    )


def describe(_shop: Shop, _asked: Asked) -> Answer:
    return Answer(200, DOCUMENT.read_bytes(), "application/yaml")


def demand_key(asked: Asked) -> None:
    if asked.headers.get("x-shop-key") != KEY:
        raise ShopError(401, "this needs the key that hangs behind the till (X-Shop-Key)")


def shown(shop: Shop, book: dict[str, Any]) -> dict[str, Any]:
    return {**book, "has_cover": book["isbn"] in shop.covers}


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False).encode())


def drawn_cover(isbn: str) -> bytes:
    """A PNG of 32 by 48 points in a colour that belongs to the number."""
    red, green, blue = zlib.crc32(isbn.encode()).to_bytes(4, "big")[:3]
    row = b"\x00" + bytes((red, green, blue)) * 32

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 32, 48, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * 48)) + chunk(b"IEND", b"")


ROUTES: tuple[tuple[str, str, Callable[[Shop, Asked], Answer]], ...] = (
    ("GET", "/openapi.yaml", describe),
    ("GET", "/books", list_books),
    ("POST", "/books", add_book),
    ("GET", "/books/([^/]+)", get_book),
    ("PATCH", "/books/([^/]+)", change_book),
    ("DELETE", "/books/([^/]+)", remove_book),
    ("GET", "/books/([^/]+)/cover", show_cover),
    ("PUT", "/books/([^/]+)/cover", bring_cover),
    ("POST", "/orders", place_order),
)


def _book(isbn: str, title: str, author: tuple[str, int], price: float, **more: Any) -> dict[str, Any]:
    name, born = author
    amount = {"amount": price, "currency": "EUR"}
    return {"isbn": isbn, "title": title, "author": {"name": name, "born": born}, "price": amount, **more}


SHELF: tuple[dict[str, Any], ...] = (
    _book(
        "9780140449136", "Crime and Punishment", ("Fyodor Dostoevsky", 1821), 12.5, year=1866, stock=4, tags=["novel"]
    ),
    _book(
        "9780141439518", "Pride and Prejudice", ("Jane Austen", 1775), 8.99, year=1813, stock=7, tags=["novel", "love"]
    ),
    _book(
        "9780141439662", "Sense and Sensibility", ("Jane Austen", 1775), 7.5, year=1811, stock=0, tags=["novel", "love"]
    ),
    _book("9780199537150", "Frankenstein", ("Mary Shelley", 1797), 6.99, year=1818, stock=3, tags=["novel", "horror"]),
    _book(
        "9780486280615", "Huckleberry Finn", ("Mark Twain", 1835), 5.0, year=1884, stock=9, tags=["novel", "journey"]
    ),
    _book("9780241678602", "Bäume", ("Hermann Hesse", 1877), 14.0, year=1952, stock=2, tags=["essay", "nature"]),
)


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 around one shop."""

    protocol_version = "HTTP/1.1"
    shop: Shop

    def log_message(self, *_: object) -> None:
        """The shop is quiet."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        try:
            asked = Asked(
                query=parse_qs(parts.query, keep_blank_values=True),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self._body(),
            )
            answer = self.shop.answer(self.command, parts.path, asked)
        except ShopError as refusal:
            answer = as_json({"error": refusal.sentence}, refusal.status)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            answer = as_json({"error": f"the body is not as described: {type(error).__name__} at {error}"}, 422)
        self.send_response(answer.status)
        if answer.status != 204:
            self.send_header("Content-Type", answer.type)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _body(self) -> bytes:
        length = int(self.headers.get("content-length") or 0)
        if length > MOST_BYTES:
            self.close_connection = True
            raise ShopError(413, f"more than {MOST_BYTES} bytes do not fit through the door")
        return self.rfile.read(length)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the library's names


@contextmanager
def open_shop(port: int = 0) -> Iterator[str]:
    """A shop that is open while the context lasts; its URL. Port 0 takes any free one."""
    handler = type("ShopHandler", (Handler,), {"shop": Shop()})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="bookshop", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def main() -> None:
    parser = argparse.ArgumentParser(description="A small bookshop to try apiloom with.")
    parser.add_argument("--port", type=int, default=0)
    with open_shop(parser.parse_args().port) as url:
        print(f"the bookshop is open at {url}, its description at {url}/openapi.yaml")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("the bookshop is closed")


if __name__ == "__main__":
    main()
