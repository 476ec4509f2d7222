"""``apiloom connector``: import APIs, look at their versions, serve one or take it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from apiloom.console.cli.diff import render_difference
from apiloom.console.cli.options import SourceWord, http_url
from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    confirmed,
    if_match,
    list_command,
    page_query,
    pages,
    paging,
    path,
    removals,
    remove_command,
    show_command,
    show_page,
)
from apiloom.console.cli.platform.session import asked, asked_telling, asking
from apiloom.console.cli.platform.showing import affected_lines, column, show_record
from apiloom.console.cli.platform.sources import read_import
from apiloom.console.cli.platform.values import (
    checked_patch,
    counted,
    options,
    read_pairs,
    said,
    unsetting,
    with_metadata,
    with_unset,
)
from apiloom.console.cli.seat import Seat, announce, one_line
from apiloom.console.house import Say

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

KIND = Kind(
    word="connector",
    place="connectors",
    columns=(
        column("slug"),
        column("title"),
        column("version", "current"),
        column("enabled"),
        ("tenants", lambda record: "all" if record["tenants"] is None else record["tenants"]),
        ("source", lambda record: record["source"].get("url", "text") if record["source"] else None),
    ),
    filters=("title",),
    has_metadata=True,
)

_VERSIONS = (
    column("version", "number"),
    column("state"),
    column("verdict"),
    column("tools"),
    ("operations", lambda record: record["ledger"].get("operations")),
    column("api version", "api_version"),
    ("hash", lambda record: record["hash"][:12]),
    column("made", "created_at"),
)

_TOOLS = (column("tool", "name"), column("class"), column("operation"), column("tags"), column("title"))

_OPTIONS = ("base_url", "server", "auth", "timeout", "require_descriptions", "remote_refs")

settings = options(
    click.option("--title", metavar="TEXT", help="What people call it."),
    click.option(
        "--tenant", "tenants", multiple=True, metavar="ID", help="Show it to this tenant only; may be repeated."
    ),
    click.option("--trusted/--untrusted", default=None, help="Let its texts change without review."),
    click.option(
        "--auto-promote/--no-auto-promote", default=None, help="Serve a new version at once when it only adds."
    ),
    click.option("--base-url", metavar="URL", callback=http_url, help="Call the API here."),
    click.option("--server", metavar="WHICH", help="The document's server to call: number or words of its name."),
    click.option(
        "--variable",
        "variables",
        multiple=True,
        metavar="NAME=VALUE",
        callback=read_pairs,
        help="A variable of the server's URL.",
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="NAME=VALUE",
        callback=read_pairs,
        help="A header of every call; never a secret.",
    ),
    click.option("--trust", multiple=True, metavar="ORIGIN", help="Another origin that credentials may go to."),
    click.option(
        "--auth", metavar="KIND", help="Where the document has no scheme: bearer, basic, header:NAME, query:NAME."
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True, max=300),
        metavar="SECONDS",
        help="Longest wait for one answer.",
    ),
    click.option(
        "--require-descriptions/--no-require-descriptions",
        default=None,
        help="Leave out operations that no human described.",
    ),
    click.option("--remote-refs/--no-remote-refs", default=None, help="Follow references to other hosts."),
    click.option("--metadata", metavar="JSON", help="Your own JSON object, @FILE or @-."),
)
"""What can be said of a connector when it is made and later."""


def members(seat: Seat, given: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`settings` was given, as members of a request."""
    body = said(given, "title", "tenants", "trusted", "auto_promote")
    reading = said(given, *_OPTIONS, "variables", "headers", "trust")
    if reading:
        body["options"] = reading
    return with_metadata(seat, given, body)


def commands() -> list[click.Command]:
    """All of them, in the order of a connector's life."""
    return [
        _add,
        list_command(KIND),
        show_command(KIND),
        _set,
        remove_command(KIND),
        _versions,
        _import,
        _difference,
        _tools,
        _promote,
        _rollback,
        _reject,
    ]


@click.command("add")
@click.argument("source", type=SourceWord())
@click.option("--slug", metavar="NAME", help="Its short name for good: up to 12 lower-case letters and digits.")
@settings
@asking
@click.pass_obj
def _add(seat: Seat, /, source: str, **given: Any) -> int:
    """Import an API as a connector and serve it.

    SOURCE is a file, a URL that the gateway fetches, - for standard input, or a name of the catalogue.
    """
    return add(seat, read_import(seat, source, given["slug"] or ""), given)


