"""Writes docs/openapi.json: the published description of the admin API.

python tools/admin_api.py               writes it, unless that breaks those who use what is published
python tools/admin_api.py --breaking    writes it whatever it breaks: for a new major release alone

The judge is the one that judges new versions of every connector (`apiloom diff`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from apiloom.catalog.build import build_catalog
from apiloom.catalog.difference import Difference, compare
from apiloom.catalog.tool import Catalog
from apiloom.console.api.build import build_document
from apiloom.readers.read import read_document
from apiloom.readers.source import Document

PUBLISHED = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def text() -> str:
    """The description as it is to be published."""
    return json.dumps(build_document(), ensure_ascii=False, indent=1) + "\n"


def catalog(document: dict[str, Any]) -> Catalog:
    """The tools that a description makes."""
    content = json.dumps(document).encode()
    return build_catalog(read_document(Document(location="openapi.json", content=content), _nothing))


def difference(old: dict[str, Any], new: dict[str, Any]) -> Difference:
    """What becomes of those who use the old one."""
    return compare(catalog(old), catalog(new))


def broken(found: Difference) -> list[str]:
    """One line for each tool that would break."""
    lines = [f"{change.kind} {change.detail}".strip() for change in found.changes if change.verdict == "breaking"]
    for tool in found.tools:
        if tool.verdict == "breaking":
            kinds = ", ".join(f"{each.kind} {each.pointer}" for each in tool.changes if each.verdict == "breaking")
            lines.append(f"{tool.name}: {kinds or tool.what}")
    return lines


def _nothing(location: str) -> bytes:
    raise AssertionError(f"the description refers to {location}")


def main(words: list[str]) -> int:
    """Write it, or say what stands against it."""
    if PUBLISHED.exists() and "--breaking" not in words:
        lines = broken(difference(json.loads(PUBLISHED.read_text(encoding="utf-8")), build_document()))
        if lines:
            print("the published description would break:", *lines, sep="\n  ")
            return 1
    PUBLISHED.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
