"""Every OpenAPI and Swagger document of the corpus: read to the end, no operation lost, every schema valid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.model.api import ApiModel, Media, Operation, Schema
from apiloom.model.schema import references
from apiloom.readers.parse import parse
from apiloom.readers.read import read_document
from apiloom.readers.source import Document
from support.corpus import CorpusDocument, corpus_root, openapi_documents

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}
META = "https://json-schema.org/draft/2020-12/schema"
HOSTILE = ("openapi/mermade__rapid7-html__1.0.0.json", "openapi/mermade__rapid7-js__1.0.0.json")


def fetch(location: str) -> bytes:
    try:
        return Path(location).read_bytes()
    except OSError:
        raise DesignError(f"there is no file {location}", code="document.not_found") from None


def read(path: Path) -> ApiModel:
    return read_document(Document(location=str(path), content=path.read_bytes()), fetch)


def counted(path: Path) -> set[str]:
    """The keys of every (path, method), counted from the tree alone; path items in other files are opened by hand."""
    tree, _ = parse(path.read_bytes(), str(path))
    keys = set()
    for key, item in (tree.get("paths") or {}).items():
        if key.startswith("x-") or not isinstance(item, dict):
            continue
        members = dict(item)
        while isinstance(members.get("$ref"), str):
            file, _, pointer = members.pop("$ref").partition("#")
            inner: Any = parse((path.parent / file).read_bytes(), file)[0] if file else tree
            for token in pointer.split("/")[1:]:
                inner = inner[token.replace("~1", "/").replace("~0", "~")]
            members = {**inner, **members}
        methods = {name.upper() for name in members if name.lower() in METHODS}
        keys |= {f"{method} {key}" for method in methods | set(members.get("additionalOperations", ()))}
    return keys


def schemas_of(operation: Operation) -> Iterator[Schema]:
    shape = operation.shape
    yield from (each.schema for each in shape.parameters)
    media: list[Media] = [*(shape.body.media if shape.body else ())]
    media += [each for response in shape.responses for each in response.media]
    for each in media:
        yield each.schema
        if each.item_schema is not None:
            yield each.item_schema


@pytest.mark.parametrize("document", openapi_documents(), ids=lambda document: document.id)
def test_a_real_document_is_read_without_losing_an_operation(document: CorpusDocument) -> None:
    model = read(document.path)
    read_keys = [each.key for each in (*model.operations, *model.unreadable)]
    assert sorted(read_keys) == sorted(counted(document.path))
    assert all(each.reason for each in model.unreadable)
    findings = model.findings()
    assert findings == model.findings()
    assert all(each.message and each.code for each in findings)
    every = [model.schemas[name] for name in model.schemas]
    for operation in model.operations:
        every += schemas_of(operation)
        assert "{" not in operation.shape.fixed_query
        for need in operation.security:
            assert need == tuple(sorted(need))
    seen: set[int] = set()
    for schema in every:
        if id(schema) in seen or isinstance(schema, bool):
            continue
        seen.add(id(schema))
        jsonschema_rs.meta.validate({**schema, "$schema": META})
        assert references(schema) <= set(model.schemas)
        json.canonical(schema)


@pytest.mark.parametrize("place", HOSTILE)
def test_documents_made_to_attack_generators_are_only_text(place: str) -> None:
    model = read(corpus_root() / place)
    assert len(model.operations) + len(model.unreadable) == 1
    assert all(";" not in each.shape.path or "{" not in each.shape.path for each in model.operations)


@pytest.mark.parametrize(
    "place", ["openapi/oai-examples__tictactoe__1.0.0.yaml", "swagger/petstore__petstorev2-badref__1.0.6.json"]
)
def test_the_order_of_paths_changes_nothing(place: str) -> None:
    path = corpus_root() / place
    tree, _ = parse(path.read_bytes(), place)
    turned = {**tree, "paths": {key: dict(reversed(item.items())) for key, item in reversed(tree["paths"].items())}}

    def read_tree(tree: object) -> ApiModel:
        return read_document(Document(location=str(path), content=json.dumps(tree)), fetch)

    one, two = read_tree(tree), read_tree(turned)
    assert one.operations == two.operations
    assert one.findings() == two.findings()
    assert dict(one.schemas) == dict(two.schemas)
