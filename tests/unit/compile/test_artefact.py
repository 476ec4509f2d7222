"""Artefacts: nothing is lost in them, nothing is in them but the document, and damage is told in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from apiloom.base.errors import CallerError, HouseFault
from apiloom.catalog.build import build_catalog
from apiloom.catalog.listing import render_listing
from apiloom.catalog.pins import pins_of
from apiloom.catalog.report import build_report, every_finding
from apiloom.catalog.tool import Catalog
from apiloom.compile.artefact import pack, unpack
from support.catalogs import OK, catalog_of, model_of

PET = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]}
PATHS: dict[str, Any] = {
    "/pets": {
        "get": {
            "operationId": "listPets",
            "tags": ["pets"],
            "parameters": [
                {"name": "limit", "in": "query", "schema": {"type": "integer"}},
                {"name": "offset", "in": "query", "schema": {"type": "integer"}},
            ],
            "responses": {
                "200": {
                    "description": "",
                    "content": {
                        "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}}
                    },
                }
            },
        },
        "post": {
            "operationId": "addPet",
            "security": [{"key": []}],
            "requestBody": {
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": {"photo": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
                        },
                        "encoding": {"photo": {"contentType": "image/png"}},
                    }
                }
            },
            "responses": OK,
        },
    },
    "/dots/../x": {"get": {"responses": OK}},
}
SCHEMAS: dict[str, Any] = {"Pet": PET, "Odd": {"type": "string", "pattern": "(?<=a)(b)\\\\1"}}
SCHEMES: dict[str, Any] = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "basic": {"type": "http", "scheme": "basic"},
}


def pets() -> Catalog:
    return catalog_of(PATHS, SCHEMAS, SCHEMES)


def turned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: turned(inner) for key, inner in reversed(value.items())}
    return [turned(item) for item in value] if isinstance(value, list) else value


def test_what_was_packed_comes_back_whole() -> None:
    catalog = pets()
    found = every_finding(catalog)
    artefact = unpack(pack(catalog))
    again = artefact.catalog()
    assert build_report(again) == {**build_report(catalog), "findings": build_report(again)["findings"]}
    assert set(artefact.findings) == set(found)
    assert (again.tools, again.schemas) == (catalog.tools, {**catalog.schemas})
    assert (again.schemes, again.ledger, again.format) == (catalog.schemes, catalog.ledger, catalog.format)
    assert dict(artefact.entries) == render_listing(catalog)
    assert list(artefact.entries) == sorted(catalog.tools)
    assert artefact.pins == pins_of(catalog.tools)


def test_any_order_of_keys_gives_the_same_bytes() -> None:
    assert pack(pets()) == pack(catalog_of(turned(PATHS), turned(SCHEMAS), turned(SCHEMES)))


def test_tools_are_decoded_only_when_asked_for() -> None:
    artefact = unpack(pack(pets()))
    assert set(artefact.tools) == {"list_pets", "add_pet"}
    assert artefact.tools._ready == {}  # type: ignore[attr-defined]
    assert artefact.tools["add_pet"] is artefact.tools["add_pet"]
    assert list(artefact.tools._ready) == ["add_pet"]  # type: ignore[attr-defined]


def test_names_that_are_gone_stay_pinned_and_change_no_hash() -> None:
    first = unpack(pack(pets()))
    fewer = {key: value for key, value in PATHS.items() if key != "/pets"} | {"/pets": {"get": PATHS["/pets"]["get"]}}
    model = model_of(fewer, SCHEMAS, SCHEMES)
    second = unpack(pack(build_catalog(model, None, first.pins), pinned=first.pins))
    assert {pin.name for pin in second.pins} == {"list_pets", "add_pet"}
    assert {"catalog.tool_gone"} <= {finding.code for finding in second.findings}
    assert second.hash == unpack(pack(build_catalog(model))).hash
    assert second.hash != first.hash
    back = unpack(pack(build_catalog(model_of(PATHS, SCHEMAS, SCHEMES), None, second.pins), pinned=second.pins))
    assert back.hash == first.hash
    assert back.pins == first.pins


@pytest.mark.parametrize(
    "change",
    [
        {"info": {"title": "Thing", "version": "1"}},
        {"servers": [{"url": "https://elsewhere.example.com"}]},
        {"security": [{"basic": []}]},
    ],
    ids=["title", "server", "security"],
)
def test_whatever_is_served_otherwise_has_another_hash(change: Mapping[str, Any]) -> None:
    assert unpack(pack(catalog_of(PATHS, SCHEMAS, SCHEMES, **change))).hash != unpack(pack(pets())).hash


def test_options_and_profile_are_part_of_the_hash() -> None:
    hashes = {
        unpack(pack(pets())).hash,
        unpack(pack(pets(), options={"base_url": "https://x.example"})).hash,
        unpack(pack(pets(), "full")).hash,
    }
    assert len(hashes) == 3
    assert unpack(pack(pets(), options={"base_url": "https://x.example"})).options == {"base_url": "https://x.example"}


def test_a_profile_that_is_not_there_is_refused() -> None:
    with pytest.raises(CallerError):
        pack(pets(), "nobody")


def damaged() -> list[bytes]:
    content = pack(pets())
    changed = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(0, len(content), 97)]
    cut = [content[:at] for at in (0, 1, 30, len(content) // 2, len(content) - 1)]
    return [*changed, *cut, content + b"x", b"{}\n", b"apiloom 3 2 0 00000000\n{}", b"apiloom x\n"]


def test_damage_is_told_in_one_sentence() -> None:
    for content in damaged():
        with pytest.raises(HouseFault) as told:
            unpack(content)
        assert told.value.code == "artefact.damaged"


def test_an_api_without_tools_has_an_artefact_too() -> None:
    artefact = unpack(pack(catalog_of({})))
    assert (dict(artefact.tools), dict(artefact.entries), artefact.ledger, artefact.pins) == ({}, {}, (), ())
