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
from keyring.errors import KeyringLocked

from apiloom.app.gateway import asking, identifying
from apiloom.app.gateway.connecting import Consents
from apiloom.app.gateway.node import Node
from apiloom.app.gateway.sealing import VaultSealing
from apiloom.backends.http.echo import Eraser
from apiloom.base.errors import ApiloomError, DesignError, UpstreamError
from apiloom.base.secret import Secret, Unshown
from apiloom.console.api import build, door
from apiloom.console.api.problems import Problem, problem_of
from apiloom.flows import accounts, connect_people
from apiloom.flows.access import HOST
from apiloom.flows.accounts import patch_account
from apiloom.flows.connect_ports import Granted, Question
from apiloom.net.request import Request, Response
from apiloom.vault import keyrings, transit
from apiloom.vault.oauth import device
from apiloom.vault.signers import Dialogue, StaticSigner
from support import hunted_people, hunting, mirror_roads
from support.hunted_keys import by_a_key_source
from support.hunted_people import (
    by_a_device_at_one_that_tells_all,
    by_an_issuer,
    by_an_issuer_that_tells_all,
    by_two_consents,
)
from support.leaks import listening, shown
from support.mirror import Hunt, call, furnished
from support.mirror_roads import crashes, places_that_fail, rotations, wrong_credentials
from support.openbao import OpenBao

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


def _tell_what_a_keyring_says(patch: pytest.MonkeyPatch, _: Hunt | None = None) -> None:
    def bounded(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (ValueError, KeyringLocked) as error:
            raise DesignError(str(error), code="keyring.unusable", hint="none") from None

    patch.setattr(keyrings, "_bounded", bounded)


def _tell_what_openbao_says(patch: pytest.MonkeyPatch, _: Hunt | None = None) -> None:
    read = transit._checked

    def checked(response: Response) -> Any:
        if response.status >= 300:
            raise UpstreamError(response.body.decode(), code="bao.refused", hint="none")
        return read(response)

    patch.setattr(transit, "_checked", checked)


async def _places(hunt: Hunt) -> None:
    with listening() as heard:
        await places_that_fail(hunt)
    hunt.take("logs", heard.text())


async def _one_far_call(hunt: Hunt) -> None:
    for scheme, form in (("basic", "base64a"), ("template", "plain")):
        await call(hunt, f"read_{scheme}", "ok", form, url=hunt.far)


MADE: tuple[Leaking, ...] = (
    Leaking("answers", _erase_nothing, _one_call),
    Leaking("answers", _erase_nothing, _one_far_call),
    Leaking("kept files", _erase_nothing, _one_file),
    Leaking("logs", _tell_what_a_keyring_says, _places),
    Leaking("logs", _tell_what_openbao_says, _places),
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


async def test_a_leak_on_each_road_is_found_there(tmp_path: Path, openbao: OpenBao) -> None:
    missed = []
    async with furnished(tmp_path, openbao) as hunt:
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


# -- on the ways of people and of keys ---------------------------------------------------------------------------------


def _log(what: object) -> None:
    logging.getLogger("apiloom.x").debug("it is %r", what)


def _tell_refused_devices(patch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> UpstreamError:
        return UpstreamError(str(sys._getframe(1).f_locals["answer"]), code="oauth.refused", hint="none")

    patch.setattr(device, "refused", refused)


def _log_devices(patch: pytest.MonkeyPatch) -> None:
    read = device.read_answer

    def logged(response: Response) -> Any:
        _log(read(response))
        return read(response)

    patch.setattr(device, "read_answer", logged)


def _show_members(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Unshown, "__repr__", dict.__repr__)


def _log_what_waited(patch: pytest.MonkeyPatch) -> None:
    unpack = Consents.unpack

    def logged(self: Consents, packed: Any) -> Granted:
        _log(dict(packed))
        return unpack(self, packed)

    patch.setattr(Consents, "unpack", logged)


def _log_questions(patch: pytest.MonkeyPatch) -> None:
    asked = connect_people._question

    def logged(ground: Any, state: str) -> Question:
        question = asked(ground, state)
        _log(question.verifier.reveal())
        return question

    patch.setattr(connect_people, "_question", logged)


def _log_issuers(patch: pytest.MonkeyPatch) -> None:
    post = asking.post_form

    async def logged(*given: Any) -> Any:
        status, answer = await post(*given)
        _log(answer)
        return status, answer

    patch.setattr(identifying, "post_form", logged)


def _seal_no_session(patch: pytest.MonkeyPatch) -> None:
    _seal_nothing(patch, None)  # type: ignore[arg-type]  # it asks nothing of a hunt


@dataclass(frozen=True)
class OnTheWay:
    """A leak that is made on a way of people or keys, and the road it is found on."""

    walk: Callable[..., Awaitable[None]]
    road: str
    make: Callable[[pytest.MonkeyPatch], None]

    def __str__(self) -> str:
        return f"{self.walk.__name__} {self.make.__name__.strip('_')}"


ON_THE_WAY = (
    OnTheWay(by_a_device_at_one_that_tells_all, "refusals", _tell_refused_devices),
    OnTheWay(by_a_device_at_one_that_tells_all, "logs", _log_devices),
    OnTheWay(by_a_device_at_one_that_tells_all, "crash", _show_members),
    OnTheWay(by_a_device_at_one_that_tells_all, "file house/apiloom.db", _seal_no_session),
    OnTheWay(by_two_consents, "logs", _log_what_waited),
    OnTheWay(by_two_consents, "file house/apiloom.db", _seal_no_session),
    OnTheWay(by_an_issuer, "logs", _log_questions),
    OnTheWay(by_an_issuer_that_tells_all, "logs", _log_issuers),
    OnTheWay(by_an_issuer_that_tells_all, "crash", _show_members),
)


@pytest.mark.parametrize("leak", ON_THE_WAY, ids=str)
async def test_a_leak_on_a_way_of_people_is_found_there(tmp_path: Path, leak: OnTheWay) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hunted_people, "REFUSALS", ("401",))
        leak.make(patch)
        await leak.walk(tmp_path, leaking=leak.road)


@pytest.mark.parametrize(("source", "make"), [("keyring", _tell_what_a_keyring_says), ("bao", _tell_what_openbao_says)])
async def test_a_leak_at_a_source_of_keys_is_found(
    tmp_path: Path, openbao: OpenBao, source: str, make: Callable[[pytest.MonkeyPatch], None]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        make(patch)
        await by_a_key_source(tmp_path, openbao, source, leaking="refusals")


async def test_a_key_that_is_given_is_found_where_it_shows_itself(tmp_path: Path, openbao: OpenBao) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Secret, "__repr__", lambda self: self._value)
        await by_a_key_source(tmp_path, openbao, "given", leaking="objects")
