"""``apiloom call``: one tool, called once from the shell, or only shown as the request it would be."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.calls.call import Blob, Content, Link, Outcome, Text
from apiloom.calls.drift import DISCREPANCIES, PROPOSAL
from apiloom.console.cli.arguments import read_object, split_pairs, typed
from apiloom.console.cli.options import SourceCommand, SourceWord, checked, debugging, read_options, reading
from apiloom.console.cli.seat import NO, OK, UPSTREAM, USAGE, Seat, announce, write_bytes
from apiloom.console.house import WARNINGS, Connector

_MOST_TOLD = 5
_CALLER_CODES = ("call.", "catalog.", "policy.arguments")


class CallCommand(SourceCommand):
    """``--json`` takes an object of arguments or stands alone.

    Only what starts like an object, or ``@`` for a file, is its value; anything else after it is the next word, so
    that ``call --json SOURCE TOOL`` means what it says.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest, words = list(args), []
        while rest:
            word = rest.pop(0)
            if word == "--json":
                value = rest.pop(0) if rest and rest[0].lstrip().startswith(("{", "[", "@")) else ""
                word = f"--json={value}"
            words.append(word)
        return super().parse_args(ctx, words)


@click.command(cls=CallCommand)
@click.argument("source", type=SourceWord())
@click.argument("tool")
@click.option("--arg", "pairs", metavar="NAME=VALUE", multiple=True, help="One argument; repeat it for a list.")
@click.option(
    "--json",
    "objects",
    metavar="[OBJECT]",
    multiple=True,
    help="Arguments as a JSON object, @FILE or @-; with or without one, answer in JSON.",
)
@click.option("--dry-run", is_flag=True, help="Show the request, send nothing.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write the answer's content to a file.")
@reading
@debugging
@click.pass_obj
def call(seat: Seat, /, source: str, tool: str, **given: Any) -> int:
    """Call one tool and print its answer.

    Values of --arg are read by the tool's schema; name=@FILE is a file, for arguments that take files. --arg wins over
    --json. The exit code is 3 when the API refused or failed, 2 when the arguments are wrong.
    """
    (source,) = checked(seat, [source])
    options = read_options(given)
    folder = seat.house.surroundings.folder
    arguments: dict[str, Any] = {}
    for text in given["objects"]:
        arguments.update(read_object(text, folder) if text else {})
    pairs = split_pairs(given["pairs"])
    if given["output"] and not (folder / given["output"]).parent.is_dir():
        # Told before the call: an answer that cannot be kept may have changed something already.
        raise _unwritable(given["output"], "its folder does not exist")
    with seat.progress() as say:
        if pairs:
            connector = seat.house.read(source, options, say)
            arguments.update(_typed(connector, tool, pairs, folder))
        if given["dry_run"]:
            plan = seat.house.preview(source, options, tool, arguments, say)
        else:
            outcome = seat.house.call(source, options, tool, arguments, say)
    if given["dry_run"]:
        _show_plan(seat, plan)
        return OK
    return _show_outcome(seat, outcome, given["output"])


def _typed(connector: Connector, tool: str, pairs: dict[str, list[str]], folder: Path) -> dict[str, Any]:
    found = connector.catalog.tools.get(tool)
    if found is None:
        # The call itself says so best, with the nearest names; untyped words do until then.
        return dict(pairs)
    return typed(pairs, found, connector.rendered(tool)["inputSchema"], folder)


def _show_plan(seat: Seat, plan: dict[str, Any]) -> None:
    if seat.machine:
        seat.print_json(plan)
        return
    _warn(plan.get("warnings", ()))
    seat.print(f"{plan['method']} {plan['url']}")
    for name, value in plan["headers"]:
        seat.print(f"{name}: {value}")
    body = plan["body"]
    if body:
        seat.print("")
        seat.print(body["text"] if "text" in body else f"[{_size(body['base64'])} bytes of binary content]")


