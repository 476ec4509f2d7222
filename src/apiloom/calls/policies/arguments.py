"""``policy.arguments``: no call reaches a planner unless its arguments fit the tool's canonical schema.

Every problem is told, each with its path, so that a model can mend all of them at once. Validation follows JSON Schema
2020-12 and runs in compiled code; the validator is compiled on the first call of a tool, not when it is listed. What
does not fit only because an object or a list was written as text with JSON in it is read before it is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from apiloom.base import json, plugins
from apiloom.base.errors import CallerError, HouseFault
from apiloom.base.values import replace
from apiloom.calls.call import Call, Outcome, refusal
from apiloom.calls.ports import Policy, Proceed
from apiloom.catalog.patterns import engine
from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, IN_LIST, IN_MAP, IN_VALUE

MOST_PROBLEMS = 20
"""Problems told at most; a model mends the first ones before it can use the rest."""

MOST_CHARACTERS = 300
"""Characters of one problem; a message may quote the whole argument."""


_UNIONS = frozenset({"anyOf", "oneOf"})
_UNION = "apiloom.union."

MOST_VALUES = 2_000
"""Values of a call whose problems are all told. Larger arguments are told their first problem only: every error takes
a millisecond's share and quotes the value it is about."""

_CHARACTERS_PER_VALUE = 64


def check_arguments(tool: str, schema: Callable[[], Schema], accepted: Sequence[str]) -> Policy:
    """The policy for one tool. ``schema`` gives its closed canonical input schema when it is first needed."""
    validator: Any = None
    explainer: Any = None

    def policy(proceed: Proceed) -> Proceed:
        def arguments(call: Call) -> Awaitable[Outcome]:
            nonlocal validator
            if validator is None:
                validator = compile_validator(tool, schema())
            return proceed(call) if _is_valid(tool, validator, call.arguments) else unfit(call, proceed)

        return arguments

    async def unfit(call: Call, proceed: Proceed) -> Outcome:
        nonlocal explainer
        if explainer is None:
            explainer = compile_validator(tool, without_branches(schema()))
        errors = _errors(explainer, call.arguments)
        meant = _unpacked(call.arguments, errors)
        if meant is not None and validator.is_valid(meant):
            return await proceed(replace(call, arguments=meant))
        return refusal(_told(tool, errors, call.arguments, accepted))

    return policy


