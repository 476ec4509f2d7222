"""Tables for people on standard output; programs are given JSON instead."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from apiloom.base import plugins
from apiloom.console.cli.seat import plain

PIPE_WIDTH = 160
"""Columns of a table that no terminal bounds."""

_RIGHT = frozenset({"args", "tokens", "tools"})
"""Columns of numbers."""


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as the terminal; long names and paths are cut, never wrapped, and numbers stand right."""
    text = plugins.load("rich.text:Text")
    table = plugins.load("rich.table:Table")(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(
            title,
            justify="right" if title in _RIGHT else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=len(title),
        )
    for row in rows:
        # Text, not markup: a path may hold square brackets.
        table.add_row(*(text(plain(cell)) for cell in row))
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    plugins.load("rich.console:Console")(file=sys.stdout, width=width, highlight=False, emoji=False).print(table)
