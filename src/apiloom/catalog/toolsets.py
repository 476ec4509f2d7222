"""Toolsets: named groups of a connector's tools, given by tags, paths and patterns, or suggested for a large connector.

What is suggested depends on the tools alone, never on their order: groups of three to seven that belong together by tag
and path, so that an agent finds its way among hundreds. Whether a toolset is on is a server's business.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from apiloom.base.errors import CallerError
from apiloom.base.nearest import nearest
from apiloom.catalog.names import words
from apiloom.catalog.selection import Tools
from apiloom.catalog.traits import Globs, Trait, check_pattern, is_wild, traits_of
from apiloom.model.schema import escape

LEAST: Final = 3
MOST: Final = 7
LARGE: Final = 16
"""Tools from which toolsets are suggested: fewer are one list that anybody reads."""

LONGEST_NAME: Final = 40
_DEEPEST: Final = 20
MOST_PATTERNS: Final = 500

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_VERSION = re.compile(r"v?\d+(\.\d+)*")
_MEMBERS = ("tags", "paths", "tools")


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Which tools are in a toolset: those that meet any of the three. ``paths`` and ``tools`` are patterns."""

    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """A toolset worth having. ``name`` is a slug, ``tools`` are the names of its tools, sorted."""

    name: str
    title: str
    description: str
    tools: tuple[str, ...]


def read_membership(raw: Any, at: str = "/select") -> Membership:
    """The members of a toolset from plain JSON: lists under ``tags``, ``paths`` and ``tools``, one of them at least.

    Raises:
        CallerError: ``toolset.form``, ``toolset.unknown`` for a member there is none of, ``selection.pattern``.
    """
    if not isinstance(raw, Mapping):
        _refuse(at, "is an object of tags, paths and tools")
    for name in raw:
        if name not in _MEMBERS:
            _unknown("member", str(name), _MEMBERS, f"{at}/{escape(str(name)[:80])}")
    lists = {name: _patterns(raw.get(name), f"{at}/{name}", is_glob=name != "tags") for name in _MEMBERS}
    if not any(lists.values()):
        _refuse(at, "names at least one tag, path or tool")
    return Membership(**lists)


def check_membership(membership: Membership, tools: Tools, at: str = "/select") -> None:
    """See to it that every tag and tool that is named is there, and that there is a tool at all.

    Raises:
        CallerError: ``toolset.unknown``, with the nearest name.
    """
    traits = traits_of(tools)
    tags = {tag for trait in traits.values() for tag in trait.tags}
    for index, tag in enumerate(membership.tags):
        if tag not in tags:
            _unknown("tag", tag, tags, f"{at}/tags/{index}")
    for index, name in enumerate(membership.tools):
        if not is_wild(name) and name not in traits:
            _unknown("tool", name, traits, f"{at}/tools/{index}")
    if not members(membership, traits):
        _refuse(at, "finds no tool")


def members(membership: Membership, tools: Tools) -> tuple[str, ...]:
    """The names of the tools in a toolset, in their order; what it names and is not there is let be."""
    tags = frozenset(membership.tags)
    paths, names = Globs(membership.paths), Globs(membership.tools)
    return tuple(
        name
        for name, trait in traits_of(tools).items()
        if not tags.isdisjoint(trait.tags) or trait.path in paths or any(one in names for one in (name, *trait.names))
    )


def _patterns(value: Any, at: str, *, is_glob: bool) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST_PATTERNS:
        _refuse(at, f"is a list of at most {MOST_PATTERNS} texts")
    for index, text in enumerate(value):
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_NAME * 10:
            _refuse(f"{at}/{index}", f"is a text of 1 to {LONGEST_NAME * 10} characters")
        if is_glob:
            check_pattern(text, f"{at}/{index}")
    return tuple(dict.fromkeys(value))


def _unknown(what: str, name: str, known: Any, at: str) -> NoReturn:
    close = nearest(name, sorted(known))
    there_are = f"there are {', '.join(sorted(known)[:8])}" if known else "there are none"
    raise CallerError(
        f"there is no {what} {name[:80]!r}",
        code="toolset.unknown",
        hint=f"did you mean {' or '.join(close)}?" if close else there_are,
        pointer=at,
    )


def _refuse(at: str, rule: str) -> NoReturn:
    raise CallerError(f"{at.rpartition('/')[2]} {rule}", code="toolset.form", hint="mend it and try again", pointer=at)


# -- suggestions -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """Tools that belong together, and the words that say why: those of the tag, then those of paths."""

    tag: str
    path: tuple[str, ...]
    tools: list[Trait]


def suggest_toolsets(tools: Tools) -> tuple[Suggested, ...]:
    """Toolsets for a large connector, by name; none for a small one. Every tool is in exactly one.

    Tools of a tag stay together; a tag with more than seven is split by path, what is left of fewer than three is
    merged with what lies nearest by path.
    """
    traits = sorted(traits_of(tools).values(), key=lambda trait: trait.name)
    if len(traits) < LARGE:
        return ()
    by_tag: dict[str, list[Trait]] = defaultdict(list)
    for trait in traits:
        by_tag[trait.tags[0] if trait.tags else ""].append(trait)
    groups: list[_Group] = []
    for tag in sorted(by_tag):
        groups += _split(_Group(tag, (), by_tag[tag]), 0)
    return _named(_merged(groups))


