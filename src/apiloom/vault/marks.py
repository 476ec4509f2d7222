"""What one credential adds to a request: the mark itself, the same with ``***`` for people, and what must stay secret.

Pure text work on behalf of the signers; decides nothing about which scheme applies.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, unquote_plus

from apiloom.base.errors import DesignError
from apiloom.base.secret import InTheClear, closed
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Request
from apiloom.vault.credentials import Credential

HIDDEN = "***"
_SHORTEST_SECRET = 6
_URL_SAFE = str.maketrans("+/", "-_")
_COOKIE_SAFE = "!#$%&'()*+-./:<=>?@[]^_`{|}~"
"""Characters of a cookie value beside letters and digits (RFC 6265 section 4.1.1); ``%`` because values of real
cookies are percent-encoded already."""


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(InTheClear):
    """Headers, a piece of a query and a piece of a Cookie header, ready to be written."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    query: str = field(default="", repr=False)
    cookies: str = field(default="", repr=False)

    def put(self, request: Request) -> None:
        """Write the mark. What has the same name gives way: nobody but the vault says who we are."""
        if self.headers:
            ours = {name.lower() for name, _ in self.headers}
            kept = [header for header in request.headers if header[0].lower() not in ours]
            request.headers = [*kept, *self.headers]
        if self.query:
            target = _without_pairs(request.target, self.query)
            joint = "?" if "?" not in target else "" if target[-1] in "?&" else "&"
            request.target = f"{target}{joint}{self.query}"
        if self.cookies:
            ours = {pair.partition("=")[0] for pair in self.cookies.split("; ")}
            values = [value for name, value in request.headers if name.lower() == "cookie"]
            pairs = [pair.strip() for value in values for pair in value.split(";")]
            planned = [pair for pair in pairs if pair.partition("=")[0].strip() not in ours]
            kept = [header for header in request.headers if header[0].lower() != "cookie"]
            request.headers = [*kept, ("Cookie", "; ".join([*planned, self.cookies]))]


def _without_pairs(target: str, query: str) -> str:
    """A target without the pairs of its query whose names stand in another query too."""
    path, mark, planned = target.partition("?")
    if not planned:
        return target
    ours = {unquote_plus(pair.partition("=")[0]) for pair in query.split("&")}
    pairs = planned.split("&")
    kept = [pair for pair in pairs if unquote_plus(pair.partition("=")[0]) not in ours]
    return target if len(kept) == len(pairs) else path + mark + "&".join(kept)


class Signs(Protocol):
    """Signs each request anew; ``spell`` does what of that a preview shows."""

    def __call__(self, request: Request, /) -> None: ...

    def spell(self, request: Request, /) -> None: ...


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(InTheClear):
    """One scheme's part of a signer. ``secrets`` are what must not come back, as :func:`traces` makes them.

    ``signs``, where a scheme signs each request anew, does so when all marks have been put on it.
    """

    real: Mark = field(repr=False)
    shown: Mark
    secrets: tuple[str, ...] = field(repr=False)
    signs: Signs | None = field(default=None, repr=False)


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
        # RFC 9110 section 11.1 reads the name in any case, not every API does: it goes out as the document spells it
        return _authorization(scheme, str(scheme.details.get("spelled") or scheme.scheme.capitalize()), value)
    return _authorization(scheme, "Bearer", value)


def joined(marks: Iterable[Mark]) -> Mark:
    """Several marks as one, in order."""
    listed = list(marks)
    return Mark(
        headers=tuple(header for mark in listed for header in mark.headers),
        query="&".join(mark.query for mark in listed if mark.query),
        cookies="; ".join(mark.cookies for mark in listed if mark.cookies),
    )


def _authorization(scheme: SecurityScheme, kind: str, value: str) -> Signature:
    # RFC 6750 and its like. People paste the whole header value; "Bearer Bearer …" would never be meant.
    said, _, rest = value.strip().partition(" ")
    value = _in_header(scheme, rest if said.lower() == kind.lower() else value)
    whole = f"{kind} {value}"
    return Signature(
        real=Mark(headers=(("Authorization", whole),)),
        shown=Mark(headers=(("Authorization", f"{kind} {HIDDEN}"),)),
        secrets=traces(value, whole=whole),
    )


