"""The ways to connect an account: which sets of security schemes open its tools, and what is asked for each.

Pure: decides from what a version's tools need and which OAuth clients there are. Knows no page and no session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from apiloom.flows.connect_ports import Needs
from apiloom.model.api import SecurityNeed, SecurityScheme
from apiloom.model.security import unsignable

MOST_WAYS = 6
_MOST_SCHEMES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to connect. ``typed`` are the schemes whose credentials are typed, ``consents`` those that are granted
    by OAuth, one after the other. ``number`` counts from 1, the best first.
    """

    number: int
    typed: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()

    @property
    def schemes(self) -> tuple[str, ...]:
        return (*self.typed, *self.consents)

    def next(self, granted: Collection[str] = ()) -> str:
        """The scheme that is granted next, after those that are; empty where none is left."""
        return next((one for one in self.consents if one not in granted), "")


def ways_of(needs: Needs, consents: Collection[str], before: Collection[str] = ()) -> tuple[Way, ...]:
    """The ways to connect, at least one; the last resort asks for nothing.

    A way opens as many tools as it can with as few schemes as it can. Ways by OAuth come first, and before them those
    that an account was connected by already.

    Args:
        needs: what the version's tools need.
        consents: the schemes for which there is an OAuth client.
        before: the schemes that an account which is connected anew has credentials for.
    """
    counted: Counter[tuple[frozenset[str], ...]] = Counter()
    for alternatives in needs.tools:
        usable = tuple(
            dict.fromkeys(names for need in alternatives if (names := _names(need, needs.schemes)) is not None)
        )
        if usable:
            counted[usable] += 1
    # a tool that can be called without counts for nothing where another cannot
    strict = {each: count for each, count in counted.items() if frozenset() not in each}
    wanted = strict or {tuple(one for one in each if one): n for each, n in counted.items() if any(each)}
    starts: Counter[frozenset[str]] = Counter()
    for alternatives_, count in wanted.items():
        for alternative in alternatives_:
            starts[alternative] += count
    ranked = sorted(starts, key=lambda one: (-starts[one], len(one), sorted(one)))
    found = dict.fromkeys(_closed(start, wanted, starts) for start in ranked[: 4 * MOST_WAYS])
    sets = [each for each in found if len(each) <= _MOST_SCHEMES] or [frozenset()]
    had, known = frozenset(before), frozenset(consents)
    sets.sort(key=lambda one: (not (had and one <= had), not one & known))
    return tuple(_way(number, schemes, known) for number, schemes in enumerate(sets[:MOST_WAYS], 1))


def _names(need: SecurityNeed, schemes: Mapping[str, SecurityScheme]) -> frozenset[str] | None:
    """The schemes of an alternative; None where one of them is nothing that can be asked for."""
    names = frozenset(name for name, _ in need)
    for name in names:
        scheme = schemes.get(name)
        if scheme is None or unsignable(scheme) or scheme.kind == "mutualTLS" or scheme.details.get("signs"):
            return None
    return names


def _closed(
    start: frozenset[str], wanted: Mapping[tuple[frozenset[str], ...], int], starts: Mapping[frozenset[str], int]
) -> frozenset[str]:
    """A set of schemes with what else is needed so that every tool can be called."""
    schemes = start
    for alternatives in sorted(wanted, key=lambda one: -wanted[one]):
        if not any(one <= schemes for one in alternatives):
            schemes = schemes | min((len(one - schemes), -starts[one], sorted(one), one) for one in alternatives)[3]
    return schemes


def _way(number: int, schemes: frozenset[str], consents: frozenset[str]) -> Way:
    granted = schemes & consents
    return Way(number=number, typed=tuple(sorted(schemes - granted)), consents=tuple(sorted(granted)))


def form_of(scheme: SecurityScheme) -> tuple[str, ...]:
    """The members of a scheme's credential that are typed."""
    return ("username", "password") if (scheme.kind, scheme.scheme) == ("http", "basic") else ("token",)


def needed_by(needs: Needs, way: Way) -> Sequence[tuple[SecurityNeed, ...]]:
    """The alternatives of the tools that a way opens, those alone that it opens them by."""
    schemes = frozenset(way.schemes)
    return [kept for each in needs.tools if (kept := _within(each, schemes))]


def beyond(needs: Needs, scheme: str, known: Iterable[str], asked: Iterable[str]) -> tuple[str, ...]:
    """The scopes of those asked that neither a tool needs nor the client of a scheme asks for by itself."""
    fine = {*known, *(one for each in needs.tools for need in each for one in dict(need).get(scheme, ()))}
    return tuple(one for one in asked if one not in fine)


def _within(alternatives: Iterable[SecurityNeed], schemes: frozenset[str]) -> tuple[SecurityNeed, ...]:
    return tuple(need for need in alternatives if need and {name for name, _ in need} <= schemes)