def _warn(warnings: Sequence[str]) -> None:
    """What was given and is not used, most often a misspelt name: told also where nothing fails."""
    for warning in warnings:
        announce(f"note: {warning}")


def _size(encoded: str) -> int:
    return len(base64.b64decode(encoded))


def _show_outcome(seat: Seat, outcome: Outcome, output: str | None) -> int:
    if output is not None and not outcome.failed:
        _write(output, outcome, seat.house.surroundings.folder)
    if not seat.machine:
        _warn(outcome.meta.get(WARNINGS, ()))
    if seat.machine:
        seat.print_json(outcome_value(outcome))
    elif outcome.failed:
        announce("apiloom: " + "\n".join(_told(part) for part in outcome.content))
    else:
        if output is None:
            _print_content(seat, outcome)
        for one in outcome.meta.get(DISCREPANCIES, ())[:_MOST_TOLD]:
            place, expected, observed = one["pointer"] or "the root", one["expected"], one["observed"]
            announce(f"the document says otherwise at {place}: expected {expected}, observed {observed}")
    return _exit_code(outcome) if outcome.failed else OK


def outcome_value(outcome: Outcome) -> dict[str, Any]:
    """An outcome for programs: ``failed``, ``content``, ``structured`` (or null), ``meta``, and ``discrepancies``.

    There are some where the answer does not keep to what the document promises: what was ``found``, with a JSON merge
    patch of the answer's schema that would make it true (``proposal``).
    """
    meta = dict(outcome.meta)
    found, patch, warnings = meta.pop(DISCREPANCIES, None), meta.pop(PROPOSAL, None), meta.pop(WARNINGS, None)
    told = {"discrepancies": {"found": found, "proposal": patch}} if found else {}
    told |= {"warnings": warnings} if warnings else {}
    return {
        "failed": outcome.failed,
        "content": [_part(part) for part in outcome.content],
        "structured": None if outcome.structured is None else json.loads(outcome.structured),
        "meta": meta,
        **told,
    }


def _part(part: Content) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Link):
        return {"type": "link", "uri": part.uri, "name": part.name, "mimeType": part.mime_type, "size": part.size}
    return {"type": "blob", "mimeType": part.mime_type, "name": part.name, "data": base64.b64encode(part.data).decode()}


def _exit_code(outcome: Outcome) -> int:
    """Who must act on a failed call: what the API answered has a status, what we refused has only a code."""
    error = outcome.meta.get("dev.apiloom/error", {})
    code = str(error.get("code", ""))
    if error.get("status") is not None or code.startswith(("upstream.", "net.", "backend.")):
        return UPSTREAM
    return USAGE if code.startswith(_CALLER_CODES) else NO


def _print_content(seat: Seat, outcome: Outcome) -> None:
    """Text as it is; one blob alone goes into a pipe as bytes, and is only told of on a terminal."""
    parts = outcome.content
    if len(parts) == 1 and isinstance(parts[0], Blob) and not sys.stdout.isatty():
        write_bytes(parts[0].data)
        return
    for part in parts:
        seat.print(_told(part))


def _told(part: Content) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Link):
        return f"[{part.size} bytes of {part.mime_type} at {part.uri}]"
    return f"[{len(part.data)} bytes of {part.mime_type}, written to a file by -o FILE]"


def _write(output: str, outcome: Outcome, folder: Path) -> None:
    blobs = [part.data for part in outcome.content if isinstance(part, Blob)]
    data = blobs[0] if blobs else "\n".join(part.text for part in outcome.content if isinstance(part, Text)).encode()
    try:
        (folder / output).write_bytes(data)
    except OSError as error:
        raise _unwritable(output, (error.strerror or "check the path").lower()) from None
    if len(blobs) > 1:
        announce(f"{len(blobs)} pieces of binary content came, {output} holds the first")


def _unwritable(output: str, why: str) -> CallerError:
    return CallerError(f"{output} cannot be written", code="cli.output", hint=why)