def add(seat: Seat, body: dict[str, Any], given: Mapping[str, Any]) -> int:
    """Import what a request begins with and options go on with."""
    further = members(seat, given)
    body = {**body, **further, "options": {**body.get("options", {}), **further.get("options", {})}}

    async def work(gateway: Gateway, say: Say) -> Any:
        say("importing")
        return await gateway.ask("POST", "/connectors", None, body)

    made = asked_telling(seat, dict(given), work)
    return answer(seat, made, lambda: _tell_imported(seat, made))


def _tell_imported(seat: Seat, made: Mapping[str, Any]) -> None:
    ledger = made["ledger"]
    seat.print(
        f"{made['slug']} is served: version {made['version']} of {one_line(made['title'])} "
        f"with {counted(made['tools'], 'tool')}"
    )
    seat.print(
        f"of {counted(ledger['operations'], 'operation')} {ledger['exposed']:,} "
        f"{'is' if ledger['exposed'] == 1 else 'are'} exposed, {ledger['gated']:,} gated, "
        f"{ledger['quarantined']:,} quarantined"
    )
    told = [finding for finding in made["findings"] if finding["level"] != "note"]
    for finding in told[:5]:
        seat.print(f"  {finding['level']}: {one_line(finding['message'])}")
    if len(told) > 5:
        seat.print(f"  … and {len(told) - 5:,} more: apiloom connector versions {made['slug']} --json lists them")


@click.command("set")
@click.argument("slug")
@click.option("--url", metavar="URL", help="Fetch new versions from here.")
@click.option("--all-tenants", is_flag=True, help="Show it to all tenants.")
@click.option("--enabled/--disabled", default=None, help="Serve it, or nothing of it.")
@settings
@unsetting
@click.option("--cascade", is_flag=True, help="Take it from tenants that use it, too.")
@conditions
@asking
@click.pass_obj
def _set(seat: Seat, /, slug: str, **given: Any) -> int:
    """Change a connector. Options of reading and calling hold from its next version on."""
    patch = {**members(seat, given), **said(given, "enabled")}
    if given["url"]:
        patch["source"] = {"url": given["url"]}
    if given["all_tenants"]:
        patch["tenants"] = None
    patch = checked_patch(with_unset(patch, given["unset"]))
    query = {"cascade": given["cascade"] or None}
    place = path("connectors", slug)
    record = asked(seat, given, lambda gateway: gateway.ask("PATCH", place, query, patch, if_match(given)))
    return answer(seat, record, lambda: show_record(seat, record))


@click.command("versions")
@click.argument("slug")
@click.option("--state", type=click.Choice(["proposed", "current", "past", "rejected"]), help="Only of this state.")
@click.option("--verdict", type=click.Choice(["none", "additive", "review", "breaking"]), help="Only of this verdict.")
@paging
@asking
@click.pass_obj
def _versions(seat: Seat, /, slug: str, **given: Any) -> int:
    """List a connector's versions."""
    query = {**page_query(given), "state": given["state"], "verdict": given["verdict"]}
    page = asked(
        seat, given, lambda gateway: pages(gateway, path("connectors", slug, "versions"), query, every=given["all_"])
    )
    show_page(seat, _VERSIONS, page, "there is no version")
    return 0


@click.command("import")
@click.argument("slug")
@click.argument("source", type=SourceWord(), required=False)
@click.option("--plan", is_flag=True, help="Keep nothing, only say what it would become.")
@asking
@click.pass_obj
def _import(seat: Seat, /, slug: str, source: str | None, **given: Any) -> int:
    """Read a connector's document anew, as a proposal.

    Without SOURCE it is fetched from where it came from.
    """
    body = {"source": read_import(seat, source)["source"]} if source else {}

    async def work(gateway: Gateway, say: Say) -> Any:
        say("importing")
        query = {"plan": given["plan"] or None}
        return await gateway.ask("POST", path("connectors", slug, "versions"), query, body)

    made = asked_telling(seat, given, work)
    return answer(seat, made, lambda: _tell_proposed(seat, made, plan=given["plan"]))


