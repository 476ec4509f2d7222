"""A secret in hand: no road that values usually take out of a program gives it away."""

from __future__ import annotations

import copy
import dataclasses
import io
import json as standard
import logging
import marshal
import pickle
import pprint
import string
import sys
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from apiloom.base import json
from apiloom.base.secret import Secret
from apiloom.vault.custody import Custody, RootKey, fresh_custody
from apiloom.vault.envelope import SealingKey

CANARY = "canary-0123456789abcdefghij-KL"
BYTES = (CANARY + "xy").encode()


@dataclasses.dataclass(frozen=True)
class Holder:
    token: Any
    note: str = "n"


def held() -> list[Any]:
    custody = Custody({"tokens": {1: BYTES}}, "f")
    return [Secret(CANARY), SealingKey(BYTES), RootKey(BYTES), custody]


@pytest.fixture(params=range(4), ids=["Secret", "SealingKey", "RootKey", "Custody"])
def kept(request: pytest.FixtureRequest) -> Any:
    return held()[request.param]


def leaks(text: str | bytes) -> bool:
    shown = text if isinstance(text, str) else text.decode("latin-1")
    return any(form in shown for form in (CANARY, CANARY[:16], BYTES.hex(), repr(BYTES)))


SHOWN: list[Callable[[Any], str]] = [
    str,
    repr,
    ascii,
    format,
    lambda one: f"{one!r}",
    lambda one: f"{one!s:>60}",
    lambda one: f"{one!a}",
    lambda one: "%s %r" % (one, one),  # noqa: UP031 - this road too
    "{0} {0!r}".format,
    lambda one: string.Template("$one").substitute(one=one),
    lambda one: pprint.pformat({"a": [one]}),
    lambda one: repr(Holder(one)),
    lambda one: repr([one, {"k": one}, (one,)]),
    lambda one: repr(dataclasses.replace(Holder(one), note="m")),
    lambda one: pretty_repr(Holder(one)),
    lambda one: repr(Exception(one)) + str(Exception(one)),
    lambda one: str(dir(one)),
]


@pytest.mark.parametrize("show", SHOWN)
def test_no_way_of_printing_shows_it(kept: Any, show: Callable[[Any], str]) -> None:
    shown = show(kept)
    assert not leaks(shown)


def test_a_secret_keeps_to_the_width_that_was_asked_for() -> None:
    assert f"[{Secret(CANARY):>5}]" == "[  ***]"


def test_no_log_shows_it(kept: Any) -> None:
    written = io.StringIO()
    log = logging.Logger("test")  # noqa: LOG001 - nobody else may hear of it
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s %(extra)s"))
    log.addHandler(handler)
    log.error("%s %r", kept, kept, extra={"extra": kept})
    log.error("failed", extra={"extra": [kept]}, exc_info=ValueError(kept))
    assert "***" in written.getvalue()
    assert not leaks(written.getvalue())


def failed(token: Any) -> tuple[Any, Any, Any]:
    def breaks(secret: Any) -> None:
        raise RuntimeError("broke", {"token": secret}, secret)

    try:
        breaks(token)
    except RuntimeError:
        return sys.exc_info()  # type: ignore[return-value]
    raise AssertionError


def test_no_traceback_shows_it_even_with_what_every_name_holds(kept: Any) -> None:
    kind, error, tb = failed(kept)
    told = traceback.TracebackException(kind, error, tb, capture_locals=True)
    shown = "".join(told.format())
    assert "***" in shown
    out = io.StringIO()
    rich = Traceback.from_exception(kind, error, tb, show_locals=True, locals_max_string=None)
    Console(file=out, width=200).print(rich)
    Console(file=out, width=200).print({"k": Holder(kept)}, kept)
    assert "***" in out.getvalue()
    assert not leaks(shown + out.getvalue())


CARRIED: list[Callable[[Any], Any]] = [
    pickle.dumps,
    lambda one: pickle.dumps(one, protocol=0),
    lambda one: pickle.dumps(Holder(one)),
    copy.copy,
    copy.deepcopy,
    lambda one: copy.deepcopy({"k": [one]}),
    lambda one: dataclasses.asdict(Holder(one)),
    lambda one: one.__getstate__(),
    lambda one: one.__reduce_ex__(4),
    vars,
    marshal.dumps,
    standard.dumps,
    lambda one: standard.dumps([one]),
    msgspec.json.encode,
    msgspec.msgpack.encode,
    lambda one: msgspec.to_builtins({"k": one}),
    json.dumps,
    lambda one: json.dumps({"k": [one]}),
    lambda one: json.canonical({"k": one}),
    bytes,
    iter,
    len,
    lambda one: "".join([one]),
    lambda one: one + "",
]


@pytest.mark.parametrize("carry", CARRIED)
def test_no_way_of_carrying_values_off_takes_it_along(kept: Any, carry: Callable[[Any], Any]) -> None:
    with pytest.raises((TypeError, ValueError, msgspec.ValidationError, NotImplementedError)) as error:
        carry(kept)
    assert not leaks(str(error.value))


def test_whoever_helps_json_along_by_text_gets_stars() -> None:
    assert standard.dumps({"k": Secret(CANARY)}, default=str) == '{"k": "***"}'
    assert msgspec.json.encode({"k": Secret(CANARY)}, enc_hook=str) == b'{"k":"***"}'


def test_two_secrets_are_compared_in_constant_time_and_nothing_else_is_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def compared(one: bytes, other: bytes) -> bool:
        asked.append((one, other))
        return one == other

    monkeypatch.setattr("apiloom.base.secret.hmac.compare_digest", compared)
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret(CANARY[:-1])
    assert len(asked) == 2
    for other in (CANARY, BYTES, None, 7, object()):
        assert Secret(CANARY) != other
    assert len(asked) == 2


def test_a_secret_has_no_hash_so_that_no_table_holds_it() -> None:
    with pytest.raises(TypeError):
        hash(Secret(CANARY))
    with pytest.raises(TypeError):
        {Secret(CANARY)}
    assert Secret(CANARY).reveal() == CANARY
    assert not hasattr(Secret(CANARY), "__dict__")


def test_keys_that_were_just_made_show_nothing_either() -> None:
    custody = fresh_custody(RootKey(BYTES))
    assert not any(key.hex() in repr(custody) for key in custody.sub_keys("secrets").values())
