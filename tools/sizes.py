"""Writes docs/list-sizes.json and docs/list-sizes.svg: how long the list of each document of the corpus is.

python tools/sizes.py           reads the corpus and writes both
python tools/sizes.py --draw    draws the picture anew from the figures that are there

The picture is made of the figures alone, so that the same figures always give the same bytes.
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from apiloom.base.errors import DesignError
from apiloom.catalog.build import build_catalog
from apiloom.catalog.listing import render_listing
from apiloom.readers.read import read_document
from apiloom.readers.source import Document

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "list-sizes.json"
PICTURE = ROOT / "docs" / "list-sizes.svg"

WIDTH, HEIGHT, LEFT, TOP = 720, 520, 76, 46
FONT = 'font-family="sans-serif" font-size="11"'
DOT = 'fill="#e4572e" fill-opacity="0.55"'
CROSS = 'stroke="#5b8def" stroke-width="2" fill="none"'
LEAST, MOST = 2, 8.4
"""Powers of ten at the ends of both axes."""

OTHERS = (("Stripe", 4_200_000, 154_300_925), ("GitHub", 13_001_822, 11_654_053))
"""FastMCP 4.1.6 on Stripe's 417 operations of April 2022 and on GitHub's 1,223: document and list, in bytes."""

NAMED = {
    "openapi/github__api.github.com__23.0.2.json": "GitHub",
    "openapi/stripe__stripe__2022-11-15.yaml": "Stripe",
    "swagger/kubernetes__swagger.json__unversioned.json": "Kubernetes",
}


@dataclass(frozen=True, order=True)
class Line:
    """One document: its bytes, its tools, and the bytes of their list in the default view."""

    id: str
    read: int
    tools: int
    size: int


def measured() -> list[Line]:
    """Every document of the corpus that has tools."""
    root = Path(os.environ.get("APILOOM_CORPUS") or ROOT.parent / "shared" / "corpus")
    entries = map(json.loads, (root / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    formats = ("openapi", "swagger")
    found = (_measured(root, entry["path"]) for entry in entries if entry["format"].startswith(formats))
    return sorted(line for line in found if line is not None)


def _measured(root: Path, name: str) -> Line | None:
    sizes = []

    def fetch(location: str) -> bytes:
        try:
            content = Path(location).read_bytes()
        except OSError:
            raise DesignError(f"there is no file {location}", code="document.not_found") from None
        sizes.append(len(content))
        return content

    try:
        model = read_document(Document(location=str(root / name), content=fetch(str(root / name))), fetch)
    except DesignError:
        return None
    entries = render_listing(build_catalog(model))
    whole = sum(map(len, entries.values())) + len(entries) + 1
    return Line(name, sum(sizes), len(entries), whole) if entries else None


def figures() -> list[Line]:
    """What was measured last."""
    return [Line(*line) for line in json.loads(FIGURES.read_text(encoding="utf-8"))["documents"]]


def figures_text(lines: list[Line]) -> str:
    """The figures as they are kept: one document a line."""
    rows = ",\n".join("  " + json.dumps([line.id, line.read, line.tools, line.size]) for line in lines)
    return f'{{"columns": ["document", "bytes", "tools", "list"],\n "documents": [\n{rows}\n]}}\n'


def slope(lines: list[Line], least: int = 10_000) -> float:
    """By which power of a document's size its list grows: least squares over the logarithms; 1 is linear."""
    points = [(math.log(line.read), math.log(line.size)) for line in lines if line.read >= least]
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / sum((x - middle_x) ** 2 for x, _ in points)


def picture(lines: list[Line]) -> str:
    """The list's size over the document's, both axes logarithmic."""
    counts = f"{len(lines)} documents, {sum(line.tools for line in lines):,} tools"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" {FONT}>',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="16" y="24" font-size="14">Size of tools/list over size of the document ({counts})</text>',
            *_axes(),
            *(f'<circle cx="{_x(line.read)}" cy="{_y(line.size)}" r="3" {DOT}/>' for line in lines),
            *(_label(NAMED[line.id], line.read, line.size, "#a53a1b") for line in lines if line.id in NAMED),
            *(f'<path d="M{_x(read)} {_y(size)}m-4 -4l8 8m0 -8l-8 8" {CROSS}/>' for _, read, size in OTHERS),
            *(_label(f"{name}, FastMCP", read, size, "#2f5fb3") for name, read, size in OTHERS),
            "</svg>",
            "",
        )
    )


def _axes() -> list[str]:
    right, bottom = WIDTH - 24, HEIGHT - 44
    found = []
    for power in range(LEAST, int(MOST) + 1):
        name = {2: "100 B", 3: "1 KB", 4: "10 KB", 5: "100 KB", 6: "1 MB", 7: "10 MB", 8: "100 MB"}[power]
        x, y = _x(10**power), _y(10**power)
        found += [
            f'<path d="M{x} {TOP}V{bottom}M{LEFT} {y}H{right}" stroke="#e3e6ea" fill="none"/>',
            f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" fill="#555">{name}</text>',
            f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#555">{name}</text>',
        ]
    end = 10**MOST
    found += [
        f'<path d="M{_x(100)} {_y(100)}L{_x(end)} {_y(end)}" stroke="#9aa5b1" stroke-dasharray="4 4" fill="none"/>',
        f'<text x="{_x(end) - 6}" y="{_y(end) + 26}" text-anchor="end" fill="#777">as long as the document</text>',
        f'<text x="{(LEFT + right) // 2}" y="{bottom + 34}" text-anchor="middle">document</text>',
        f'<text transform="translate(18 {(TOP + bottom) // 2}) rotate(-90)" text-anchor="middle">tools/list</text>',
    ]
    return found


def _label(name: str, read: int, size: int, color: str) -> str:
    return f'<text x="{_x(read) - 8}" y="{_y(size) - 7}" text-anchor="end" fill="{color}">{name}</text>'


def _share(size: float) -> float:
    return (math.log10(max(size, 1)) - LEAST) / (MOST - LEAST)


def _x(size: float) -> int:
    return round(LEFT + _share(size) * (WIDTH - 24 - LEFT))


def _y(size: float) -> int:
    return round(HEIGHT - 44 - _share(size) * (HEIGHT - 44 - TOP))


def main() -> int:
    """Measure where that is asked for, then draw."""
    if "--draw" not in sys.argv[1:]:
        FIGURES.write_text(figures_text(measured()), encoding="utf-8")
    PICTURE.write_text(picture(figures()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
