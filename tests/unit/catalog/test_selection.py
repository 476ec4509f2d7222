"""Filters of a server: which tools they leave, and what they say of names that stand for nothing."""

from __future__ import annotations

import fnmatch
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.base.errors import CallerError
from apiloom.base.values import replace
from apiloom.catalog.selection import EVERYTHING, Offer, Selection, check_selection, idle_patterns, pick, select
from apiloom.catalog.tool import Hints
from apiloom.catalog.traits import MOST_STARS, Globs, Trait, is_wild, traits_of
from support.catalogs import OK, catalog_of

TRAITS = {
    trait.name: trait
    for trait in (
        Trait(name="list_pets", kind="read", operation="GET /pets", tags=("pets",)),
        Trait(name="add_pet", kind="write", operation="POST /pets", tags=("pets",)),
        Trait(name="cancel_order", kind="custom", operation="POST /orders/{id}/cancel", tags=("orders", "pets")),
        Trait(name="list_orders", kind="read", operation="GET /orders", tags=("orders",), described=False),
        Trait(name="ping", kind="read", operation="GET /ping"),
    )
}
SETS = {"shop": ("list_pets", "list_orders"), "danger": ("cancel_order", "add_pet")}


def names(**chosen: Any) -> set[str]:
    return set(select(TRAITS, Selection(**chosen), SETS))


def test_nothing_said_means_what_reads() -> None:
    assert names() == {"list_pets", "list_orders", "ping"}


def test_methods_are_alternatives_and_may_be_operations() -> None:
    assert names(methods=("write", "GET /ping")) == {"add_pet", "ping"}
    assert names(methods=("get /orders",)) == {"list_orders"}
    assert names(methods=("read", "write", "custom")) == set(TRAITS)


def test_tags_are_alternatives_and_both_filters_must_be_met() -> None:
    assert names(tags=("pets",)) == {"list_pets"}
    assert names(tags=("pets", "orders")) == {"list_pets", "list_orders"}
    assert names(methods=("custom",), tags=("pets",)) == {"cancel_order"}


def test_what_is_allowed_narrows_and_never_widens() -> None:
    assert names(allow=("*_pet*",)) == {"list_pets"}
    assert names(allow=("add_pet",)) == set()


def test_toolsets_that_are_named_narrow() -> None:
    assert names(toolsets=("shop",)) == {"list_pets", "list_orders"}
    assert names(toolsets=("shop", "danger"), methods=("write",)) == {"add_pet"}


def test_what_is_denied_or_switched_off_goes_whatever_else_names_it() -> None:
    assert names(allow=("list_*",), deny=("list_pets",)) == {"list_orders"}
    assert names(toolsets=("shop",), toolsets_off=("shop",)) == set()
    assert names(methods=("GET /ping",), deny=("p?ng",)) == set()


def test_the_documentation_gate_leaves_out_what_nobody_described() -> None:
    assert names(described=True) == {"list_pets", "ping"}
    made = catalog_of({"/a": {"get": {"responses": OK}}, "/b": {"get": {"summary": "B.", "responses": OK}}})
    assert select(made.tools, Selection(described=True)) == ("get_b",)


def test_a_claim_to_be_read_only_can_only_narrow() -> None:
    tools = catalog_of({"/a": {"get": {"responses": OK}, "post": {"responses": OK}}}).tools
    claims = Hints(read_only=True, destructive=False, idempotent=True)
    lying = {"get_a": tools["get_a"], "post_a": replace(tools["post_a"], hints=claims)}
    assert select(lying, Selection()) == ("get_a",)
    honest = {"get_a": replace(tools["get_a"], hints=replace(claims, read_only=False))}
    assert select(honest, Selection()) == ()
    assert select(honest, Selection(methods=("custom",))) == ("get_a",)


