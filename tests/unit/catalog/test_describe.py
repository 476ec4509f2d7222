from __future__ import annotations

from typing import Any

import pytest

from apiloom.catalog.build import CatalogOptions
from apiloom.catalog.describe import TOOL_LIMIT, shorten, tidy
from apiloom.catalog.tool import Tool
from support.catalogs import OK, catalog_of, view_of


def tool_of(**operation: Any) -> Tool:
    (tool,) = catalog_of({"/pets/{id}": {"get": {"responses": OK, **operation}}}).tools.values()
    return tool


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<p>Hello <b>big</b>&nbsp;world</p><br/>again", "Hello big world again"),
        ("See [the docs](https://x.y/z_(a)) and ![logo](a.png) now", "See the docs and now"),
        ("# Title\n\nSome **bold** and `code`\n```json\n{}\n```", "Title Some bold and `code` {}"),
        ("a &lt; b &amp;&amp; c", "a < b && c"),
        ("  tabs\tand\n\nlines ", "tabs and lines"),
        ("zero\u200bwidth\x00 and \u202edirection", "zerowidth and direction"),
        ("1 < 2 and List<String>", "1 < 2 and List"),
    ],
)
def test_markup_becomes_plain_sentences(written: str, read: str) -> None:
    assert tidy(written, 200) == read


def test_long_text_ends_with_a_sentence_or_a_word() -> None:
    assert shorten("One two three. Four five six seven.", 20) == "One two three."
    assert shorten("alpha beta gamma delta", 17) == "alpha beta gamma…"
    assert len(shorten("x" * 100, 10)) == 10


def test_a_description_joins_summary_and_description_without_saying_things_twice() -> None:
    assert tool_of(summary="Get a pet", description="Finds it by id.").description == "Get a pet. Finds it by id."
    assert tool_of(summary="Get a pet.", description="Get a pet. By id.").description == "Get a pet. By id."
    assert tool_of(summary="Get a pet").description == "Get a pet"


def test_a_description_never_exceeds_what_the_narrowest_client_takes() -> None:
    tool = tool_of(summary="Get", description="word " * 1000, deprecated=True)
    assert len(tool.description) <= TOOL_LIMIT
    assert tool.description.endswith("Deprecated.")


def test_a_title_is_the_summary_or_the_name_in_words() -> None:
    assert tool_of(summary="Get a pet.").title == "Get a pet"
    assert tool_of(summary="Gets one. " + "More of it. " * 10).title == "Gets one"
    assert tool_of(operationId="getPetById").title == "Get pet by id"


def test_what_nobody_described_is_made_up_from_what_the_document_says_and_reported() -> None:
    catalog = catalog_of({"/pets/{id}": {"delete": {"operationId": "dropPet", "tags": ["pets"], "responses": OK}}})
    (tool,) = catalog.tools.values()
    assert tool.description == "Drop pet. Sends DELETE /pets/{id}. Part of pets."
    assert "catalog.undescribed" in {one.code for one in catalog.findings}
    assert "catalog.undescribed_arguments" in {one.code for one in catalog.findings}


def test_without_an_id_the_sentence_speaks_of_the_path() -> None:
    assert tool_of().description == "Get pets. Sends GET /pets/{id}."


def test_the_documentation_gate_holds_back_what_no_human_described() -> None:
    paths = {"/a": {"get": {"summary": "Told", "responses": OK}}, "/b": {"get": {"summary": " ", "responses": OK}}}
    catalog = catalog_of(paths, options=CatalogOptions(require_descriptions=True))
    assert {line.key: (line.status, line.reason) for line in catalog.ledger} == {
        "GET /a": ("exposed", ""),
        "GET /b": ("gated", "the document does not describe what it does"),
    }


def test_a_parameters_own_description_comes_before_that_of_its_type() -> None:
    parameters = [
        {"name": "a", "in": "query", "description": "Mine", "schema": {"$ref": "#/components/schemas/Kind"}},
        {"name": "b", "in": "query", "schema": {"$ref": "#/components/schemas/Kind"}},
    ]
    catalog = catalog_of(
        {"/a": {"get": {"parameters": parameters, "responses": OK}}},
        {"Kind": {"type": "string", "description": "The type"}},
    )
    (tool,) = catalog.tools.values()
    shown = view_of(tool, catalog)["properties"]
    assert (shown["a"]["description"], shown["b"]["description"]) == ("Mine", "The type")