def _key(scheme: SecurityScheme, value: str) -> Signature:
    whole = ""
    if scheme.place == "query":
        name, encoded = quote(scheme.name, safe=""), quote(value, safe="")
        whole = f"{name}={encoded}"
        real, shown = Mark(query=whole), Mark(query=f"{name}={HIDDEN}")
    elif scheme.place == "cookie":
        whole = f"{scheme.name}={quote(value, safe=_COOKIE_SAFE)}"
        real, shown = Mark(cookies=whole), Mark(cookies=f"{scheme.name}={HIDDEN}")
    elif scheme.name.lower() == "cookie":
        # a whole Cookie header as the key: other cookies of the call stand in the same header
        whole = value = _in_header(scheme, value).strip("; ")
        pairs = [pair.strip().partition("=") for pair in value.split(";")]
        told = "; ".join(f"{name}{sign}{HIDDEN}" if sign else HIDDEN for name, sign, _ in pairs)
        values = [rest or name for name, _, rest in pairs]
        return Signature(real=Mark(cookies=value), shown=Mark(cookies=told), secrets=traces(*values, whole=whole))
    else:
        value = _in_header(scheme, value)
        real, shown = Mark(headers=((scheme.name, value),)), Mark(headers=((scheme.name, HIDDEN),))
    # a whole header value such as "Token abc" or "Bearer abc" is the key here, but its last word is what echoes; and
    # whoever writes a whole request in base64 or hexadecimal writes the key as it was escaped for it
    escaped = (whole.partition("=")[2],) if whole else ()
    return Signature(real=real, shown=shown, secrets=traces(value, *value.split()[1:], *escaped, whole=whole))


def _in_header(scheme: SecurityScheme, value: str) -> str:
    """The value as a header carries it: spaces at its ends are lost on the way (RFC 9110 section 5.5)."""
    value = value.strip()
    if not value:
        raise DesignError(
            f"the credential of {scheme.id} is empty", code="credentials.value", hint="give a value, or leave it out"
        )
    if not value.isascii():
        raise DesignError(
            f"the credential of {scheme.id} holds characters outside ASCII, which a header cannot carry",
            code="credentials.value",
            hint="check that no typographic quotes or dashes came in when it was copied",
        )
    return value


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
    plain = f"{username}:{password}"
    pair = base64.b64encode(plain.encode()).decode()
    # where the password is empty the user name is the key (Stripe, and many like it); else it is no secret, and may
    # be the very identifier that answers are full of (Twilio)
    return Signature(
        real=Mark(headers=(("Authorization", f"Basic {pair}"),)),
        shown=Mark(headers=(("Authorization", f"Basic {HIDDEN}"),)),
        secrets=traces(pair, password or username, whole=plain),
    )


class Spelling(str):
    """What another writing makes of a secret. It is looked for as it is: nobody would spell it once more."""

    __slots__ = ()

    def __repr__(self) -> str:
        return HIDDEN


def traces(*values: str, whole: str = "") -> tuple[str, ...]:
    """What of the values must not be seen in an answer: the values themselves, and what base64 makes of them, which is
    a :class:`Spelling`.

    Values shorter than six characters are left out: removing them would damage ordinary text and hide little.
    ``whole`` is the text around a value by which a short one is still known, such as ``key=abc``.
    """
    short = [whole] if any(0 < len(value) < _SHORTEST_SECRET for value in values) else []
    told = [value for value in (*values, *short) if len(value) >= _SHORTEST_SECRET]
    return tuple(dict.fromkeys(trace for value in told for trace in (value, *_in_base64(value))))


def _in_base64(value: str) -> Iterator[str]:
    """What of the value stays the same in the base64 of any text around it, for each of its three positions there."""
    plain = value.encode()
    for before in range(3):
        # the first characters also hold bits of what stands before, the last one bits of what follows
        length = before + len(plain)
        encoded = base64.b64encode(bytes(before) + plain).decode().rstrip("=")
        core = encoded[(0, 2, 3)[before] : len(encoded) - (length % 3 != 0)]
        if len(core) >= _SHORTEST_SECRET:
            yield Spelling(core)
            yield Spelling(core.translate(_URL_SAFE))
