"""Commands that every kind of record has: list, show and remove; and how one is found by the name people gave it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.platform.session import asked, asking, is_watched
from apiloom.console.cli.platform.showing import Column, affected_lines, show_record, show_removed, show_table
from apiloom.console.cli.seat import OK, Seat, announce

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

MOST_AT_ONCE = 200
"""Records of one page."""

_HINT = "--plan shows what would go along, --cascade takes it along"

Given = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of record: its word, its place in the API, its table, and what lists are narrowed by.

    ``prefix`` is what its ids begin with; a word that does not is looked for among ``names``, the first that has it.
    """

    word: str
    place: str
    columns: Sequence[Column]
    filters: Sequence[str] = ()
    prefix: str = ""
    names: Sequence[str] = ()
    has_metadata: bool = False


def path(*parts: str | int) -> str:
    """A path below the API's, its parts quoted."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


async def found(gateway: Gateway, kind: Kind, word: str, where: Mapping[str, Any] | None = None) -> str:
    """The id of a record by its id or the name people gave it.

    Raises:
        CallerError: ``cli.ambiguous`` when several have the name, and what reading an unknown id is refused with.
    """
    if not kind.names or word.startswith(kind.prefix):
        return word
    narrowed = {name: value for name, value in (where or {}).items() if value is not None}
    for name in kind.names:
        page = await gateway.ask("GET", f"/{kind.place}", {**narrowed, "limit": 2, name: word})
        ids = [item["id"] for item in page["items"]]
        if len(ids) > 1:
            raise CallerError(
                f"several {kind.word}s are named {word!r}",
                code="cli.ambiguous",
                hint="say which by its id, or its tenant with --tenant",
            )
        if ids:
            return str(ids[0])
    return word


async def place_of(gateway: Gateway, kind: Kind, given: Mapping[str, Any], id_: str, *below: str) -> str:
    """The path of a record by its id or name, or of what is below it.

    Raises:
        CallerError: as :func:`found`.
    """
    return path(kind.place, await found(gateway, kind, id_, {"tenant": given.get("tenant")}), *below)


def post_to(seat: Seat, given: Given, kind: Kind, id_: str, below: str, body: Mapping[str, Any]) -> Any:
    """What a gateway answers to a request below one record."""

    async def work(gateway: Gateway) -> Any:
        return await gateway.ask("POST", await place_of(gateway, kind, given, id_, below), None, body)

    return asked(seat, given, work)


def patched(seat: Seat, given: Given, kind: Kind, id_: str, patch: Mapping[str, Any]) -> Any:
    """A record after a change, made only if :func:`conditions` are met."""

    async def work(gateway: Gateway) -> Any:
        return await gateway.ask("PATCH", await place_of(gateway, kind, given, id_), None, patch, if_match(given))

    return asked(seat, given, work)


async def pages(gateway: Gateway, place: str, query: Mapping[str, Any], *, every: bool) -> dict[str, Any]:
    """One page, or all of them as one."""
    page: dict[str, Any] = await gateway.ask("GET", place, query)
    while every and page["next_cursor"]:
        further = await gateway.ask("GET", place, {**query, "cursor": page["next_cursor"]})
        page = {"items": [*page["items"], *further["items"]], "next_cursor": further["next_cursor"]}
    return page


def paging(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--limit``, ``--cursor`` and ``--all``."""
    for option in (
        click.option("--all", "all_", is_flag=True, help="Follow the pages to the end."),
        click.option("--cursor", metavar="TEXT", help="Go on where a page ended."),
        click.option(
            "--limit",
            type=click.IntRange(1, MOST_AT_ONCE),
            default=50,
            show_default=True,
            metavar="N",
            help="Records of a page.",
        ),
    ):
        command = option(command)
    return command


def page_query(given: Given) -> Given:
    """What :func:`paging` was given."""
    return {"limit": MOST_AT_ONCE if given["all_"] else given["limit"], "cursor": given["cursor"]}


def show_page(seat: Seat, columns: Sequence[Column], page: Mapping[str, Any], empty: str) -> None:
    """A page of records for whoever reads."""
    if seat.machine:
        seat.print_json(page)
        return
    show_table(columns, page["items"], empty)
    if page["next_cursor"]:
        announce(f"there are more: --cursor {page['next_cursor']} goes on, --all shows them all")


