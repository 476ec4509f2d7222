"""``apiloom key``: the keys of a gateway, on its data itself. A key is never shown, only its fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from apiloom.console.cli.options import answering
from apiloom.console.cli.platform.records import answer
from apiloom.console.cli.seat import NO, Seat, announce
from apiloom.console.house import KeyAsk

_DATA = click.option("--data", metavar="DIR|URL", help="The gateway's data.  [env: APILOOM_DATA]")


def commands() -> list[click.Command]:
    """All of them."""
    return [_create, _show, _rotate]


def _asked(seat: Seat, ask: KeyAsk) -> Mapping[str, Any]:
    with seat.progress() as say:
        return seat.house.keys(ask, say)


@click.command("create")
@_DATA
@answering
@click.pass_obj
def _create(seat: Seat, /, **given: Any) -> int:
    """Make the key of a gateway that has none, where APILOOM_KEY or APILOOM_KEY_FILE says.

    For a folder that is new the gateway does so by itself.
    """
    made = _asked(seat, KeyAsk(word="create", data=given["data"] or ""))
    return answer(seat, made, lambda: seat.print(f"a key {made['fingerprint']} is made in {made['source']}"))


@click.command("show")
@_DATA
@answering
@click.pass_obj
def _show(seat: Seat, /, **given: Any) -> int:
    """Show where the keys lie and which is in use, by their fingerprints."""
    told = _asked(seat, KeyAsk(word="show", data=given["data"] or ""))
    return answer(seat, told, lambda: _tell(seat, told))


def _tell(seat: Seat, told: Mapping[str, Any]) -> None:
    for source in told["sources"]:
        seat.print(source["source"])
        for key in source["keys"] or ("none yet",):
            seat.print(f"  {key}" + ("  in use" if key == told["in_use"] else ""))
    seat.print("keys of the house")
    for purpose, versions in told["house"].items():
        seat.print(f"  {purpose:<10} version {', '.join(str(version) for version in versions)}")


@click.command("rotate")
@click.option("--tenant", metavar="ID", help="Rotate the key that seals this tenant's credentials.")
@click.option("--house", is_flag=True, help="Rotate the keys of the house: those of its secrets and of data keys.")
@_DATA
@answering
@click.pass_obj
def _rotate(seat: Seat, /, **given: Any) -> int:
    """Rotate a key while the gateway serves; without an option the key-encryption key.

    Every URL, token, session and credential stays what it is. What was interrupted is completed.
    """
    ask = KeyAsk(word="rotate", data=given["data"] or "", tenant=given["tenant"] or "", house=bool(given["house"]))
    done = _asked(seat, ask)
    answer(seat, done, lambda: seat.print(f"{done['rotated']}: now {done['now']}" + _counted(done)))
    for id_ in done["damaged"]:
        announce(f"apiloom: {id_} cannot be opened and was left as it is")
    return NO if done["damaged"] else 0


def _counted(done: Mapping[str, Any]) -> str:
    return f", {done['sealed_anew']} records sealed anew" if done["sealed_anew"] else ""
