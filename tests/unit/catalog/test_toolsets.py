"""Toolsets: what is in them, and those that are suggested."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiloom.base.errors import CallerError
from apiloom.catalog.toolsets import (
    LARGE,
    Membership,
    check_membership,
    members,
    read_membership,
    suggest_toolsets,
)
from apiloom.catalog.traits import Trait


def trait(name: str, operation: str = "GET /", *tags: str) -> Trait:
    return Trait(name=name, kind="read", operation=operation, tags=tags)


PETS = {
    one.name: one
    for one in (
        trait("list_pets", "GET /pets", "pets"),
        trait("get_pet", "GET /pets/{id}", "pets"),
        trait("list_orders", "GET /shop/orders", "orders"),
        trait("ping", "GET /ping"),
    )
}


def test_tags_paths_and_patterns_are_alternatives() -> None:
    assert members(Membership(tags=("pets",)), PETS) == ("list_pets", "get_pet")
    assert members(Membership(paths=("/shop/*",)), PETS) == ("list_orders",)
    assert members(Membership(tools=("list_*", "ping")), PETS) == ("list_pets", "list_orders", "ping")
    both = read_membership({"tags": ["orders"], "tools": ["ping"], "paths": None})
    assert members(both, PETS) == ("list_orders", "ping")


def test_a_tool_is_a_member_by_the_name_it_had() -> None:
    renamed = {"fetch": Trait(name="fetch", kind="read", operation="GET /x", names=("list_pets",))}
    assert members(Membership(tools=("list_pets",)), renamed) == ("fetch",)


@pytest.mark.parametrize(
    ("raw", "code", "pointer"),
    [
        ([], "toolset.form", "/select"),
        ({}, "toolset.form", "/select"),
        ({"tags": []}, "toolset.form", "/select"),
        ({"tag": ["a"]}, "toolset.unknown", "/select/tag"),
        ({"tags": "a"}, "toolset.form", "/select/tags"),
        ({"tags": [1]}, "toolset.form", "/select/tags/0"),
        ({"paths": ["*" * 9]}, "selection.pattern", "/select/paths/0"),
    ],
)
def test_what_is_no_membership_is_refused(raw: object, code: str, pointer: str) -> None:
    with pytest.raises(CallerError) as caught:
        read_membership(raw)
    assert (caught.value.code, caught.value.facts["pointer"]) == (code, pointer)


def test_names_in_a_membership_stand_for_something() -> None:
    for membership, pointer, near in (
        (Membership(tags=("pet",)), "/select/tags/0", "pets"),
        (Membership(tools=("get_pets",)), "/select/tools/0", "get_pet"),
    ):
        with pytest.raises(CallerError) as caught:
            check_membership(membership, PETS)
        assert (caught.value.code, caught.value.facts["pointer"]) == ("toolset.unknown", pointer)
        assert near in caught.value.hint
    with pytest.raises(CallerError):
        check_membership(Membership(paths=("/nowhere/*",)), PETS)
    check_membership(Membership(tags=("pets",)), PETS)


def test_a_small_connector_needs_none() -> None:
    assert suggest_toolsets(PETS) == ()


def test_tags_name_the_toolsets_and_large_ones_are_split_by_path() -> None:
    tools = [trait(f"pet_{n}", f"GET /v1/pets/{{id}}/photos/{n}", "Pets") for n in range(5)]
    tools += [trait(f"vet_{n}", f"GET /v1/pets/{{id}}/vets/{n}", "Pets") for n in range(4)]
    tools += [trait(f"order_{n}", f"GET /v1/orders/{n}", "Store orders") for n in range(6)]
    tools += [trait("status", "GET /v1/status"), trait("order_help", "GET /v1/orders/help", "help")]
    found = {one.name: one for one in suggest_toolsets({one.name: one for one in tools})}
    assert found["pets_photos"].tools == tuple(f"pet_{n}" for n in range(5))
    assert {f"vet_{n}" for n in range(4)} <= set(found["pets_vets"].tools)
    assert found["store_orders"].title == "Store orders"
    assert "order_help" in found["store_orders"].tools
    assert "3" not in found["pets_vets"].name
    assert all(one.description.startswith(f"{len(one.tools)} tools: ") for one in found.values())


TAG = st.sampled_from(["", "Pets", "Orders & Returns", "宠物", "users", "users/admin", "v2"])
PATH = st.lists(st.sampled_from(["pets", "{id}", "v1", "orders", "x-y", "7"]), min_size=0, max_size=4)


@settings(max_examples=150)
@given(st.lists(st.tuples(TAG, PATH), min_size=LARGE, max_size=90), st.randoms(use_true_random=False))
def test_every_tool_is_in_one_toolset_of_three_to_seven_whatever_the_order(
    drawn: list[tuple[str, list[str]]], chance: random.Random
) -> None:
    tools = [
        trait(f"t{index}", f"GET /{'/'.join(path)}", *([tag] if tag else [])) for index, (tag, path) in enumerate(drawn)
    ]
    found = suggest_toolsets({one.name: one for one in tools})
    assert sorted(name for one in found for name in one.tools) == sorted(one.name for one in tools)
    assert all(3 <= len(one.tools) <= 7 for one in found)
    assert len({one.name for one in found}) == len(found)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,39}", one.name) and one.title for one in found)
    chance.shuffle(tools)
    assert suggest_toolsets({one.name: one for one in tools}) == found
