"""Media types and charsets of answers: which bytes are text, and which text they are."""

from __future__ import annotations

import codecs
import re
from http import HTTPStatus

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:+-]{1,40})", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SNIFFED = 8192
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_TEXT_TYPES = re.compile(
    r"application/(?:(?:x-)?(?:javascript|yaml|ndjson|sh|jsonlines|csv)|ecmascript|xml|toml|graphql|sql|jsonl|json-seq"
    r"|x-www-form-urlencoded|rtf|x-httpd-php)"
).fullmatch
_BINARY_TYPES = re.compile(
    r"application/(?:octet-stream|pdf|zip|gzip|x-tar|x-7z-compressed|wasm|(?:x-)?protobuf)"
).fullmatch
_NO_CHARSETS = frozenset(("idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "mbcs", "oem"))
"""Codecs of Python that are no charsets of the web; decoding by some of them takes time quadratic in the size."""
_BINARY_KINDS = ("image/", "audio/", "video/", "font/", "model/")


def media_type(content_type: str) -> str:
    """``text/html`` of ``Text/HTML; charset=utf-8``."""
    return content_type.partition(";")[0].strip().lower()


def is_coded(content_encoding: str) -> bool:
    """Whether a body is still in a content coding: one that was not asked for, or several around each other."""
    return content_encoding.strip().lower() not in {"", "identity"}


def is_json_type(media: str) -> bool:
    """Whether the type says JSON (RFC 8259, RFC 6839)."""
    return media == "application/json" or media.endswith("+json") or media == "text/json"


def is_textual(media: str, body: bytes) -> bool:
    """Whether a model can read the body as text: by its type, else by its bytes."""
    if media.startswith("text/") or _TEXT_TYPES(media) or media.endswith(("+xml", "+json", "+yaml", "/json")):
        return True
    return not is_binary(media) and _reads_as_text(body)


def is_binary(media: str) -> bool:
    """Whether the type alone says that a body is no text."""
    return bool(_BINARY_TYPES(media)) or (media.startswith(_BINARY_KINDS) and not media.endswith("+xml"))


def decoded(body: bytes, content_type: str) -> str:
    """The text of a body: by its declared charset, else UTF-8, else Latin-1, which fits any bytes."""
    match = _CHARSET.search(content_type)
    for charset in (match.group(1) if match else "utf-8-sig", "utf-8-sig"):
        try:
            return _text(body, charset)
        except (LookupError, UnicodeError, ValueError):
            continue
    return body.decode("latin-1")


def status_line(status: int) -> str:
    """``404 Not Found``; the number alone where nobody has named it."""
    return f"{status} {_PHRASES.get(status, '')}".rstrip()


def _text(body: bytes, charset: str) -> str:
    name = codecs.lookup(charset).name
    if name in _NO_CHARSETS:
        raise LookupError(charset)
    return body.decode("utf-8-sig" if name == "utf-8" else name)


def _reads_as_text(body: bytes) -> bool:
    head = body[:_SNIFFED]
    if _CONTROL.search(head):
        return False
    try:
        # a character cut in two by the bound is no reason to call the rest binary
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(body) <= _SNIFFED)
    except UnicodeDecodeError:
        return False
    return True