def list_command(kind: Kind) -> click.Command:
    """``list`` of a kind."""

    def listed(seat: Seat, /, **given: Any) -> int:
        where = {name: given[name] for name in kind.filters}
        metadata = dict(pair.partition("=")[::2] for pair in given.get("metadata", ()))
        query = {**page_query(given), **where, "metadata": metadata or None}
        page = asked(seat, given, lambda gateway: pages(gateway, path(kind.place), query, every=given["all_"]))
        show_page(seat, kind.columns, page, f"there is no {kind.word}")
        return OK

    command: Callable[..., Any] = asking(click.pass_obj(listed))
    if kind.has_metadata:
        command = click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Only with this metadata.")(
            command
        )
    command = paging(command)
    for name in reversed(kind.filters):
        word = name.replace("_", " ")
        command = click.option(f"--{name.replace('_', '-')}", metavar="VALUE", help=f"Only of this {word}.")(command)
    return click.command("list", help=f"List {kind.word}s.")(command)


def show_command(kind: Kind, read: Callable[[Seat, Mapping[str, Any]], None] | None = None) -> click.Command:
    """``show`` of a kind."""

    def shown(seat: Seat, /, id_: str, **given: Any) -> int:
        async def work(gateway: Gateway) -> Any:
            return await gateway.ask("GET", await place_of(gateway, kind, given, id_))

        record = asked(seat, given, work)
        if seat.machine:
            seat.print_json(record)
        else:
            (read or show_record)(seat, record)
        return OK

    return click.command("show", help=f"Show one {kind.word}.")(_naming(kind)(asking(click.pass_obj(shown))))


def _naming(kind: Kind) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The argument that names a record; with ``--tenant`` where names are unique in a tenant only."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        if kind.names:
            command = click.option("--tenant", metavar="ID", help="The tenant that a name is looked for in.")(command)
        return click.argument("id_", metavar=kind.word.upper().replace(" ", "_"))(command)

    return decorate


naming = _naming


def conditions(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--if-match``, for changes of what was read before."""
    return click.option(
        "--if-match", metavar="REVISION", type=click.IntRange(0), help="Only if it is still at this revision."
    )(command)


def removals(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--plan``, ``--cascade`` and ``--yes``."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask before a cascade."),
        click.option("--cascade", is_flag=True, help="Take along what depends on it."),
        click.option("--plan", is_flag=True, help="Only say what would happen."),
    ):
        command = option(command)
    return command


def if_match(given: Mapping[str, Any]) -> dict[str, str]:
    """The header of a condition."""
    return {} if given.get("if_match") is None else {"if-match": f'"{given["if_match"]}"'}


async def confirmed(seat: Seat, gateway: Gateway, given: Mapping[str, Any], method: str, place: str) -> Any:
    """A request that may touch what depends on its object: planned, asked about, or refused with what is in the way.

    Raises:
        CallerError: ``cli.unconfirmed`` for a cascade that nobody has said yes to; ``….depended_on`` as refused.
    """
    query = {"plan": given["plan"] or None, "cascade": given["cascade"] or None}
    if given["cascade"] and not given["plan"] and not given["yes"]:
        _confirm(seat, await gateway.ask(method, place, {"plan": True}))
    try:
        return await gateway.ask(method, place, query, None, if_match(given))
    except CallerError as error:
        if not error.code.endswith(".depended_on"):
            raise
        told = await gateway.ask(method, place, {"plan": True})
        _tell_affected(seat, told)
        raise CallerError(error.message, code=error.code, hint=_HINT, affected=told["affected"]) from None


def _tell_affected(seat: Seat, told: Mapping[str, Any]) -> None:
    if not seat.machine:
        for line in affected_lines(told):
            announce(line)


def _confirm(seat: Seat, told: Mapping[str, Any]) -> None:
    _tell_affected(seat, told)
    if not is_watched():
        raise CallerError(
            "nobody can be asked whether to",
            code="cli.unconfirmed",
            hint="look with --plan, add --yes",
            affected=told["affected"],
        )
    announce("go on? [y/N]")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CallerError("nothing was done", code="cli.unconfirmed", hint="answer y, or add --yes")


def remove_command(kind: Kind) -> click.Command:
    """``remove`` of a kind."""

    def removed(seat: Seat, /, id_: str, **given: Any) -> int:
        async def work(gateway: Gateway) -> Any:
            return await confirmed(seat, gateway, given, "DELETE", await place_of(gateway, kind, given, id_))

        told = asked(seat, given, work)
        if seat.machine:
            seat.print_json(told)
        else:
            show_removed(seat, told)
        return OK

    command = _naming(kind)(removals(conditions(asking(click.pass_obj(removed)))))
    return click.command("remove", help=f"Remove one {kind.word}.")(command)


def group(name: str, *commands: click.Command, told: str) -> click.Group:
    """A group inside of a group."""
    return click.Group(name, {str(command.name): command for command in commands}, help=told, short_help=told)


def answer(seat: Seat, value: Any, show: Callable[[], None]) -> int:
    """Print an answer for whoever reads; the exit code."""
    if seat.machine:
        seat.print_json(value)
    else:
        show()
    return OK
