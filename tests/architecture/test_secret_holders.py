"""Every class that holds a secret shows none of it: printed, logged, formatted, pickled, as JSON or as a dictionary.

The classes are found, not listed: whichever has a member that is a ``Secret`` or holds one, and whichever keeps a
member out of its ``repr``. Each is made with a canary in every such member, past its own constructor, and is shown in
every way that there is.
"""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import importlib
import inspect
import json
import logging
import pickle
import pprint
import re
import reprlib
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import pydantic_core
import pytest

from apiloom.base import json as ours
from apiloom.base.seal import Sealer
from apiloom.base.secret import Secret
from apiloom.identity.tokens import TokenHasher
from apiloom.vault.aws import AwsSignature
from apiloom.vault.credentials import AwsKeys
from apiloom.vault.custody import RootKey, fresh_custody
from apiloom.vault.envelope import SealingKey
from apiloom.wire.session_ids import NODE_SIZE, SessionSeals
from support.leaks import core_of, needles
from support.source import modules

CANARY = core_of("a held secret")
FOUND = tuple(needle for needle in needles(CANARY.encode()).values())

DIRECT = re.compile(r"^(?!.*Callable).*\bSecret\b").search
"""Finds a type that is a secret or holds some; what gives one when it is asked holds none."""

PLAIN_BY_NATURE = frozenset({"document", "artefact", "contents", "content", "parts", "pinned", "before", "identify"})
"""Members that are kept out of a ``repr`` because they are long or a function, and hold no secret."""


@cache
def classes() -> Mapping[str, type]:
    """Every class of the package by its dotted name."""
    found = {}
    for module in modules():
        if module.place == "__main__.py" or "/migrations/" in module.place:
            continue
        loaded = importlib.import_module(module.dotted)
        for one in vars(loaded).values():
            if isinstance(one, type) and one.__module__ == module.dotted:
                found[f"{one.__module__}.{one.__qualname__}"] = one
    return found


def is_value(kind: type) -> bool:
    """Whether a class is a dataclass, a value, or a dataclass that is closed."""
    return dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct) or hasattr(kind, "__hidden__")


def annotations(kind: type) -> dict[str, str]:
    """The members of a dataclass or value with their types as they are written."""
    told: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if is_value(base):
            told |= {name: str(text) for name, text in inspect.get_annotations(base).items()}
    return {name: text for name, text in told.items() if "ClassVar" not in text}


def hidden(kind: type) -> set[str]:
    """The members that are kept out of the ``repr``."""
    if hasattr(kind, "__hidden__"):
        return set(kind.__hidden__) - PLAIN_BY_NATURE
    if not dataclasses.is_dataclass(kind):
        return set()
    return {one.name for one in dataclasses.fields(kind) if not one.repr} - PLAIN_BY_NATURE


@cache
def holders() -> Mapping[str, type]:
    """Classes that have a ``Secret`` somewhere in them."""
    words: set[str] = {"Secret"}
    found: dict[str, type] = {}
    while True:
        pattern = re.compile(rf"\b(?:{'|'.join(words)})\b")
        more = {
            name: kind
            for name, kind in classes().items()
            if name not in found and any(pattern.search(text) for text in annotations(kind).values())
        }
        if not more:
            return found
        found |= more
        words |= {kind.__name__ for kind in more.values()}


@cache
def hiding() -> Mapping[str, type]:
    """Classes that keep something out of their ``repr``."""
    return {name: kind for name, kind in classes().items() if hidden(kind)}


class Opaque:
    """Stands where something else of the house would."""

    def __repr__(self) -> str:
        return "Opaque"


@cache
def _names() -> dict[str, Any]:
    every: dict[str, Any] = {**vars(typing), **vars(collections.abc)}
    for kind in classes().values():
        every.setdefault(kind.__name__, kind)
    return every


