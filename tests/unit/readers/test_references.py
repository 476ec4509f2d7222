"""References: inside the document, to its files, and to other places."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.base.errors import DesignError
from apiloom.model.api import ApiModel
from apiloom.model.schema import closed
from apiloom.readers.read import read_document
from apiloom.readers.source import Document
from support.reading import codes, operation, read, read_text


def resolved(model: ApiModel, name: str = "S") -> Any:
    """A definition with what it refers to, followed to the end of plain references."""
    schema: Any = model.schemas[name]
    while isinstance(schema, dict) and set(schema) == {"$ref"}:
        schema = model.schemas[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def schema(raw: object, files: dict[str, str] | None = None, **document: Any) -> Any:
    return resolved(read({"components": {"schemas": {"S": raw, "Pet": {"type": "object"}}}, **document}, files))


@pytest.mark.parametrize(
    "ref",
    [
        "#/components/schemas/Pet",
        "#/components/schemas/P%65t",
        "#/paths/~1a~1{id}/get/responses/200/content/application~1json/schema",
        "#/paths/~1a~1%7Bid%7D/get/responses/200/content/application~1json/schema",
        "Pet",
        "#components/schemas/Pet",
        " #/components/schemas/Pet ",
    ],
)
def test_a_pointer_in_any_spelling_finds_its_target(ref: str) -> None:
    content = {"application/json": {"schema": {"type": "object"}}}
    paths = {"/a/{id}": {"get": {"responses": {"200": {"content": content}}}}}
    assert schema({"$ref": ref}, paths=paths) == {"type": "object"}


def test_lists_are_stepped_into_by_position() -> None:
    assert schema({"$ref": "#/x/1"}, x=[{}, {"type": "integer"}]) == {"type": "integer"}


def test_references_on_the_way_are_followed() -> None:
    files = {
        "schemas/index.yaml": "Pet: {$ref: ./Pet.yaml}",
        "schemas/Pet.yaml": "properties: {tag: {$ref: ./Tag.yaml}}",
    }
    files["schemas/Tag.yaml"] = "type: string"
    model = read(
        {
            "components": {"schemas": {"$ref": "schemas/index.yaml"}},
            "x": {"$ref": "#/components/schemas/Pet/properties/tag"},
        },
        files,
    )
    assert next(iter(model.schemas)) == "Pet"
    found = closed(model.schemas["Pet"], model.schemas)
    assert isinstance(found, dict)
    assert {"type": "string"} in found["$defs"].values()


def test_files_are_found_from_the_file_that_names_them() -> None:
    files = {
        "paths/a.yaml": "get:\n  parameters: [{$ref: ../shared/p.yaml#/Limit}]\n  responses: {}\n",
        "shared/p.yaml": "Limit: {name: limit, in: query, schema: {$ref: 'types/int.yaml'}}",
        "shared/types/int.yaml": "type: integer",
    }
    model = read({"paths": {"/a": {"$ref": "paths/a.yaml"}}}, files)
    (found,) = operation(model, "GET /a").shape.parameters
    assert closed(found.schema, model.schemas)["$defs"]  # type: ignore[index, call-overload]
    assert found.pointer == "shared/p.yaml#/Limit"


def test_a_missing_file_is_a_finding_that_names_it() -> None:
    model = read({"components": {"schemas": {"S": {"properties": {"a": {"$ref": "gone.yaml"}}}}}})
    assert model.schemas["S"] == {"properties": {"a": {}}}
    (finding,) = [each for each in model.findings() if each.code == "reference.dangling"]
    assert "gone.yaml" in finding.message


def test_findings_inside_other_files_name_the_file() -> None:
    model = read({"components": {"schemas": {"S": {"$ref": "s.yaml#/A"}}}}, {"s.yaml": "A: {type: any}"})
    assert "s.yaml#/A/type" in {each.pointer for each in model.findings()}


def test_anchors_and_ids_are_found() -> None:
    schemas = {
        "A": {"$anchor": "here", "type": "string"},
        "B": {"$id": "https://example.com/b.json", "type": "integer"},
        "One": {"$ref": "#here"},
        "Two": {"$ref": "https://example.com/b.json"},
        "Three": {"$dynamicRef": "#node"},
        "C": {"$dynamicAnchor": "node", "type": "array"},
    }
    model = read({"components": {"schemas": schemas}})
    assert resolved(model, "One") == {"type": "string"}
    assert resolved(model, "Two") == {"type": "integer"}
    assert resolved(model, "Three") == {"type": "array"}


def test_definitions_beside_a_schema_are_found_from_it() -> None:
    raw = {"properties": {"a": {"$ref": "#/$defs/Inner"}}, "$defs": {"Inner": {"type": "string"}}}
    model = read({"components": {"schemas": {"S": raw}}})
    found = closed(model.schemas["S"], model.schemas)
    assert isinstance(found, dict)
    assert list(found["$defs"].values()) == [{"type": "string"}]


def test_the_root_of_a_schema_is_the_schema_and_not_the_document() -> None:
    model = read({"components": {"schemas": {"S": {"type": "object", "properties": {"child": {"$ref": "#"}}}}}})
    assert model.schemas["S"] == {"type": "object", "properties": {"child": {"$ref": "#/$defs/S"}}}


@pytest.mark.parametrize("ref", ["#/a/b", "#/c", "loop.yaml", "loop.yaml#/x/y"])
def test_references_without_end_end(ref: str) -> None:
    extra = {"a": {"$ref": "#/a/b"}, "c": {"$ref": "#/d"}, "d": {"$ref": "#/c"}}
    model = read(
        {
            "components": {"schemas": {"S": {"properties": {"p": {"$ref": ref}}}}},
            "paths": {"/x": {"$ref": ref}},
            **extra,
        },
        {"loop.yaml": "{$ref: 'loop.yaml', x: {$ref: '#/x/y'}}"},
    )
    for name in model.schemas:
        closed(model.schemas[name], model.schemas)
    assert {"reference.dangling", "schema.circular"} & codes(model)


def test_a_chain_longer_than_any_real_one_is_given_up() -> None:
    chain = {f"a{n}": {"$ref": f"#/a{n + 1}"} for n in range(5_000)}
    model = read({"paths": {"/x": {"$ref": "#/a0"}}, **chain})
    assert "reference.dangling" in codes(model)


@pytest.mark.parametrize(
    "ref", ["/etc/passwd", "file:///etc/passwd", "http://[bad", "ftp://x/y", "", "#/", "\x00.yaml", "..", "C:\\x.yaml"]
)
def test_strange_addresses_are_findings(ref: str) -> None:
    asked: list[str] = []

    def fetch(location: str) -> bytes:
        asked.append(location)
        raise DesignError("no", code="document.not_found")

    text = f'{{"openapi": "3.1.0", "components": {{"schemas": {{"S": {{"$ref": {ref!a}}}}}}}, "paths": {{}}}}'.replace(
        "'", '"'
    )
    model = read_document(
        Document(location="/api/openapi.json", content=text.replace("\\x00", "\\u0000").encode()), fetch
    )
    model.findings()
    assert not [each for each in asked if "passwd" in each]


class Web:
    """Addresses with what they hold; remembers what was asked."""

    def __init__(self, held: dict[str, str]) -> None:
        self.held = held
        self.asked: list[str] = []

    def __call__(self, location: str) -> bytes:
        self.asked.append(location)
        if location not in self.held:
            raise DesignError(f"{location} is not there", code="document.not_found")
        return self.held[location].encode()


REMOTE = b"openapi: 3.1.0\npaths: {}\ncomponents: {schemas: {S: {$ref: 'https://other.com/s.yaml#/A'}}}"


def test_references_to_other_places_are_not_followed_unless_allowed() -> None:
    web = Web({"https://other.com/s.yaml": "A: {type: string}"})
    for location in ("/api/openapi.yaml", "-", "https://mine.com/openapi.yaml"):
        model = read_document(Document(location=location, content=REMOTE), web)
        assert model.schemas["S"] == {}
        assert "reference.dangling" in codes(model)
    assert web.asked == []
    model = read_document(Document(location="/api/openapi.yaml", content=REMOTE), web, remote_refs=True)
    assert resolved(model) == {"type": "string"}


def test_a_document_from_a_url_reaches_its_own_origin() -> None:
    content = b"openapi: 3.1.0\npaths: {}\ncomponents: {schemas: {S: {$ref: '../s.yaml#/A'}}}"
    web = Web({"https://mine.com/v1/s.yaml": "A: {type: string}"})
    model = read_document(Document(location="https://mine.com/v1/api/openapi.yaml", content=content), web)
    assert resolved(model) == {"type": "string"}


def test_a_document_from_standard_input_has_no_neighbours() -> None:
    model = read_text(
        "openapi: 3.1.0\npaths: {}\ncomponents: {schemas: {S: {$ref: 's.yaml'}}}", {"s.yaml": "{}"}, location="-"
    )
    assert model.schemas["S"] == {}
    assert "reference.dangling" in codes(model)


def test_the_same_tree_of_files_in_another_folder_has_the_same_names() -> None:
    content = b"openapi: 3.1.0\npaths: {}\ncomponents: {schemas: {S: {$ref: 's/x.yaml#/A'}}}"
    names = []
    for home in ("/one", "/two/three"):
        web = Web({f"{home}/s/x.yaml": "A: {type: string}"})
        names.append([*read_document(Document(location=f"{home}/o.yaml", content=content), web).schemas])
    found = read_document(Document(location="/one/o.yaml", content=content), Web({"/one/s/x.yaml": "A: {}"}))
    found.findings()
    assert names[0] == names[1]
    assert len(found.schemas) == 2


def test_a_document_may_have_only_so_many_files() -> None:
    asked = []

    def fetch(location: str) -> bytes:
        asked.append(location)
        return b"{}"

    many = ", ".join(f"P{n}: {{$ref: 'f{n}.yaml'}}" for n in range(2_100))
    content = f"openapi: 3.1.0\npaths: {{}}\ncomponents: {{schemas: {{{many}}}}}".encode()
    model = read_document(Document(location="/api/openapi.yaml", content=content), fetch)
    assert "reference.dangling" in codes(model)
    assert len(asked) < 2_000
