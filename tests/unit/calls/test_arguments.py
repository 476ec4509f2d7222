"""policy.arguments: what reaches a backend and what a model is told instead."""

import json
from typing import Any

import pytest

from apiloom.base.errors import CallerError, HouseFault
from apiloom.calls.call import Call, Outcome, Text
from apiloom.calls.policies.arguments import MOST_PROBLEMS, check_arguments, compile_validator, without_branches

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
    },
    "required": ["id"],
    "additionalProperties": False,
}


async def answer(arguments: dict[str, Any], schema: Any = SCHEMA) -> tuple[Outcome, list[Call]]:
    seen: list[Call] = []

    async def proceed(call: Call) -> Outcome:
        seen.append(call)
        return Outcome(content=(Text("done"),))

    policy = check_arguments("tag_pet", lambda: schema, ["id", "tags"])
    return await policy(proceed)(Call(tool="tag_pet", arguments=arguments)), seen


async def test_fitting_arguments_reach_the_backend_unchanged() -> None:
    outcome, seen = await answer({"id": 7, "tags": ["a"]})
    assert outcome.content == (Text("done"),)
    assert seen[0].arguments == {"id": 7, "tags": ["a"]}


async def test_every_problem_is_told_with_its_path_and_nothing_is_sent() -> None:
    outcome, seen = await answer({"tags": ["ok", "NO", 3]})
    text = outcome.content[0].text
    assert outcome.failed
    assert seen == []
    assert "tags/1" in text
    assert "tags/2" in text
    assert '"id" is a required property' in text
    assert outcome.meta["dev.apiloom/error"]["code"] == "policy.arguments.invalid"


async def test_an_unknown_argument_is_refused_with_the_accepted_list() -> None:
    outcome, seen = await answer({"id": 1, "colour": "red"})
    assert seen == []
    assert "unknown argument 'colour'" in outcome.content[0].text
    assert "accepted arguments are id, tags" in outcome.content[0].text


async def test_a_thousand_problems_are_cut_to_a_readable_number_and_counted() -> None:
    outcome, _ = await answer({"id": 1, "tags": list(range(1000))})
    text = outcome.content[0].text
    assert text.count("is not of type") == MOST_PROBLEMS
    assert f"and {1000 - MOST_PROBLEMS} more" in text


async def test_a_huge_argument_is_not_quoted_back_whole() -> None:
    outcome, _ = await answer({"id": "x" * 1_000_000})
    assert len(outcome.content[0].text) < 1000


def test_a_schema_of_ours_that_does_not_compile_is_our_fault() -> None:
    with pytest.raises(HouseFault) as caught:
        compile_validator("tag_pet", {"type": "no such type"})
    assert caught.value.code == "policy.arguments.schema"


async def test_a_catastrophic_pattern_ends() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {"type": "string", "pattern": "^(a+)+$"}},
        "additionalProperties": False,
    }
    outcome, seen = await answer({"id": "a" * 500_000 + "!"}, schema)
    assert outcome.failed
    assert seen == []


NODE = {
    "type": "object",
    "properties": {"id": {"$ref": "#/$defs/Node"}},
    "$defs": {
        "Node": {
            "anyOf": [
                {"type": "object", "properties": {"in": {"$ref": "#/$defs/Node"}}, "required": ["left"]},
                {"type": "object", "properties": {"in": {"$ref": "#/$defs/Node"}}, "required": ["right"]},
            ]
        }
    },
}


async def test_a_union_inside_a_union_is_told_as_one_problem_however_deep_it_nests() -> None:
    value: dict[str, Any] = {}
    for _ in range(40):
        value = {"in": value}
    outcome, seen = await answer({"id": value}, NODE)
    assert seen == []
    assert "has none of the forms that fit here" in outcome.content[0].text
    assert "apiloom.union" not in outcome.content[0].text


def test_what_a_value_is_told_by_admits_what_the_schema_admits_and_leaves_data_alone() -> None:
    schema = {
        "properties": {
            "anyOf": {"enum": [{"anyOf": [1]}]},
            "a": {"oneOf": [{"type": "null"}, {"const": {"oneOf": 2}}]},
        },
        "allOf": [{"anyOf": [{"required": ["a"]}, {"required": ["anyOf"]}]}],
    }
    strict, told = compile_validator("a", schema), compile_validator("a", without_branches(schema))
    cases: list[Any] = [{}, {"a": None}, {"a": {"oneOf": 2}}, {"a": 1}, {"anyOf": {"anyOf": [1]}}, {"anyOf": 1}]
    assert [told.is_valid(case) for case in cases] == [strict.is_valid(case) for case in cases]
    assert [told.is_valid(case) for case in cases] == [False, True, True, False, True, False]


async def test_of_very_large_arguments_the_first_problem_is_told() -> None:
    outcome, seen = await answer({"id": 1, "tags": list(range(200_000)), "colour": 1})
    text = outcome.content[0].text
    assert seen == []
    assert text.count("is not of type") == 1
    assert "tags/0" in text
    assert "unknown argument 'colour'" in text


async def test_arguments_too_deep_to_be_explained_are_refused_all_the_same() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    outcome, seen = await answer({"id": deep})
    assert seen == []
    assert outcome.failed
    assert "they nest too deeply" in outcome.content[0].text


async def test_half_a_character_is_no_fault_of_ours() -> None:
    schema = {"properties": {"id": {"enum": ["a", "b"]}}}
    with pytest.raises(CallerError, match="what JSON cannot say"):
        await answer({"id": "\ud800"}, schema)


NESTED = {
    "type": "object",
    "properties": {
        "size": {"type": "object", "properties": {"w": {"type": "integer"}}, "additionalProperties": False},
        "tags": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]},
        "text": {"type": "string"},
        "either": {"type": ["string", "object"]},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"size": '{"w": 1}', "text": '{"w": 1}'}, {"size": {"w": 1}, "text": '{"w": 1}'}),
        ({"size": ' {"w":1}\n', "either": "{}"}, {"size": {"w": 1}, "either": "{}"}),
        ({"tags": '[{"a": 1}]', "size": {}}, {"tags": [{"a": 1}], "size": {}}),
    ],
)
async def test_json_in_a_text_is_read_where_a_text_does_not_fit(given: Any, meant: Any) -> None:
    kept = json.loads(json.dumps(given))
    outcome, seen = await answer(given, NESTED)
    assert not outcome.failed
    assert [call.arguments for call in seen] == [meant]
    assert given == kept


@pytest.mark.parametrize(
    "given",
    [
        {"size": '{"w": "x"}'},
        {"size": "{w: 1}"},
        {"size": "1"},
        {"tags": '{"a": 1}'},
        {"tags": [{"a": 1}, '{"b": 2}']},
    ],
)
async def test_a_text_whose_json_does_not_fit_either_is_refused_as_it_stands(given: dict[str, Any]) -> None:
    outcome, seen = await answer(given, NESTED)
    assert seen == []
    assert outcome.failed
    assert next(iter(given)) in outcome.content[0].text
