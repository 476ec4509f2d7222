"""What the members of a record are, read once from its dataclass: text, number, bytes, JSON.

Columns are made from this, and it says what no store can keep. It does not know any database.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

from apiloom.base import json
from apiloom.store import refusals
from apiloom.store.kinds import Kind

Form = Literal["text", "whole", "number", "flag", "bytes", "json", "tuple"]

METADATA = "metadata."
"""How a member of the metadata is named where records are looked for."""

LARGEST = 2**63 - 1
LARGEST_PAGE = 1000
LONGEST_NAME = 512
"""Bytes of an id and of what is unique; databases index no more than a few thousand together."""

_PLAIN: dict[Any, Form] = {str: "text", int: "whole", float: "number", bool: "flag", bytes: "bytes"}
_TYPES: dict[Form, type[Any] | tuple[type[Any], ...]] = {
    "text": str,
    "whole": int,
    "number": (int, float),
    "flag": bool,
    "bytes": bytes,
}
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a record; ``tuple`` and ``json`` are kept as JSON, the first is a tuple in the record."""

    name: str
    form: Form
    optional: bool


def members_of(record: type[Any]) -> tuple[Member, ...]:
    """The members of a kind of record, in their order."""
    found: tuple[Member, ...] = _members(cast("Any", record))
    return found


@cache
def _members(record: Any) -> tuple[Member, ...]:
    hints = typing.get_type_hints(record)
    return tuple(_member(field.name, hints[field.name]) for field in dataclasses.fields(record))


def _member(name: str, hint: Any) -> Member:
    optional = False
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        kinds = [one for one in typing.get_args(hint) if one is not type(None)]
        optional = len(kinds) < len(typing.get_args(hint))
        hint = kinds[0]
    origin = typing.get_origin(hint)
    if origin is Literal:
        form: Form = "text"
    elif origin is tuple:
        form = "tuple"
    elif origin is not None and issubclass(origin, Mapping):
        form = "json"
    else:
        form = _PLAIN[hint]
    return Member(name=name, form=form, optional=optional)


def check_keepable(kind: Kind, record: Any) -> None:
    """Refuse what not every database can keep.

    Raises:
        CallerError: ``store.value`` names the member.
    """
    short = {"id", kind.owner}.union(*kind.unique)
    for member in members_of(kind.record):
        value = getattr(record, member.name)
        if value is not None and not (
            is_keepable(value) and (member.form != "text" or member.name not in short or _is_short(value))
        ):
            raise refusals.unkeepable(kind, member.name)


def is_keepable(value: Any) -> bool:
    """Whether every database can keep a value, and look for it."""
    if isinstance(value, str):
        return "\0" not in value and _is_text(value)
    if isinstance(value, int):
        return -LARGEST - 1 <= value <= LARGEST
    if isinstance(value, float):
        return not math.isnan(value)
    return isinstance(value, bytes) or _is_json(value)


def _is_short(value: str) -> bool:
    return len(value.encode()) <= LONGEST_NAME


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_json(value: Any) -> bool:
    try:
        return _NUL.search(json.dumps(value)) is None
    except (TypeError, ValueError, RecursionError):
        return False


def as_row(record: Any) -> dict[str, Any]:
    """The members of a record by name; tuples as lists."""
    return {
        member.name: list(value)
        if member.form == "tuple" and isinstance(value := getattr(record, member.name), Sequence)
        else getattr(record, member.name)
        for member in members_of(type(record))
    }


def as_record(kind: Kind, row: Mapping[Any, Any]) -> Any:
    """The record of a row's members; lists as tuples."""
    given = {}
    for member in members_of(kind.record):
        value = row[member.name]
        given[member.name] = tuple(value) if member.form == "tuple" and value is not None else value
    return kind.record(**given)


def settled(kind: Kind, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as a database gives it back: JSON values as JSON says them, and nobody else's to change."""
    held = {member.name for member in members_of(kind.record) if member.form in ("json", "tuple")}
    return {
        name: json.loads(json.dumps(value)) if name in held and value is not None else value
        for name, value in row.items()
    }


def as_compared(value: Any) -> str | None:
    """How a value inside the metadata is compared: texts as they are, everything else by its JSON, null as None."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value).decode()


def may_match(kind: Kind, name: str, value: Any) -> bool:
    """Whether a member can have such a value at all; databases fail where it is of another type."""
    if not (is_keepable(name) and is_keepable(value)):
        return False
    if value is None or name.startswith(METADATA):
        return True
    form = next(member.form for member in members_of(kind.record) if member.name == name)
    if isinstance(value, bool):
        return form == "flag"
    return isinstance(value, _TYPES[form])


def check_where(kind: Kind, where: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What to look for; only plain members, or into the metadata.

    Raises:
        HouseFault: ``store.member`` for a member that the kind does not have.
    """
    plain = {member.name for member in members_of(kind.record) if member.form not in ("json", "tuple")}
    holds_metadata = any(member.name == "metadata" for member in members_of(kind.record))
    for name in where or ():
        if name not in plain and not (holds_metadata and name.startswith(METADATA)):
            raise refusals.unknown_member(kind, name)
    return where or {}
