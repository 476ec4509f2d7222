"""policy.arguments: what reaches a backend and what a model is told instead."""

from typing import Any

import pytest

from apiloom.base.errors import HouseFault
from apiloom.calls.call import Call, Outcome, Text
from apiloom.calls.policies.arguments import MOST_PROBLEMS, check_arguments, compile_validator

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
    return await policy(Call(tool="tag_pet", arguments=arguments), proceed), seen


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
        "properties": {"id": {"type": "string", "pattern": r"^(a+)+(?=b)\1$"}},
        "additionalProperties": False,
    }
    outcome, seen = await answer({"id": "a" * 5000 + "!"}, schema)
    assert outcome.failed
    assert seen == []
