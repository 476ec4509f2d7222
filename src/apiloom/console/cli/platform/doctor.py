"""``apiloom doctor``: whether a gateway's data is as it should be, and whether a backup opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from apiloom.console.cli.options import answering, gateway_url, public_url
from apiloom.console.cli.platform.session import file_at
from apiloom.console.cli.seat import NO, OK, Seat, announce, one_line
from apiloom.console.house import CopyAsk


@click.command("doctor")
@click.option("--backup", "file", metavar="FILE", type=click.Path(), help="Prove that this backup opens.")
@click.option("--deep", is_flag=True, help="Open everything that is sealed, not only the first of each kind.")
@click.option("--public-url", metavar="URL", callback=public_url, help="Look at this as the gateway's public URL.")
@click.option("--data", metavar="DIR|URL", help="The gateway's data.  [env: APILOOM_DATA]")
@answering
@click.pass_obj
def command(seat: Seat, /, **given: Any) -> int:
    """Look whether a gateway's data, its key, its journal and its backup are as they should be."""
    ask = CopyAsk(
        word="doctor",
        data=given["data"] or "",
        file=str(file_at(seat, given["file"])) if given["file"] else "",
        deep=given["deep"],
        public_url=gateway_url(given["public_url"]),
    )
    with seat.progress() as say:
        told = seat.house.copies(ask, say)
    if seat.machine:
        seat.print_json(told)
    else:
        _show(seat, told["checks"])
        for line in told["checks"]:
            if line["hint"] and line["how"] != "ok":
                announce(f"{line['check']}: {line['hint']}")
    return OK if told["ok"] else NO


def _show(seat: Seat, checks: Sequence[Mapping[str, str]]) -> None:
    """A line for each check, whole: what was found is what somebody came for, and is never cut."""
    width = max((len(line["check"]) for line in checks), default=0)
    for line in checks:
        seat.print(f"{line['how']:<5}  {line['check']:<{width}}  {one_line(line['told'])}")