@dataclasses.dataclass(frozen=True)
class Making:
    """How instances are made: past constructors, ``deep`` levels down at most. With ``hidden`` also what is kept out of
    a ``repr`` without being a ``Secret`` gets a canary; without ``own`` not what a class keeps for itself, nor what is
    sealed.
    """

    hidden: bool
    own: bool = True
    deep: int = 6

    def instance(self, kind: type) -> Any:
        """An instance with a canary in every member that is a secret."""
        if issubclass(kind, msgspec.Struct | tuple):
            return self._by_constructor(kind)
        one = object.__new__(kind)
        for name, value in self._members(kind).items():
            object.__setattr__(one, name, value)
        return one

    def _by_constructor(self, kind: type) -> Any:
        given = self._members(kind)
        return kind(**given)

    def _members(self, kind: type) -> dict[str, Any]:
        around = {**_names(), **vars(importlib.import_module(kind.__module__))}
        kept = hidden(kind) if self.hidden else set()
        kept = {name for name in kept if self.own or not (name == "sealed" or name.startswith("_"))}
        inner = dataclasses.replace(self, deep=self.deep - 1)
        found = {}
        for name, text in annotations(kind).items():
            try:
                meant = typing.ForwardRef(text)._evaluate(around, None, recursive_guard=frozenset())
            except (NameError, TypeError, SyntaxError):
                meant = Any
            found[name] = inner.value(meant, secret=name in kept)
        return found

    def value(self, kind: Any, *, secret: bool) -> Any:
        """Some value of a type; a canary where it is a secret."""
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is typing.Annotated:
            return self.value(arguments[0], secret=secret)
        if origin in (Union, types.UnionType):
            chosen = sorted((one for one in arguments if one is not type(None)), key=_dull)
            return self.value(chosen[0], secret=secret)
        if origin is Literal:
            return arguments[0]
        if origin is tuple:
            return tuple(self.value(one, secret=secret) for one in arguments if one is not ...)
        if origin in (frozenset, set):
            return origin({CANARY} if secret else {"x"})
        if not isinstance(origin, type):
            return self._simple(kind, secret=secret)
        if issubclass(origin, collections.abc.Mapping):
            return {"a name": self.value(arguments[1], secret=secret)} if len(arguments) == 2 else {}
        if issubclass(origin, collections.abc.Collection):
            return [self.value(arguments[0], secret=secret)] if arguments else []
        return Opaque()

    def _simple(self, kind: Any, *, secret: bool) -> Any:
        if kind is Secret:
            return Secret(CANARY)
        plain: dict[Any, Any] = {str: CANARY if secret else "x", bytes: CANARY.encode() if secret else b"x"}
        plain |= {int: 1, float: 1.0, bool: True, Any: CANARY if secret else "x"}
        if kind in plain:
            return plain[kind]
        ours_ = isinstance(kind, type) and f"{kind.__module__}.{kind.__qualname__}" in classes()
        if ours_ and self.deep and is_value(kind):
            return self.instance(kind)
        return Opaque()


def _dull(kind: Any) -> bool:
    """Whether a type says less than others of a union."""
    return kind is not Secret and not (isinstance(kind, type) and is_value(kind))


# -- ways to show something --------------------------------------------------------------------------------------------


def _logged(one: Any) -> str:
    record = logging.LogRecord("n", 10, "f", 1, "%s %r", (one, one), None)
    return record.getMessage() + repr(record.__dict__)


def _traced(one: Any) -> str:
    try:
        return str({}[one.__class__, id(one)])
    except KeyError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


PRINTED: Mapping[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "f-string": lambda one: f"{one} {one!r} {one!s}",
    "percent": lambda one: "%s %r" % (one, one),  # noqa: UP031 - a way of those that there are
    "list": lambda one: repr([one, (one,), {"a": one}]),
    "pprint": pprint.pformat,
    "reprlib": reprlib.repr,
    "log": _logged,
    "traceback": _traced,
    "exception": lambda one: repr(ValueError(one)) + str(ValueError(one)),
}
WRITTEN: Mapping[str, Callable[[Any], Any]] = {
    **{f"pickle {number}": lambda one, number=number: pickle.dumps(one, number) for number in range(6)},
    "deepcopy": lambda one: repr(vars(copy.deepcopy(one))),
    "vars": lambda one: repr(vars(one)),
    "state": lambda one: repr(one.__getstate__()),
    "asdict": lambda one: repr(dataclasses.asdict(one)),
    "astuple": lambda one: repr(dataclasses.astuple(one)),
    "our json": ours.dumps,
    "our canonical json": ours.canonical,
    "json": json.dumps,
    "json by str": lambda one: json.dumps(one, default=str),
    "json by vars": lambda one: json.dumps(one, default=vars),
    "json by members": lambda one: json.dumps(
        {name: getattr(one, name) for name in annotations(type(one))}, default=str
    ),
    "json of pydantic": lambda one: pydantic_core.to_json(one, fallback=str),
    "builtins": lambda one: repr(msgspec.to_builtins(one, enc_hook=str)),
    "msgpack": lambda one: msgspec.msgpack.encode(one, enc_hook=str),
}


