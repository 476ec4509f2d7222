"""``policy.arguments``: no call reaches a planner unless its arguments fit the tool's canonical schema.

Every problem is told, each with its path, so that a model can mend all of them at once. Validation follows JSON Schema
2020-12 and runs in compiled code; the validator is compiled on the first call of a tool, not when it is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apiloom.base import plugins
from apiloom.base.errors import CallerError, HouseFault
from apiloom.calls.call import Call, Outcome, refusal
from apiloom.calls.ports import Policy, Proceed
from apiloom.model.api import Schema

MOST_PROBLEMS = 20
"""Problems told at most; a model mends the first ones before it can use the rest."""

MOST_CHARACTERS = 300
"""Characters of one problem; a message may quote the whole argument."""


def check_arguments(tool: str, schema: Callable[[], Schema], accepted: Sequence[str]) -> Policy:
    """The policy for one tool. ``schema`` gives its closed canonical input schema when it is first needed."""
    validator: Any = None

    async def arguments(call: Call, proceed: Proceed) -> Outcome:
        nonlocal validator
        if validator is None:
            validator = compile_validator(tool, schema())
        if validator.is_valid(call.arguments):
            return await proceed(call)
        return refusal(_told(tool, validator, call.arguments, accepted))

    return arguments


def compile_validator(tool: str, schema: Schema) -> Any:
    """A compiled JSON Schema 2020-12 validator.

    Raises:
        HouseFault: ``policy.arguments.schema`` when our own canonical schema does not compile.
    """
    rust = plugins.load("jsonschema_rs")
    try:
        return rust.Draft202012Validator(schema, pattern_options=rust.FancyRegexOptions(backtrack_limit=100_000))
    except (ValueError, rust.ReferencingError) as error:
        raise HouseFault(
            f"the schema of {tool} does not compile", code="policy.arguments.schema", cause=str(error)[:MOST_CHARACTERS]
        ) from error


def _told(tool: str, validator: Any, arguments: dict[str, Any], accepted: Sequence[str]) -> CallerError:
    problems: list[str] = []
    unknown = [name for name in arguments if name not in accepted]
    more = 0
    for error in validator.iter_errors(arguments):
        path = "/".join(str(part) for part in error.instance_path)
        if not path and error.kind.name == "additionalProperties":
            continue
        if len(problems) == MOST_PROBLEMS:
            more += 1
            continue
        problems.append(f"{path or 'arguments'}: {_short(error.message)}")
    if unknown:
        listed = ", ".join(_short(repr(name)) for name in unknown[:MOST_PROBLEMS])
        problems.append(f"unknown {'argument' if len(unknown) == 1 else 'arguments'} {listed}")
    if more:
        problems.append(f"and {more} more")
    takes = ", ".join(accepted) if accepted else "none"
    return CallerError(
        f"{tool} was not called, its arguments are not right: {'; '.join(problems)}",
        code="policy.arguments.invalid",
        hint=f"accepted arguments are {takes}",
    )


def _short(message: str) -> str:
    return message if len(message) <= MOST_CHARACTERS else message[: MOST_CHARACTERS - 1] + "…"