@pytest.mark.parametrize(
    ("chosen", "pointer", "near"),
    [
        ({"methods": ("reed",)}, "/config/methods/0", "read"),
        ({"methods": ("read", "GET /pet")}, "/config/methods/1", "GET /pets"),
        ({"tags": ("pets", "order")}, "/config/tags/1", "orders"),
        ({"allow": ("list_pet",)}, "/config/tools/allow/0", "list_pets"),
        ({"deny": ("add_pets",)}, "/config/tools/deny/0", "add_pet"),
        ({"toolsets": ("shops",)}, "/config/toolsets/0", "shop"),
        ({"toolsets_off": ("dangre",)}, "/toolsets_off/0", "danger"),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused_with_the_nearest(
    chosen: dict[str, Any], pointer: str, near: str
) -> None:
    with pytest.raises(CallerError) as caught:
        names(**chosen)
    assert caught.value.code == "selection.unknown"
    assert caught.value.facts["pointer"] == pointer
    assert near in caught.value.hint


def test_a_server_outlives_what_its_filters_name() -> None:
    gone = Selection(methods=("read", "GET /gone"), allow=("ping", "gone"), deny=("gone_too",), toolsets_off=("old",))
    assert pick(Offer(tools=TRAITS), gone) == ("ping",)


def test_a_pattern_that_matches_nothing_is_worth_a_warning_only() -> None:
    selection = Selection(allow=("list_*", "remove_*"), deny=("*secret*", "ping"))
    assert names(allow=selection.allow, deny=selection.deny) == {"list_pets", "list_orders"}
    assert idle_patterns([Offer(tools=TRAITS)], selection) == ("remove_*", "*secret*")


def test_of_several_connectors_a_name_needs_to_be_known_to_one_and_may_be_prefixed() -> None:
    shop = Offer(tools=TRAITS, prefix="shop", toolsets=SETS)
    other = Offer(tools={"ping": TRAITS["ping"]}, prefix="other")
    selection = Selection(deny=("other_ping",), tags=None, toolsets_off=("shop/danger",))
    check_selection([shop, other], selection)
    assert pick(other, selection) == ()
    assert "ping" in pick(shop, selection)
    with pytest.raises(CallerError):
        check_selection([other], selection)


def test_who_denied_the_name_a_tool_had_denied_the_tool() -> None:
    renamed = {"fetch_pets": replace(TRAITS["list_pets"], name="fetch_pets", names=("list_pets",))}
    assert pick(Offer(tools=renamed), Selection(deny=("list_pets",))) == ()
    assert pick(Offer(tools=TRAITS, aliases={"show_ping": "ping"}), Selection(deny=("show_*",), allow=("ping",))) == ()


@pytest.mark.parametrize("pattern", ["", "x" * 201, "*a*a*a*a*a*a*a*a*a"])
def test_a_pattern_is_bounded(pattern: str) -> None:
    with pytest.raises(CallerError) as caught:
        names(deny=(pattern,))
    assert caught.value.code == "selection.pattern"


def test_the_worst_patterns_come_to_an_end() -> None:
    many = {f"{'a' * 36}{index}": replace(TRAITS["ping"], name="x") for index in range(200)}
    patterns = tuple(f"*a*a*a*a*a*a*a*{index}b" for index in range(500))
    assert len(pick(Offer(tools=many), Selection(deny=patterns))) == 200


@given(st.lists(st.text("ab*?[]!-^&|~\\", min_size=1, max_size=8), max_size=4), st.text("ab[]!-^&|~\\", max_size=8))
def test_a_pattern_means_what_a_shell_means_by_it(patterns: list[str], name: str) -> None:
    fitting = [one for one in patterns if one.count("*") <= MOST_STARS]
    meant = any(fnmatch.fnmatchcase(name, one) if is_wild(one) else name == one for one in fitting)
    assert (name in Globs(fitting)) == meant


METHODS = st.lists(st.sampled_from(["read", "write", "custom", "GET /pets", "POST /pets"]), min_size=1, unique=True)
TAGS = st.none() | st.lists(st.sampled_from(["pets", "orders"]), min_size=1, unique=True)
GLOBS = st.lists(st.sampled_from(["*", "list_*", "ping", "*pet*", "?ing"]), min_size=1, unique=True)
OFF = st.lists(st.sampled_from(sorted(SETS)), unique=True)


@given(METHODS, TAGS, st.none() | GLOBS, st.lists(st.sampled_from(["ping", "list_*"])), OFF)
def test_every_member_only_ever_narrows_and_order_means_nothing(
    methods: list[str], tags: list[str] | None, allow: list[str] | None, deny: list[str], off: list[str]
) -> None:
    def chosen(tags: list[str] | None, allow: list[str] | None, deny: list[str], off: list[str]) -> frozenset[str]:
        return frozenset(
            select(
                TRAITS,
                Selection(
                    methods=tuple(methods),
                    tags=None if tags is None else tuple(tags),
                    allow=None if allow is None else tuple(allow),
                    deny=tuple(deny),
                    toolsets_off=tuple(off),
                ),
                SETS,
            )
        )

    whole = chosen(tags, allow, deny, off)
    for some_tags, some_allow, some_deny, some_off in itertools.product(
        (tags, None), (allow, None), (deny, []), (off, [])
    ):
        assert whole <= chosen(some_tags, some_allow, some_deny, some_off)
    assert whole == chosen(tags and tags[::-1], allow and allow[::-1], deny[::-1], off[::-1])
    assert not whole & {name for one in off for name in SETS[one]}
    assert select(TRAITS, EVERYTHING) == tuple(TRAITS)
    assert traits_of(TRAITS) == TRAITS


def test_a_prefixed_name_is_denied_with_and_without_its_prefix_and_allows_only_with_it() -> None:
    for prefix in ("shop", ""):
        offer = Offer(tools=TRAITS, prefix=prefix, slug="shop")
        for pattern in ("shop_ping", "shop_pin?", "shop_*"):
            denying = Selection(methods=EVERYTHING.methods, deny=(pattern,))
            assert "ping" not in pick(offer, denying)
            assert not idle_patterns([offer], denying)
            check_selection([offer], denying)
            allowing = Selection(methods=EVERYTHING.methods, allow=(pattern,))
            assert ("ping" in pick(offer, allowing)) is bool(prefix)
