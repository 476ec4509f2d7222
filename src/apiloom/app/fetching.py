"""Fetching a document or a reference by URL, for code that cannot wait on an event loop.

Reading is design time and may be slow; it runs its own loop in a thread of its own, so that it works from inside a
program that already has one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin, urlsplit

from apiloom.app.outbound import open_sender
from apiloom.base.errors import DesignError, UpstreamError
from apiloom.net.guard import Guard
from apiloom.net.request import Request, Response, Sender

MOST_BYTES = 100 * 1024 * 1024
MOST_REDIRECTS = 5
SECONDS = 30.0
"""The longest wait for an answer where nobody says how long."""


def fetch_url(
    url: str, follow: Callable[[str], bool], *, seconds: float = SECONDS, home: str = "", guard: Guard | None = None
) -> bytes:
    """The bytes behind an http(s) URL, following at most five redirects; ``follow`` is asked about each of them.

    ``seconds`` bound each answer. No credential is ever sent; a client certificate is shown to the origin ``home``
    only. A ``guard`` looks at every place that is asked, those of redirects too.

    Raises:
        UpstreamError: ``net.*`` when it cannot be reached.
        DesignError: ``net.address`` when the guard refuses a place; ``document.fetch`` when the answer is not 200, or a
            redirect is not to be followed.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="apiloom-fetch") as thread:
        return thread.submit(lambda: asyncio.run(_fetched(url, follow, seconds, home, guard))).result()


async def _fetched(url: str, follow: Callable[[str], bool], seconds: float, home: str, guard: Guard | None) -> bytes:
    sender = open_sender(os.environ, {home}, guard)
    try:
        for _ in range(MOST_REDIRECTS + 1):
            answer = await _answered(sender, url, seconds)
            if answer.status not in {301, 302, 303, 307, 308}:
                return _content(url, answer)
            try:
                following = urljoin(url, answer.header("location"))
                followed = follow(following)
            except ValueError:
                raise DesignError(
                    f"{_shown(url)} redirects to what is no URL", code="document.fetch", hint="give the final URL"
                ) from None
            if not followed:
                raise DesignError(
                    f"{_shown(url)} redirects to another place, {_shown(following)}",
                    code="document.fetch",
                    hint="references to other places must be allowed",
                )
            url = following
        raise DesignError(f"{_shown(url)} redirects too often", code="document.fetch", hint="give the final URL")
    finally:
        await sender.close()


async def _answered(sender: Sender, url: str, seconds: float) -> Response:
    try:
        return await sender.send(_request(url, seconds))
    except UpstreamError as error:
        if error.code != "net.too_large":
            raise
        raise UpstreamError(
            f"{_shown(url)} gives more than {MOST_BYTES >> 20} MB",
            code=error.code,
            hint="download it and take out what is not needed",
        ) from None


def _request(url: str, seconds: float) -> Request:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
        raise DesignError(f"{_shown(url)} cannot be fetched", code="document.fetch", hint="give an http or https URL")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Request(
        method="GET",
        origin=f"{parts.scheme}://{parts.netloc}",
        target=target,
        headers=[("Accept", "application/json, application/yaml, text/yaml;q=0.9, */*;q=0.5")],
        timeout=seconds,
        max_bytes=MOST_BYTES,
    )


def _content(url: str, answer: Response) -> bytes:
    if answer.status == 200:
        return answer.body
    hint = "it asks for a login; download it and give the file" if answer.status in {401, 403} else "check the URL"
    raise DesignError(f"{_shown(url)} answered {answer.status} instead of a document", code="document.fetch", hint=hint)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()[:200]