def without_branches(schema: Schema) -> Schema:
    """The schema with each union behind two negations: it admits the same and is told as one problem.

    The validator explains a failed union by every problem of every member, and that of unions inside them: minutes and
    gigabytes for a value that nests a dozen levels. Whether one fits it remembers, which is all that is told of it.
    """
    unions: dict[str, Schema] = {}

    def plain(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        out: dict[str, Any] = {}
        for keyword, value in node.items():
            if keyword in IN_MAP and isinstance(value, dict):
                out[keyword] = {name: plain(part) for name, part in value.items()}
            elif keyword in IN_VALUE:
                out[keyword] = plain(value)
            elif keyword in IN_LIST and isinstance(value, list):
                out[keyword] = [plain(part) for part in value]
            else:
                out[keyword] = value
        for keyword in _UNIONS & out.keys():
            name = f"{_UNION}{len(unions)}"
            unions[name] = {keyword: out.pop(keyword)}
            out["allOf"] = [*out.get("allOf", ()), {"not": {"not": {"$ref": DEFS + name}}}]
        return out

    told = plain(schema)
    return {**told, "$defs": {**told.get("$defs", {}), **unions}} if unions else told


def compile_validator(tool: str, schema: Schema) -> Any:
    """A compiled JSON Schema 2020-12 validator.

    Raises:
        HouseFault: ``policy.arguments.schema`` when our own canonical schema does not compile.
    """
    rust = plugins.load("jsonschema_rs")
    try:
        return rust.Draft202012Validator(schema, pattern_options=engine())
    except (ValueError, rust.ReferencingError) as error:
        raise HouseFault(
            f"the schema of {tool} does not compile", code="policy.arguments.schema", cause=str(error)[:MOST_CHARACTERS]
        ) from error


def _is_valid(tool: str, validator: Any, arguments: dict[str, Any]) -> bool:
    try:
        return bool(validator.is_valid(arguments))
    except ValueError as error:
        raise CallerError(
            f"{tool} was not called, its arguments hold what JSON cannot say ({type(error).__name__})",
            code="policy.arguments.invalid",
            hint="send text of whole characters and finite numbers",
        ) from None


def _unpacked(arguments: dict[str, Any], errors: Sequence[Any]) -> dict[str, Any] | None:
    """The arguments with JSON read out of texts that do not fit, or None where there is nothing of the kind.

    Models often encode an object twice. A text that fits stays text, whatever stands in it, and the result is checked
    like any other.
    """
    meant = arguments
    for error in errors:
        path = list(error.instance_path)
        text = error.instance
        if path and isinstance(text, str) and text.lstrip().startswith(("{", "[")):
            try:
                meant = _with(meant, path, json.loads(text.encode()))
            except (ValueError, TypeError, LookupError):
                continue
    return None if meant is arguments else meant


def _with(value: Any, path: Sequence[Any], inner: Any) -> Any:
    """The value with another at a path; what lies beside the path is shared, nothing is changed in place."""
    if not path:
        return inner
    copied = value.copy()
    copied[path[0]] = _with(value[path[0]], path[1:], inner)
    return copied


def _told(tool: str, errors: Sequence[Any], arguments: dict[str, Any], accepted: Sequence[str]) -> CallerError:
    known = frozenset(accepted)
    problems: list[str] = []
    unknown = [name for name in arguments if name not in known]
    more = 0
    for error in errors:
        path = "/".join(str(part) for part in error.instance_path)
        if not path and error.kind.name == "additionalProperties":
            continue
        if len(problems) == MOST_PROBLEMS:
            more += 1
            continue
        problems.append(f"{path or 'arguments'}: {_sentence(error)}")
    if unknown:
        listed = ", ".join(_short(repr(name)) for name in unknown[:MOST_PROBLEMS])
        problems.append(f"unknown {'argument' if len(unknown) == 1 else 'arguments'} {listed}")
    if more:
        problems.append(f"and {more} more")
    takes = ", ".join(accepted) if accepted else "none"
    return CallerError(
        f"{tool} was not called, its arguments are not right: {'; '.join(problems) or 'they nest too deeply'}",
        code="policy.arguments.invalid",
        hint=f"accepted arguments are {takes}",
    )


def _errors(explainer: Any, arguments: dict[str, Any]) -> list[Any]:
    """All errors of small arguments, the first one of large ones; none where they nest too deeply to be shown."""
    try:
        if _is_small(arguments):
            return list(explainer.iter_errors(arguments))
        explainer.validate(arguments)
    except plugins.load("jsonschema_rs").ValidationError as error:
        return [error]
    except ValueError:
        return []
    return []


def _is_small(arguments: dict[str, Any]) -> bool:
    left = MOST_VALUES
    waiting: list[Any] = [arguments]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            left -= sum(map(len, value)) // _CHARACTERS_PER_VALUE
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, str):
            left -= len(value) // _CHARACTERS_PER_VALUE
        left -= 1
        if left < len(waiting):
            return False
    return True


def _sentence(error: Any) -> str:
    kind = error.kind
    if kind.name == "not" and isinstance(kind.schema, dict) and _UNION in str(kind.schema.get("not", "")):
        return f"{_short(json.dumps(error.instance).decode())} has none of the forms that fit here"
    return _short(error.message)


def _short(message: str) -> str:
    return message if len(message) <= MOST_CHARACTERS else message[: MOST_CHARACTERS - 1] + "…"
