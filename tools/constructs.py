"""Writes docs/constructs.md from the fixtures in tests/constructs and from tools/constructs.toml.

python tools/constructs.py          writes the page
python tools/constructs.py --check  says whether the page is current
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiloom.readers.parse import parse

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "tests" / "constructs"
FACTS = ROOT / "tools" / "constructs.toml"
PAGE = ROOT / "docs" / "constructs.md"
TEST = "tests/e2e/test_constructs.py"

HEAD = f"""# Constructs

What API documents do, one line each: whether apiloom reads, sends and returns it right, and the fixture that proves it.
A fixture is a document with calls, exact request bytes, exact schemas and exact results;
[tests/constructs](../tests/constructs/README.md) says how to write one. This page is made by `tools/constructs.py`, and
a test keeps it current.

- **supported**: it is sent and returned as the standard says.
- **gated**: it cannot be sent right, so it is not offered, with the reason; it is never sent wrong.
- **partly**: some forms of it are supported, others gated.

Run one fixture with `pytest {TEST} -k 10_path_level_parameters`.

## Every construct
"""
PEERS = """
## What others do

Thirty of these constructs in one document of eighteen operations, put through five public converters in November 2026.
What went over the wire was recorded. Right and wrong are by the OpenAPI standard; none of the five is right in rows 7,
11, 12, 13, 14, 21 and 28.
"""


@dataclass(frozen=True, order=True)
class Line:
    """One line of the first table."""

    number: int
    name: str
    construct: str
    verdict: str
    why: str
    rows: tuple[int, ...] = ()

    @property
    def test(self) -> str:
        """Where the proof is, as a link."""
        if "/" in self.name:
            return f"[{self.name.rpartition('/')[2]}](../{self.name})"
        return f"[{self.name}](../tests/constructs/{self.name}.yaml)"


def lines() -> list[Line]:
    """Every construct, by number."""
    found = []
    for path in sorted(FIXTURES.glob("*.yaml")):
        tree, _ = parse(path.read_bytes(), path.name)
        number = int(path.stem.split("_")[0])
        rows = tuple(tree.get("rows", ()))
        found.append(Line(number, path.stem, tree["construct"], tree["verdict"], tree.get("why", ""), rows))
    found += [
        Line(one["number"], one["test"], one["construct"], one.get("verdict", "supported"), one.get("why", ""))
        for one in facts()["elsewhere"]
    ]
    return sorted(found)


def facts() -> dict[str, Any]:
    """What was written down by hand."""
    return tomllib.loads(FACTS.read_text(encoding="utf-8"))


def page() -> str:
    """The whole page."""
    every = lines()
    written = [HEAD, "| # | construct | verdict | why not all of it | proof |", "|---|---|---|---|---|"]
    written += [
        f"| {one.number} | {cell(one.construct)} | {one.verdict} | {cell(one.why)} | {one.test} |" for one in every
    ]
    known = facts()
    peers = known["peers"]
    written += [PEERS, f"| # | construct | apiloom | {' | '.join(peers)} |", "|---" * (3 + len(peers)) + "|"]
    for row in known["rows"]:
        proofs = [one for one in every if row["number"] in one.rows]
        verdicts = {one.verdict for one in proofs}
        # one supported fixture does not hide that another form of the same construct is gated
        said = "not shown" if not verdicts else verdicts.pop() if len(verdicts) == 1 else "partly"
        ours = f"{said}: {', '.join(one.test for one in proofs)}" if proofs else said
        written.append(
            f"| {row['number']} | {cell(row['construct'])} | {ours} | {' | '.join(map(cell, row['results']))} |"
        )
    return "\n".join(written) + "\n"


def cell(text: str) -> str:
    """A text that may stand in a table."""
    return text.replace("|", "\\|").replace("\n", " ").strip()


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is current."""
    text = page()
    if arguments == ["--check"]:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print(
            "docs/constructs.md is current" if current else "docs/constructs.md is out of date: run tools/constructs.py"
        )
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"{len(lines())} constructs in docs/constructs.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
