"""What a vendor may ask of a connect session: where its page may stand, where it leads back to, how it looks.

Pure. An origin is compared as the browser writes it, whole; nothing in it is a pattern. A logo comes as an image inside
the request, so that the page loads nothing from anywhere and tells nobody who opens it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from apiloom.base.errors import CallerError
from apiloom.flows import fields
from apiloom.store.records import Tenant

ORIGINS = "connect_origins"
"""The member of a tenant's metadata that lists the origins its connect pages may stand in and lead back to."""

LANGUAGES = ("en", "de")
COLOURS = ("accent", "background", "text")

MOST_LOGO = 48 * 1024
_LONGEST_URL = 2000
_MOST_ORIGINS = 20
_LONGEST_NAME = 60
_READABLE = 4.5

_colour = re.compile(r"#[0-9a-fA-F]{6}").fullmatch
_image = re.compile(r"data:image/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})").fullmatch
_scope = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}").fullmatch  # RFC 6749 section 3.3
_host = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]").fullmatch
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_BEGINNINGS = {"png": (b"\x89PNG\r\n\x1a\n",), "jpeg": (b"\xff\xd8\xff",), "gif": (b"GIF8",), "webp": (b"RIFF",)}


def is_origin(text: str) -> bool:
    """Whether a text is an origin as browsers write it: https, or http on this machine alone (RFC 6454 section 6.2)."""
    scheme, mark, rest = text.partition("://")
    if not mark or len(text) > 300:
        return False
    host, colon, port = rest.rpartition(":") if re.search(r":[0-9]+\Z", rest) else (rest, "", "")
    if colon and not _is_port(port, scheme):
        return False
    if not _host(host) or ".." in host:
        return False
    return scheme == "https" or (scheme == "http" and (host in _LOCAL or host.endswith(".localhost")))


def _is_port(port: str, scheme: str) -> bool:
    """A port as browsers write it: no zeros before it, and not the scheme's own."""
    number = int(port) if len(port) < 6 else 0
    return 0 < number < 65536 and port == str(number) and number != (443 if scheme == "https" else 80)


def read_origins(value: Any, member: str, allowed: Collection[str]) -> tuple[str, ...]:
    """Origins, each of which is among those allowed.

    Raises:
        CallerError: ``field.…``, ``connect.origin``.
    """
    found = fields.texts(value or [], member, most=_MOST_ORIGINS)
    for origin in found:
        check_origin(origin, allowed, member)
    return found


def check_origin(origin: str, allowed: Collection[str], member: str) -> None:
    """That an origin is one of a tenant's.

    Raises:
        CallerError: ``connect.origin``.
    """
    if not is_origin(origin):
        raise CallerError(
            f"{member} names what is no origin",
            code="connect.origin",
            hint="write https://app.example.com: no path, no slash at the end, no wildcard",
            pointer=f"/{member}",
        )
    if origin not in allowed:
        raise CallerError(
            f"{member} names an origin that the tenant does not allow",
            code="connect.origin",
            hint=f"whoever runs the gateway adds it to {ORIGINS} in the tenant's metadata",
            pointer=f"/{member}",
        )


def tenant_origins(tenant: Tenant) -> frozenset[str]:
    """The origins that a tenant allows; what is no origin counts for nothing."""
    listed = tenant.metadata.get(ORIGINS)
    return frozenset(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else frozenset()


def read_return_url(value: Any, allowed: Collection[str]) -> str:
    """Where the page leads back to, of an origin that is allowed; empty for nowhere.

    Raises:
        CallerError: ``field.…``, ``connect.origin``.
    """
    url = fields.optional_text(value, "return_url", most=_LONGEST_URL) or ""
    if not url:
        return ""
    # a browser reads a backslash as a slash, and leaves out what is no character of a URL
    if "\\" in url or not url.isascii() or any(sign <= " " for sign in url):
        raise fields.refused("return_url", "is no URL", code="connect.origin", hint="write it as browsers show it")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise fields.refused("return_url", "is no URL", code="connect.origin") from None
    if parts.fragment or "#" in url:
        raise fields.refused("return_url", "has a fragment", code="connect.origin", hint="leave it out")
    origin = f"{parts.scheme}://{parts.netloc}"
    if not url.startswith(origin):
        raise fields.refused("return_url", "is not spelled as browsers do", code="connect.origin")
    check_origin(origin, allowed, "return_url")
    return url


def read_look(value: Any) -> dict[str, Any]:
    """How a page looks: ``name``, ``logo``, ``colours``, ``language``.

    Raises:
        CallerError: ``field.…``.
    """
    given = fields.members(value or {}, ("name", "logo", "colours", "language"))
    look: dict[str, Any] = {}
    if given.get("name") is not None:
        look["name"] = fields.text(given["name"], "look.name", least=1, most=_LONGEST_NAME)
    if given.get("logo") is not None:
        look["logo"] = _logo(given["logo"])
    if given.get("colours") is not None:
        look["colours"] = _colours(given["colours"])
    if given.get("language") is not None:
        if given["language"] not in LANGUAGES:
            raise fields.refused("look.language", "is none that the page speaks", hint=f"use {' or '.join(LANGUAGES)}")
        look["language"] = given["language"]
    return look


def _logo(value: Any) -> str:
    found = _image(value) if isinstance(value, str) and len(value) <= MOST_LOGO * 4 // 3 + 64 else None
    try:
        content = base64.b64decode(found[2], validate=True) if found else b""
    except binascii.Error:
        content = b""
    if not found or len(content) > MOST_LOGO or not content.startswith(_BEGINNINGS[found[1]]):
        raise fields.refused(
            "look.logo",
            "is no image that the page can hold",
            hint=f"write data:image/png;base64,… of up to {MOST_LOGO} bytes; png, jpeg, gif or webp",
        )
    return str(value)


def _colours(value: Any) -> dict[str, str]:
    given = fields.members(value, COLOURS)
    for name, colour in given.items():
        if not isinstance(colour, str) or not _colour(colour):
            raise fields.refused(f"look.colours.{name}", "is no colour", hint="write #rrggbb")
    colours = {name: str(colour).lower() for name, colour in given.items()}
    if ("background" in colours) != ("text" in colours):
        raise fields.refused("look.colours", "need background and text together, or neither")
    if "text" in colours and contrast(colours["text"], colours["background"]) < _READABLE:
        raise fields.refused(
            "look.colours.text",
            "cannot be read on the background",
            hint="choose colours with a contrast of 4.5 or more (WCAG 2.2, 1.4.3)",
        )
    return colours


def contrast(one: str, other: str) -> float:
    """How well two colours (#rrggbb) can be told apart, from 1 to 21 (WCAG 2.2, relative luminance)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def read_scopes(value: Any) -> tuple[str, ...]:
    """Scopes that are asked besides those that are needed."""
    found = fields.texts(value or [], "scopes", most=50)
    if not all(_scope(one) for one in found):
        raise fields.refused("scopes", "holds what is no scope", hint="one scope in each entry, without spaces")
    return found


def read_variables(value: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    """Variables that are known beforehand, and the names of those that the page asks for though they have a value."""
    if not isinstance(value, Mapping):
        raise fields.refused("variables", "must be an object of texts")
    asked = tuple(sorted(name for name, one in value.items() if one is None))
    fields.texts(asked, "variables")
    return fields.values({name: one for name, one in value.items() if one is not None}, "variables"), asked
