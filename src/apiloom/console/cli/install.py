"""``apiloom install``: a server written into an MCP client's configuration, with a copy of what stood there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from apiloom.base.errors import CallerError, DesignError
from apiloom.catalog.slugs import unique_slugs
from apiloom.console.cli.options import (
    SourceCommand,
    SourceWord,
    answering,
    checked,
    http_url,
    limiting,
    read_options,
    reading,
)
from apiloom.console.cli.seat import OK, Seat
from apiloom.console.house import Connector, Options
from apiloom.console.install.clients import PLACES, config_path
from apiloom.console.install.edit import plan_edit, write_edit
from apiloom.console.install.launch import handed_on, program, serve_words
from apiloom.emit.config import CLIENTS, Client, Launch, emit_entry

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_LONGEST: dict[Client, tuple[int, int]] = {"cursor": (60, 0), "claude-code": (64, len("mcp____"))}
"""Characters a client takes for server and tool name together, and what it adds; longer tools are left out."""


def _variable(_ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    for name in value if isinstance(value, tuple) else (value,):
        if name and not _VARIABLE.fullmatch(name):
            raise click.BadParameter("give the name of a variable, never a secret", param=param)
    return value


@click.command(cls=SourceCommand)
@click.argument("client", metavar="CLIENT", type=click.Choice(CLIENTS))
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=SourceWord())
@click.option("--url", metavar="URL", callback=http_url, help="Point to a server that runs, instead of starting one.")
@click.option("--token-env", metavar="VAR", callback=_variable, help="Variable that holds the bearer token of --url.")
@click.option("--env", "handed", metavar="VAR", multiple=True, callback=_variable, help="Variable to hand on.")
@click.option("--project", "scope", flag_value="project", help="For the project in this folder.")
@click.option("--user", "scope", flag_value="user", default="user", help="For you, everywhere (the default).")
@click.option("--force", is_flag=True, help="Replace another server of the same name.")
@click.option("--dry-run", is_flag=True, help="Show the change, write nothing.")
@reading
@limiting
@answering
@click.pass_obj
def install(seat: Seat, /, client: Client, sources: tuple[str, ...], **given: Any) -> int:
    """Write a server into a client's configuration.

    CLIENT is claude-code, claude-desktop, cursor, vscode or codex. Other content of its file stays byte for byte, and a
    dated copy of the old file is kept. Secrets are never written: variables are named, and the client hands their
    values on.
    """
    options = read_options(given)
    if sources and given["url"]:
        raise CallerError("--url and SOURCE exclude each other", code="install.two_kinds", hint="give one of them")
    launch, notes = _remote(given, options) if given["url"] else _local(seat, client, sources, given)
    entry = emit_entry(client, launch)
    path = config_path(client, given["scope"], seat.house.surroundings)
    if given["scope"] == "project":
        _refuse_link_out(path, seat.house.surroundings.folder)
    edit = plan_edit(path, client, launch.name, entry, force=given["force"])
    backup = write_edit(edit) if edit.changed and not given["dry_run"] else None
    if seat.machine:
        report = {
            "client": client,
            "path": str(edit.path),
            "name": launch.name,
            "entry": entry,
            "changed": edit.changed,
            "written": edit.changed and not given["dry_run"],
            "backup": None if backup is None else str(backup),
            "notes": notes,
        }
        seat.print_json({**report, "diff": edit.diff()} if given["dry_run"] else report)
        return OK
    if given["dry_run"]:
        seat.print(edit.diff().rstrip("\n") or f"{edit.path} says so already")
    elif edit.changed:
        kept = f", the old file is kept as {backup.name}" if backup is not None else ""
        seat.print(f"{launch.name} stands in {edit.path}{kept}")
        seat.print(f"next: {PLACES[client].after}")
    else:
        seat.print(f"{launch.name} stands in {edit.path} already, nothing was changed")
    for note in notes:
        seat.print(f"note: {note}")
    return OK


def _refuse_link_out(path: Path, folder: Path) -> None:
    """A project may come from anybody; a link in it must not choose which file of yours is written.

    Raises:
        DesignError: ``install.link``.
    """
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise DesignError(
            f"{path} is a link that leads out of the project", code="install.link", hint="replace it by a file"
        )


def _remote(given: dict[str, Any], options: Options) -> tuple[Launch, list[str]]:
    name = _checked_name(options.name or "apiloom")
    return Launch(name=name, url=given["url"], token=given["token_env"] or ""), []


def _local(seat: Seat, client: Client, sources: tuple[str, ...], given: dict[str, Any]) -> tuple[Launch, list[str]]:
    if not sources:
        raise CallerError(
            "there is nothing to install", code="install.nothing", hint="give a SOURCE, or --url of a running server"
        )
    if "-" in sources:
        raise CallerError(
            "standard input is gone when the client starts the server",
            code="install.stdin",
            hint="put the document into a file",
        )
    if given["token_env"]:
        raise CallerError("--token-env belongs to --url", code="install.two_kinds", hint="leave it out")
    options = read_options(given)
    surroundings = seat.house.surroundings
    sources = checked(seat, sources)
    with seat.progress() as say:
        connectors = [seat.house.read(source, options, say) for source in sources]
    slug = connectors[0].slug if len(connectors) == 1 else "apiloom"
    name = _checked_name(options.name or slug)
    slugs = unique_slugs([one.slug for one in connectors])
    catalogs = {slug: one.catalog for slug, one in zip(slugs, connectors, strict=True)}
    hands_on, notes = handed_on(client, catalogs, options, given["handed"], surroundings.environment)
    launch = Launch(
        name=name,
        command=(*program(surroundings), *serve_words(sources, options, surroundings.folder)),
        environment=tuple(hands_on),
    )
    return launch, [*notes, *_too_long(client, name, dict(zip(slugs, connectors, strict=True)))]


def _too_long(client: Client, name: str, connectors: Mapping[str, Connector]) -> list[str]:
    most, added = _LONGEST.get(client, (0, 0))
    if not most:
        return []
    several = len(connectors) > 1
    names = [f"{slug}_{tool}" if several else tool for slug, one in connectors.items() for tool in one.catalog.tools]
    dropped = [tool for tool in names if len(name) + len(tool) + added > most]
    if not dropped:
        return []
    title = PLACES[client].title
    return [f"{title} may leave out {len(dropped)} tools whose names get too long, give the server a shorter --name"]


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CallerError(
            f"{name[:40]!r} is no name that every client takes",
            code="install.name",
            hint="use up to 32 letters, digits, - and _",
        )
    return name
