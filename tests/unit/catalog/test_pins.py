"""Published names outlive the document they came from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiloom.base.values import replace
from apiloom.catalog.build import build_catalog
from apiloom.catalog.pins import Pin, pins_of
from apiloom.catalog.report import build_report
from apiloom.catalog.tool import Catalog
from support.catalogs import OK, model_of

Paths = dict[str, dict[str, Any]]


def operation(name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"responses": OK, **({} if name is None else {"operationId": name}), **more}


def parameter(name: str, place: str = "query") -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


def body(**properties: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"type": "object", "properties": properties}}}}


def versions(*documents: Paths) -> tuple[Catalog, tuple[Pin, ...]]:
    """The catalog of the last of several versions, each built with what the ones before it published."""
    pins: tuple[Pin, ...] = ()
    for paths in documents:
        model = model_of(paths)
        catalog = build_catalog(model, pinned=pins)
        pins = pins_of(catalog.tools, catalog.aliases, pins)
    return catalog, pins


def names(catalog: Catalog) -> dict[str, str]:
    return {line.key: line.tool for line in catalog.ledger}


def arguments(catalog: Catalog, tool: str) -> dict[str, str]:
    return {one.name: f"{one.place} {one.original}" for one in catalog.tools[tool].arguments}


def codes(catalog: Catalog) -> set[str]:
    return {finding.code for finding in catalog.findings}


def test_an_operation_at_another_path_keeps_its_published_name() -> None:
    catalog, _ = versions({"/pets": {"get": operation("listPets")}}, {"/v2/pets": {"get": operation("listPets")}})
    assert names(catalog) == {"GET /v2/pets": "list_pets"}
    assert "catalog.name_kept" in codes(catalog)


def test_an_operation_with_another_operation_id_keeps_its_published_name() -> None:
    catalog, pins = versions({"/pets": {"get": operation("listPets")}}, {"/pets": {"get": operation("findAllPets")}})
    assert names(catalog) == {"GET /pets": "list_pets"}
    assert [pin.called for pin in pins] == ["findAllPets"]


def test_renames_are_followed_through_any_number_of_versions() -> None:
    catalog, _ = versions(
        {"/pets": {"get": operation("listPets")}},
        {"/pets": {"get": operation("findPets")}},
        {"/animals": {"get": operation("findPets")}},
        {"/animals": {"get": operation()}},
    )
    assert names(catalog) == {"GET /animals": "list_pets"}


def test_a_placeholder_of_another_name_changes_neither_tool_nor_argument() -> None:
    catalog, _ = versions(
        {"/pets/{id}/toys/{toy}": {"get": operation(parameters=[parameter("id", "path"), parameter("toy", "path")])}},
        {
            "/pets/{petId}/toys/{id}": {
                "get": operation(parameters=[parameter("petId", "path"), parameter("id", "path")])
            }
        },
    )
    assert names(catalog) == {"GET /pets/{petId}/toys/{id}": "get_pets_by_id_toys_by_toy"}
    assert arguments(catalog, "get_pets_by_id_toys_by_toy") == {"id": "path petId", "toy": "path id"}


def test_a_published_name_is_never_shared_with_a_newcomer() -> None:
    alone = {"/a": {"get": operation("same")}}
    catalog, _ = versions(alone, {**alone, "/b": {"get": operation("same")}})
    assert names(catalog)["GET /a"] == "same"
    assert names(catalog)["GET /b"].startswith("same_")


def test_the_name_of_a_tool_that_is_gone_is_given_to_no_other_and_told() -> None:
    first = {"/a": {"get": operation("same")}, "/keep": {"get": operation("keep")}}
    second = {"/keep": {"get": operation("keep")}}
    third = {**second, "/b": {"get": operation("Same")}}
    assert "catalog.tool_gone" in codes(versions(first, second)[0])
    catalog, pins = versions(first, second, third)
    assert names(catalog)["GET /b"].startswith("same_")
    assert {pin.name for pin in pins} == {"same", "keep", names(catalog)["GET /b"]}
    assert names(versions(first, second, third, first)[0])["GET /a"] == "same"


def test_a_name_that_only_read_is_not_kept_for_what_can_write() -> None:
    catalog, _ = versions({"/pets": {"get": operation("pets")}}, {"/pets": {"delete": operation("pets")}})
    assert names(catalog)["DELETE /pets"] != "pets"
    catalog, _ = versions({"/pets": {"post": operation("pets")}}, {"/pets": {"get": operation("pets")}})
    assert names(catalog)["GET /pets"] == "pets"


def test_two_tools_that_became_one_operation_leave_an_alias() -> None:
    before = {"/old": {"get": operation("getPet")}, "/new": {"get": operation("getPetNew")}}
    catalog, pins = versions(before, {"/new": {"get": operation("getPet")}})
    assert names(catalog) == {"GET /new": "get_pet"}
    assert catalog.aliases == {"get_pet_new": "get_pet"}
    (pin,) = pins
    assert pin.aliases == ("get_pet_new",)
    again, _ = versions(before, {"/new": {"get": operation("getPet")}}, {"/newer": {"get": operation("getPet")}})
    assert again.aliases == {"get_pet_new": "get_pet"}


def test_an_operation_id_that_stands_twice_identifies_nothing() -> None:
    before = {"/a": {"get": operation("same")}, "/b": {"get": operation("same")}}
    catalog, _ = versions(before, {"/b": {"get": operation("same")}, "/c": {"get": operation("same")}})
    assert names(catalog)["GET /b"] == names(versions(before)[0])["GET /b"]
    assert names(catalog)["GET /c"] not in names(versions(before)[0]).values()


def test_arguments_keep_their_names_when_others_join_or_leave() -> None:
    before = {"/pets/{pet}": {"put": operation("put", requestBody=body(id={}, name={}))}}
    after = {
        "/pets/{pet}": {
            "put": operation("put", parameters=[parameter("id"), parameter("name", "header")], requestBody=body(id={}))
        }
    }
    catalog, pins = versions(before, after)
    assert arguments(catalog, "put") == {
        "id": "body /id",
        "id_query": "query id",
        "name": "header name",
        "pet": "path pet",
    }
    assert pins[0].arguments["body:/id"] == "id"


def test_an_argument_that_moves_to_another_place_keeps_its_name() -> None:
    catalog, pins = versions(
        {"/pets": {"post": operation("add", parameters=[parameter("filter[name]"), parameter("page")])}},
        {"/pets": {"post": operation("add", parameters=[parameter("page")], requestBody=body(**{"filter[name]": {}}))}},
    )
    assert arguments(catalog, "add") == {"page": "query page", "filter_name": "body /filter[name]"}
    assert dict(pins[0].arguments) == {"query:page": "page", "body:/filter[name]": "filter_name"}


def test_the_name_of_an_argument_that_is_gone_is_given_to_no_other() -> None:
    catalog, _ = versions(
        {"/pets": {"get": operation("list", parameters=[parameter("tag[]"), parameter("x")])}},
        {"/pets": {"get": operation("list", parameters=[parameter("x")])}},
        {"/pets": {"get": operation("list", parameters=[parameter("tag"), parameter("x")])}},
    )
    assert arguments(catalog, "list") == {"tag_query": "query tag", "x": "query x"}


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "array", "items": {}},
        {"type": "object", "properties": {"body": {}}, "additionalProperties": {"type": "string"}},
    ],
)
def test_a_whole_body_and_its_further_members_are_arguments_like_others(shape: Any) -> None:
    request = {"content": {"application/json": {"schema": shape}}}
    first = {"/a": {"post": operation("send", requestBody=request)}}
    more = [parameter("body"), parameter("additional_properties")]
    second = {"/a": {"post": operation("send", parameters=more, requestBody=request)}}
    before, after = versions(first)[0], versions(first, second)[0]
    known = arguments(before, "send")
    assert {name: arguments(after, "send")[name] for name in known} == known


def test_without_pins_nothing_changes_and_with_its_own_pins_neither() -> None:
    paths = {
        "/a/{id}": {"get": operation("same", parameters=[parameter("id", "query")]), "put": operation("same")},
        "/b": {"post": operation(requestBody=body(id={}, b={}))},
    }
    model = model_of(paths)
    plain = build_catalog(model)
    pinned = build_catalog(model, pinned=pins_of(plain.tools))
    assert build_report(pinned) == build_report(plain)
    assert pins_of(pinned.tools, pinned.aliases, pins_of(plain.tools)) == pins_of(plain.tools)


def test_the_order_of_pins_and_operations_decides_nothing() -> None:
    paths = {"/a": {"get": operation("x")}, "/b": {"get": operation("y")}, "/c": {"get": operation()}}
    pins = versions(paths)[1]
    swapped = {"/c": {"get": operation("y")}, "/b": {"get": operation("x")}, "/d": {"get": operation("z")}}
    model = model_of(swapped)
    backward = replace(model, operations=tuple(reversed(model.operations)))
    forward = build_catalog(model, pinned=pins)
    assert names(forward) == names(build_catalog(backward, pinned=tuple(reversed(pins))))
    assert names(forward)["GET /b"] == "x"
    assert names(forward)["GET /c"] == "y"


IDS = st.sampled_from([None, "", "same", "Same", "sAme", "listPets", "list_pets", "获取", "a" * 60, "a" * 59 + "b"])
KEYS = st.sampled_from(
    [f"{path}:{method}" for path in ("/a", "/b", "/a/{id}", "/a/{x}/c") for method in ("get", "put")]
)
PARAMETERS = st.lists(
    st.builds(
        parameter, st.sampled_from(["id", "id[]", "id_query", "x", "id_body"]), st.sampled_from(["query", "header"])
    ),
    max_size=3,
    unique_by=lambda one: (one["name"], one["in"]),
)
BODIES = st.lists(st.sampled_from(["id", "x", "id_body", "body"]), unique=True, max_size=3)


@st.composite
def operations(draw: st.DrawFn) -> dict[str, Any]:
    members = draw(BODIES)
    made = operation(
        draw(IDS), parameters=[one for one in draw(PARAMETERS) if one["name"] != "id[]" or one["in"] == "query"]
    )
    return {**made, "requestBody": body(**{name: {} for name in members})} if members else made


DOCUMENTS = st.dictionaries(KEYS, operations(), max_size=6)


def paths_of(document: dict[str, Any]) -> Paths:
    paths: Paths = {}
    for key, made in document.items():
        path, _, method = key.rpartition(":")
        paths.setdefault(path, {})[method] = made
    return paths


@settings(max_examples=60)
@given(DOCUMENTS, DOCUMENTS, st.randoms(use_true_random=False))
def test_adding_and_reordering_operations_renames_nothing(before: Any, more: Any, chance: Any) -> None:
    first, _ = versions(paths_of(before))
    joined = list({**more, **before}.items())
    chance.shuffle(joined)
    second, pins = versions(paths_of(before), paths_of(dict(joined)))
    assert {key: names(second)[key] for key in names(first)} == names(first)
    assert len(set(names(second).values())) == len(names(second))
    assert {pin.name for pin in pins} == set(names(second).values())
    for name in first.tools:
        assert arguments(second, name) == arguments(first, name)


@settings(max_examples=60)
@given(st.lists(DOCUMENTS, min_size=2, max_size=4))
def test_no_published_name_ever_comes_to_stand_for_another_operation(documents: Any) -> None:
    pins: tuple[Pin, ...] = ()
    for document in documents:
        model = model_of(paths_of(document))
        catalog = build_catalog(model, pinned=pins)
        known = {pin.name: pin for pin in pins}
        called = {one.key: one.name or "" for one in model.operations}
        for name, tool in catalog.tools.items():
            if name in known:
                pin = known[name]
                shape = tool.operation.replace("{x}", "{id}") == pin.operation.replace("{x}", "{id}")
                assert shape or (pin.called and called[tool.operation] == pin.called)
        assert len(catalog.tools) + sum(line.status != "exposed" for line in catalog.ledger) == len(catalog.ledger)
        kept = {pin.name for pin in pins} | {alias for pin in pins for alias in pin.aliases}
        pins = pins_of(catalog.tools, catalog.aliases, pins)
        assert kept <= {pin.name for pin in pins} | {alias for pin in pins for alias in pin.aliases}
