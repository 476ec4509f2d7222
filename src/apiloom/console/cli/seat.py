"""Where one command sits: the house, whether a program or a person reads, and the three ways of telling them something.

Results go to standard output and nothing else does; progress and errors go to standard error. Text that came from a
document or an API is stripped of control characters before it reaches a terminal.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import click

from apiloom.base import json
from apiloom.base.errors import ApiloomError, CallerError, DesignError, UpstreamError
from apiloom.console.house import House, Say

OK, NO, USAGE, UPSTREAM, INTERRUPTED, PIPE_CLOSED, FAULT = 0, 1, 2, 3, 130, 141, 70
"""Exit codes; 130 and 141 are what shells report for an interrupt and a closed pipe."""

_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))


@dataclass(frozen=True, slots=True)
class Seat:
    """What every command gets. ``machine``: a program reads the answer; ``debug``: failures show where they were."""

    house: House
    machine: bool = False
    debug: bool = False

    def print(self, text: str) -> None:
        """One result for a person, on standard output."""
        click.echo(plain(text))

    def print_json(self, value: Any) -> None:
        """One result for a program: a single line of JSON in UTF-8, whatever the terminal's encoding."""
        write_bytes(encoded(value) + b"\n")

    @contextmanager
    def progress(self) -> Iterator[Say]:
        """A line of progress on standard error, kept only while work goes on and somebody watches."""
        watched = sys.stderr.isatty() and self.house.surroundings.environment.get("TERM") != "dumb"
        line = _Line(sys.stderr) if watched else None
        try:
            yield line or _unheard
        finally:
            if line is not None:
                line.wipe()


def plain(text: str) -> str:
    """The text without control characters, tab and line feed kept."""
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """A text of a document where a line is ours: it cannot begin another one, and so say something in our name."""
    return " ".join(text.split())


def encoded(value: Any) -> bytes:
    """A value as JSON; what is no text in it, such as the name of a file in another encoding, as question marks."""
    try:
        return json.dumps(value)
    except UnicodeEncodeError:
        return json.dumps(_whole(value))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(name): _whole(member) for name, member in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list | tuple) else value


def write_bytes(data: bytes) -> None:
    """Bytes to standard output, all of them.

    An unbuffered stream (PYTHONUNBUFFERED) may take a part and report no failure; the next write then reports it.
    """
    sys.stdout.flush()
    stream = sys.stdout.buffer
    rest = memoryview(data)
    while rest:
        rest = rest[stream.write(rest) or 0 :]
    stream.flush()


def announce(text: str) -> None:
    """A word that must be seen by whoever started us, watched or not: one line on standard error."""
    click.echo(plain(text), err=True)


def exit_code(error: ApiloomError) -> int:
    """The exit code that says who must act."""
    if isinstance(error, DesignError):
        return NO
    if isinstance(error, CallerError):
        return USAGE
    return UPSTREAM if isinstance(error, UpstreamError) else FAULT


def tell(error: ApiloomError, *, machine: bool) -> None:
    """One error as one line on standard error: a sentence for people, ``{"error": …}`` for programs."""
    if machine:
        shape: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
        if "affected" in error.facts:
            shape["affected"] = error.facts["affected"]
        click.echo(encoded({"error": shape}).decode(), err=True)
    else:
        click.echo(plain(f"apiloom: {error.sentence()}"), err=True)


def _unheard(text: str) -> None:
    """Nobody watches."""


class _Line:
    """One line of a terminal, rewritten in place and wiped when the work is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False

    def __call__(self, text: str) -> None:
        width = max(shutil.get_terminal_size().columns, 20)
        self._stream.write("\r\x1b[2K" + plain(text).replace("\n", " ")[: width - 1])
        self._stream.flush()
        self._shown = True

    def wipe(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
