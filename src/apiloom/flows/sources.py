"""Where a connector's document comes from, as a request says it: a URL, the text itself, or an upload.

What stands behind a URL is fetched by the import, never here. Knows no documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from apiloom.base.errors import CallerError
from apiloom.flows import fields
from apiloom.readers.source import LIMITS

_LONGEST_URL = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document: behind ``url``, or its bytes. ``name`` is an upload's."""

    url: str = ""
    document: bytes = field(default=b"", repr=False)
    name: str = ""

    def kept(self) -> dict[str, Any]:
        """What a connector remembers of it."""
        if self.url:
            return {"url": self.url}
        return {"upload": self.name} if self.name else {"text": True}


def read_source(value: Any, upload: bytes = b"") -> Source:
    """A source from a request; ``upload`` are the bytes of an upload that it names.

    Raises:
        CallerError: ``field.form``, ``field.bounds``, ``connector.source`` for an upload that is not there.
    """
    given = fields.members(value, ("url", "text", "upload"))
    if len(given) != 1:
        raise fields.refused("source", "has one of url, text and upload")
    if "url" in given:
        return Source(url=_url(given["url"]))
    if "upload" in given:
        name = fields.text(given["upload"], "source.upload", least=1)
        if not upload:
            raise CallerError(
                "there is no such upload",
                code="connector.source",
                hint="send the document to /files first and name the handle, or give its text",
                pointer="/source/upload",
            )
        return Source(document=_bounded(upload), name=name)
    text = given["text"]
    if not isinstance(text, str) or not text.strip():
        raise fields.refused("source.text", "must be the text of a document")
    return Source(document=_bounded(text.encode("utf-8", "replace")))


def source_again(kept: Mapping[str, Any]) -> Source:
    """The source of a connector, to be read again.

    Raises:
        CallerError: ``connector.source`` when it was handed over and has to be again.
    """
    if not kept.get("url"):
        raise CallerError(
            "this connector's document was handed over, so there is nothing to fetch anew",
            code="connector.source",
            hint="give the new document as source",
            pointer="/source",
        )
    return Source(url=str(kept["url"]))


def _url(value: Any) -> str:
    url = fields.text(value, "source.url", least=1, most=_LONGEST_URL)
    try:
        parts = urlsplit(url)
        good = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good:
        raise fields.refused("source.url", "must be an http or https URL without a user name or password")
    return parts._replace(fragment="").geturl()


def _bounded(document: bytes) -> bytes:
    if len(document) > LIMITS.bytes:
        raise fields.refused("source", f"is larger than {LIMITS.bytes // 1_000_000} MB", code="field.bounds")
    return document
