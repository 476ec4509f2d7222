"""The members of a JSON answer that were asked for by name, and a word on names that lead nowhere.

A path is written as programs write it: ``id``, ``owner.login``, ``items[].id``, ``items[20:40]``, ``["a.b"].c``. Lists
may be passed through without brackets. What stays is copied byte for byte and keeps its place and order; nothing is
ever added. Pure; knows nothing of calls.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.calls.shrink import KEPT_MEMBER

MOST_PATHS = 100
LONGEST_PATH = 500
_MOST_NAMES = 200
_STEP = re.compile(
    r'\.?(?P<name>[^.\[\]"]+)|\.?\["(?P<quoted>(?:[^"\\]|\\.)+)"\]'
    r"|(?P<all>\[\*?\])|\[(?P<from>[0-9]{0,9}):(?P<to>[0-9]{0,9})\]|\[(?P<item>[0-9]{1,9})\]"
)
_STRING, _LIST, _OBJECT, _NULL = b'"[{n'

Step = str | slice


@dataclass(frozen=True, slots=True)
class Path:
    """A path as it was written, and its steps: names of members, and ranges of items."""

    text: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """What was asked for.

    ``unknown`` are the paths that lead nowhere, each with names near it; ``text`` is None where all of them do.
    """

    text: bytes | None
    unknown: dict[str, list[str]]


def read_paths(texts: Sequence[str]) -> tuple[Path, ...]:
    """Paths from their texts.

    Raises:
        CallerError: ``policy.results.fields``: one cannot be read, or there are too many.
    """
    if len(texts) > MOST_PATHS or any(len(text) > LONGEST_PATH for text in texts):
        raise CallerError(
            f"that is more than {MOST_PATHS} fields, or one of more than {LONGEST_PATH} characters",
            code="policy.results.fields",
            hint="name an outer member, it brings all that is in it",
        )
    return tuple(Path(text, _steps(text)) for text in texts)


def _steps(text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            break
        at = found.end()
        steps.append(_step(found))
    if at < len(text) or not steps:
        raise CallerError(
            f"the field {text[:100]!r} cannot be read",
            code="policy.results.fields",
            hint='write id, owner.login, items[].id, items[20:40] or ["a.b"].c',
        )
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["name"] is not None:
        return found["name"].strip()
    if found["quoted"] is not None:
        return re.sub(r"\\(.)", r"\1", found["quoted"])
    if found["all"] is not None:
        return slice(None)
    if found["item"] is not None:
        return slice(int(found["item"]), int(found["item"]) + 1)
    return slice(int(found["from"] or 0), int(found["to"]) if found["to"] else None)


def project(text: bytes, paths: Sequence[Path]) -> Projected:
    """Well-formed JSON reduced to some paths."""
    root = memoryview(text.strip())
    wants = [_Want(path, _from_root(path, root[0])) for path in paths]
    try:
        kept = _taken(root, [(want, 0) for want in wants], root=True)
    except RecursionError:
        # Lists in lists by the hundred, which no step of a path names.
        return Projected(text=None, unknown={path.text: [] for path in paths})
    unknown = {want.path.text: want.near() for want in wants if not want.found}
    return Projected(text=kept if len(unknown) < len(wants) else None, unknown=unknown)


def _from_root(path: Path, first: int) -> tuple[Step, ...]:
    """An answer that is no object stands under ``result`` where a client reads it."""
    return path.steps[1:] if first != _OBJECT and path.steps[0] == "result" else path.steps


@dataclass(slots=True, eq=False)
class _Want:
    path: Path
    steps: tuple[Step, ...]
    found: bool = False
    failed_at: int = -1
    names: list[str] = field(default_factory=list)

    def failed(self, at: int, names: Iterable[str]) -> None:
        if at > self.failed_at:
            self.failed_at, self.names = at, []
        if at == self.failed_at and len(self.names) < _MOST_NAMES:
            self.names += [name for name in list(names)[:_MOST_NAMES] if name not in self.names]

    def near(self) -> list[str]:
        """Names at the place where the path ends, the most alike first."""
        if self.failed_at < 0 or not self.names:
            return []
        step = self.steps[self.failed_at]
        before = _written(self.steps[: self.failed_at])
        close = difflib.get_close_matches(str(step), self.names, n=3, cutoff=0.5) if isinstance(step, str) else []
        return [_written((name,), before)[:200] for name in close or self.names[:8]]


def _written(steps: Sequence[Step], before: str = "") -> str:
    for step in steps:
        if isinstance(step, slice):
            before += "[]"
        elif re.search(r'[.\[\]"]', step):
            before += '["' + step.replace("\\", "\\\\").replace('"', '\\"') + '"]'
        else:
            before += f".{step}" if before else step
    return before


_Going = tuple[_Want, int]
"""A want, and how many of its steps have been taken."""


def _taken(raw: memoryview, going: Sequence[_Going], *, root: bool = False) -> bytes | None:
    """What is wanted of a value; None for nothing."""
    whole = any(at == len(want.steps) for want, at in going)
    if whole or raw[0] == _NULL:
        # Of nothing, any member is nothing.
        for want, _ in going:
            want.found = True
        return bytes(raw)
    if raw[0] == _LIST:
        return _items(raw, going)
    if raw[0] == _OBJECT:
        return _members(raw, going, root=root)
    for want, at in going:
        want.failed(at, ())
    return None


def _items(raw: memoryview, going: Sequence[_Going]) -> bytes:
    parts = json.items(raw)
    count = len(parts)
    reached: list[tuple[range, _Going]] = []
    for want, at in going:
        step = want.steps[at]
        span = range(*step.indices(count)) if isinstance(step, slice) else range(count)
        want.found = want.found or not span
        reached.append((span, (want, at + 1) if isinstance(step, slice) else (want, at)))
    first = min((span.start for span, _ in reached if span), default=0)
    last = max((span.stop for span, _ in reached if span), default=0)
    kept: list[bytes] = []
    for number in range(first, last):
        here = [one for span, one in reached if number in span]
        value = _taken(memoryview(parts[number]), here) if here else None
        if value is not None:
            kept.append(value)
    return b"[" + b",".join(kept) + b"]"


def _members(raw: memoryview, going: Sequence[_Going], *, root: bool) -> bytes:
    members = json.members(raw)
    inside: dict[str, list[_Going]] = {}
    for want, at in going:
        name, steps = _named(want.steps, at, members)
        if name is None:
            want.failed(at, members)
        else:
            inside.setdefault(name, []).append((want, at + steps))
    kept = []
    for name, part in members.items():
        value: bytes | None = None
        if name in inside:
            value = _taken(memoryview(part), inside[name])
        elif root and name == KEPT_MEMBER:
            value = bytes(memoryview(part))
        if value is not None:
            kept.append(json.quoted(name) + b":" + value)
    return b"{" + b",".join(kept) + b"}"


def _named(steps: Sequence[Step], at: int, members: Iterable[str]) -> tuple[str | None, int]:
    """The member that steps lead to: its name may have dots in it, and the longest one that is there is meant."""
    names = []
    for step in steps[at:]:
        if not isinstance(step, str):
            break
        names.append(step)
    for count in range(len(names), 0, -1):
        name = ".".join(names[:count])
        if name in members:
            return name, count
    return None, 0
