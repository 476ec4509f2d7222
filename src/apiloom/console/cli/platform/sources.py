"""Where a connector's document comes from, as typed: a file, a URL, standard input, or a name of the catalogue.

A file is read here and sent as text, so that the gateway need not see it; what a URL says is fetched by the gateway.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from apiloom.base.errors import CallerError, DesignError
from apiloom.console.catalogue.known import entry
from apiloom.console.cli.seat import Seat
from apiloom.console.state.texts import document_text, references

MOST = 60 * 1024 * 1024
"""Bytes of a document that is sent."""


def read_import(seat: Seat, source: str, slug: str = "") -> dict[str, Any]:
    """The beginning of the request that imports a source: ``source``, and what the catalogue says beside it.

    An existing path wins over everything else, then come ``-``, a URL, and a name of the catalogue.

    Raises:
        CallerError: ``cli.source``; ``catalogue.not_found`` with the nearest names.
        DesignError: ``document.not_found``, ``document.not_text``, ``document.too_large``.
    """
    file = seat.house.surroundings.folder / source
    if source == "-":
        body: dict[str, Any] = {"source": {"text": _text(sys.stdin.buffer.read(MOST + 1), "standard input")}}
    elif _is_there(file):
        body = {"source": {"text": read_file(file)}}
    elif source.startswith(("https://", "http://")):
        body = {"source": {"url": source}}
    elif re.search(r"[/\\.:]", source):
        raise DesignError(
            f"there is no file {source}", code="document.not_found", hint="check the path, or write https:// before it"
        )
    else:
        body = entry(source).connector()
    return {**body, "slug": slug} if slug else body


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except (OSError, ValueError):  # no name that a file can have
        return False


def read_file(file: Path) -> str:
    """The text of a document in one file.

    Raises:
        CallerError: ``cli.source`` for a folder, and for a document that is spread over files.
        DesignError: ``document.not_found``, ``document.not_text``, ``document.too_large``.
    """
    if file.is_dir():
        raise _spread(f"{file.name} is a folder")
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST + 1)
    except OSError as error:
        raise DesignError(
            f"{file} cannot be read: {error.strerror or 'no reason given'}",
            code="document.not_found",
            hint="check the path",
        ) from None
    text = _text(content, file.name)
    for wanted in references(text):
        if "://" not in wanted and (file.parent / wanted).is_file():
            raise _spread(f"{file.name} refers to the file {wanted}")
    return text


def _spread(what: str) -> CallerError:
    return CallerError(
        f"{what}, and a connector is imported from one document",
        code="cli.source",
        hint="bundle it into one file, or give the URL where it is published",
    )


def _text(content: bytes, name: str) -> str:
    if len(content) > MOST:
        raise DesignError(
            f"{name} has more than {MOST >> 20} MB", code="document.too_large", hint="leave out what is not needed"
        )
    return document_text(content, name)
