"""Edits of real documents: what breaks callers is never called less, and no edit moves the name of another tool.

Each edit knows what it is; the difference is told only by the two documents. Documents are edited as trees, before
anything of ours has read them.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apiloom.base.errors import DesignError
from apiloom.catalog.build import build_catalog
from apiloom.catalog.difference import compare
from apiloom.catalog.pins import pins_of
from apiloom.catalog.tool import Catalog
from apiloom.readers.parse import parse
from apiloom.readers.read import read_document
from apiloom.readers.source import Document
from support.corpus import openapi_documents

Operation = dict[str, Any]
Edit = Callable[[dict[str, Any], str, str, random.Random], bool]
"""Edits the operation at a path and method of a tree; False where there is nothing of that kind to edit."""

ROUNDS = 3
"""Operations of each document that each edit is tried on."""

LARGEST = 400_000
"""Bytes of a document; the edits are many, and what large documents have small ones have too."""


def fetch(location: str) -> bytes:
    raise DesignError(f"{location} is not to be read", code="document.not_found")


def built(tree: Any, before: Catalog | None = None) -> Catalog:
    pins = pins_of(before.tools, before.aliases) if before is not None else ()
    text = json.dumps(tree).encode()
    return build_catalog(read_document(Document(location="/api.json", content=text), fetch), pinned=pins)


def inline(tree: Any, value: Any) -> Any:
    """What a local reference names, as a copy of its own; anything else as it is."""
    ref = value.get("$ref") if isinstance(value, dict) else None
    if not isinstance(ref, str) or not ref.startswith("#/components/"):
        return value
    for step in ref[2:].split("/"):
        tree = tree.get(step, {}) if isinstance(tree, dict) else {}
    return copy.deepcopy(tree)


def written_out(tree: dict[str, Any]) -> dict[str, Any]:
    """The document with the parameters of its operations, and their schemas, in place of references to them."""
    for item in tree["paths"].values():
        for operation in item.values() if isinstance(item, dict) else ():
            if isinstance(operation, dict) and isinstance(operation.get("parameters"), list):
                operation["parameters"] = [inline(tree, one) for one in operation["parameters"]]
                for one in operation["parameters"]:
                    if isinstance(one, dict) and "schema" in one:
                        one["schema"] = inline(tree, one["schema"])
    return tree


def inline_parameters(operation: Operation, place: str) -> list[dict[str, Any]]:
    found = operation.get("parameters", [])
    return [
        one for one in found if isinstance(one, dict) and one.get("in") == place and isinstance(one.get("schema"), dict)
    ]


def a_query(operation: Operation, rng: random.Random) -> dict[str, Any] | None:
    found = [one for one in inline_parameters(operation, "query") if not one.get("required")]
    return rng.choice(found) if found else None


def remove_operation(tree: Any, path: str, method: str, _rng: random.Random) -> bool:
    del tree["paths"][path][method]
    return True


def move_path(tree: Any, path: str, method: str, _rng: random.Random) -> bool:
    beside = {name: value for name, value in tree["paths"][path].items() if name in {"parameters", "servers"}}
    tree["paths"][f"/moved{path}"] = {**beside, method: tree["paths"][path].pop(method)}
    return True


def require_new_parameter(tree: Any, path: str, method: str, _rng: random.Random) -> bool:
    added = {"name": "apiloomNew", "in": "query", "required": True, "schema": {"type": "string"}}
    tree["paths"][path][method].setdefault("parameters", []).append(added)
    return True


def require_parameter(tree: Any, path: str, method: str, rng: random.Random) -> bool:
    one = a_query(tree["paths"][path][method], rng)
    if one is not None:
        one["required"] = True
    return one is not None


def remove_parameter(tree: Any, path: str, method: str, rng: random.Random) -> bool:
    operation = tree["paths"][path][method]
    one = a_query(operation, rng)
    if one is not None:
        operation["parameters"].remove(one)
        shared = tree["paths"][path].get("parameters", [])
        return not any(other.get("name") == one["name"] for other in shared if isinstance(other, dict))
    return False


def change_type(tree: Any, path: str, method: str, rng: random.Random) -> bool:
    one = a_query(tree["paths"][path][method], rng)
    if one is None or one["schema"].get("type") not in {"string", "integer", "boolean"}:
        return False
    one["schema"] = {"type": "boolean" if one["schema"]["type"] != "boolean" else "integer"}
    return True


def narrow_enum(tree: Any, path: str, method: str, rng: random.Random) -> bool:
    found = [
        one
        for one in inline_parameters(tree["paths"][path][method], "query")
        if one["schema"].get("type") == "string" and len(set(map(str, one["schema"].get("enum", [])))) > 1
    ]
    if not found:
        return False
    schema = rng.choice(found)["schema"]
    gone = schema["enum"][-1]
    schema["enum"] = [value for value in schema["enum"] if value != gone]
    schema.pop("default", None)
    return True


def another_host(tree: Any, path: str, method: str, _rng: random.Random) -> bool:
    tree["paths"][path][method]["servers"] = [{"url": "https://elsewhere.example.net"}]
    return True


def another_key(tree: Any, path: str, method: str, _rng: random.Random) -> bool:
    schemes = tree.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["apiloomNew"] = {"type": "apiKey", "in": "header", "name": "X-Apiloom-New"}
    tree["paths"][path][method]["security"] = [{"apiloomNew": []}]
    return True


BREAKING: dict[str, Edit] = {
    edit.__name__: edit
    for edit in (
        remove_operation,
        move_path,
        require_new_parameter,
        require_parameter,
        remove_parameter,
        change_type,
        narrow_enum,
        another_host,
        another_key,
    )
}


def add_operation(tree: Any, path: str, _method: str, _rng: random.Random) -> bool:
    tree["paths"][f"/apiloom-new{path.partition('{')[0]}x"] = {"get": {"responses": {"200": {"description": "ok"}}}}
    return True


def add_parameter(tree: Any, path: str, method: str, _rng: random.Random) -> bool:
    added = {"name": "apiloomNew", "in": "query", "schema": {"type": "string"}}
    tree["paths"][path][method].setdefault("parameters", []).append(added)
    return True


def describe_anew(tree: Any, path: str, method: str, _rng: random.Random) -> bool:
    tree["paths"][path][method]["description"] = "Something else entirely is said here now."
    return True


def trees() -> Iterator[tuple[str, dict[str, Any]]]:
    for document in openapi_documents():
        content = Path(document.path).read_bytes()
        if not document.valid or len(content) > LARGEST or document.format.startswith("swagger"):
            continue
        tree = parse(content, str(document.path))[0]
        if isinstance(tree, dict) and isinstance(tree.get("paths"), dict):
            yield document.id, written_out(tree)


def operations(tree: dict[str, Any], catalog: Catalog) -> list[tuple[str, str]]:
    """Those that became tools of their own, under the path they have in the document."""
    shown = {line.key for line in catalog.ledger if line.status == "exposed"}
    return [
        (path, method)
        for path, item in tree["paths"].items()
        for method in item
        if isinstance(item, dict) and f"{method.upper()} {path}" in shown and isinstance(item[method], dict)
    ]


def fitting(
    tree: dict[str, Any], edit: Edit, places: list[tuple[str, str]], rng: random.Random
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """The document edited at a few of the places where there is something to edit."""
    found = 0
    for place in rng.sample(places, len(places)):
        changed = edited(tree, edit, place, rng)
        if changed is not None:
            yield place, changed
            found += 1
        if found == ROUNDS:
            return


def edited(tree: dict[str, Any], edit: Edit, place: tuple[str, str], rng: random.Random) -> dict[str, Any] | None:
    changed = copy.deepcopy(tree)
    return changed if edit(changed, *place, rng) else None


def test_no_edit_that_breaks_callers_is_called_less_and_no_other_tool_changes_its_name() -> None:
    rng = random.Random(20)
    tried: dict[str, int] = dict.fromkeys(BREAKING, 0)
    called_less: list[tuple[str, str, str]] = []
    for id_, tree in trees():
        old = built(tree)
        places = operations(tree, old)
        names = {line.key: line.tool for line in old.ledger if line.tool}
        for name, edit in BREAKING.items():
            for place, changed in fitting(tree, edit, places, rng):
                tried[name] += 1
                new = built(changed, old)
                verdict = compare(old, new, trusted=True).verdict
                if verdict != "breaking":
                    called_less.append((id_, name, f"{place}: {verdict}"))
                moved = [line for line in new.ledger if line.tool and names.get(line.key, line.tool) != line.tool]
                assert not moved, (id_, name, moved)
    assert not called_less
    assert min(tried.values()) >= 25, tried


@pytest.mark.parametrize(
    ("edit", "verdict"), [(add_operation, "additive"), (add_parameter, "additive"), (describe_anew, "review")]
)
def test_edits_that_break_nobody_are_called_what_they_are(edit: Edit, verdict: str) -> None:
    rng = random.Random(7)
    wrong: list[tuple[str, tuple[str, str], str]] = []
    tried = 0
    for id_, tree in trees():
        old = built(tree)
        for place in rng.sample(places := operations(tree, old), min(1, len(places))):
            changed = edited(tree, edit, place, rng)
            assert changed is not None
            tried += 1
            found = compare(old, built(changed, old)).verdict
            if found != verdict:
                wrong.append((id_, place, found))
    assert tried >= 25
    assert not wrong
