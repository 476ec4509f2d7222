"""Removes credentials that an upstream sends back: what an agent reads never holds what signed its request.

A secret is looked for as it was sent and as others write it: percent-encoded, escaped for JSON or HTML, and these
inside each other, as in a log line that quotes a URL; and as a dump shows its bytes, in hexadecimal. What base64 makes
of it, the vault says. Knows no scheme; which values are secret is the signer's matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.entities import codepoint2name

from apiloom.backends.http.media import decoded, is_binary, media_type
from apiloom.base.values import replace
from apiloom.net.request import Response
from apiloom.vault.marks import Spelling

_HIDDEN = b"***"
_RUN = re.compile(r"[A-Za-z0-9]+")
_PARTS = re.compile(r"\\+|[A-Za-z0-9]+|.", re.DOTALL)
_LETTERLESS = re.compile(r"[0-9: -]+")
_SHORTEST_RUN = 4
_SHORTEST_DUMP = 8
_BEGINNING = 256
"""Characters of a secret, or of its dump, in which a piece to look for is chosen: what a caller lends is prepared for
each call, and may be long."""
_MOST = 32
_BACKSLASH = rb"(?:\\|%(?:25){0,3}5[cC]|&#92;)"
_AND, _HASH, _END = (rb"(?:%b|%%(?:25){0,3}(?i:%02x))" % (sign, sign[0]) for sign in (b"&", b"#", b";"))
"""The signs of an entity, which stand percent-encoded where a page's text was put into a link."""

_LIKE_ASCII = re.compile(
    r".*charset\s*=\s*[\"']?\s*(?:utf-?8|(?:us-)?ascii|iso-?8859-?\d{1,2}|latin-?\d|windows-125\d|cp125\d|utf-?(?:16|32))",
    re.IGNORECASE,
).match
"""Charsets in which a secret has the bytes it has in ASCII, and those that are seen by their zeros."""

_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


class _Trace:
    """One secret: a piece of it that every spelling has, and how all of them are written, where there are several.

    The expression is made when the piece is first found, which is hardly ever.
    """

    __slots__ = ("_pattern", "_write", "piece")

    def __init__(self, piece: bytes, write: Callable[[], bytes] | None) -> None:
        self.piece = piece
        self._write = write
        self._pattern: re.Pattern[bytes] | None = None

    def gone(self, text: bytes) -> bytes:
        if self.piece not in text:
            return text
        if self._write is None:
            return text.replace(self.piece, _HIDDEN)
        if self._pattern is None:
            self._pattern = re.compile(self._write())
        return self._pattern.sub(_HIDDEN, text)


class Eraser:
    """Knows the secrets of one signer, in every spelling in which they may come back."""

    __slots__ = ("_traces",)

    def __init__(self, secrets: tuple[str, ...]) -> None:
        # the longest first, so that a secret inside another one does not break it up before it is found
        self._traces = tuple(trace for one in sorted(secrets, key=len, reverse=True) for trace in _traces(one))

    def erased(self, response: Response) -> Response:
        """The response itself where nothing is to be removed, which is nearly always."""
        response = _legible(response)
        body = response.body
        for trace in self._traces:
            if trace.piece in body:
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


def _traces(secret: str) -> Iterator[_Trace]:
    if secret.isascii() and secret.isalnum():
        yield _Trace(secret.encode(), None)
    else:
        piece = max(_RUN.findall(secret[:_BEGINNING]), key=len, default="")
        if len(piece) < _SHORTEST_RUN:
            piece = max(_RUN.findall(secret), key=len, default="")
        found = piece.encode() if len(piece) >= _SHORTEST_RUN else b""
        yield _Trace(found, lambda: _spelled(secret))
    if not isinstance(secret, Spelling):
        yield from _dumped(secret)


def _dumped(secret: str) -> Iterator[_Trace]:
    """The secret as a dump of its bytes, in one run or with a sign between them, in either case."""
    plain = secret.encode("utf-8", "surrogatepass")
    for sign in ("", ":", " ", "-"):
        whole = plain.hex(sign) if sign else plain.hex()
        # what has no letter is the same in either case
        piece = _letterless(whole[:_BEGINNING], sign)
        if len(piece) < _SHORTEST_DUMP:
            piece = _letterless(whole, sign)
        if len(piece) >= _SHORTEST_DUMP:
            yield _Trace(piece.encode(), lambda whole=whole: b"(?i:%b)" % whole.encode())  # type: ignore[misc]
        else:
            yield _Trace(whole.encode(), None)
            yield _Trace(whole.upper().encode(), None)


def _letterless(dump: str, sign: str) -> str:
    return max((one.strip(sign or None) for one in _LETTERLESS.findall(dump)), key=len, default="")


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
    numbered = _HASH + rb"(?:0{0,6}%d|[xX]0{0,6}(?i:%x))" % (code, code)
    yield _AND + rb"(?:amp" + _END + rb"){0,3}(?:" + numbered + named + rb")" + _END
