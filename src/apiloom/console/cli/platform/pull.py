"""``apiloom pull``: a gateway's state as files, without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from apiloom.base.errors import DesignError
from apiloom.console.cli.platform.session import asked_telling, asking, file_at
from apiloom.console.cli.seat import OK, Seat, announce, write_bytes
from apiloom.console.house import Say
from apiloom.console.state.actual import read_state
from apiloom.console.state.pull import Pulled, pull
from apiloom.readers.yaml_out import write_yaml

if TYPE_CHECKING:
    from apiloom.console.client import Gateway


@click.command("pull")
@click.option("-o", "--output", metavar="DIR", type=click.Path(), help="Write files here.  [default: standard output]")
@asking
@click.pass_obj
def command(seat: Seat, /, output: str | None, **given: Any) -> int:
    """Write a gateway's state into files that apply brings back, here or elsewhere.

    No secret is among them: credentials stay where they are, and URLs and tokens of servers are known to no one.
    """

    async def work(gateway: Gateway, say: Say) -> Pulled:
        say("reading")
        return await pull(gateway, await read_state(gateway), beside=output is not None)

    pulled = asked_telling(seat, given, work)
    documents = [each for file in pulled.documents.values() for each in file]
    if output is not None:
        files = _written(file_at(seat, output), pulled)
        if seat.machine:
            seat.print_json({"folder": output, "files": files, "documents": len(documents)})
        else:
            seat.print(f"{len(documents):,} documents are in {len(files):,} files in {output}")
    elif seat.machine:
        seat.print_json({"documents": documents})
    else:
        write_bytes("".join(write_yaml(each) for each in documents).encode())
    return OK


def _written(folder: Path, pulled: Pulled) -> list[str]:
    """Write all files; what else lies in the folder is left alone, and said."""
    texts = {
        f"{name}.yaml": "".join(write_yaml(each) for each in documents).encode()
        for name, documents in pulled.documents.items()
    }
    texts.update(pulled.contents)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        others = sorted(each.name for each in folder.iterdir() if each.is_file() and each.name not in texts)
    except OSError as error:
        raise DesignError(
            f"{folder} cannot be written to: {error.strerror or 'no reason given'}",
            code="state.unwritable",
            hint="choose another folder",
        ) from None
    if others:
        announce(f"note: these files were there and are left alone: {', '.join(others[:10])}")
    return sorted(texts)
