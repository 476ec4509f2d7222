"""The walls around the connect page: its headers, its cookie, and what a request must be to count as its own.

Knows nothing of sessions beyond an id to bind to. A page has no external resource, keeps no history of where it was
opened from, stands in no frame unless it is made for one, and runs only what carries the nonce of this one answer.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request

from apiloom.base.errors import CallerError
from apiloom.base.seal import Sealer

MOST_BODY: Final = 128 * 1024
AWAY: Final = 600
"""Seconds that a browser keeps a link while somebody signs in elsewhere."""
_MOST_FIELDS: Final = 60
_FORM: Final = "connect.form"
_cookie = re.compile(r"[A-Za-z0-9_-]{43}").fullmatch


def cookie_name(*, secure: bool) -> str:
    """The one cookie. Its prefix has the browser see to it that only this host over HTTPS sets it (RFC 6265bis 4.1.3);
    over plain HTTP, which is for this machine alone, there is no such prefix.
    """
    return "__Host-apiloom-connect" if secure else "apiloom-connect"


def browser_of(request: Request, *, secure: bool) -> str:
    """What names the browser, empty where it was never here."""
    value = request.cookies.get(cookie_name(secure=secure), "")
    return value if _cookie(value) else ""


def new_browser() -> str:
    """A name for a browser that has none."""
    return secrets.token_urlsafe(32)


def set_cookie(browser: str, *, secure: bool) -> str:
    """The header that names a browser: until it is closed, unread by scripts, unsent with other sites' forms."""
    return f"{cookie_name(secure=secure)}={browser}; {_only(secure=secure)}"


def set_link(link: str, channel: str, *, secure: bool) -> str:
    """The header that has a browser keep the link it opened while it is away to say who it is: others are not told."""
    kept = f"{link}~{channel}" if channel else link
    return f"{_link_name(link.partition('.')[0], secure=secure)}={kept}; Max-Age={AWAY}; {_only(secure=secure)}"


def link_of(request: Request, session: str, *, secure: bool) -> tuple[str, str]:
    """The link of a session that a browser kept, and its channel; empty where it kept none."""
    link, _, channel = request.cookies.get(_link_name(session, secure=secure), "").partition("~")
    return link, channel


def drop_link(session: str, *, secure: bool) -> str:
    """The header that has a browser forget a link."""
    return f"{_link_name(session, secure=secure)}=; Max-Age=0; {_only(secure=secure)}"


def _link_name(session: str, *, secure: bool) -> str:
    return f"{'__Host-' if secure else ''}apiloom-link-{session.removeprefix('cs_')}"


def _only(*, secure: bool) -> str:
    return f"Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def is_opened_by_person(request: Request) -> bool:
    """Whether a browser navigates here, by its own word (Fetch Metadata). Link previews and scanners say no such thing:
    they must not use up what belongs to the first who opens it.
    """
    heads = request.headers
    fetched = (heads.get("sec-fetch-mode"), heads.get("sec-fetch-dest")) == ("navigate", "document")
    return request.method == "GET" and fetched and "prefetch" not in heads.get("sec-purpose", "")


def headers(nonce: str, *, frames: Sequence[str] = (), script: bool = False, embedded: bool = False) -> dict[str, str]:
    """The headers of one answer. ``frames`` are the origins that may hold it, none: nobody."""
    around = " ".join(frames) if frames else "'none'"
    rules = [
        "default-src 'none'",
        f"style-src 'nonce-{nonce}'",
        "img-src data:",
        "form-action 'self'",
        "base-uri 'none'",
        f"frame-ancestors {around}",
    ]
    if script:
        rules += [f"script-src 'nonce-{nonce}'", "connect-src 'self'"]
    found = {
        "content-security-policy": "; ".join(rules),
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }
    if not frames:
        found["x-frame-options"] = "DENY"
    if not embedded:
        found["cross-origin-opener-policy"] = "same-origin"
    return found


def form_token(sealer: Sealer, session: str, browser: str) -> str:
    """What a form of a session carries, for one browser."""
    return sealer.seal(_FORM, session.encode(), browser.encode())


def check_form(sealers: Sequence[Sealer], form: Mapping[str, str], session: str, browser: str) -> None:
    """That a form was shown to this browser for this session.

    Raises:
        CallerError: ``connect.form``.
    """
    token = form.get("token", "")
    if not any(sealer.unseal(_FORM, token, browser.encode()) == session.encode() for sealer in sealers):
        raise foreign()


def check_origin(request: Request, public_url: str) -> None:
    """That a POST comes from a page of ours: browsers say where it comes from.

    Raises:
        CallerError: ``connect.form``.
    """
    parts = urlsplit(public_url)
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    # a page that names itself to nobody is an origin without a name to its own host too; its token counts then
    ours = (None, "null", f"{parts.scheme}://{parts.netloc}")
    known = origin in ours if site is None else site == "same-origin"
    if not known:
        raise foreign()


def foreign() -> CallerError:
    """What is said of a form that is not ours."""
    return CallerError(
        "this form was not sent from its own page, or has been open for too long",
        code="connect.form",
        hint="open the link again, with cookies allowed",
    )


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, each once.

    Raises:
        CallerError: ``connect.form`` for what is no form, too large, or says something twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise foreign()
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BODY:
                raise foreign()
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except (ValueError, ClientDisconnect):
        raise foreign() from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise foreign()
    return found
