"""Scopes: the fewest that the exposed tools need, and those that a tool lacks of what was granted.

An operation's security is a list of alternatives, and each may want other scopes of one scheme. Asking for all of them
would ask for what no tool uses; so for each operation one alternative is chosen, such that together they come to the
fewest scopes. Among equally many those are taken that read as the narrower ones. Pure; knows no token.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterable

from apiloom.model.api import SecurityNeed

Scopes = frozenset[str]
Choice = tuple[Scopes, ...]
"""What one operation may do with: any one of these sets."""

_MOST_LOOKED_AT = 200_000
"""Alternatives of operations that are compared in search of the best; a document that has more gets a good answer."""

_reads = re.compile(r"read[_.:-]?only|(?<![a-z])(?:read|view|list|get)(?![a-z])", re.IGNORECASE).search


def needed_scopes(securities: Iterable[tuple[SecurityNeed, ...]], scheme: str) -> tuple[str, ...]:
    """The fewest scopes of a scheme that satisfy every operation whose security is given, sorted.

    An operation that the scheme does not stand in, or that may go without any credential, needs none.
    """
    choices = {_least(_alternatives(security, scheme)) for security in securities}
    settled: Scopes = frozenset()
    while True:
        # what has one alternative left is settled, and may settle others
        choices = {_least(tuple(one - settled for one in choice)) for choice in choices}
        forced = [choice[0] for choice in choices if len(choice) == 1 and choice[0]]
        if not forced:
            break
        settled = settled.union(*forced)
    open_ = sorted((choice for choice in choices if len(choice) > 1), key=_by_names)
    return tuple(sorted(settled | _best(open_)))


def lacking_scopes(security: tuple[SecurityNeed, ...], scheme: str, granted: Collection[str]) -> tuple[str, ...]:
    """The scopes of a scheme that an operation lacks, sorted; empty when what was granted is enough."""
    had = frozenset(granted)
    lacking: list[Scopes] = [one - had for one in _alternatives(security, scheme)]
    fewest: Scopes = min(lacking, key=_weight)
    return tuple(sorted(fewest))


def _alternatives(security: tuple[SecurityNeed, ...], scheme: str) -> Choice:
    found = []
    for need in security:
        if not need:
            return (frozenset(),)
        scopes = [frozenset(wanted) for name, wanted in need if name == scheme]
        if scopes:
            found.append(scopes[0].union(*scopes[1:]))
    return tuple(found) or (frozenset(),)


def _least(choice: Choice) -> Choice:
    """The alternatives without those that want all of another one and more; in an order of their own."""
    kept = [one for one in set(choice) if not any(other < one for other in choice)]
    return tuple(sorted(kept, key=_weight))


def _weight(scopes: Scopes) -> tuple[int, int, int, list[str]]:
    """Fewer go first; then what only reads, then longer names, which tend to say more exactly what they allow."""
    broad = sum(1 for one in scopes if not _reads(one))
    return (len(scopes), broad, -sum(len(one) for one in scopes), sorted(scopes))


def _by_names(choice: Choice) -> tuple[int, list[list[str]]]:
    return (len(choice), [sorted(one) for one in choice])


def _best(choices: list[Choice]) -> Scopes:
    """The lightest union of one alternative each: by trying all, as far as that is feasible, from a good start on."""
    best = _greedy(choices)
    looked = 0
    waiting: list[tuple[int, Scopes]] = [(0, frozenset())]
    while waiting and looked < _MOST_LOOKED_AT:
        at, chosen = waiting.pop()
        looked += 1 + len(chosen)
        if len(chosen) > len(best):
            continue
        while at < len(choices) and any(one <= chosen for one in choices[at]):
            looked += len(choices[at])
            at += 1
        if at == len(choices):
            looked += 10 * len(chosen)
            best = min(best, chosen, key=_weight)
            continue
        # the lightest one is looked at first: it lies on top
        waiting.extend((at + 1, chosen | one) for one in reversed(choices[at]))
    return best


def _greedy(choices: list[Choice]) -> Scopes:
    """Always what most operations that are left list, for each of its scopes."""
    listing: dict[Scopes, list[int]] = {}
    for number, choice in enumerate(choices):
        for one in choice:
            listing.setdefault(one, []).append(number)
    left = {one: len(numbers) for one, numbers in listing.items()}
    heap = [(-count / len(one), _weight(one), one) for one, count in left.items()]
    heapq.heapify(heap)
    chosen: set[str] = set()
    met = [False] * len(choices)
    while heap:
        worth, weight, one = heapq.heappop(heap)
        now = -left[one] / len(one)
        if not now:
            continue
        if now != worth:
            heapq.heappush(heap, (now, weight, one))
            continue
        chosen |= one
        for number in listing[one]:
            if not met[number]:
                met[number] = True
                for other in choices[number]:
                    left[other] -= 1
    return frozenset(chosen)
