"""That the hunt would find what it looks for: a leak is made on each road, one at a time, and each is found there.

What is made here is what could be made by mistake: an eraser that erases nothing, an error that tells its traceback, an
audit line with too much in it, a log line with headers, a value that shows itself, rows that are not sealed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway.node import Node
from apiloom.app.gateway.sealing import VaultSealing
from apiloom.backends.http.echo import Eraser
from apiloom.base.errors import ApiloomError
from apiloom.base.secret import Secret
from apiloom.console.api import build, door
from apiloom.console.api.problems import Problem, problem_of
from apiloom.flows import accounts
from apiloom.flows.access import HOST
from apiloom.flows.accounts import patch_account
from apiloom.net.request import Request
from apiloom.vault.signers import Dialogue, StaticSigner
from support import hunting, mirror_roads
from support.leaks import listening, shown
from support.mirror import Hunt, call, furnished
from support.mirror_roads import crashes, rotations, wrong_credentials

pytestmark = pytest.mark.system

Walk = Callable[[Hunt], Awaitable[None]]


@dataclass(frozen=True)
class Leaking:
    """A leak that is made, the road it is found on (the beginning of its name) and what is walked to find it."""

    road: str
    make: Callable[[pytest.MonkeyPatch, Hunt], None]
    walk: Walk


def _erase_nothing(patch: pytest.MonkeyPatch, _: Hunt) -> None:
    for name in [name for name, value in vars(Eraser).items() if callable(value) and not name.startswith("__")]:
        patch.setattr(Eraser, name, _as_it_is(name))


def _as_it_is(_name: str) -> Callable[..., Any]:
    return lambda _self, given, *_more: given


def _tell_tracebacks(patch: pytest.MonkeyPatch, _: Hunt) -> None:
    def told(error: ApiloomError) -> Problem:
        return replace(problem_of(error), detail=shown(error))

    patch.setattr(door, "problem_of", told)
    patch.setattr(build, "problem_of", told)


def _audit_all(patch: pytest.MonkeyPatch, _: Hunt) -> None:
    note = accounts.note

    async def noted(*given: Any, **detail: Any) -> None:
        around = sys._getframe(1).f_locals
        await note(*given, **detail, given=repr(around.get("patch")))

    patch.setattr(accounts, "note", noted)


def _log_headers(patch: pytest.MonkeyPatch, _: Hunt) -> None:
    sign = StaticSigner.sign

    def signed(self: StaticSigner, request: Request) -> Dialogue:
        self.real.put(request)
        logging.getLogger("apiloom.x").debug("sending %s", request.headers)
        return sign(self, request)

    patch.setattr(StaticSigner, "sign", signed)


def _show_secrets(patch: pytest.MonkeyPatch, _: Hunt) -> None:
    patch.setattr(Secret, "__repr__", lambda self: self._value)


def _tell_the_state(patch: pytest.MonkeyPatch, _: Hunt) -> None:
    async def state(self: Node) -> dict[str, object]:
        return {"ready": True, "keys": str(self.grounds.custody.sub_keys("seals"))}

    patch.setattr(Node, "state", state)


def _seal_nothing(patch: pytest.MonkeyPatch, _: Hunt) -> None:
    async def seal(_self: Any, _scope: Any, _tenant: str, _record: str, plain: bytes) -> bytes:
        return plain

    unseal = VaultSealing.open

    async def opened(self: VaultSealing, scope: Any, tenant: str, record: str, sealed: bytes) -> bytes:
        return sealed if sealed.startswith(b"{") else await unseal(self, scope, tenant, record, sealed)

    patch.setattr(VaultSealing, "seal", seal)
    patch.setattr(VaultSealing, "open", opened)


def _tell_keys(patch: pytest.MonkeyPatch, hunt: Hunt) -> None:
    rotate = mirror_roads.rotate

    async def rotated(*given: Any) -> Any:
        return {**await rotate(*given), "key": hunt.house.grounds.place.key_file().read_text()}

    patch.setattr(mirror_roads, "rotate", rotated)


def _name_a_task(_: pytest.MonkeyPatch, hunt: Hunt) -> None:
    asyncio.get_running_loop().create_task(asyncio.sleep(60), name=f"for {hunt.token}")


def _hand_down_words(patch: pytest.MonkeyPatch, hunt: Hunt) -> None:
    patch.setattr(hunting, "COMMANDS", (("doctor", "--profile", hunt.token),))


def _hand_down_surroundings(patch: pytest.MonkeyPatch, hunt: Hunt) -> None:
    patch.setattr(hunting, "COMMANDS", (("doctor",),))
    patch.setitem(os.environ, "HANDED_DOWN", hunt.token)


def _print_the_key(patch: pytest.MonkeyPatch, hunt: Hunt) -> None:
    place = hunt.house.grounds.place
    (hunt.folder / "mistake").mkdir()
    (hunt.folder / "mistake" / "sitecustomize.py").write_text(f"print(open({str(place.key_file())!r}).read())\n")
    patch.setattr(hunting, "COMMANDS", (("doctor",),))
    patch.setitem(os.environ, "PYTHONPATH", str(hunt.folder / "mistake"))


def _leave_a_file(_: pytest.MonkeyPatch, hunt: Hunt) -> None:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(hunt.token)


async def _one_call(hunt: Hunt) -> None:
    for scheme, form in (("bearer", "plain"), ("query", "base64a"), ("aws", "hexupper")):
        await call(hunt, f"read_{scheme}", "ok", form)


async def _one_file(hunt: Hunt) -> None:
    await call(hunt, "read_bearer", "large", "plain")


async def _one_line(hunt: Hunt) -> None:
    with listening() as heard:
        await call(hunt, "read_bearer", "ok", "plain")
    hunt.take("logs", heard.text())


async def _one_change(hunt: Hunt) -> None:
    account = next(one for one in hunt.house.node.memory.accounts.values() if one.connector == "mirror")
    given = {"credentials": {"bearer": {"token": hunt.canaries.add("changed bearer")}}}
    await hunt.house.done(patch_account(hunt.house.ground, HOST, account.id, given))


async def _changed_and_told(hunt: Hunt) -> None:
    await _one_change(hunt)
    await hunt.admin()


async def _changed_and_kept(hunt: Hunt) -> None:
    await _one_change(hunt)
    await hunt.house.node.flush()
    hunt.files(hunt.folder)


async def _objects(hunt: Hunt) -> None:
    hunt.objects()


async def _files(hunt: Hunt) -> None:
    hunt.files(hunt.folder)


MADE: tuple[Leaking, ...] = (
    Leaking("answers", _erase_nothing, _one_call),
    Leaking("kept files", _erase_nothing, _one_file),
    Leaking("logs", _log_headers, _one_line),
    Leaking("refused credentials", _tell_tracebacks, wrong_credentials),
    Leaking("crash", _show_secrets, crashes),
    Leaking("objects", _show_secrets, _objects),
    Leaking("tasks", _name_a_task, _objects),
    Leaking("state", _tell_the_state, Hunt.admin),
    Leaking("processes", _hand_down_words, Hunt.commands),
    Leaking("processes", _hand_down_surroundings, Hunt.commands),
    Leaking("command doctor", _print_the_key, Hunt.commands),
    Leaking("file tmp/", _leave_a_file, _files),
    Leaking("rotation", _tell_keys, rotations),
    Leaking("admin", _audit_all, _changed_and_told),
    Leaking("file house/apiloom.db", _seal_nothing, _changed_and_kept),
    Leaking("file backup", _seal_nothing, Hunt.commands),
)
"""The last ones stay in the rows, and would be found by what came after them."""


async def test_a_leak_on_each_road_is_found_there(tmp_path: Path) -> None:
    missed = []
    async with furnished(tmp_path) as hunt:
        await _one_call(hunt)
        assert hunt.found() == [], "there is a leak before one was made"
        for leaking in MADE:
            hunt.clear()
            with pytest.MonkeyPatch.context() as patch:
                leaking.make(patch, hunt)
                await leaking.walk(hunt)
            found = {leak.road for leak in hunt.found()}
            if not any(road.startswith(leaking.road) for road in found):
                missed.append((leaking.road, leaking.make.__name__, sorted(found)))
    assert "\n".join(map(str, missed)) == ""
