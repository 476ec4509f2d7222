"""Documents that make checking explode: a definition that would cost too much admits anything, all others stay."""

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from apiloom.catalog.effort import MOST
from apiloom.catalog.validation import request_schema


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def chain(levels: int, link: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Definitions that each lead to the next one, the last of which takes only text."""
    pool = {f"D{level}": link(ref(f"D{level + 1}")) for level in range(levels)}
    return {**pool, f"D{levels}": {"type": "string"}}


LINKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "all": lambda inner: {"allOf": [inner, {**inner, "title": "again"}]},
    "any": lambda inner: {"anyOf": [inner, {**inner, "title": "again"}]},
    "member": lambda inner: {"allOf": [{"properties": {"in": inner}}, {"properties": {"in": inner}}]},
    "condition": lambda inner: {"if": inner, "then": inner, "else": inner},
    "rest": lambda inner: {"patternProperties": {"^i": inner}, "properties": {"in": inner}},
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_sixty_definitions_that_name_the_next_one_twice_are_still_checked_in_no_time(
    link: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    schema = request_schema(ref("D0"), chain(60, link))
    value: Any = 1
    for _ in range(60):
        value = {"in": value}
    assert isinstance(schema, dict)
    assert True in schema["$defs"].values()
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(value) in {True, False}


def test_what_is_cheap_to_check_stays_as_strict_as_it_was() -> None:
    wide = {"type": "object", "properties": {f"p{number}": ref("D1") for number in range(3 * MOST)}}
    pool = {**chain(60, lambda inner: {"type": "object", "properties": {"l": inner, "r": inner}}), "wide": wide}
    schema = request_schema({"anyOf": [ref("wide"), ref("D0")]}, pool)
    assert isinstance(schema, dict)
    assert True not in schema["$defs"].values()
    assert not jsonschema_rs.Draft202012Validator(schema).is_valid({"p0": 1, "l": 1})


def test_a_definition_that_contains_itself_stays_as_strict_as_it_was() -> None:
    pool = {"Node": {"type": "object", "properties": {"in": ref("Node")}, "anyOf": [{"required": ["a"]}, ref("Other")]}}
    pool["Other"] = {"properties": {"in": ref("Node")}, "required": ["b"]}
    schema = request_schema(ref("Node"), pool)
    assert isinstance(schema, dict)
    assert True not in schema["$defs"].values()
