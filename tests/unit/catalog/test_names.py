from __future__ import annotations

import re

import pytest

from apiloom.catalog.names import words
from support.catalogs import OK, catalog_of

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


def operation(name: str | None = None) -> dict[str, object]:
    return {"responses": OK} if name is None else {"operationId": name, "responses": OK}


def names(paths: dict[str, dict[str, object]]) -> dict[str, str]:
    return {line.key: line.tool for line in catalog_of(paths).ledger}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("listPets", "list_pets"),
        ("getHTTPStatus", "get_http_status"),
        ("listVMs", "list_vms"),
        ("createOAuthToken", "create_oauth_token"),
        ("actions/list-org-secrets", "actions_list_org_secrets"),
        ("Réserver.Salle", "reserver_salle"),
        ("weird  id__with   spaces", "weird_id_with_spaces"),
    ],
)
def test_an_operation_id_becomes_snake_case(given: str, expected: str) -> None:
    assert names({"/things": {"get": operation(given)}}) == {"GET /things": expected}


def test_the_route_that_fastapi_adds_to_an_id_is_left_out() -> None:
    found = names({"/items/{item_id}": {"get": operation("read_item_items__item_id__get")}})
    assert found == {"GET /items/{item_id}": "read_item"}


def test_without_an_operation_id_method_and_path_are_the_name() -> None:
    found = names({"/pets/{petId}/photos": {"get": operation(), "post": operation("")}, "/": {"get": operation()}})
    assert found == {
        "GET /pets/{petId}/photos": "get_pets_by_pet_id_photos",
        "POST /pets/{petId}/photos": "post_pets_by_pet_id_photos",
        "GET /": "get_root",
    }


def test_an_id_in_letters_we_cannot_spell_gives_way_to_the_path() -> None:
    found = names({"/pets": {"get": operation("获取宠物列表")}, "/宠物": {"get": operation("获取")}})
    assert found["GET /pets"] == "get_pets"
    assert re.fullmatch(r"get_[0-9a-f]{6}", found["GET /宠物"])


def test_a_name_never_starts_with_a_digit() -> None:
    assert names({"/a": {"get": operation("2faEnable")}}) == {"GET /a": "call_2fa_enable"}


def test_long_names_are_shortened_and_end_in_a_hash_that_tells_them_apart() -> None:
    stem = "readNamespacedHorizontalPodAutoscalerConfigurationTemplateStatus"
    found = names({"/a": {"get": operation(f"{stem}A")}, "/b": {"get": operation(f"{stem}B")}})
    assert len(set(found.values())) == 2
    assert all(NAME.match(name) and re.search(r"_[0-9a-f]{6}$", name) for name in found.values())
    assert all(name.startswith("read_") for name in found.values())


def test_all_operations_that_want_one_name_get_a_hash_and_none_a_number() -> None:
    found = names({"/a": {"get": operation("same"), "put": operation("Same")}, "/b": {"get": operation("other")}})
    assert found["GET /b"] == "other"
    assert re.fullmatch(r"same_[0-9a-f]{6}", found["GET /a"])
    assert re.fullmatch(r"same_[0-9a-f]{6}", found["PUT /a"])
    assert found["GET /a"] != found["PUT /a"]


def test_a_name_that_looks_like_another_ones_hash_gets_a_hash_too() -> None:
    taken = names({"/a": {"get": operation("same"), "put": operation("same")}})["GET /a"]
    found = names({"/a": {"get": operation("same"), "put": operation("same")}, "/c": {"get": operation(taken)}})
    assert len(set(found.values())) == 3


def test_names_do_not_depend_on_the_order_of_the_document() -> None:
    paths = {f"/p{number}": {"get": operation("same" if number % 3 else f"id{number}")} for number in range(12)}
    assert names(paths) == names(dict(reversed(paths.items())))


def test_adding_an_operation_renames_no_other() -> None:
    before = names({"/a": {"get": operation("listA")}, "/b": {"get": operation()}})
    after = names({"/z": {"get": operation("listZ")}, "/a": {"get": operation("listA")}, "/b": {"get": operation()}})
    assert {key: after[key] for key in before} == before


def test_removing_one_of_two_like_named_never_hands_its_name_to_the_other() -> None:
    both = names({"/a": {"get": operation("same")}, "/b": {"get": operation("same")}})
    assert "same" not in both.values()


def test_words_are_ascii_and_lower_case() -> None:
    assert words("Ünïcode/IDsOf_HTTPServers-v2") == ("unicode", "ids", "of", "http", "servers", "v2")
