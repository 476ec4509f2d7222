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


_GAP = 2
"""Columns of the terminal between two of the table."""


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as the terminal; what is longest is cut, never wrapped, and numbers stand right."""
    text = plugins.load("rich.text:Text")
    table = plugins.load("rich.table:Table")(box=None, pad_edge=False, header_style="bold")
    # Text, not markup: a path may hold square brackets.
    cells = [[text(plain(cell)) for cell in row] for row in rows]
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    console = plugins.load("rich.console:Console")(file=sys.stdout, width=width, highlight=False, emoji=False)
    wanted = [
        max([len(title), *(row[place].cell_len for row in cells if place < len(row))])
        for place, title in enumerate(titles)
    ]
    for title, most in zip(titles, fitted(wanted, titles, console.width), strict=True):
        table.add_column(
            title,
            justify="right" if title in _RIGHT else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=len(title),
            max_width=most,
        )
    for row in cells:
        table.add_row(*row)
    console.print(table)


def fitted(wanted: Sequence[int], titles: Sequence[str], room: int) -> list[int]:
    """The widths of columns that fit into ``room``: the widest give way first, so that an id or a time beside a long
    text stays whole; none becomes narrower than its title.
    """
    room -= _GAP * (len(wanted) - 1)
    widths = list(wanted)
    while sum(widths) > room:
        yielding = [place for place, width in enumerate(widths) if width > len(titles[place])]
        if not yielding:
            break
        most = max(widths[place] for place in yielding)
        for place in yielding:
            if widths[place] == most and sum(widths) > room:
                widths[place] -= 1
    return widths
