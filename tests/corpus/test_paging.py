"""How many lists of real documents are found to be paged, and that what is found can be walked.

The least counts are what was found by eye to be right; a rule that becomes blind for one provider shows here.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from apiloom.base.errors import DesignError
from apiloom.catalog.build import build_catalog
from apiloom.catalog.tool import Catalog, Tool
from apiloom.readers.read import read_document
from apiloom.readers.source import Document
from support.corpus import corpus_root, openapi_documents

LEAST = {
    "openapi/github__api.github.com__23.0.2.json": {"link_header": 190, "link_header_elsewhere": 15, "page": 60},
    "openapi/stripe__stripe__2022-11-15.yaml": {"last_item": 95, "cursor": 7},
    "swagger/kubernetes__swagger.json__unversioned.json": {"nested_cursor": 125},
    "openapi/digitalocean__DigitalOcean-public.v2__2.0/DigitalOcean-public.v2.yaml": {"next_url": 80, "page": 5},
    "openapi/box__openapi__2024.0.json": {"cursor": 40, "offset": 10},
    "openapi/twilio__twilio-api-v2010__1.0.0.json": {"next_url": 60},
    "openapi/aws__greengrass__2017-06-07.yaml": {"cursor": 22},
    "openapi/microsoft__billing__x.yaml": {"x-ms-pageable": 15, "next_url": 12},
    "openapi/spotify__official-spotify-open-api__1.0.0.yml": {"next_url": 15},
    "swagger/akeneo.com__api__x.yaml": {"next_link": 20},
    "openapi/clerk__2026-05-12__2026-05-12.yml": {"offset": 35},
    "swagger/evetech.net__api__0.8.6.yaml": {"page": 40},
    "openapi/github__api.github.com__1.1.4.yaml": {"scim": 3},
}

LEAST_PAGED = 1_750
"""Paged tools of the whole corpus."""


def fetch(location: str) -> bytes:
    try:
        return Path(location).read_bytes()
    except OSError:
        raise DesignError(f"there is no file {location}", code="document.not_found") from None


def catalog_of(path: Path) -> Catalog | None:
    try:
        return build_catalog(read_document(Document(location=str(path), content=path.read_bytes()), fetch))
    except DesignError:
        return None


@pytest.fixture(scope="module")
def catalogs() -> dict[str, Catalog]:
    found = ((document.id, catalog_of(document.path)) for document in openapi_documents())
    return {name: catalog for name, catalog in found if catalog is not None}


def paged(catalog: Catalog) -> list[Tool]:
    return [tool for tool in catalog.tools.values() if tool.paging is not None]


def test_lists_of_well_known_documents_are_found_by_the_rules_that_fit_them(catalogs: dict[str, Catalog]) -> None:
    assert corpus_root()
    for name, least in LEAST.items():
        rules = Counter(tool.paging.rule for tool in paged(catalogs[name]) if tool.paging is not None)
        assert {rule: rules[rule] for rule in least if rules[rule] < least[rule]} == {}, f"{name}: {rules}"


def test_as_many_lists_are_found_in_the_whole_corpus_as_before(catalogs: dict[str, Catalog]) -> None:
    assert sum(len(paged(catalog)) for catalog in catalogs.values()) >= LEAST_PAGED


def test_only_what_reads_is_paged_and_only_by_arguments_that_it_has(catalogs: dict[str, Catalog]) -> None:
    for name, catalog in catalogs.items():
        for tool in paged(catalog):
            paging, arguments = tool.paging, {one.name: one.place for one in tool.arguments}
            assert paging is not None
            where = f"{name}: {tool.operation}"
            assert tool.binding.method in ("GET", "QUERY", "POST"), where
            assert not tool.hints.destructive or tool.kind == "custom", where
            assert {paging.argument, paging.size} - {""} <= arguments.keys(), where
            assert paging.style in ("url", "link") or paging.argument, where
            assert paging.style not in ("cursor", "url") or paging.next, where
            assert paging.items is not None or not tool.controls.max_items, where
            assert arguments[tool.controls.cursor] == "control" or tool.controls.cursor == paging.argument, where


def test_no_argument_of_an_operation_gives_way_to_one_that_is_ours(catalogs: dict[str, Catalog]) -> None:
    for name, catalog in catalogs.items():
        for tool in catalog.tools.values():
            bound = {one.argument for one in tool.binding.parameters}
            ours = {one.name for one in tool.arguments if one.place == "control"}
            assert not bound & ours, f"{name}: {tool.operation}"
            assert len({one.name for one in tool.arguments}) == len(tool.arguments), f"{name}: {tool.operation}"