def _tell_proposed(seat: Seat, made: Mapping[str, Any], *, plan: bool) -> None:
    slug, number = made["connector"], made["number"]
    if not made["new"]:
        seat.print(f"nothing is new: version {number} of {slug} is the same, and {made['state']}")
    elif plan:
        seat.print(f"a new version of {slug} would be {made['verdict']}, with {counted(made['tools'], 'tool')}")
    elif made["promoted"]:
        seat.print(f"version {number} of {slug} is {made['verdict']}, and served now")
    else:
        seat.print(f"version {number} of {slug} is proposed: {made['verdict']}, with {counted(made['tools'], 'tool')}")
        announce(f"look at it with: apiloom connector difference {slug} {number}")
        announce(f"serve it with:   apiloom connector promote {slug} {number}")


@click.command("difference")
@click.argument("slug")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--whole", is_flag=True, help="Show every tool and change.")
@asking
@click.pass_obj
def _difference(seat: Seat, /, slug: str, number: int | None, **given: Any) -> int:
    """Show what a version changes, tool by tool. Without NUMBER, the newest one."""

    async def work(gateway: Gateway) -> Any:
        place = path("connectors", slug, "versions")
        chosen = number or await _newest(gateway, place)
        return await gateway.ask("GET", f"{place}/{chosen}/difference")

    told = asked(seat, given, work)
    if not told and not seat.machine:
        seat.print("this version was compared with none")
        return 0
    return answer(seat, told, lambda: render_difference(told, whole=given["whole"]))


async def _newest(gateway: Gateway, place: str) -> int:
    page = await pages(gateway, place, {"limit": 200}, every=True)
    return max((item["number"] for item in page["items"]), default=1)


@click.command("tools")
@click.argument("slug")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--class", "class_", type=click.Choice(["read", "write", "custom"]), help="Only of this class.")
@paging
@asking
@click.pass_obj
def _tools(seat: Seat, /, slug: str, number: int | None, **given: Any) -> int:
    """List the tools of a version. Without NUMBER, of the one that is served."""

    async def work(gateway: Gateway) -> Any:
        chosen = number or (await gateway.ask("GET", path("connectors", slug)))["current"]
        place = path("connectors", slug, "versions", chosen, "tools")
        query = {**page_query(given), "class": given["class_"]}
        return await pages(gateway, place, query, every=given["all_"])

    show_page(seat, _TOOLS, asked(seat, given, work), "there is no tool")
    return 0


@click.command("promote")
@click.argument("slug")
@click.argument("number", type=click.IntRange(1))
@removals
@conditions
@asking
@click.pass_obj
def _promote(seat: Seat, /, slug: str, number: int, **given: Any) -> int:
    """Serve a version from now on, without a pause."""
    place = path("connectors", slug, "versions", number, "promote")
    told = asked(seat, given, lambda gateway: confirmed(seat, gateway, given, "POST", place))
    return answer(seat, told, lambda: _tell_promoted(seat, slug, told))


@click.command("rollback")
@click.argument("slug")
@removals
@conditions
@asking
@click.pass_obj
def _rollback(seat: Seat, /, slug: str, **given: Any) -> int:
    """Serve again what was served before."""
    told = asked(
        seat, given, lambda gateway: confirmed(seat, gateway, given, "POST", path("connectors", slug, "rollback"))
    )
    return answer(seat, told, lambda: _tell_promoted(seat, slug, told))


def _tell_promoted(seat: Seat, slug: str, told: Mapping[str, Any]) -> None:
    number, before = told["version"]["number"], told["before"]
    if number == before:
        seat.print(f"version {number} of {slug} is served already")
    else:
        verb = "is served now" if told["done"] else "would be served"
        seat.print(f"version {number} of {slug} {verb}, in place of {before}" if before else f"version {number} {verb}")
    for line in affected_lines(told):
        seat.print(line.replace("would be", "is") if told["done"] else line)


@click.command("reject")
@click.argument("slug")
@click.argument("number", type=click.IntRange(1))
@asking
@click.pass_obj
def _reject(seat: Seat, /, slug: str, number: int, **given: Any) -> int:
    """Set a proposed version aside."""
    place = path("connectors", slug, "versions", number, "reject")
    told = asked(seat, given, lambda gateway: gateway.ask("POST", place))
    return answer(seat, told, lambda: seat.print(f"version {number} of {slug} is rejected"))
