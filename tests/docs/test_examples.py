"""The JSON that pages about filters, toolsets and overlays show is what apiloom takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from apiloom.base import json
from apiloom.catalog.overlaid import apply_overlays
from apiloom.catalog.overlays import Ground, check_patch
from apiloom.catalog.selection import Offer, check_selection, pick
from apiloom.catalog.server_config import read_config
from apiloom.catalog.toolsets import check_membership, members, read_membership
from support.catalogs import OK, catalog_of
from support.source import ROOT

TEXT = {"type": "string"}
PETS = catalog_of(
    {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "tags": ["pets"],
                "parameters": [
                    {"name": "kind", "in": "query", "required": True, "schema": TEXT},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                ],
                "responses": OK,
            },
            "post": {"operationId": "addPet", "tags": ["pets"], "responses": OK},
        },
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": TEXT}],
            "get": {"operationId": "getPet", "tags": ["pets"], "responses": OK},
            "delete": {"operationId": "deletePet", "tags": ["pets"], "responses": OK},
        },
        "/pets/secrets": {"get": {"operationId": "list_pet_secrets", "tags": ["pets"], "responses": OK}},
        "/store/orders": {"get": {"operationId": "listOrders", "tags": ["store"], "responses": OK}},
        "/inventory": {"get": {"operationId": "getInventory", "tags": ["store"], "responses": OK}},
    }
)


def examples(page: str, kind: str) -> list[Any]:
    text = Path(ROOT / "docs" / page).read_text(encoding="utf-8")
    return [json.loads(found) for found in re.findall(rf"```json {kind}\n(.*?)```", text, re.DOTALL)]


def test_a_config_on_a_page_leaves_what_the_page_says() -> None:
    (raw,) = examples("filters.md", "config")
    selection = read_config(raw).selection()
    offer = Offer(tools=PETS.tools)
    check_selection([offer], selection)
    assert set(pick(offer, selection)) == {"list_pets", "get_pet", "add_pet"}


def test_members_of_a_toolset_on_a_page_are_found() -> None:
    (raw,) = examples("toolsets.md", "select")
    membership = read_membership(raw)
    check_membership(membership, PETS.tools)
    assert set(members(membership, PETS.tools)) == set(PETS.tools)


def test_a_patch_on_a_page_does_what_the_page_says() -> None:
    (patch,) = examples("overlays.md", "patch")
    check_patch(patch, Ground(tools=PETS.tools, schemas=PETS.schemas))
    tools = apply_overlays(PETS.tools, [patch])
    assert "delete_pet" not in tools
    assert tools["show_pet"].kind == "read"
    listed = tools["list_pets"]
    assert listed.description == "Pets of the shop, newest first. Ask for at most ten at a time."
    assert listed.supplied is not None
    assert (listed.supplied.fixed, listed.supplied.defaults) == ({"kind": "dog"}, {"limit": 10})
    assert [argument.name for argument in listed.arguments] == ["limit"]


@pytest.mark.parametrize("page", ["filters.md", "toolsets.md", "overlays.md"])
def test_every_example_is_of_a_kind_that_is_tried(page: str) -> None:
    text = Path(ROOT / "docs" / page).read_text(encoding="utf-8")
    assert set(re.findall(r"```(\w+[^\n]*)", text)) <= {"json config", "json select", "json patch"}
