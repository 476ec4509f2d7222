"""The file name that a Content-Disposition header gives (RFC 6266, RFC 8187), made safe to show and to pass on."""

from __future__ import annotations

import contextlib
import re
from urllib.parse import unquote

_PLAIN = re.compile(r"filename\s*=\s*(?:\"((?:[^\"\\]|\\.){0,400})\"|([^;\s]{1,400}))", re.IGNORECASE)
_EXTENDED = re.compile(r"filename\*\s*=\s*([A-Za-z0-9-]{1,20})'[^']{0,20}'([^;\s]{1,1200})", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)")
_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]+")


def file_name(disposition: str) -> str:
    """The name without any folder; empty where none is given."""
    if not disposition:
        return ""
    extended = _EXTENDED.search(disposition)
    if extended:
        charset = "latin-1" if extended.group(1).lower() == "iso-8859-1" else "utf-8"
        name = unquote(extended.group(2), encoding=charset, errors="replace")
    else:
        plain = _PLAIN.search(disposition)
        name = _ESCAPED.sub(r"\1", plain.group(1) or plain.group(2) or "") if plain else ""
        # headers are read as Latin-1, and most that say more than ASCII meant UTF-8
        with contextlib.suppress(UnicodeError):
            name = name.encode("latin-1").decode()
    name = _UNFIT.sub("_", name.replace("\\", "/").rpartition("/")[2])[:200]
    return name if name.strip(". ") else ""
