"""What one credential adds to a request: the mark itself, the same with ``***`` for people, and what must stay secret.

Pure text work on behalf of the signers; decides nothing about which scheme applies.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Request
from apiloom.vault.credentials import Credential

HIDDEN = "***"
_SHORTEST_SECRET = 6
_TRIPLET = re.compile(r"%[0-9A-F]{2}")
_COOKIE_SAFE = "!#$%&'()*+-./:<=>?@[]^_`{|}~"
"""Characters of a cookie value beside letters and digits (RFC 6265 section 4.1.1); ``%`` because values of real
cookies are percent-encoded already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Headers, a piece of a query and a piece of a Cookie header, ready to be written."""

    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    cookies: str = ""

    def put(self, request: Request) -> None:
        """Write the mark. A header of the same name gives way: nobody but the vault says who we are."""
        if self.headers:
            ours = {name.lower() for name, _ in self.headers}
            kept = [header for header in request.headers if header[0].lower() not in ours]
            request.headers = [*kept, *self.headers]
        if self.query:
            target = request.target
            joint = "?" if "?" not in target else "" if target[-1] in "?&" else "&"
            request.target = f"{target}{joint}{self.query}"
        if self.cookies:
            planned = [value for name, value in request.headers if name.lower() == "cookie"]
            kept = [header for header in request.headers if header[0].lower() != "cookie"]
            request.headers = [*kept, ("Cookie", "; ".join([*planned, self.cookies]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One scheme's part of a signer. ``secrets`` are the spellings in which the secret may be seen."""

    real: Mark
    shown: Mark
    secrets: tuple[str, ...]


def build_signature(scheme: SecurityScheme, credential: Credential) -> Signature:
    """What the scheme asks for, made from the credential. ``mutualTLS`` adds nothing: the connection carries it.

    Raises:
        DesignError: ``credentials.value`` when the credential has not the form the scheme needs.
    """
    if scheme.kind == "mutualTLS":
        return Signature(real=Mark(), shown=Mark(), secrets=())
    if scheme.kind == "http" and scheme.scheme == "basic":
        return _basic(scheme, credential)
    if credential.token is None:
        raise DesignError(
            f"the credential of {scheme.id} is a user name and password, but the scheme takes a single value",
            code="credentials.value",
            hint='write {"token": …} or {"key": …}',
        )
    value = credential.token.reveal()
    if scheme.kind == "apiKey":
        return _key(scheme, value)
    if scheme.kind == "http" and scheme.scheme != "bearer":
        return _authorization(scheme.scheme.capitalize(), value)
    # RFC 6750. People paste the whole header value; "Bearer Bearer …" would never be meant.
    return _authorization("Bearer", value[7:].lstrip() if value[:7].lower() == "bearer " else value)


def joined(marks: Iterable[Mark]) -> Mark:
    """Several marks as one, in order."""
    listed = list(marks)
    return Mark(
        headers=tuple(header for mark in listed for header in mark.headers),
        query="&".join(mark.query for mark in listed if mark.query),
        cookies="; ".join(mark.cookies for mark in listed if mark.cookies),
    )


def _authorization(kind: str, value: str) -> Signature:
    return Signature(
        real=Mark(headers=(("Authorization", f"{kind} {value}"),)),
        shown=Mark(headers=(("Authorization", f"{kind} {HIDDEN}"),)),
        secrets=_spellings(value),
    )


def _key(scheme: SecurityScheme, value: str) -> Signature:
    if scheme.place == "query":
        name, encoded = quote(scheme.name, safe=""), quote(value, safe="")
        real, shown = Mark(query=f"{name}={encoded}"), Mark(query=f"{name}={HIDDEN}")
    elif scheme.place == "cookie":
        encoded = quote(value, safe=_COOKIE_SAFE)
        real, shown = Mark(cookies=f"{scheme.name}={encoded}"), Mark(cookies=f"{scheme.name}={HIDDEN}")
    else:
        real, shown = Mark(headers=((scheme.name, value),)), Mark(headers=((scheme.name, HIDDEN),))
    # a whole header value such as "Token abc" or "Bearer abc" is the key here, but its last word is what echoes
    return Signature(real=real, shown=shown, secrets=_spellings(value, *value.split()[1:]))


def _basic(scheme: SecurityScheme, credential: Credential) -> Signature:
    if credential.token is not None:
        username, colon, password = credential.token.reveal().partition(":")
        if not colon:
            raise DesignError(
                f"the credential of {scheme.id} is a single value, but basic authentication needs two",
                code="credentials.value",
                hint="write user:password (the password may be empty)",
            )
    else:
        username = credential.username
        password = credential.password.reveal() if credential.password else ""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    # where the password is empty the user name is the key (Stripe, and many like it)
    return Signature(
        real=Mark(headers=(("Authorization", f"Basic {pair}"),)),
        shown=Mark(headers=(("Authorization", f"Basic {HIDDEN}"),)),
        secrets=_spellings(pair, password or username),
    )


def _spellings(*values: str) -> tuple[str, ...]:
    """The values as they may stand in an answer: plain, percent-encoded, and escaped as JSON and HTML writers do.

    Values shorter than six characters are left out: removing them would damage ordinary text and hide little.
    """
    found = dict.fromkeys(
        spelling for value in values if len(value) >= _SHORTEST_SECRET for spelling in _written(value)
    )
    return tuple(found)


def _written(value: str) -> Iterator[str]:
    yield value
    for encoded in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield encoded
        yield _TRIPLET.sub(lambda found: found.group().lower(), encoded)
    yield html.escape(value)
    yield html.escape(value, quote=False)
    text = json.quoted(value).decode()[1:-1]
    for written in (text, text.replace("/", "\\/")):
        yield written
        yield _in_units(written, "", "04x")
        yield written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    yield _in_units(value.replace("\\", "\\\\"), "\"&'+<>`", "04X")


def _in_units(text: str, also: str, form: str) -> str:
    """The text with characters beyond ASCII, and a few within, as JSON's escapes of UTF-16 units."""
    if text.isascii() and not any(sign in text for sign in also):
        return text
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 0x80 and chr(code) not in also else f"\\u{code:{form}}" for code in codes)
