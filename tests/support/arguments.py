"""Sets of arguments for a tool: valid by its canonical schema, hard on whoever has to write them down.

Each tool gets one set per entry of :data:`SETS`: what is required, everything there is, a mix with nulls, empty lists
and numbers that do not fit a double, and one that dares what may have to be refused. Where an argument goes decides
which texts it is likely to be sent with; what a place cannot hold is left to the daring set. Every set is checked with
a JSON Schema validator before it is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from support.generate import AT_ENDS, BEYOND, CONTROL, DOTTED, PLAIN, VISIBLE, Maker, Mood
from support.samples import UnmakeableError, sample

TRIES = 6
"""How often a set is made anew, ever more plainly, before the plainest sample is taken."""

EVERYTHING = (*PLAIN, *VISIBLE, *BEYOND, *CONTROL, *AT_ENDS, *DOTTED)

BY_PLACE: Mapping[str, Mood] = {
    "path": Mood(texts=(*PLAIN, *VISIBLE, *BEYOND), nulls=0, empties=0),
    "query": Mood(texts=(*PLAIN, *VISIBLE, *BEYOND, *CONTROL, *AT_ENDS, *DOTTED), nulls=0),
    "querystring": Mood(texts=(*PLAIN, *VISIBLE, *BEYOND), nulls=0, empties=0),
    "header": Mood(texts=(*PLAIN, *(text for text in VISIBLE if "," not in text)), nulls=0),
    "cookie": Mood(texts=(*PLAIN, *VISIBLE, *BEYOND), nulls=0),
    "json": Mood(texts=EVERYTHING),
    "form": Mood(texts=EVERYTHING, nulls=0, empties=0, keys=("k", "a b", "x-y", "é", "a.b", "n%41", "q&=")),
    "control": Mood(),
}


@dataclass(frozen=True)
class Argument:
    """One argument of a tool and the kind of place it goes to, a key of :data:`BY_PLACE`.

    ``form`` tells bodies apart of which one may be given; it is the same for all arguments that make one together.
    """

    name: str
    place: str
    form: str = ""


@dataclass(frozen=True)
class Made:
    """A set of arguments. ``plain`` where only the plainest sample could be made."""

    set: str
    arguments: dict[str, Any]
    plain: bool = False


Shape = Callable[[Mood], Mood]

SETS: Mapping[str, Shape] = {
    "required": lambda mood: replace(mood, optional=0.0),
    "everything": lambda mood: replace(mood, optional=1.0, most=200, nulls=0.0, empties=0.0),
    "edges": lambda mood: replace(
        mood, optional=0.5, wild=1.0, nulls=min(1.0, mood.nulls * 3), empties=mood.empties * 2
    ),
    "daring": lambda mood: replace(mood, texts=EVERYTHING, optional=0.5, nulls=0.2, empties=0.3, wild=0.5),
}


def argument_sets(
    schema: Mapping[str, Any],
    arguments: list[Argument],
    is_valid: Callable[[Any], bool],
    seed: str,
    sets: tuple[str, ...] = tuple(SETS),
) -> Iterator[Made]:
    """The sets of one tool that could be made. The same seed gives the same sets.

    ``schema`` is self-contained; ``is_valid`` is its validator. A tool without arguments has one set, the empty one.
    """
    if not arguments:
        yield Made("required", {})
        return
    seen: list[dict[str, Any]] = []
    for name in sets:
        made = _made(schema, arguments, is_valid, seed, name)
        if made is not None and made.arguments not in seen:
            seen.append(made.arguments)
            yield made


def _made(
    schema: Mapping[str, Any], arguments: list[Argument], is_valid: Callable[[Any], bool], seed: str, name: str
) -> Made | None:
    for attempt in range(TRIES):
        rng = Random(f"{seed}:{name}:{attempt}")
        try:
            found = _one(schema, arguments, rng, SETS[name], calm=attempt / TRIES)
        except UnmakeableError:
            continue
        if _checked(is_valid, found):
            return Made(name, found)
    try:
        found = sample(dict(schema), optional=name != "required")
    except (UnmakeableError, RecursionError, KeyError, TypeError, ValueError):
        return None
    return Made(name, found, plain=True) if _checked(is_valid, found) else None


def _checked(is_valid: Callable[[Any], bool], value: Any) -> bool:
    try:
        return bool(is_valid(value))
    except ValueError:
        return False


def _one(
    schema: Mapping[str, Any], arguments: list[Argument], rng: Random, shape: Shape, *, calm: float
) -> dict[str, Any]:
    """One set, each argument in the mood of its place; ``calm`` tames what is likely to break a rule unseen."""
    root = Maker(schema, rng, Mood())
    flat = root.flat(schema)
    needed = root.needed(flat)
    forms = sorted({each.form for each in arguments})
    form = next((each.form for each in arguments if each.name in needed and each.form), rng.choice(forms))
    made: dict[str, Any] = {}
    for each in arguments:
        if each.form not in ("", form) and each.name not in needed:
            continue
        mood = shape(BY_PLACE[each.place])
        mood = replace(mood, wild=mood.wild * (1 - calm), optional=mood.optional if calm < 0.5 else mood.optional / 2)
        if each.name not in needed and not rng.random() < mood.optional:
            continue
        try:
            made[each.name] = Maker(schema, rng, mood).make(flat["properties"][each.name], 1)
        except UnmakeableError:
            if each.name in needed:
                raise
    for name, others in flat.get("dependentRequired", {}).items():
        if name in made and any(other not in made for other in others):
            _add(schema, arguments, rng, made, [other for other in others if other not in made])
    return made


def _add(
    schema: Mapping[str, Any], arguments: list[Argument], rng: Random, made: dict[str, Any], names: list[str]
) -> None:
    places = {each.name: each.place for each in arguments}
    for name in names:
        made[name] = Maker(schema, rng, BY_PLACE[places[name]]).make(schema["properties"][name], 1)
