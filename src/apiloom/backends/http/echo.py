"""Removes credentials that an upstream sends back: what an agent reads never holds what signed its request.

A secret is looked for as it was sent and as others write it: percent-encoded, escaped for JSON or HTML, and these
inside each other, as in a log line that quotes a URL. Knows no scheme; which values are secret is the signer's matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.entities import codepoint2name
from typing import NamedTuple

from apiloom.backends.http.media import decoded, is_binary, media_type
from apiloom.base.values import replace
from apiloom.net.request import Response

_HIDDEN = b"***"
_RUN = re.compile(r"[A-Za-z0-9]+")
_PARTS = re.compile(r"\\+|[A-Za-z0-9]+|.", re.DOTALL)
_SHORTEST_RUN = 4
_MOST = 32
_BACKSLASH = rb"(?:\\|%(?:25){0,3}5[cC]|&#92;)"
_LIKE_ASCII = re.compile(
    r".*charset\s*=\s*[\"']?\s*(?:utf-?8|(?:us-)?ascii|iso-?8859-?\d{1,2}|latin-?\d|windows-125\d|cp125\d|utf-?(?:16|32))",
    re.IGNORECASE,
).match
"""Charsets in which a secret has the bytes it has in ASCII, and those that are seen by their zeros."""

_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


class _Trace(NamedTuple):
    """One secret: a piece of it that nobody escapes, and all its spellings, where it has more than one."""

    piece: bytes
    spelled: re.Pattern[bytes] | None

    def gone(self, text: bytes) -> bytes:
        if self.piece not in text:
            return text
        return text.replace(self.piece, _HIDDEN) if self.spelled is None else self.spelled.sub(_HIDDEN, text)


class Eraser:
    """Knows the secrets of one signer, in every spelling in which they may come back."""

    __slots__ = ("_traces",)

    def __init__(self, secrets: tuple[str, ...]) -> None:
        # the longest first, so that a secret inside another one does not break it up before it is found
        self._traces = tuple(_trace(secret) for secret in sorted(secrets, key=len, reverse=True))

    def erased(self, response: Response) -> Response:
        """The response itself where nothing is to be removed, which is nearly always."""
        response = _legible(response)
        body = response.body
        for trace in self._traces:
            body = trace.gone(body)
        if b"\0" in body[:4] or body.startswith(_WIDE_MARKS):
            body = self._gone_from_wide(body)
        headers = response.headers
        everything = "\n".join([value for _, value in headers]).encode("utf-8", "surrogateescape")
        if any(trace.piece in everything for trace in self._traces):
            headers = [(name, self._gone_from_text(value)) for name, value in headers]
        if body is response.body and headers is response.headers:
            return response
        return replace(response, headers=headers, body=body)

    def cleaned(self, piece: bytes) -> bytes:
        """A stretch of an answer that is not held as a whole, without the credentials that stand in it in full."""
        for trace in self._traces:
            piece = trace.gone(piece)
        return piece

    def _gone_from_text(self, text: str) -> str:
        plain = text.encode("utf-8", "surrogateescape")
        for trace in self._traces:
            plain = trace.gone(plain)
        return plain.decode("utf-8", "surrogateescape")

    def _gone_from_wide(self, body: bytes) -> bytes:
        """A body in UTF-16 or UTF-32: which of them is found out by what it says when read so."""
        for encoding in _WIDE:
            try:
                text = body.decode(encoding)
            except UnicodeDecodeError:
                continue
            cleaned = self._gone_from_text(text)
            if cleaned != text:
                body = cleaned.encode(encoding)
        return body


def _legible(response: Response) -> Response:
    """A text in a charset in which even ASCII has other bytes, as UTF-8; nearly always the response itself."""
    kind = next((value for name, value in response.headers if name == "content-type"), "")
    if "charset" not in kind.lower() or _LIKE_ASCII(kind) or is_binary(media_type(kind)):
        return response
    headers = [
        (name, f"{media_type(kind)}; charset=utf-8" if name == "content-type" else value)
        for name, value in response.headers
    ]
    return replace(response, headers=headers, body=decoded(response.body, kind).encode("utf-8", "replace"))


def _trace(secret: str) -> _Trace:
    if secret.isascii() and secret.isalnum():
        return _Trace(secret.encode(), None)
    piece = max(_RUN.findall(secret), key=len, default="")
    return _Trace(piece.encode() if len(piece) >= _SHORTEST_RUN else b"", re.compile(_spelled(secret)))


def _spelled(secret: str) -> bytes:
    """All spellings of a secret, as a regular expression in which no two repetitions stand side by side."""
    pieces: list[bytes] = []
    before = ""
    for part in _PARTS.findall(secret):
        if part.startswith("\\"):
            pieces.append(_BACKSLASH + b"{%d,%d}" % (len(part), _MOST * len(part)))
        elif part.isascii() and part.isalnum():
            pieces.append(part.encode())
        else:
            quoted = b"" if before.startswith("\\") else _BACKSLASH + b"{0,%d}" % _MOST
            pieces.append(quoted + b"(?:" + b"|".join(_spellings(part)) + b")")
        before = part
    return b"".join(pieces)


def _spellings(sign: str) -> Iterator[bytes]:
    """The ways in which one character may be written, behind any number of backslashes."""
    code, encoded = ord(sign), sign.encode("utf-8", "surrogatepass")
    yield re.escape(encoded)
    if 0x80 <= code < 0x100:
        yield re.escape(bytes([code]))
    if sign == " ":
        yield rb"\+"
    yield b"".join(b"%%(?:25){0,3}(?i:%02x)" % byte for byte in encoded)
    # what follows has lost its first backslash to those before it
    units = sign.encode("utf-16-be", "surrogatepass")
    listed = [b"u(?i:%02x%02x)" % (units[at], units[at + 1]) for at in range(0, len(units), 2)]
    yield (_BACKSLASH + b"{1,%d}" % _MOST).join(listed)
    if code < 0x100:
        yield b"x(?i:%02x)" % code
    name = {39: "apos"}.get(code) or codepoint2name.get(code)
    named = b"|%b" % name.encode() if name else b""
    yield rb"&(?:amp;){0,3}(?:#0{0,6}%d|#[xX]0{0,6}(?i:%x)%b);" % (code, code, named)