def shown(way: Callable[[Any], Any], one: Any) -> bytes:
    """What a way shows; nothing where it refuses."""
    try:
        told = way(one)
    except Exception as error:  # noqa: BLE001 - whatever refuses it, what it says is looked at as well
        told = f"{error!r}{error}"
    return told if isinstance(told, bytes) else str(told).encode("utf-8", "replace")


def leaking(one: Any, ways: Mapping[str, Callable[[Any], Any]]) -> list[str]:
    return [name for name, way in ways.items() if any(needle in shown(way, one) for needle in FOUND)]


@dataclasses.dataclass
class Open:
    """Hides nothing."""

    name: str


def test_every_way_finds_what_is_not_hidden() -> None:
    """The search is able to find: what shows everything is found in each way that could show it."""
    # one way takes no such object, and one shortens it
    assert set(leaking(Open(CANARY), {**PRINTED, **WRITTEN})) == {*PRINTED, *WRITTEN} - {"json", "reprlib"}
    assert leaking({"name": CANARY}, {"json": json.dumps}) == ["json"]


def secrets_in(one: Any, deep: int = 8) -> int:
    """How many secrets an instance holds, at any depth."""
    if isinstance(one, Secret):
        return 1
    if isinstance(one, dict | list | tuple | set | frozenset):
        inner: Any = one.values() if isinstance(one, dict) else one
    else:
        inner = [getattr(one, name, None) for name in annotations(type(one))]
    return sum(secrets_in(each, deep - 1) for each in inner) if deep else 0


def test_what_is_made_really_holds_secrets() -> None:
    empty = {name for name, kind in holders().items() if not secrets_in(Making(hidden=False).instance(kind))}
    assert len(holders()) - len(empty) >= 40
    direct = {name for name, kind in holders().items() if any(DIRECT(text) for text in annotations(kind).values())}
    assert direct - empty == direct
    assert len(direct) >= 20


def test_a_secret_alone_shows_nothing_in_any_way() -> None:
    assert leaking(Secret(CANARY), {**PRINTED, **WRITTEN}) == []


@pytest.mark.parametrize("name", sorted(holders()))
def test_what_holds_a_secret_shows_nothing_of_it(name: str) -> None:
    one = Making(hidden=False).instance(holders()[name])
    assert leaking(one, {**PRINTED, **WRITTEN}) == []


@pytest.mark.parametrize("name", sorted(hiding()))
def test_what_is_kept_out_of_sight_is_printed_nowhere(name: str) -> None:
    assert leaking(Making(hidden=True).instance(hiding()[name]), PRINTED) == []


IN_THE_CLEAR = {name: way for name, way in WRITTEN.items() if name != "json by members"}
"""Whoever asks for members by their names is given them."""

NOT_SECRET = {
    "apiloom.vault.transit.Bao": "the place of a server, beside a secret token",
    "apiloom.app.workers.frames.Frame": "parts of a document on their way between our own processes",
}
ROOMS = ("apiloom.vault.", "apiloom.net.", "apiloom.calls.", "apiloom.app.")


@pytest.mark.parametrize("name", sorted(n for n in hiding() if n.startswith(ROOMS) and n not in NOT_SECRET))
def test_what_holds_secrets_in_the_clear_is_written_nowhere(name: str) -> None:
    assert leaking(Making(hidden=True, own=False).instance(hiding()[name]), IN_THE_CLEAR) == []


def test_what_is_made_of_a_key_is_not_pickled_and_shows_none() -> None:
    key = CANARY.encode().ljust(32, b"x")
    custody = fresh_custody(RootKey(bytes(range(32))))
    custody._held["seals"][1] = key
    keys = AwsKeys(access_key_id="A" * 20, secret_access_key=Secret(CANARY), region="eu-west-1", service="s3")
    made = [Sealer(key), SessionSeals([key], b"n" * NODE_SIZE, float), TokenHasher({1: key}, 1), AwsSignature(keys)]
    for one in [*made, SealingKey(key), RootKey(bytes(range(32))), custody]:
        assert leaking(one, {**PRINTED, **WRITTEN}) == [], type(one)
        with pytest.raises(TypeError):
            pickle.dumps(one)
