"""``apiloom catalogue``: well-known APIs, found and imported by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from apiloom.console.catalogue.known import entry
from apiloom.console.cli.platform.connector import add, settings
from apiloom.console.cli.platform.records import Kind, answer, page_query, pages, paging, path, show_page
from apiloom.console.cli.platform.session import asked, asking
from apiloom.console.cli.platform.showing import column
from apiloom.console.cli.platform.values import written
from apiloom.console.cli.seat import Seat, one_line

KIND = Kind(
    word="entry",
    place="catalogue",
    columns=(column("name"), column("title"), column("auth"), column("document")),
)


def commands() -> list[click.Command]:
    """All of them."""
    return [_search, _show, _add]


@click.command("search")
@click.argument("words", nargs=-1)
@paging
@asking
@click.pass_obj
def _search(seat: Seat, /, words: tuple[str, ...], **given: Any) -> int:
    """Find well-known APIs by words. Without any, all are listed."""
    query = {**page_query(given), "q": " ".join(words)}
    page = asked(seat, given, lambda gateway: pages(gateway, "/catalogue", query, every=given["all_"]))
    show_page(seat, KIND.columns, page, "the catalogue has nothing of these words")
    return 0


@click.command("show")
@click.argument("name")
@asking
@click.pass_obj
def _show(seat: Seat, /, name: str, **given: Any) -> int:
    """Show one well-known API, and what to know before using it."""
    told = asked(seat, given, lambda gateway: gateway.ask("GET", path("catalogue", name)))
    return answer(seat, told, lambda: _tell(seat, told))


def _tell(seat: Seat, told: Mapping[str, Any]) -> None:
    seat.print(f"{one_line(told['title'])} ({told['name']})")
    seat.print(f"document     {told['document']}")
    seat.print(f"credentials  {told['auth']}" + (f", from {one_line(told['key'])}" if told["key"] else ""))
    for name, select in told["toolsets"].items():
        seat.print(f"toolset      {name}: {one_line(written(select))}")
    for quirk in told["quirks"]:
        seat.print(f"  {one_line(quirk)}")
    seat.print(f"import it with: apiloom catalogue add {told['name']}")


@click.command("add")
@click.argument("name")
@click.option("--slug", metavar="SLUG", help="Its short name for good: up to 12 lower-case letters and digits.")
@settings
@asking
@click.pass_obj
def _add(seat: Seat, /, name: str, **given: Any) -> int:
    """Import a well-known API as a connector."""
    body = entry(name).connector()
    return add(seat, {**body, "slug": given["slug"]} if given["slug"] else body, given)
