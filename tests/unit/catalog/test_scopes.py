"""The fewest scopes that tools need, and what a tool lacks."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from apiloom.catalog.scopes import lacking_scopes, needed_scopes
from apiloom.model.api import SecurityNeed

Security = tuple[SecurityNeed, ...]


def either(*alternatives: str, scheme: str = "oauth") -> Security:
    """``either("a b", "c")``: both of a and b, or c."""
    return tuple(((scheme, tuple(one.split())),) for one in alternatives)


def test_what_every_tool_needs_is_asked_and_nothing_else() -> None:
    assert needed_scopes([either("read"), either("read write"), either("read")], "oauth") == ("read", "write")
    assert needed_scopes([], "oauth") == ()
    assert needed_scopes([either("read", scheme="other")], "oauth") == ()


def test_an_alternative_that_is_asked_anyway_is_the_one_that_is_used() -> None:
    assert needed_scopes([either("all", "files"), either("files")], "oauth") == ("files",)


def test_one_scope_that_satisfies_all_goes_before_several() -> None:
    securities = [either("a", "x"), either("b", "x"), either("c", "x")]
    assert needed_scopes(securities, "oauth") == ("x",)


def test_among_equally_many_the_narrower_one_is_asked() -> None:
    mail = either(
        "https://mail.example/", "https://www.example/auth/mail.readonly", "https://www.example/auth/mail.modify"
    )
    assert needed_scopes([mail], "oauth") == ("https://www.example/auth/mail.readonly",)
    files = [either("drive", "drive.file", "drive.readonly"), either("drive", "drive.file")]
    assert needed_scopes(files, "oauth") == ("drive.file",)


def test_a_tool_that_may_go_without_credentials_asks_for_nothing() -> None:
    assert needed_scopes([(*either("admin"), ())], "oauth") == ()
    assert lacking_scopes((*either("admin"), ()), "oauth", ()) == ()


def test_a_tool_lacks_the_fewest_of_its_alternatives() -> None:
    security = either("a b c", "a d")
    assert lacking_scopes(security, "oauth", ()) == ("a", "d")
    assert lacking_scopes(security, "oauth", ("a",)) == ("d",)
    assert lacking_scopes(security, "oauth", ("b", "c")) == ("a",)
    assert lacking_scopes(security, "oauth", ("a", "d", "z")) == ()
    assert lacking_scopes(security, "other", ()) == ()


def test_many_scopes_of_a_large_api_are_chosen_in_a_bounded_search() -> None:
    dice = random.Random(7)
    names = [f"scope.{number}" for number in range(40)]
    securities = [either(*dice.sample(names, 4)) for _ in range(400)]
    found = needed_scopes(securities, "oauth")
    assert len(found) < 30
    assert all(lacking_scopes(one, "oauth", found) == () for one in securities)


_alternative = st.lists(st.sampled_from("abcde"), min_size=0, max_size=3, unique=True).map(tuple)
_security = st.lists(_alternative, min_size=1, max_size=3).map(
    lambda found: tuple((("oauth", scopes),) for scopes in found)
)


@given(st.lists(_security, max_size=5), st.randoms(use_true_random=False))
def test_the_union_is_the_smallest_there_is_in_whatever_order_tools_come(
    securities: list[Security], dice: random.Random
) -> None:
    found = needed_scopes(securities, "oauth")
    combinations = itertools.product(*([set(need[0][1]) for need in one] for one in securities))
    assert len(found) == min(len(set().union(*each)) for each in combinations)
    assert all(not lacking_scopes(one, "oauth", found) for one in securities)
    mixed = [tuple(dice.sample(one, len(one))) for one in securities]
    dice.shuffle(mixed)
    assert needed_scopes(mixed, "oauth") == found
