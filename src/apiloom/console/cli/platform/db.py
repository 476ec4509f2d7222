"""``apiloom db``: backups of a gateway's data, restoring them, claiming copies, bringing schemas up to date."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.options import answering
from apiloom.console.cli.platform.records import answer
from apiloom.console.cli.platform.session import file_at, is_watched
from apiloom.console.cli.platform.values import counted
from apiloom.console.cli.seat import OK, Seat, announce
from apiloom.console.house import CopyAsk

_DATA = click.option("--data", metavar="DIR|URL", help="The gateway's data.  [env: APILOOM_DATA]")
_JOURNAL = click.option(
    "--journal",
    "journals",
    multiple=True,
    metavar="DIR",
    type=click.Path(),
    help="A further folder with journals, such as another node's; may be repeated.",
)


def commands() -> list[click.Command]:
    """All of them."""
    return [_backup, _restore, _claim, _upgrade]


def _asked(seat: Seat, ask: CopyAsk) -> Mapping[str, Any]:
    with seat.progress() as say:
        return seat.house.copies(ask, say)


def _folders(seat: Seat, given: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(file_at(seat, folder)) for folder in given["journals"])


@click.command("backup")
@click.argument("file", type=click.Path())
@_DATA
@answering
@click.pass_obj
def _backup(seat: Seat, /, file: str, **given: Any) -> int:
    """Copy everything into FILE, as it is at one moment, while the gateway serves. The key is not in it."""
    done = _asked(seat, CopyAsk(word="backup", data=given["data"] or "", file=str(file_at(seat, file))))
    return answer(seat, done, lambda: _tell_backup(seat, done))


def _tell_backup(seat: Seat, done: Mapping[str, Any]) -> None:
    seat.print(f"{done['file']}: {done['rows']:,} rows, {done['bytes']:,} bytes")
    announce("keep the key apart from it: without the key nothing in it opens")


@click.command("restore")
@click.argument("file", type=click.Path())
@click.option("--force", is_flag=True, help="Put it in the place of what is there, of which a copy is kept.")
@_JOURNAL
@_DATA
@answering
@click.pass_obj
def _restore(seat: Seat, /, file: str, **given: Any) -> int:
    """Put the backup FILE back. Everything is checked before anything is replaced; what comes of it is dormant."""
    ask = CopyAsk(
        word="restore",
        data=given["data"] or "",
        file=str(file_at(seat, file)),
        journals=_folders(seat, given),
        sure=given["force"],
    )
    done = _asked(seat, ask)
    return answer(seat, done, lambda: _tell_restore(seat, done))


def _tell_restore(seat: Seat, done: Mapping[str, Any]) -> None:
    seat.print(f"{done['place']} is what it was at {done['made_at']}, and dormant")
    if done["journal"]:
        seat.print(
            f"by its journal {counted(done['ended'], 'thing')} {'was' if done['ended'] == 1 else 'were'} ended again, "
            f"{counted(done['stale'], 'account')} {'needs' if done['stale'] == 1 else 'need'} to be connected anew"
        )
    else:
        announce("note: no journal was found: what was revoked since the backup is valid again")
    if done["dropped"]:
        announce(f"note: the journal is not whole: what ended until {done['dropped']} may be missing and valid again")
    if done["forged"]:
        announce(f"note: {done['forged']:,} lines of the journal were not written by apiloom and are not heeded")
    if done["saved"]:
        seat.print(f"what was there before is kept in {done['saved']}")
    announce("apiloom db claim makes it act, when the one it was copied from no longer does")


@click.command("claim")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--keep-grants",
    is_flag=True,
    help="Without a journal: trust what accounts were granted, because nothing was renewed since the copy was made.",
)
@_JOURNAL
@_DATA
@answering
@click.pass_obj
def _claim(seat: Seat, /, **given: Any) -> int:
    """Make this copy the one that acts: that renews, schedules and sends. Every other copy must not act any more."""
    ask = CopyAsk(
        word="claim", data=given["data"] or "", journals=_folders(seat, given), keep_grants=given["keep_grants"]
    )
    plan = _asked(seat, ask)
    if not plan["dormant"]:
        return answer(seat, plan, lambda: seat.print(f"{plan['place']} acts already"))
    _tell_plan(plan)
    if not given["yes"]:
        _confirm()
    done = _asked(
        seat,
        CopyAsk(word="claim", data=ask.data, journals=ask.journals, keep_grants=ask.keep_grants, sure=True),
    )
    told = f"{done['place']} acts from now on; {counted(done['marked'], 'account')} to be connected anew"
    return answer(seat, done, lambda: seat.print(told))


def _tell_plan(plan: Mapping[str, Any]) -> None:
    announce(f"{plan['place']} is dormant: {plan['dormant']}")
    if plan["journal"]:
        announce(f"its journal is there ({plan['entries']:,} lines): what it says has ended stays ended")
    else:
        announce("there is no journal: nobody knows what was revoked or renewed since the copy was made")
    if plan["marked"]:
        announce(
            f"{counted(plan['marked'], 'account')} will need to be connected anew, because their tokens may have been "
            "renewed elsewhere (--keep-grants trusts them)"
        )
    announce("the gateway that it was copied from must not act any more: stop it first")


def _confirm() -> None:
    if not is_watched():
        raise CallerError("nobody can be asked whether to", code="cli.unconfirmed", hint="add --yes")
    announce("go on? [y/N]")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CallerError("nothing was done", code="cli.unconfirmed", hint="answer y, or add --yes")


@click.command("upgrade")
@_DATA
@answering
@click.pass_obj
def _upgrade(seat: Seat, /, **given: Any) -> int:
    """Bring the data's schema to this release's, as serving it would."""
    done = _asked(seat, CopyAsk(word="upgrade", data=given["data"] or ""))
    moved = done["from"] != done["to"]
    told = f"from schema {done['from']} to {done['to']}" if moved else f"is at schema {done['to']} already"
    return answer(seat, done, lambda: seat.print(f"{done['place']} {told}")) or OK
