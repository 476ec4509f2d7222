"""Answers that break what a document promises: the place and the types, never a value, and what would make it true."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from apiloom.calls.drift import MOST_FOUND, Deviation, Judge, proposal

PET: dict[str, Any] = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string", "pattern": "^[A-Z]"},
        "kind": {"type": "string", "enum": ["cat", "dog"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "owner": {"$ref": "#/$defs/Owner"},
        "toys": {"type": "object", "additionalProperties": {"type": "number"}},
        "maybe": {"anyOf": [{"$ref": "#/$defs/Owner"}, {"type": "null"}]},
        "either": {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
    },
    "$defs": {
        "Owner": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "a/b~c": {"type": "string"}},
            "additionalProperties": False,
        }
    },
}
GOOD = {"id": 1, "name": "Rex"}


def judged(answer: Any, schema: Any = None) -> list[Deviation]:
    return Judge("get_pet", PET if schema is None else schema).deviations(json.dumps(answer).encode())


def told(answer: Any, schema: Any = None) -> list[tuple[str, str, str]]:
    return sorted(one.key for one in judged(answer, schema))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (GOOD, []),
        ({**GOOD, "more": 1}, []),
        ({**GOOD, "id": None}, [("/id", "integer", "null")]),
        ({**GOOD, "id": 1.5}, [("/id", "integer", "number")]),
        ({**GOOD, "id": "1"}, [("/id", "integer", "string")]),
        ({"id": 1}, [("/name", "required", "absent")]),
        ({}, [("/id", "required", "absent"), ("/name", "required", "absent")]),
        ({**GOOD, "kind": "cow"}, [("/kind", "enum", "string")]),
        ({**GOOD, "kind": None}, [("/kind", "string", "null")]),
        ({**GOOD, "name": "rex"}, [("/name", "pattern", "string")]),
        ({**GOOD, "tags": ["a", 1, "b"]}, [("/tags/*", "string", "integer")]),
        ({**GOOD, "tags": [1, None]}, [("/tags/*", "string", "integer"), ("/tags/*", "string", "null")]),
        ({**GOOD, "tags": ["a"] * 4}, [("/tags", "maxItems", "array")]),
        ({**GOOD, "owner": {"name": True}}, [("/owner/name", "string", "boolean")]),
        ({**GOOD, "owner": {"a/b~c": []}}, [("/owner/a~1b~0c", "string", "array")]),
        ({**GOOD, "owner": {"secret of mine": 1}}, [("/owner", "nothing further", "object")]),
        ({**GOOD, "toys": {"me@example.com": "x"}}, [("/toys/*", "number", "string")]),
        ({**GOOD, "maybe": {"name": 7}}, [("/maybe/name", "string", "integer")]),
        ({**GOOD, "maybe": 7}, [("/maybe", "one of several forms", "integer")]),
        ({**GOOD, "either": {}}, [("/either", "one of several forms", "object")]),
        ([GOOD], [("", "object", "array")]),
        (None, [("", "object", "null")]),
        ({"error": "no such pet"}, [("/id", "required", "absent"), ("/name", "required", "absent")]),
    ],
)
def test_a_broken_promise_is_told_by_its_place_and_types(answer: Any, expected: list[tuple[str, str, str]]) -> None:
    assert told(answer) == expected


def test_values_and_names_that_are_not_the_documents_are_never_kept() -> None:
    secrets = {"id": "hunter2", "name": 4242424242, "toys": {"hunter3": "hunter4"}, "hunter5": {"hunter6": 1}}
    found = judged({**secrets, "owner": {"hunter7": "hunter8"}, "kind": "hunter9", "either": ["hunter10"]})
    assert len(found) >= 5
    assert "hunter" not in str(found)
    assert "42424242" not in str(found)
    assert "hunter" not in str(proposal(found))


def test_what_is_no_json_or_nests_too_deeply_is_not_judged() -> None:
    judge = Judge("get_pet", PET)
    for body in (b"", b"{", b"hello", b"[" * 100_000, b"\xff", b'{"id":' + b"[" * 5_000 + b"]" * 5_000 + b"}"):
        assert all(one.pointer == "/id" for one in judge.deviations(body) if one.observed != "absent")


def test_the_account_of_an_answer_is_bounded() -> None:
    schema = {"type": "object", "properties": {f"p{place}": {"type": "string"} for place in range(500)}}
    assert len(told({f"p{place}": 1 for place in range(500)}, schema)) == MOST_FOUND


def test_a_long_answer_is_judged_by_a_part_of_it_and_no_keyword_about_size_is_blamed() -> None:
    schema = {
        "type": "object",
        "minProperties": 60,
        "properties": {
            "items": {"type": "array", "minItems": 40, "items": {"type": "integer"}},
            "text": {"type": "string", "minLength": 3_000},
        },
    }
    full = {"items": list(range(50)), "text": "x" * 4_000, **{f"m{place}": 1 for place in range(80)}}
    assert told(full, schema) == []
    assert told({**full, "items": [None] * 50}, schema) == [("/items/*", "integer", "null")]
    # behind the part that is looked at, the first of them is found all the same
    assert told({**full, "items": [*range(49), None]}, schema) == [("/items/*", "integer", "null")]


def test_a_proposal_admits_what_came_and_nothing_is_lost_of_several() -> None:
    answers = [
        {"id": None, "name": "Rex", "tags": [None]},
        {"id": "1", "kind": "cow", "owner": {"x": 1}},
        {"toys": {"a": None}, "name": "rex", "either": {}, "maybe": 5},
        {**GOOD, "tags": ["a"] * 9},
    ]
    found = [one for answer in answers for one in judged(answer)]
    patch = proposal(found)
    assert patch["properties"]["id"] == {"type": ["integer", "null", "string"]}
    assert patch["required"] == []
    assert patch["properties"]["tags"] == {"items": {"type": ["string", "null"]}, "maxItems": None}
    assert patch["properties"]["owner"] == {"additionalProperties": True}
    mended = merged(inlined(PET), patch)
    for answer in answers:
        assert jsonschema_rs.is_valid(mended, answer), answer
        assert not jsonschema_rs.is_valid(PET, answer)


def inlined(schema: Any) -> Any:
    return {**schema, "properties": {**schema["properties"], "owner": schema["$defs"]["Owner"]}}


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merged(out.get(name), value)
    return out


JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=4) | some.dictionaries(some.sampled_from([*PET["properties"], "x"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(answer=JSON)
def test_something_is_told_exactly_of_answers_that_do_not_keep_to_the_schema(answer: Any) -> None:
    keeps = jsonschema_rs.Draft202012Validator(PET).is_valid(answer)
    assert (told(answer) == []) is keeps


def test_names_of_the_document_are_told_in_a_form_that_is_fit_to_print() -> None:
    name = "a\n\x1b[31m\u202e" + "x" * 5_000
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": ["b\r\n"]}
    pointers = [pointer for pointer, _, _ in told({name: 1}, schema)]
    assert len(pointers) == 2
    assert all(pointer.isprintable() and len(pointer) < 200 for pointer in pointers), pointers


def test_what_is_told_of_a_schema_that_contains_itself_is_bounded_in_depth() -> None:
    node = {"type": "object", "properties": {"a": {"$ref": "#/$defs/N"}}, "required": ["b"]}
    answer: Any = {}
    for _ in range(300):
        answer = {"a": answer}
    found = judged(answer, {"$ref": "#/$defs/N", "$defs": {"N": node}})
    assert 0 < len(found) <= MOST_FOUND
    assert max(len(one.pointer) for one in found) < 200
    assert json.dumps(proposal(found))


def test_unions_of_unions_are_judged_in_bounded_work() -> None:
    node: dict[str, Any] = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/N"}}}
    union = {"anyOf": [dict(node, title=str(place)) for place in range(6)]}
    schema = {"anyOf": [{"$ref": "#/$defs/N"}], "$defs": {"N": union}}
    answer: Any = 5
    for _ in range(30):
        answer = {"a": answer}
    assert told(answer, schema) != []
