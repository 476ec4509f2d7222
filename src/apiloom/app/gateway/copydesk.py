"""``apiloom db`` and ``apiloom doctor``: what is asked about copies of a gateway's data, done on the data itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from apiloom.app.gateway.backups import back_up, claim, restore, upgrade
from apiloom.app.gateway.doctor import examine
from apiloom.app.gateway.place import read_place
from apiloom.console.house import CopyAsk

Say = Callable[[str], None]


def answer_copies(ask: CopyAsk, say: Say, environment: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """What was asked, done.

    Raises:
        ApiloomError: it cannot be done; nothing is half-changed that the same command would not complete.
    """
    place = read_place(ask.data, os.environ if environment is None else environment)
    file = Path(ask.file) if ask.file else None
    journals = [Path(folder) for folder in ask.journals]
    if ask.word == "doctor":
        return asyncio.run(examine(place, say, backup=file, deep=ask.deep, public_url=ask.public_url))
    if ask.word == "upgrade":
        return asyncio.run(upgrade(place))
    if ask.word == "claim":
        return asyncio.run(claim(place, journals, keep_grants=ask.keep_grants, done=ask.sure))
    assert file is not None  # noqa: S101 - the command has it as an argument
    if ask.word == "backup":
        return asyncio.run(back_up(place, file, say))
    return asyncio.run(restore(place, file, journals, say, force=ask.sure))
