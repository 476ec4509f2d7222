"""Answers of the API as people read them: tables, one member on a line, and what is shown once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from apiloom.console.cli.platform.values import written
from apiloom.console.cli.seat import Seat, announce, one_line
from apiloom.console.cli.tables import print_table

Column = tuple[str, Callable[[Mapping[str, Any]], Any]]
"""A title, and what of a record stands below it."""

_TIME: Final = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$")

SECRETS = ("token", "url")
"""Members that are shown once."""


def column(title: str, member: str = "") -> Column:
    """The column of one member."""
    return title, lambda record: record.get(member or title)


def whole_seconds(text: str) -> str:
    """A time as people read it, in UTC to the second; any other text as it is."""
    return _TIME.sub(r"\1Z", text)


def show_table(columns: Sequence[Column], items: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Records as a table; a sentence where there are none."""
    if not items:
        click.echo(empty)
        return
    rows = [[whole_seconds(one_line(written(read(item)))) for _, read in columns] for item in items]
    print_table([title for title, _ in columns], rows)


def show_record(seat: Seat, record: Mapping[str, Any], *, hidden: Sequence[str] = ()) -> None:
    """One record, a member on each line."""
    shown = {name: value for name, value in record.items() if name not in hidden and name not in SECRETS}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        if isinstance(value, Mapping) and value:
            seat.print(f"{name}:")
            for inner, part in value.items():
                seat.print(f"  {one_line(str(inner))}: {one_line(written(part))}")
        else:
            seat.print(f"{name:<{width}}  {whole_seconds(one_line(written(value)))}")


def show_once(seat: Seat, record: Mapping[str, Any], what: str) -> None:
    """The secrets of something new, which nobody will ever see again."""
    for name in SECRETS:
        if record.get(name):
            seat.print(str(record[name]))
            announce(
                f"this is the {name}{f' of {what}' if what else ''}; it is shown this once and cannot be had again"
            )


def show_warnings(warnings: Sequence[str]) -> None:
    """What the owner of something should know."""
    for warning in warnings:
        announce(f"note: {one_line(warning)}")


def affected_lines(removed: Mapping[str, Any]) -> Iterator[str]:
    """What depends on something, a line for each."""
    for each in removed.get("affected", ()):
        yield one_line(f"  {each['kind']} {each['id']} would be {each['becomes']}")
    if removed.get("more"):
        yield f"  … and {removed['more']:,} more"


def show_removed(seat: Seat, removed: Mapping[str, Any]) -> None:
    """What was removed, or would be."""
    done = removed["done"]
    seat.print(f"{removed['kind'].replace('_', ' ')} {removed['id']} {'is removed' if done else 'would be removed'}")
    for line in affected_lines(removed):
        seat.print(line.replace("would be", "is") if done else line)
