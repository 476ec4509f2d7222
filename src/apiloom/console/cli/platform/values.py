"""Words of a command line as members of a request: times, JSON, pairs, and members that are to be emptied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.console.cli.arguments import read_object
from apiloom.console.cli.seat import Seat

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_UNITS: Mapping[str, str] = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_span = re.compile(r"([0-9]{1,7})([smhdw])").fullmatch
_member = re.compile(r"[A-Za-z0-9_-]{1,60}(\.[A-Za-z0-9_-]{1,60}){0,4}").fullmatch


def read_expiry(_ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """``30d``, ``12h``, ``never`` or a time, as the API takes it; ``never`` stays a word."""
    if value is None or value == "never":
        return value
    if found := _span(value):
        ends = datetime.now(UTC) + _delta(found, param)
        return ends.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("write 30d, 12h, never, or a time such as 2027-01-31T12:00:00Z", param=param) from None
    return (at if at.tzinfo else at.astimezone()).astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_seconds(_ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """``3600``, ``90m``, ``12h`` or ``7d`` as seconds."""
    if value is None or value.isdecimal():
        return None if value is None else int(value[:12])
    found = _span(value)
    if not found:
        raise click.BadParameter("write seconds, or a time such as 90m, 12h or 7d", param=param)
    return int(_delta(found, param).total_seconds())


def _delta(found: re.Match[str], param: click.Parameter) -> timedelta:
    span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if span > timedelta(days=36525):
        raise click.BadParameter("that is longer than a century", param=param)
    return span


def expiry(value: str | None) -> dict[str, Any]:
    """``expires_at`` of a request; nothing where nothing is said."""
    return {} if value is None else {"expires_at": None if value == "never" else value}


def read_pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str] | None:
    """``NAME=VALUE`` words as an object; None where there are none."""
    del ctx
    for value in values:
        if not value.partition("=")[0] or "=" not in value:
            raise click.BadParameter("write NAME=VALUE", param=param)
    return {name: rest for name, _, rest in (value.partition("=") for value in values)} or None


def read_json(seat: Seat, text: str | None, option: str) -> dict[str, Any] | None:
    """A JSON object: the text itself, ``@FILE`` or ``@-``.

    Raises:
        CallerError: ``cli.arguments``.
    """
    if text is None:
        return None
    try:
        return read_object(text, seat.house.surroundings.folder)
    except CallerError as error:
        raise CallerError(error.message.replace("--json", option), code=error.code, hint=error.hint) from None


def options(*decorators: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Options that several commands have, in the order in which their help shows them."""

    def decorate(command: Decorated) -> Decorated:
        for each in reversed(decorators):
            command = each(command)
        return command

    return decorate


def unsetting(command: Decorated) -> Decorated:
    """``--unset``, for commands that change something."""
    return click.option(
        "--unset",
        multiple=True,
        metavar="MEMBER",
        callback=_members,
        help="Set a member back to nothing; of members inside, config.tags.",
    )(command)


def _members(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    del ctx
    for value in values:
        if not _member(value):
            raise click.BadParameter("write the member's name, such as external_id", param=param)
    return values


def with_unset(patch: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A merge patch that empties further members."""
    for name in names:
        *outer, last = name.split(".")
        level = patch
        for part in outer:
            inner = level.setdefault(part, {})
            if not isinstance(inner, dict):
                raise CallerError(f"{name} is inside of what is set already", code="cli.usage", hint="give it once")
            level = inner
        level[last] = None
    return patch


def said(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those members of a request that were given; lists where several may be."""
    found = {name: given[name] for name in names if given.get(name) not in (None, ())}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def with_metadata(seat: Seat, given: Mapping[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """A request with what ``--metadata`` was given.

    Raises:
        CallerError: ``cli.arguments``.
    """
    metadata = read_json(seat, given["metadata"], "--metadata")
    return body if metadata is None else {**body, "metadata": metadata}


def checked_patch(patch: dict[str, Any]) -> dict[str, Any]:
    """A patch that changes something.

    Raises:
        CallerError: ``cli.nothing_to_set``.
    """
    if not patch:
        raise CallerError("nothing is to be set", code="cli.nothing_to_set", hint="--help lists what can be")
    return patch


def written(value: Any) -> str:
    """A value on one line of a table."""
    if isinstance(value, str):
        return value
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or "—"
    return json.dumps(value).decode()


def counted(number: int, thing: str) -> str:
    """A number of things in words."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
