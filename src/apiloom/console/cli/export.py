"""``apiloom export``: a document's tools as something to take elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from apiloom.base import json
from apiloom.base.errors import ApiloomError, CallerError
from apiloom.console.cli.later import not_yet
from apiloom.console.cli.options import SourceCommand, SourceWord, answering, checked, http_url, read_options, reading
from apiloom.console.cli.seat import OK, Seat, announce, write_bytes
from apiloom.console.house import Connector, Options, Surroundings
from apiloom.console.install.launch import handed_on, program, serve_words
from apiloom.emit.config import CLIENTS, Launch, emit_claude_command, emit_config
from apiloom.emit.definitions import Target, definition_warnings, emit_anthropic, emit_openai

Files = dict[str, str]
"""File names and their text."""


@click.command(cls=SourceCommand)
@click.argument("source", type=SourceWord())
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Choice(["python", "anthropic", "openai", "mcpb", "config"]),
    help="Tool definitions of a model API, or configuration of MCP clients.",
)
@click.option("--url", metavar="URL", callback=http_url, help="With config: point to a server that runs.")
@reading
@answering
@click.pass_obj
def export(seat: Seat, /, source: str, folder: str, target: str, **given: Any) -> int:
    """Write tools as definitions or configuration.

    They go into the folder DIR; with - they are printed instead. anthropic and openai write the tools of a request to
    a model, config a configuration file for each MCP client.
    """
    if target in {"python", "mcpb"}:
        raise not_yet(f"export --to {target} comes", hint="anthropic, openai and config work today")
    (source,) = checked(seat, [source])
    if source == "-" and target == "config":
        raise CallerError(
            "standard input is gone when a client starts the server",
            code="install.stdin",
            hint="put the document into a file",
        )
    options = read_options(given)
    with seat.progress() as say:
        connector = seat.house.read(source, options, say)
    if target == "config":
        files, warnings = _configurations(connector, source, options, given["url"] or "", seat.house.surroundings)
    else:
        files, warnings = _definitions(connector, cast("Target", target))
    if folder == "-":
        write_bytes(next(iter(files.values())).encode())
        for warning in warnings:
            announce(f"note: {warning}")
        return OK
    written = [str(_write(seat.house.surroundings.folder / folder, name, text)) for name, text in files.items()]
    if seat.machine:
        seat.print_json({"files": written, "tools": len(connector.catalog.tools), "warnings": warnings})
        return OK
    for path in written:
        seat.print(path)
    for warning in warnings:
        announce(f"note: {warning}")
    return OK


def _definitions(connector: Connector, target: Target) -> tuple[Files, list[str]]:
    tools = [connector.rendered(name) for name in connector.catalog.tools]
    warnings = definition_warnings(tools, target)
    if target == "anthropic":
        return {"anthropic.json": _lines(emit_anthropic(tools))}, warnings
    return {
        "openai-chat.json": _lines(emit_openai(tools)),
        "openai-responses.json": _lines(emit_openai(tools, form="responses")),
    }, warnings


def _configurations(
    connector: Connector, source: str, options: Options, url: str, surroundings: Surroundings
) -> tuple[Files, list[str]]:
    name = options.name or connector.slug
    command = () if url else (*program(surroundings), *serve_words([source], options, surroundings.folder))
    files: Files = {}
    notes: list[str] = []
    for client in CLIENTS:
        if client == "claude-desktop" and url:
            # Its file takes commands only; a URL is added under Settings, Connectors.
            continue
        hands_on, told = handed_on(
            client, {connector.slug: connector.catalog}, options, (), {} if url else surroundings.environment
        )
        launch = Launch(name=name, command=command, url=url, environment=tuple(hands_on))
        files[f"{client}.toml" if client == "codex" else f"{client}.json"] = emit_config(client, launch)
        notes += () if url else told
    files["claude-code.sh"] = emit_claude_command(Launch(name=name, command=command, url=url)) + "\n"
    return files, list(dict.fromkeys(notes))


def _lines(definitions: list[dict[str, Any]]) -> str:
    """A JSON list with one definition a line: still diffable, and half the size of an indented one."""
    return "[\n" + ",\n".join(json.dumps(definition).decode() for definition in definitions) + "\n]\n"


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def _unwritable(path: Path, error: OSError) -> ApiloomError:
    return CallerError(
        f"{path} cannot be written", code="cli.output", hint=(error.strerror or "check the path").lower()
    )
