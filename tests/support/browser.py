"""A real browser without a screen, and a site of somebody else's for it to open. What goes wrong on a page is kept."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

SECONDS = 20.0
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Screen:
    """Somebody's browser: cookies of its own. ``complaints`` are those of its pages, each with the page's URL."""

    context: BrowserContext
    complaints: list[tuple[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Every URL that was asked for."""

    async def open(self, url: str) -> Page:
        page = await self.context.new_page()
        await page.goto(url)
        return page

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append((page.url, str(error))))
        page.on("console", lambda told: self._heard(page, told.type, told.text))
        page.on("request", lambda request: self.asked.append(request.url))

    def _heard(self, page: Page, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append((page.url, text))

    def wrong(self, *origins: str) -> list[str]:
        """What pages of these origins complained of."""
        return [text for url, text in self.complaints if url.startswith(origins)]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser that the system has; fails the test where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is not installed: run tools/system-packages")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def screen(browser: Browser, **more: Any) -> AsyncIterator[Screen]:
    """A browser of somebody of their own."""
    settings = {"viewport": {"width": 900, "height": 760}, "locale": "en-GB", **more}
    context = await browser.new_context(**settings)
    context.set_default_timeout(SECONDS * 1000)
    opened = Screen(context)
    context.on("page", opened.watch)
    try:
        yield opened
    finally:
        await context.close()


async def until(condition: Any) -> None:
    """Wait until something is true, not for ever."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


@dataclass
class Site:
    """A site of somebody else's. ``pages`` are its HTML by path, ``moved`` where a path leads on to; every name that
    ends in ``.localhost`` leads to it.
    """

    port: int
    pages: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def origin(self, name: str = "vendor") -> str:
        return f"http://{name}.localhost:{self.port}"


@contextmanager
def site(pages: Mapping[str, str] | None = None, host: str = "127.0.0.1") -> Iterator[Site]:
    """Serve pages on a free port of this machine, at one of its addresses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            path = self.path.partition("?")[0]
            body = served.pages.get(path, "").encode()
            self.send_response(302 if path in served.moved else 200 if body else 404)
            if path in served.moved:
                self.send_header("location", served.moved[path])
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    server = Server((host, 0), Handler)
    served = Site(server.server_address[1], dict(pages or {}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(SECONDS)