def _split(group: _Group, depth: int) -> list[_Group]:
    """A group in parts of at most seven: by the next word of their paths that differs, else in even runs."""
    if len(group.tools) <= MOST:
        return [group]
    steps = {trait.name: _steps(trait) for trait in group.tools}
    if depth >= min(_DEEPEST, max(len(each) for each in steps.values())):
        return _runs(group)
    parts: dict[str, list[Trait]] = defaultdict(list)
    for trait in group.tools:
        each = steps[trait.name]
        parts[each[depth] if depth < len(each) else ""].append(trait)
    if len(parts) == 1:
        return _split(group, depth + 1)
    found: list[_Group] = []
    for word in sorted(parts):
        path = (*group.path, word) if word else group.path
        found += _split(_Group(group.tag, path, parts[word]), depth + 1)
    return _joined(found, lambda one, other: one.tag == other.tag)


def _runs(group: _Group) -> list[_Group]:
    """Tools of one path told apart by nothing but their names, in runs of even length."""
    count = -(-len(group.tools) // MOST)
    size, more = divmod(len(group.tools), count)
    runs, at = [], 0
    for index in range(count):
        length = size + (index < more)
        runs.append(_Group(group.tag, group.path, group.tools[at : at + length]))
        at += length
    return runs


def _joined(groups: list[_Group], may: Callable[[_Group, _Group], bool]) -> list[_Group]:
    """Neighbours joined where one of them is too small and both together are not too large."""
    found: list[_Group] = []
    for group in groups:
        last = found[-1] if found else None
        small = last is not None and min(len(last.tools), len(group.tools)) < LEAST
        if last is not None and small and len(last.tools) + len(group.tools) <= MOST and may(last, group):
            found[-1] = _together(last, group)
        else:
            found.append(group)
    return found


def _together(one: _Group, other: _Group) -> _Group:
    larger = max(one, other, key=lambda group: (len(group.tools), -len(group.path)))
    tag = one.tag if one.tag == other.tag else larger.tag
    return _Group(tag, _shared(one.path, other.path) or larger.path, [*one.tools, *other.tools])


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return one[:same]


def _merged(groups: list[_Group]) -> list[_Group]:
    """No group of fewer than three: small ones join their nearest by path, or take from a full one beside them."""
    ordered = sorted(groups, key=lambda group: (_steps(group.tools[0]), group.tag, group.tools[0].name))
    ordered = _joined(ordered, lambda one, other: one.tag == other.tag)
    ordered = _joined(ordered, lambda _one, _other: True)
    index = 0
    while index < len(ordered):
        group = ordered[index]
        beside = [at for at in (index - 1, index + 1) if 0 <= at < len(ordered)]
        if len(group.tools) >= LEAST or not beside:
            index += 1
            continue
        near = min(beside, key=lambda at: (-len(_shared(_steps(ordered[at].tools[0]), _steps(group.tools[0]))), at))
        other = ordered[near]
        if len(group.tools) + len(other.tools) <= MOST:
            ordered[min(index, near)] = _together(ordered[min(index, near)], ordered[max(index, near)])
            del ordered[max(index, near)]
            index = max(0, index - 1)
            continue
        lacking = LEAST - len(group.tools)
        taken = other.tools[-lacking:] if near < index else other.tools[:lacking]
        other.tools = [trait for trait in other.tools if trait not in taken]
        group.tools = [*group.tools, *taken]
    return ordered


def _steps(trait: Trait) -> tuple[str, ...]:
    """The words of a path that tell where a tool belongs: no placeholder, no version; of other operations their own."""
    path = trait.path or trait.operation
    parts = ("_".join(words(_PLACEHOLDER.sub(" ", part))) for part in re.split(r"[/.:#?&=\s]+", path))
    return tuple(part for part in parts if part and not _VERSION.fullmatch(part))


def _named(groups: list[_Group]) -> tuple[Suggested, ...]:
    wanted = [_slug(group, with_path=False) for group in groups]
    crowded = Counter(wanted)
    wanted = [
        _slug(group, with_path=True) if crowded[name] > 1 else name for group, name in zip(groups, wanted, strict=True)
    ]
    order = sorted(range(len(groups)), key=lambda at: (wanted[at], sorted(trait.name for trait in groups[at].tools)))
    taken: set[str] = set()
    found: list[Suggested] = []
    for at in order:
        name, number = wanted[at], 2
        while name in taken:
            name, number = f"{wanted[at][: LONGEST_NAME - 4]}_{number}", number + 1
        taken.add(name)
        found.append(_suggested(groups[at], name))
    return tuple(sorted(found, key=lambda one: one.name))


def _slug(group: _Group, *, with_path: bool) -> str:
    """A name from the tag, and from the path where several groups share the tag."""
    tag = list(words(group.tag)) if group.tag else []
    first = [word for step in _steps(group.tools[0])[:1] for word in step.split("_")]
    path = [word for step in group.path for word in step.split("_") if word not in tag]
    parts = [*(tag or first), *(path if with_path or not tag else ())]
    kept: list[str] = []
    for word in dict.fromkeys(parts):
        if len("_".join([*kept, word])) <= LONGEST_NAME:
            kept.append(word)
    name = "_".join(kept).lstrip("0123456789_")
    return name or "tools"


def _suggested(group: _Group, name: str) -> Suggested:
    tools = tuple(sorted(trait.name for trait in group.tools))
    title = group.tag[:80] if name == "_".join(words(group.tag)) else " ".join(name.split("_")).capitalize()
    return Suggested(name=name, title=title, description=f"{len(tools)} tools: {', '.join(tools)}"[:400], tools=tools)
