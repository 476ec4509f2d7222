"""``apiloom diff``: what a new version of a document changes for those who use its tools."""

from __future__ import annotations

from typing import Any

import click

from apiloom.console.cli.options import SourceCommand, SourceWord, answering, checked, read_options, reading
from apiloom.console.cli.seat import NO, OK, Seat, one_line
from apiloom.console.cli.tables import print_table

MOST_SHOWN = 40
"""Tools shown unless all are asked for."""

VERDICTS = ("none", "additive", "review", "breaking")
"""From harmless to grave."""


@click.command(cls=SourceCommand)
@click.argument("old", type=SourceWord())
@click.argument("new", type=SourceWord())
@click.option("--trusted-texts", is_flag=True, help="Let texts change without review.")
@click.option("--fail-on", type=click.Choice(VERDICTS[1:]), help="Exit with 1 from this verdict on.")
@click.option("--all", "all_", is_flag=True, help="Show every tool and change.")
@reading
@answering
@click.pass_obj
def diff(seat: Seat, /, old: str, new: str, **given: Any) -> int:
    """Compare two versions of an API description, tool by tool.

    breaking: a call that worked may fail or mean something else. review: a person should look, at texts that a model
    reads above all. additive: more than before and nothing else. Tools of NEW keep the names they have in OLD.
    """
    before, after = checked(seat, [old, new])
    with seat.progress() as say:
        told = seat.house.compare(before, after, read_options(given), say, given["trusted_texts"])
    if seat.machine:
        seat.print_json(told)
    else:
        render_difference(told, whole=given["all_"])
    failed = given["fail_on"] and VERDICTS.index(told["verdict"]) >= VERDICTS.index(given["fail_on"])
    return NO if failed else OK


def render_difference(told: dict[str, Any], *, whole: bool) -> None:
    """A difference as people read it: the verdict, then what makes it, the gravest first."""
    counts = ", ".join(f"{count:,} {what}" for what, count in told["counts"].items())
    click.echo(f"{told['verdict']}: {counts}")
    for change in told["changes"]:
        click.echo(f"  {change['verdict']}: {_told(change)}")
    if not told["tools"]:
        return
    shown = told["tools"] if whole else told["tools"][:MOST_SHOWN]
    click.echo("")
    print_table(("tool", "verdict", "what", "how"), [row for tool in shown for row in _rows(tool, whole=whole)])
    if len(shown) < len(told["tools"]):
        click.echo(f"  … and {len(told['tools']) - len(shown):,} tools more, shown by --all")


def _rows(tool: dict[str, Any], *, whole: bool) -> list[tuple[str, ...]]:
    """One line for each change, the tool's name on the first."""
    changes = tool["changes"] if whole else tool["changes"][:3]
    how = [_told(change) for change in changes] or [tool["operation"]]
    if len(changes) < len(tool["changes"]):
        how.append(f"… and {len(tool['changes']) - len(changes)} more")
    head = (one_line(tool["name"]), tool["verdict"], tool["what"])
    return [(*head, how[0]), *(("", "", "", line) for line in how[1:])]


def _told(change: dict[str, Any]) -> str:
    where = change.get("pointer", "").removeprefix("/inputSchema/properties/").lstrip("/")
    words = (change["kind"].replace("_", " "), where, f"({change['detail']})" if change.get("detail") else "")
    return one_line(" ".join(word for word in words if word))
